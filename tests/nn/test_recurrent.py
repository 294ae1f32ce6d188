"""RNN, LSTM, GRU, their cells and packed sequences against PyTorch: values, states and all gradients."""

import itertools

import numpy as np
import pytest

import markone as mo
from markone import nn
from markone.nn.utils import rnn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
LAYERS = ["RNN", "LSTM", "GRU"]


def rand(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def pair(cls, *args, dtype="float64", **kw):
    """The same layer in both libraries, with the same names, shapes and values of the parameters."""
    ours = getattr(nn, cls)(*args, dtype=getattr(mo, dtype), **kw)
    theirs = getattr(torch.nn, cls)(*args, dtype=getattr(torch, dtype), **kw)
    shapes = [[(k, tuple(v.shape)) for k, v in m.state_dict().items()] for m in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    return ours, theirs


def flat(x):
    return [t for y in x for t in flat(y)] if isinstance(x, tuple | list) else [x]


def compare(ours, theirs, call, arrays, their_call=None, tolerance=1e-10):
    """call(module, tensors, rnn) in both; the outputs and every gradient of their weighted sum are alike."""
    results = []
    their_call = their_call or call
    for lib, module, function, tools in (
        (mo, ours, call, rnn),
        (torch, theirs, their_call, torch.nn.utils.rnn),
    ):
        tensors = [lib.tensor(a).requires_grad_() for a in arrays]
        outs = flat(function(module, tensors, tools))
        total = 0
        for i, y in enumerate(outs):
            weights = lib.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)
            total = total + (y * weights).sum() * (i + 1)
        total.backward()
        results.append([*outs, *(t.grad for t in tensors), *(p.grad for p in module.parameters())])
    assert len(results[0]) == len(results[1])
    for i, (a, b) in enumerate(zip(*results)):
        a, b = a.detach().numpy(), b.detach().numpy()
        assert a.shape == b.shape, i
        scale = max(1.0, float(np.abs(b).max(initial=0)))
        np.testing.assert_allclose(a, b, atol=tolerance * scale, rtol=tolerance, err_msg=str(i))


def states(cls, *shape, proj=0):
    out = [rand(*shape[:-1], proj or shape[-1], seed=1)]
    return out + [rand(*shape, seed=2)] if cls == "LSTM" else out


def hx_of(cls, tensors):
    return (None if not tensors else tuple(tensors)) if cls == "LSTM" else (tensors[0] if tensors else None)


OPTIONS = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"num_layers": 3, "bias": False},
]


@pytest.mark.parametrize("cls", LAYERS)
@pytest.mark.parametrize("kw", OPTIONS, ids=str)
@pytest.mark.parametrize("how", ["plain", "packed", "lengths"])
def test_layers(cls, kw, how):
    steps, batch, size, hidden, lengths = 5, 4, 3, 6, [2, 5, 1, 5]
    first = kw.get("batch_first", False)
    extras = [{}]
    if cls == "LSTM":
        extras.append({"proj_size": 4})
    if cls == "RNN":
        extras.append({"nonlinearity": "relu"})
    for extra, with_state in itertools.product(extras, (False, True)):
        ours, theirs = pair(cls, size, hidden, **kw, **extra)
        count = kw.get("num_layers", 1) * (1 + kw.get("bidirectional", False))
        x = rand(batch, steps, size) if first else rand(steps, batch, size)
        arrays = [
            x,
            *(states(cls, count, batch, hidden, proj=extra.get("proj_size", 0)) if with_state else []),
        ]

        def plain(m, t, tools, cls=cls):
            return m(t[0], hx_of(cls, t[1:]))

        def packed(m, t, tools, cls=cls):
            y, final = m(
                tools.pack_padded_sequence(t[0], lengths, first, enforce_sorted=False), hx_of(cls, t[1:])
            )
            return tools.pad_packed_sequence(y, first)[0], final

        def masked(m, t, tools, cls=cls):
            return m(t[0], hx_of(cls, t[1:]), lengths=mo.tensor(lengths))

        if how == "plain":
            compare(ours, theirs, plain, arrays)
        else:
            compare(ours, theirs, packed if how == "packed" else masked, arrays, packed)


@pytest.mark.parametrize("cls", LAYERS)
def test_float32_of_a_usual_size(cls):
    ours, theirs = pair(cls, 20, 65, 2, bidirectional=True, dtype="float32")
    x = rand(9, 37, 20).astype(np.float32)
    compare(ours, theirs, lambda m, t, tools: m(t[0]), [x], tolerance=5e-5)


@pytest.mark.parametrize("cls", LAYERS)
@pytest.mark.parametrize("first", [False, True])
def test_unbatched(cls, first):
    ours, theirs = pair(cls, 3, 5, 2, batch_first=first, bidirectional=True)
    arrays = [rand(4, 3), *(s[:, 0] for s in states(cls, 4, 1, 5))]
    compare(ours, theirs, lambda m, t, tools: m(t[0], hx_of(cls, t[1:])), arrays)
    compare(ours, theirs, lambda m, t, tools: m(t[0]), arrays[:1])


@pytest.mark.parametrize("cls", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4,), ()])
def test_cells(cls, bias, shape):
    for extra in [{}, {"nonlinearity": "relu"}] if cls == "RNNCell" else [{}]:
        ours, theirs = pair(cls, 3, 5, bias, **extra)
        arrays = [rand(*shape, 3), *states(cls[:-4], *shape, 5)]
        compare(ours, theirs, lambda m, t, tools: m(t[0], hx_of(cls[:-4], t[1:])), arrays)
        compare(ours, theirs, lambda m, t, tools: m(t[0]), arrays[:1])


@pytest.mark.parametrize(
    "layer, cell, options",
    [("LSTM", "LSTMCell", {"activation": "sigmoid"}), ("GRU", "GRUCell", {"reset_after": False})],
)
def test_own_options_agree_with_a_loop_of_cells(layer, cell, options):
    whole, one = (
        getattr(nn, layer)(3, 5, dtype=mo.float64, **options),
        getattr(nn, cell)(3, 5, dtype=mo.float64, **options),
    )
    one.load_state_dict({k[:-3]: v for k, v in whole.state_dict().items()})
    x = mo.tensor(rand(6, 4, 3))
    y, _ = whole(x)
    state, outs = None, []
    for row in x:
        state = one(row, state)
        outs.append(state[0] if layer == "LSTM" else state)
    np.testing.assert_allclose(y.detach().numpy(), mo.stack(outs).detach().numpy(), atol=1e-13)
    (y * y).sum().backward()
    (mo.stack(outs) ** 2).sum().backward()
    for key, p in one.named_parameters():
        np.testing.assert_allclose(getattr(whole, f"{key}_l0").grad.numpy(), p.grad.numpy(), atol=1e-11)


@pytest.mark.parametrize("cls", LAYERS)
def test_a_row_does_not_depend_on_the_batch(cls):
    layer = getattr(nn, cls)(7, 33, bidirectional=True)
    x = mo.tensor(rand(6, 40, 7).astype(np.float32))
    lengths = list(1 + np.arange(40) % 6)
    whole, alone = layer(x)[0], layer(x[:, 17:18])[0]
    assert (whole[:, 17:18] == alone).all()
    masked = layer(x, lengths=lengths)[0]
    assert (masked[: lengths[8], 8:9] == layer(x[: lengths[8], 8:9])[0]).all()
    assert not masked[lengths[8] :, 8].any()


def test_dropout_between_layers():
    mo.manual_seed(3)
    layer = nn.LSTM(4, 8, 2, dropout=0.5)
    x = mo.tensor(rand(5, 3, 4).astype(np.float32))
    mo.manual_seed(7)
    a = layer(x)[0]
    mo.manual_seed(7)
    b = layer(x)[0]
    assert (a == b).all() and not (a == layer(x)[0]).all()
    layer.eval()
    assert (layer(x)[0] == layer(x)[0]).all()
    mo.manual_seed(7)
    below, above = nn.LSTM(4, 8), nn.LSTM(8, 8)
    for i, part in enumerate((below, above)):
        part.load_state_dict({f"{k[:-1]}0": v for k, v in layer.state_dict().items() if k.endswith(f"l{i}")})
    mo.manual_seed(7)
    want = above(nn.functional.dropout(below(x)[0], 0.5, True))[0]
    assert (a == want).all()
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        nn.GRU(3, 4, dropout=0.1)


def test_packed_sequences():
    parts = [rand(n, 2, seed=n) for n in (2, 4, 1)]
    for first, side in itertools.product((False, True), ("right", "left")):
        results = [
            tools.pad_sequence([lib.tensor(p) for p in parts], first, 0.5, side)
            for lib, tools in ((mo, rnn), (torch, torch.nn.utils.rnn))
        ]
        np.testing.assert_array_equal(results[0].numpy(), results[1].numpy())
    ours = rnn.pack_sequence([mo.tensor(p) for p in parts], enforce_sorted=False)
    theirs = torch.nn.utils.rnn.pack_sequence([torch.tensor(p) for p in parts], enforce_sorted=False)
    for a, b in zip(ours, theirs):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert ours._fields == theirs._fields
    for first, total in itertools.product((False, True), (None, 6)):
        a, n = rnn.pad_packed_sequence(ours, first, -1.0, total)
        b, m = torch.nn.utils.rnn.pad_packed_sequence(theirs, first, -1.0, total)
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        assert n.tolist() == m.tolist()
    for a, b in zip(rnn.unpack_sequence(ours), parts):
        np.testing.assert_array_equal(a.numpy(), b)
    for a, b in zip(rnn.unpad_sequence(rnn.pad_sequence([mo.tensor(p) for p in parts]), [2, 4, 1]), parts):
        np.testing.assert_array_equal(a.numpy(), b)
    assert ours.to(mo.float32).data.dtype is mo.float32 and ours.double().data.dtype is mo.float64
    assert rnn.invert_permutation(mo.tensor([2, 0, 1])).tolist() == [1, 2, 0]
    assert rnn.PackedSequence((ours.data, ours.batch_sizes)).sorted_indices is None


def test_packing_has_gradients():
    x = mo.tensor(rand(4, 3, 2)).requires_grad_()
    y = rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [4, 2, 1]))[0]
    (y * y).sum().backward()
    keep = np.arange(4)[:, None, None] < np.array([4, 2, 1])[:, None]
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy() * keep)


def test_second_order():
    layer, x = nn.LSTM(3, 4, dtype=mo.float64), mo.tensor(rand(2, 2, 3)).requires_grad_()
    with pytest.raises(NotImplementedError, match="lstm: the fused recurrent layer has no gradient of its"):
        mo.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    cell, h = nn.GRUCell(3, 4, dtype=mo.float64), mo.tensor(rand(2, 4)).requires_grad_()
    assert mo.autograd.gradgradcheck(lambda a, b: cell(a, b), (x[0].detach().requires_grad_(), h))


def test_bad_arguments():
    for kw, error, words in [
        ({"dropout": 2.0}, ValueError, "dropout should be a number"),
        ({"bias": 1}, TypeError, "bias should be of type bool"),
        ({"hidden_size": 0}, ValueError, "hidden_size must be greater than zero"),
        ({"num_layers": 0}, ValueError, "num_layers must be greater than zero"),
        ({"proj_size": 4}, ValueError, "proj_size has to be"),
        ({"proj_size": -1}, ValueError, "proj_size has to be"),
        ({"activation": "relu"}, ValueError, "unknown activation 'relu'"),
    ]:
        with pytest.raises(error, match=f"LSTM: {words}"):
            nn.LSTM(**({"input_size": 3, "hidden_size": 4} | kw))
    with pytest.raises(ValueError, match="proj_size argument is only supported for LSTM"):
        nn.GRU(3, 4, proj_size=2)
    with pytest.raises(ValueError, match="unknown nonlinearity 'sin'"):
        nn.RNN(3, 4, nonlinearity="sin")
    layer, x = nn.LSTM(3, 4), mo.zeros(5, 2, 3)
    h = mo.zeros(1, 2, 4)
    with pytest.raises(ValueError, match="LSTM: expected input to be 2D or 3D, got 1D"):
        layer(mo.zeros(3))
    with pytest.raises(
        RuntimeError, match="LSTM: input.size.-1. must be equal to input_size, expected 3, got 4"
    ):
        layer(mo.zeros(5, 2, 4))
    with pytest.raises(ValueError, match="LSTM: input is markone.float64 but the weights"):
        layer(x.double())
    with pytest.raises(RuntimeError, match=r"LSTM: expected hx\[1\] of size \(1, 2, 4\), got \[1, 3, 4\]"):
        layer(x, (h, mo.zeros(1, 3, 4)))
    with pytest.raises(RuntimeError, match="LSTM: hx must be a pair"):
        layer(x, h)
    with pytest.raises(RuntimeError, match=r"LSTM: for batched 3-D input hx\[0\] should also be 3-D"):
        layer(x, (h[0], h[0]))
    with pytest.raises(IndexError, match="lstm: lengths at flat index 0 is 6"):
        layer(x, lengths=[6, 1])
    with pytest.raises(ValueError, match="GRUCell: expected input to be 1D or 2D, got 3D"):
        nn.GRUCell(3, 4)(x)
    for call, words in [
        (lambda: rnn.pack_padded_sequence(x, [3, 4]), "must be sorted in decreasing order"),
        (lambda: rnn.pack_padded_sequence(x, [3, 0]), "must be greater than 0"),
        (lambda: rnn.pack_padded_sequence(x, [6, 1]), "a length is 6, the input has 5 steps"),
        (lambda: rnn.pack_padded_sequence(x, [1]), "wants 2 lengths"),
    ]:
        with pytest.raises(RuntimeError, match=f"pack_padded_sequence: .*{words}"):
            call()
    with pytest.raises(ValueError, match="pad_packed_sequence: total_length is 2"):
        rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [5, 1]), total_length=2)
    with pytest.raises(RuntimeError, match="pad_sequence: received an empty list"):
        rnn.pad_sequence([])
