"""Sequences and cells of recurrent layers, every public operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
import markone as mo
import surface
from surface import normal

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def step(kind: str, x: Any, h: Any, c: Any, w: Any) -> Any:
    """The next h and c by the textbook's formulas; w: w_ih, w_hh, b_ih, b_hh, w_hr."""
    w_ih, w_hh, b_ih, b_hh, w_hr = w
    a, u = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    if kind in ("rnn_tanh", "rnn_relu"):
        return (np.tanh(a + u) if kind == "rnn_tanh" else np.maximum(a + u, 0)), c
    if kind.startswith("lstm"):
        q = np.tanh if kind == "lstm" else sigmoid
        i, f, g, o = np.split(a + u, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * q(g)
        h = sigmoid(o) * q(c)
        return (h if w_hr is None else h @ w_hr.T), c
    n = h.shape[-1]
    r, z = np.split(sigmoid(a[..., : 2 * n] + u[..., : 2 * n]), 2, -1)
    if kind == "gru":
        value = np.tanh(a[..., 2 * n :] + r * u[..., 2 * n :])
    else:
        value = np.tanh(a[..., 2 * n :] + (r * h) @ w_hh[2 * n :].T + b_hh[2 * n :])
    return (1 - z) * value + z * h, c


def sequence(kind: str, x: Any, h0: Any, c0: Any, layers: Any, ways: int, lengths: Any) -> Any:
    """y [steps, batch, ways * out], h_n, c_n; layers: for each layer and way its five weights."""
    steps, batch = x.shape[:2]
    finals: Any = ([], [])
    for layer in range(len(layers) // ways):
        outs = []
        for way in range(ways):
            at = layer * ways + way
            y = np.zeros((steps, batch, h0.shape[2]))
            h_n, c_n = h0[at].copy(), c0[at].copy()
            for row in range(batch):
                order = range(lengths[row])
                for t in order if way == 0 else reversed(order):
                    h, c = step(kind, x[t, row], h_n[row], c_n[row], layers[at])
                    y[t, row] = h_n[row] = h
                    c_n[row] = c
            outs.append(y)
            finals[0].append(h_n)
            finals[1].append(c_n)
        x = np.concatenate(outs, 2)
    return x, np.stack(finals[0]), np.stack(finals[1])


GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "lstm_sigmoid": 4, "gru": 3, "gru_reset_first": 3}


def sequence_case(
    name: str,
    label: str,
    kind: str,
    steps: int = 3,
    batch: int = 2,
    size: int = 3,
    hidden: int = 4,
    layers: int = 1,
    ways: int = 1,
    proj: int = 0,
    bias: bool = True,
    batch_first: bool = False,
    lengths: Any = None,
    packed: Any = None,
    **options: Any,
) -> surface.Op:
    pair, wide, out = name == "lstm", GATES[kind] * hidden, proj or hidden
    shapes: list[tuple[int, ...]] = []
    for layer in range(layers):
        for _ in range(ways):
            shapes += [(wide, size if layer == 0 else out * ways), (wide, out)]
            shapes += [(wide,), (wide,)] * bias + [(proj, hidden)] * (proj > 0)
    count = len(shapes) // (layers * ways)
    long = lengths or [steps] * batch
    if packed is not None:
        long = [sum(n > i for n in packed) for i in range(packed[0])]
        steps, batch = len(packed), packed[0]
    x_shape = (batch, steps, size) if batch_first else (steps, batch, size)
    if packed is not None:
        x_shape = (sum(packed), size)
    keep = np.arange(steps)[:, None] < np.array(long, int)

    def call(lib: Any, x: Any, *rest: Any) -> Any:
        states, params = rest[: 1 + pair], list(rest[1 + pair :])
        hx = states if pair else states[0]
        extra = {} if lengths is None else {"lengths": lengths}
        common = (hx, params, bias, layers, 0.0, True, ways == 2)
        if packed is not None:
            return getattr(lib, name)(x, lib.tensor(packed), *common, **options)
        return getattr(lib, name)(x, *common, batch_first, **extra, **options)

    def reference(x: Any, *rest: Any) -> Any:
        states, params = rest[: 1 + pair], rest[1 + pair :]
        h0 = states[0]
        c0 = states[1] if pair else np.zeros((layers * ways, batch, hidden))
        weights = []
        for at in range(0, len(params), count):
            own = params[at : at + count]
            biases = own[2:4] if bias else (np.zeros(wide), np.zeros(wide))
            weights.append((*own[:2], *biases, own[-1] if proj else None))
        if packed is not None:
            padded = np.zeros((steps, batch, size))
            padded[keep] = x
        else:
            padded = x.swapaxes(0, 1) if batch_first else x
        y, h_n, c_n = sequence(kind, padded, h0, c0, weights, ways, long)
        y = y[keep] if packed is not None else y.swapaxes(0, 1) if batch_first else y
        return (y, h_n, c_n) if pair else (y, h_n)

    makers = [normal(*x_shape), normal(layers * ways, batch, out)]
    makers += [normal(layers * ways, batch, hidden)] * pair
    makers += [normal(*s, scale=0.5) for s in shapes]
    ours = "our option" if lengths is not None or options else ""
    return surface.Op(
        name,
        call,
        reference,
        makers,
        label,
        no_second="fused recurrent",
        no_torch=ours,
        tolerance=64.0,
    )


def cell_case(
    name: str, label: str, kind: str, shape: tuple[int, ...] = (3,), bias: bool = True, **options: Any
):
    pair, wide, size, hidden = name == "lstm_cell", GATES[kind] * 4, 3, 4

    def call(lib: Any, x: Any, *rest: Any) -> Any:
        hx = rest[:2] if pair else rest[0]
        return getattr(lib, name)(x, hx, *rest[1 + pair :], **options)

    def reference(x: Any, *rest: Any) -> Any:
        h, c = rest[0], rest[1] if pair else None
        w = (*rest[1 + pair :], np.zeros(wide), np.zeros(wide))[:4]
        out = step(kind, x, h, c, (*w, None))
        return out if pair else out[0]

    makers = [normal(*shape, size), *[normal(*shape, hidden)] * (1 + pair)]
    makers += [normal(wide, size, scale=0.5), normal(wide, hidden, scale=0.5)]
    makers += [normal(wide), normal(wide)] * bias
    no_torch = "our option" if options else "PyTorch's function takes a batch alone" if not shape else ""
    return surface.Op(name, call, reference, makers, label, no_torch=no_torch, tolerance=64)


OPS = []
for _name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
    OPS += [
        sequence_case(_name, "", _name),
        sequence_case(_name, "no-bias-one-step", _name, steps=1, bias=False),
        sequence_case(
            _name, "layers-both-ways-batch-first", _name, layers=2, ways=2, hidden=2, batch_first=True
        ),
        sequence_case(_name, "packed", _name, packed=[3, 2, 2, 1], ways=2, hidden=2),
        sequence_case(_name, "lengths", _name, lengths=[2, 4, 0], steps=4, batch=3, ways=2, hidden=2),
    ]
    OPS += [
        cell_case(f"{_name}_cell", "", _name),
        cell_case(f"{_name}_cell", "no-bias", _name, bias=False),
        cell_case(f"{_name}_cell", "unbatched", _name, ()),
        cell_case(f"{_name}_cell", "empty", _name, (0,)),
    ]
OPS += [
    sequence_case("lstm", "projected", "lstm", proj=2, ways=2, layers=2, hidden=3),
    sequence_case("lstm", "projected-lengths", "lstm", proj=2, ways=2, lengths=[3, 1]),
    sequence_case("lstm", "sigmoid", "lstm_sigmoid", activation="sigmoid"),
    sequence_case("gru", "reset-first", "gru_reset_first", reset_after=False),
    sequence_case(
        "gru", "reset-first-lengths", "gru_reset_first", ways=2, lengths=[1, 3], reset_after=False, bias=False
    ),
    cell_case("lstm_cell", "sigmoid", "lstm_sigmoid", activation="sigmoid"),
    cell_case("gru_cell", "reset-first", "gru_reset_first", reset_after=False),
    cell_case("gru_cell", "reset-first-no-bias", "gru_reset_first", bias=False, reset_after=False),
]
test_all = surface.make_tests(OPS)


def test_bad_arguments() -> None:
    x, h = mo.zeros(3, 2, 4), mo.zeros(1, 2, 5)
    params = [mo.zeros(15, 4), mo.zeros(15, 5), mo.zeros(15), mo.zeros(15)]
    rest = (True, 1, 0.0, True, False)
    with pytest.raises(RuntimeError, match="gru: input must have 3 dimensions"):
        mo.gru(mo.zeros(3, 4), h, params, *rest, False)
    with pytest.raises(RuntimeError, match="gru: got 3 parameters"):
        mo.gru(x, h, params[:3], *rest, False)
    with pytest.raises(ValueError, match=r"gru: w_ih must have shape \[15, 4\], got \[15, 5\]"):
        mo.gru(x, h, [params[1], *params[1:]], *rest, False)
    with pytest.raises(ValueError, match="gru: h0 must have shape"):
        mo.gru(x, mo.zeros(1, 3, 5), params, *rest, False)
    with pytest.raises(RuntimeError, match=r"gru: hx\[0\] has 2 states, wants 1"):
        mo.gru(x, mo.zeros(2, 2, 5), params, *rest, False)
    with pytest.raises(TypeError, match="gru: lacks params"):
        mo.gru(x, h)
    with pytest.raises(IndexError, match="gru: lengths at flat index 1 is 4, wanted 0 <= value < 4"):
        mo.gru(x, h, params, *rest, False, lengths=[3, 4])
    with pytest.raises(ValueError, match=r"gru: lengths must have shape \[2\], got \[1\]"):
        mo.gru(x, h, params, *rest, False, lengths=[3])
    with pytest.raises(RuntimeError, match="gru: batch_sizes must be positive and never grow"):
        mo.gru(mo.zeros(3, 4), mo.tensor([1, 2]), h, params, *rest)
    with pytest.raises(ValueError, match="gru: wants at least one step"):
        mo.gru(mo.zeros(0, 2, 4), h, params, *rest, False)
    with pytest.raises(TypeError, match="gru: w_ih is float64 but input is float32"):
        mo.gru(x, h, [params[0].double(), *params[1:]], *rest, False)
    with pytest.raises(RuntimeError, match="gru_cell: input has 4 features"):
        mo.gru_cell(x[0], h[0], params[1], params[1])
    with pytest.raises(RuntimeError, match="rnn_tanh_cell: input has a batch of 2, hx of 1"):
        mo.rnn_tanh_cell(x[0], h[0, :1], mo.zeros(5, 4), mo.zeros(5, 5))


def test_half_types_round_once() -> None:
    rng = np.random.default_rng(0)
    for dtype in (mo.bfloat16, mo.float16):
        arrays = [rng.standard_normal(s) for s in ((4, 3, 5), (1, 3, 6), (18, 5), (18, 6), (18,), (18,))]
        half = [mo.tensor(a).to(dtype).requires_grad_() for a in arrays]
        single = [t.detach().float().requires_grad_() for t in half]
        results = []
        for x, h, *params in (half, single):
            y, h_n = mo.gru(x, h, params, True, 1, 0.0, True, False, False)
            (y.float().square().sum() + h_n.float().sum()).backward()
            results.append((y, h_n))
        for a, b in zip(*results):
            assert a.dtype is dtype and (a.float() == b.to(dtype).float()).all()
        for a, b in zip(half, single):
            close = 2.0 ** (-6 if dtype is mo.bfloat16 else -9) * float(b.grad.abs().max())
            assert float((a.grad.float() - b.grad).abs().max()) <= close


def test_empty_batch() -> None:
    x = mo.zeros(3, 0, 4, requires_grad=True)
    params = [mo.ones(5, 4, requires_grad=True), mo.ones(5, 5, requires_grad=True)]
    y, h_n = mo.rnn_tanh(x, mo.zeros(1, 0, 5), params, False, 1, 0.0, True, False, False)
    assert y.shape == (3, 0, 5) and h_n.shape == (1, 0, 5)
    y.sum().backward()
    assert x.grad.shape == (3, 0, 4) and not params[0].grad.any() and not params[1].grad.any()


def test_threads_give_the_same_bits() -> None:
    x = mo.tensor(np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32))
    layer = mo.nn.LSTM(5, 6, bidirectional=True)
    want = harness.bits(layer(x)[0].detach())
    with harness.using(threads=2):
        assert harness.bits(layer(x)[0].detach()) == want
