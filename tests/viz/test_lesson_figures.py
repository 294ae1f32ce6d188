"""The pictures that the lessons share."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import markone as mo
from markone import nn, viz


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_network_has_every_unit_and_weight():
    net = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid(), nn.Linear(2, 1))
    worked = mo.explain((net(mo.ones(1, 3)) ** 2).sum(), quiet=True)
    figure = viz.network(worked, "title")
    shown = texts(figure)
    assert {str(n) for n in range(1, 7)} <= set(shown)
    for name in ("w14", "w25", "w56"):
        value = f"{worked.weight(name).value:.3f}".replace("-", "−")
        assert any(text.startswith(f"{name} {value}\n") for text in shown)
    links = figure.axes[0].lines
    assert len(links) == 8
    # No two labels stand on each other.
    places = np.array(
        [text.get_position() for text in figure.axes[0].texts if text.get_text().startswith("w")]
    )
    apart = np.abs(places[:, None] - places[None]) / [0.4, 0.2]
    assert (apart.max(-1) + 9 * np.eye(len(places)) > 1).all()


def test_network_wants_units():
    x = mo.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="network: got 0 units"):
        viz.network(mo.explain(x.sum(), quiet=True))


def test_images():
    figure = viz.images(np.zeros((3, 4, 4)), ["a", "b", "c"], columns=2)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", ""]
    signed = viz.images(mo.tensor([[[-1.0, 2.0]]]), symmetric=True).axes[0].images[0]
    assert signed.get_clim() == (-2.0, 2.0)
    named = viz.images({"a": mo.zeros(3, 5, 4), "b": np.ones((1, 2, 2))}, limits=(0, 1), colours="magma")
    assert [axes.get_title() for axes in named.axes] == ["a", "b"]
    assert named.axes[0].images[0].get_array().shape == (5, 4, 3)
    assert named.axes[1].images[0].get_clim() == (0, 1)
    for shape in ((4,), (2, 5, 5), (0, 4), (1, 3, 4, 4)):
        with pytest.raises(ValueError, match="images: got a picture of shape"):
            viz.images([np.zeros(shape)])
    with pytest.raises(ValueError, match="images: got 0 pictures"):
        viz.images([])
    with pytest.raises(ValueError, match="images: got 1 pictures and 2 titles"):
        viz.images(np.zeros((1, 2, 2)), ["a", "b"])


def test_panels():
    figure = viz.panels(
        {"one": {"f": [1, 2], "g": ([0, 2], [3, 4])}, "two": {"f": [0, 1]}}, "z", dots={"two": ([0], [1])}
    )
    one, two = figure.axes
    assert [line.get_label() for line in one.lines] == ["f", "g"]
    assert list(one.lines[1].get_xdata()) == [0, 2]
    assert two.get_title(loc="left") == "two" and len(two.collections) == 1
    with pytest.raises(ValueError, match="panels: got no picture"):
        viz.panels({})


def test_code_history():
    history = np.random.default_rng(0).random((5, 8, 3))
    figure = viz.code_history(history, [f"p{i}" for i in range(8)], every=10)
    assert len(figure.axes) == 8
    code = "".join(str(int(v)) for v in history[-1, 2].round())
    assert figure.axes[2].get_title(loc="left") == f"p2 → {code}"
    assert list(figure.axes[0].lines[1].get_ydata()) == list(history[:, 0, 1])
    assert list(figure.axes[0].lines[0].get_xdata()) == [0, 10, 20, 30, 40]
    with pytest.raises(ValueError, match="code_history: got shape"):
        viz.code_history(np.zeros((2, 3)))


def test_layer_variances_are_those_of_the_layers():
    net = nn.Sequential(nn.Linear(6, 50), nn.Tanh(), nn.Linear(50, 40), nn.Tanh()).double()
    x = mo.randn(30, 6, dtype=mo.float64)
    forward, backward = viz.layer_variances(net, x)
    w1, b1, w2, b2 = (p.detach().numpy() for p in net.parameters())
    h = np.tanh(x.numpy() @ w1.T + b1)
    out = np.tanh(h @ w2.T + b2)
    assert forward == pytest.approx([h.var(ddof=1), out.var(ddof=1)])
    down = out / 30
    assert backward == pytest.approx([((down * (1 - out**2)) @ w2).var(ddof=1), down.var(ddof=1)])
    assert all(p.grad is None for p in net.parameters())
    figure = viz.activation_variance({"rule": (forward, backward)})
    assert list(figure.axes[0].lines[0].get_ydata()) == forward
    with pytest.raises(ValueError, match="activation_variance: got no network"):
        viz.activation_variance({})


def test_loss_slice_is_the_loss_there_and_leaves_the_network_alone():
    net = nn.Linear(3, 2).double()
    x = mo.randn(5, 3, dtype=mo.float64)
    before = [p.detach().numpy().copy() for p in net.parameters()]
    found = viz.loss_slice(net, lambda: (net(x) ** 2).sum().item(), 0.5, 5, seed=3)
    assert all((p.detach().numpy() == b).all() for p, b in zip(net.parameters(), before))
    assert found.values[2, 2] == pytest.approx(float((net(x) ** 2).sum().item()))
    # A parabola in each direction, as the network is linear; rows as long as the weight's.
    assert np.diff(found.values, 3, axis=0) == pytest.approx(0, abs=1e-9)
    directions = ([np.ones((2, 3)), np.zeros(2)], [np.zeros((2, 3)), np.ones(2)])
    along = viz.loss_slice(net, lambda: (net(x) ** 2).sum().item(), 1.0, 3, directions=directions)
    w, b = before
    assert along.values[0, 2] == pytest.approx(((x.numpy() @ (w + 1).T + b - 1) ** 2).sum())
    figure = viz.loss_landscape({"a": found, "b": along}, "title")
    assert len(figure.axes) == 5
    with pytest.raises(ValueError, match="loss_slice: got points 2"):
        viz.loss_slice(net, lambda: 0.0, points=2)


def test_descents_and_trials():
    way = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    figure = viz.descents(lambda x, y: x * x + y * y, {"GD": way, "Adam": way[::-1]})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["GD", "Adam"]
    assert list(figure.axes[0].lines[0].get_xdata()) == [0, 1, 2]
    with pytest.raises(ValueError, match="descents: got no way"):
        viz.descents(lambda x, y: x, {})

    space = {"x": mo.tune.Uniform(0, 1), "f": mo.tune.Choice("tanh", "relu")}
    study = mo.tune.Study(lambda x, f: x + (f == "relu"), space).random(6)
    panels = viz.trials(study).axes
    assert [axes.get_xlabel() for axes in panels] == ["x", "f"]
    assert panels[0].collections[1].get_offsets()[0].tolist() == pytest.approx(
        [study.best.values["x"], study.best.score]
    )
    with pytest.raises(ValueError, match="trials: got a study without a score"):
        viz.trials(mo.tune.Study(lambda x, f: 0, space))
