"""`mo.explain`, `mo.graph` and the step-through backward pass, against numbers worked by hand or by NumPy."""

import io
import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import markone as mo
from markone.nn import functional as F


def worked_example():
    """Inputs (1, 0, 1), target 1, two hidden sigmoid units, one output."""
    net = mo.nn.Sequential(mo.nn.Linear(3, 2), mo.nn.Sigmoid(), mo.nn.Linear(2, 1), mo.nn.Sigmoid())
    given = [[[0.2, 0.4, -0.5], [-0.3, 0.1, 0.2]], [-0.4, 0.2], [[-0.3, -0.2]], [0.1]]
    for parameter, values in zip(net.parameters(), given):
        parameter.data.copy_(mo.tensor(values))
    return net, 0.5 * ((net(mo.tensor([[1.0, 0.0, 1.0]])) - 1.0) ** 2).sum()


Z = {4: -0.7, 5: 0.1, 6: -0.1045}
A = {4: 0.332, 5: 0.525, 6: 0.474}
DELTA = {6: 0.1312, 5: -0.0065, 4: -0.0087}
AFTER = {
    "w46": -0.261, "w56": -0.138, "w14": 0.192, "w24": 0.4, "w34": -0.508, "w15": -0.306,
    "w25": 0.1, "w35": 0.194, "b4": -0.408, "b5": 0.194, "b6": 0.218,
}  # fmt: skip


def table(text, title):
    """The rows of one printed table, by their first cell."""
    block = text[text.index(title) :].split("\n\n")[0].splitlines()[2:]
    return {row.split()[0]: row.split() for row in block}


def check_units(text):
    forward, backward = table(text, "forward:"), table(text, "backward:")
    for unit, z in Z.items():
        row = forward[str(unit)]
        assert float(row[1]) == pytest.approx(z, abs=5e-4) and row[2] == "sigmoid"
        assert round(float(row[3]), 3) == A[unit]
        assert float(backward[str(unit)][1]) == DELTA[unit]


def test_the_worked_example_prints_its_numbers(capsys):
    _, loss = worked_example()
    e = mo.explain(loss, lr=0.9)
    text = capsys.readouterr().out
    assert text == e.text()
    check_units(text)
    rows = table(text, "weights:")
    # Rounded from four decimals, so within one half of the third and of the fourth; w15 is -0.30587.
    assert {name: round(float(row[4]), 3) for name, row in rows.items()} == AFTER
    assert "z4 = 0.2·1 + 0.4·0 − 0.5·1 − 0.4" in text
    assert "δ6 = f′(z6) · (−∂L/∂a6) = 0.2493 · 0.5261" in text
    assert e.unit(6).delta[0] == pytest.approx(0.1312, abs=5e-5)
    assert e.weight("w46").value == pytest.approx(-0.3)


def test_after_a_step_the_text_shows_what_the_optimiser_did():
    net, loss = worked_example()
    e = mo.explain(loss, quiet=True)
    assert "new value" not in e.text()
    loss.backward()
    mo.optim.SGD(net.parameters(), lr=0.9).step()
    rows = table(e.text(), "weights:")
    assert {name: round(float(row[4]), 3) for name, row in rows.items()} == AFTER
    assert "what the optimiser did" in e.text() and e.weight("b6").now() == pytest.approx(0.218, abs=5e-4)
    check_units(e.text())


def test_no_grad_is_touched_and_backward_still_works():
    net, loss = worked_example()
    mo.explain(loss, quiet=True)
    assert all(p.grad is None for p in net.parameters())
    loss.backward()
    with pytest.raises(RuntimeError, match="freed already"):
        mo.explain(loss, quiet=True)


def test_a_product_by_a_matrix_and_a_bias_is_a_layer_too():
    net, _ = worked_example()
    w1, b1, w2, b2 = net.parameters()
    columns = w1.detach().T.clone().requires_grad_()  # [in, out], as in x @ W + b
    x = mo.tensor([[1.0, 0.0, 1.0]])
    out = ((x @ columns + b1).sigmoid() @ w2.T + b2).sigmoid()
    e = mo.explain(0.5 * (out - 1.0).square().sum(), lr=0.9, quiet=True)
    check_units(e.text())
    assert {n: round(float(r[4]), 3) for n, r in table(e.text(), "weights:").items()} == AFTER


def test_the_tanh_net_with_two_hidden_layers_against_numpy():
    """½(y − t)² over a batch: δ = ∂L/∂z, weight and bias gradients by the textbook's recursion."""
    rng = np.random.default_rng(0)
    sizes = (3, 4, 2, 1)
    net = mo.nn.Sequential()
    for k, (n, m) in enumerate(itertools.pairwise(sizes)):
        net.add_module(f"layer{k}", mo.nn.Linear(n, m))
        net.add_module(f"tanh{k}", mo.nn.Tanh())
    net.double()
    x, t = rng.standard_normal((5, 3)), rng.standard_normal((5, 1))
    loss = 0.5 * ((net(mo.from_numpy(x)) - mo.from_numpy(t)) ** 2).sum()
    e = mo.explain(loss, delta="gradient", names=net, quiet=True)
    weights = [p.detach().numpy() for p in net.parameters()]
    outputs = [x]
    for w, b in zip(weights[::2], weights[1::2]):
        outputs.append(np.tanh(outputs[-1] @ w.T + b))
    d = (outputs[-1] - t) * (1 - outputs[-1] ** 2)
    for k in (2, 1, 0):
        layer = e.layers[k]
        np.testing.assert_allclose(layer.dz, d, atol=1e-12)
        np.testing.assert_allclose(layer.dw, d.T @ outputs[k], atol=1e-12)
        np.testing.assert_allclose(layer.db, d.sum(0), atol=1e-12)
        np.testing.assert_allclose(layer.z, np.arctanh(outputs[k + 1]), atol=1e-9)
        d = (d @ weights[2 * k]) * (1 - outputs[k] ** 2)
    assert len(e.units) == 10 and e.weight("w9,10").value == pytest.approx(weights[4][0, 1])
    assert [layer.name for layer in e.layers] == ["layer0", "layer1", "layer2"]
    assert e.unit(10).delta.shape == (5,)
    assert "rows" not in mo.explain(loss, quiet=True, limit=1000).text()


def test_the_chain_of_four_linear_units():
    """∂C/∂w3 = a4·w2·w1·w0·2(a0 − y), the units counted from the output back."""
    w = [mo.tensor([[v]], requires_grad=True) for v in (0.5, -1.5, 2.0, 0.8)]
    x, y = 1.7, 0.3
    a = mo.tensor([[x]])
    for weight in reversed(w):
        a = F.linear(a, weight)
    e = mo.explain(((a - y) ** 2).sum(), quiet=True)
    a0 = x * 0.5 * -1.5 * 2.0 * 0.8
    want = x * 2.0 * -1.5 * 0.5 * 2 * (a0 - y)
    assert e.weight("w12").gradient == pytest.approx(want, rel=1e-6)
    assert e.unit(2).activation == "identity" and e.unit(2).z[0] == pytest.approx(x * 0.8)


def test_a_bias_that_does_not_learn_is_not_silently_left_out():
    net, _ = worked_example()
    net[0].bias.requires_grad_(False)
    e = mo.explain(net(mo.tensor([[1.0, 0.0, 1.0]])).sum(), quiet=True)
    assert e.unit(4).z is None and e.unit(4).a[0] == pytest.approx(0.3318, abs=1e-4)
    assert "not kept" in e.text()


def test_other_networks_have_a_row_a_tensor():
    mo.manual_seed(0)
    net = mo.nn.Sequential(
        mo.nn.Conv2d(1, 2, 3), mo.nn.ReLU(), mo.nn.MaxPool2d(2), mo.nn.Flatten(), mo.nn.Linear(8, 3)
    )
    loss = F.cross_entropy(net(mo.rand(2, 1, 6, 6)), mo.tensor([0, 2]))
    out = io.StringIO()
    e = mo.explain(loss, names=net, file=out)
    text = out.getvalue()
    assert "conv2d" in text and "0.weight" in text and len(e.units) == 11
    np.testing.assert_allclose(e.layers[0].dz.sum(), 0, atol=1e-6)
    ElementTree.fromstring(e.graph.svg())


def test_pictures_are_whole_and_carry_the_numbers(tmp_path):
    _, loss = worked_example()
    e = mo.explain(loss, lr=0.9, quiet=True)
    svg = e.svg()
    ElementTree.fromstring(svg)
    assert "w46 -0.300 → -0.261" in svg and "δ -0.0087" in svg and "a = sigmoid(z) = 0.4739" in svg
    for ending in ("svg", "html", "mmd", "dot", "txt"):
        e.save(tmp_path / f"e.{ending}")
        e.graph.save(tmp_path / f"g.{ending}")
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    with pytest.raises(ValueError, match=r"wants \.svg, \.html"):
        e.save(tmp_path / "e.pdf")


def test_graph_lists_operations_leaves_shapes_and_saved_arrays():
    net, loss = worked_example()
    g = mo.graph(loss, net)
    assert [n.label for n in g.leaves] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    linear = next(n for n in g.nodes if n.label == "linear")
    assert linear.shape == (1, 2) and linear.dtype is mo.float32 and linear.kind == "operation"
    assert [n.label for n in g.inputs_of(linear)] == ["0.weight", "0.bias"]
    assert [(s.shape, s.origin) for s in linear.saved] == [((1, 3), "input 0")]
    assert all(e.source < e.target for e in g.edges) and g.nodes[-1].shape == ()
    assert "n2[" in g.mermaid() and "n2 -> n3" in g.dot() and "0.weight" in str(g)
    assert all(p.grad is None for p in net.parameters())
    loss.backward()
    assert len(mo.graph(loss, net).nodes) == len(g.nodes)  # only shapes are lost


def test_graph_of_several_results_and_of_a_tensor_with_names():
    x = mo.rand(4, 3).requires_grad_()
    values, _ = x.max(dim=1)
    parts = x.split(2)
    g = mo.graph((values.sum() + parts[0].sum() * parts[1].sum()), {"x": x})
    assert g.leaves[0].label == "x" and ElementTree.fromstring(g.svg()) is not None
    with pytest.raises(RuntimeError, match="graph: a tensor of shape"):
        mo.graph(mo.ones(2))
    with pytest.raises(TypeError, match="graph: wants a Tensor"):
        mo.graph(3)


def network_loss():
    mo.manual_seed(1)
    net = mo.nn.Sequential(mo.nn.Linear(4, 5), mo.nn.ReLU(), mo.nn.Linear(5, 3))
    x = mo.rand(6, 4)
    h = net(x)
    return net, F.cross_entropy(h, mo.tensor([0, 1, 2, 0, 1, 2])) + (h * h).mean()


def test_stepping_gives_the_bits_of_backward():
    net, loss = network_loss()
    order = []
    for step in mo.autograd.step_backward(loss):
        order.append(step.op)
        assert all(p.grad is None for p in net.parameters())  # until the iterator's end
        assert mo.is_grad_enabled()
        assert len(step.outgoing) == len(step.targets)
    stepped = [p.grad.numpy().tobytes() for p in net.parameters()]
    other, loss = network_loss()
    loss.backward()
    assert stepped == [p.grad.numpy().tobytes() for p in other.parameters()]
    assert order[0] == "add" and order[-1] == "linear" and order.count("linear") == 2


def test_a_step_says_what_came_and_what_goes():
    x = mo.tensor([2.0, 3.0], requires_grad=True)
    steps = list(mo.autograd.step_backward((x * x).sum(), retain_graph=True, accumulate=False))
    assert [s.op for s in steps] == ["sum", "mul"] and [s.number for s in steps] == [1, 2]
    assert steps[1].incoming.tolist() == [1.0, 1.0]
    assert [g.tolist() for g in steps[1].outgoing] == [[2.0, 3.0], [2.0, 3.0]]
    assert "step 2: mul gets [1, 1]" in str(steps[1]) and "(a leaf) gets [2, 3]" in str(steps[1])
    assert x.grad is None


def test_leaving_early_changes_no_grad_and_hooks_run():
    x = mo.tensor([2.0], requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    for _ in mo.autograd.step_backward((y * 2).sum(), retain_graph=True):
        break
    assert x.grad is None
    y = x * 3
    y.register_hook(lambda g: g * 10)
    list(mo.autograd.step_backward((y * 2).sum()))
    assert x.grad.tolist() == [61.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mo.explain(mo.ones(1)), "explain: the loss requires no gradient"),
        (
            lambda: mo.explain(mo.ones(2).requires_grad_()),
            "explain: wants a loss of one element",
        ),
        (lambda: mo.autograd.step_backward(mo.ones(1)), "step_backward: a tensor of shape"),
        (lambda: mo.explain(worked_example()[1], delta="up", quiet=True), "explain: got delta='up'"),
        (
            lambda: mo.explain(worked_example()[1], quiet=True).unit(9),
            "explain: got unit 9, there are 1",
        ),
        (lambda: mo.explain(worked_example()[1], quiet=True).weight("w99"), "there is no weight 'w99'"),
    ],
)
def test_what_cannot_be_explained_is_named(call, text):
    with pytest.raises((RuntimeError, ValueError), match=text):
        call()


def test_the_page_runs(monkeypatch, tmp_path, capsys):
    page = Path(__file__).parents[2] / "docs" / "explain.md"
    if not page.exists():
        pytest.skip("docs/ is not in the source package")
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in page.read_text(encoding="utf-8").split("```python\n")[1:]:
        exec(block.split("```")[0], scope)
    assert "b6       0.1000   -0.1312   0.1181     0.2181" in capsys.readouterr().out
    assert (tmp_path / "worked.html").exists()
