"""One recurrent layer in one direction, forward and backward, on every instruction set.

The forward reference is NumPy. That of the gradients is the plain kernel in float64, which tests/ops checks
against differences and PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "lstm_sigmoid": 4, "gru": 3, "gru_reset_first": 3}
# steps, batch, in, hidden, projection: tails of lanes and tiles, more than one chunk, large weights.
SHAPES = [(3, 1, 2, 1, 0), (4, 9, 5, 37, 0), (2, 70, 3, 33, 0), (2, 33, 4, 200, 0), (3, 11, 6, 20, 7)]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def forward(kind: str, arrays: list[Any], lengths: Any, reverse: bool) -> tuple[Any, ...]:
    """y, h_n and c_n (of an LSTM) by the formulas of contract/recurrent.h."""
    x, w_ih, w_hh, b_ih, b_hh, h, c, *proj = arrays[:8]
    steps = len(x)
    y = np.zeros((*x.shape[:2], h.shape[1]))
    for t in range(steps)[:: -1 if reverse else 1]:
        a, u = x[t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        if kind.startswith("rnn"):
            new_h, new_c = np.tanh(a + u) if kind == "rnn_tanh" else np.maximum(a + u, 0), c
        elif kind.startswith("lstm"):
            q = np.tanh if kind == "lstm" else sigmoid
            i, f, g, o = np.split(a + u, 4, 1)
            new_c = sigmoid(f) * c + sigmoid(i) * q(g)
            new_h = sigmoid(o) * q(new_c)
            if proj:
                new_h = new_h @ proj[0].T
        else:
            n, new_c = h.shape[1], c
            r, z = sigmoid(a + u)[:, :n], sigmoid(a + u)[:, n : 2 * n]
            last = (
                (r * h) @ w_hh[2 * n :].T + b_hh[2 * n :] if kind == "gru_reset_first" else r * u[:, 2 * n :]
            )
            new_h = (1 - z) * np.tanh(a[:, 2 * n :] + last) + z * h
        runs = (t < lengths)[:, None]
        h, c = np.where(runs, new_h, h), np.where(runs, new_c, c)
        y[t] = np.where(runs, new_h, 0)
    return (y, h, c) if kind.startswith("lstm") else (y, h)


def run(kind: str, arrays: list[Any], lengths: Any, reverse: bool, backward: bool) -> tuple[Any, ...]:
    """The native forward results, or every gradient; arrays: x, 4 weights, h0, c0 (proj), dy, dh_n, dc_n."""
    lstm = kind.startswith("lstm")
    x, w_ih, w_hh, b_ih, b_hh, h0, c0, *proj, dy, dh_n, dc_n = arrays
    w_hr = proj[0] if proj else None
    states = (h0, c0 if lstm else None)
    y, h_n, c_n, *saved = _C.recurrent(kind, x, w_ih, w_hh, b_ih, b_hh, w_hr, *states, lengths, reverse)
    if not backward:
        return (y, h_n, c_n) if lstm else (y, h_n)
    up = (dy, dh_n, dc_n if lstm else None)
    all_wanted = [True] * 8
    out = _C.recurrent_grad(kind, *up, x, w_ih, w_hh, w_hr, lengths, *saved, reverse, all_wanted)
    return tuple(g for g in out if g is not None)


def make_case(kind: str, shape: tuple[int, ...], reverse: bool, masked: bool, backward: bool) -> harness.Case:
    steps, batch, size, hidden, proj = shape
    out, wide = proj or hidden, GATES[kind] * hidden
    long = np.arange(batch) % (steps + 1) if masked else np.full(batch, steps)
    lengths = harness.array(long.astype(np.int64)) if masked else None
    dtypes: tuple[str, ...] = ("float32", "float64") if hidden == 37 else ("float32",)

    def inputs(rng: np.random.Generator) -> list[Any]:
        scale = 1 / np.sqrt(hidden)
        shapes = [
            (steps, batch, size),
            (wide, size),
            (wide, out),
            (wide,),
            (wide,),
            (batch, out),
            (batch, hidden),
        ]
        shapes += [(proj, hidden)] * (proj > 0) + [(steps, batch, out), (batch, out), (batch, hidden)]
        return [rng.standard_normal(s) * (scale if 0 < i < 5 else 1) for i, s in enumerate(shapes)]

    def reference(a: list[Any]) -> Any:
        if not backward:
            return forward(kind, a if proj else a[:7], long, reverse)
        with harness.using(isa="ref"):
            given = run(kind, [harness.array(v) for v in a], lengths, reverse, True)
        return tuple(harness.numpy(g) for g in given)

    # Rounding errors pass from step to step, and weights' gradients are sums over all rows.
    def tolerance(a: list[Any]) -> Any:
        return tuple(60 * (1 + np.abs(w).max(initial=0)) for w in reference(a))

    name = f"{kind}{'_grad' if backward else ''}-{'x'.join(map(str, shape))}"
    return harness.Case(
        name + "-reverse" * reverse + "-lengths" * masked,
        inputs,
        lambda x: run(kind, x, lengths, reverse, backward),
        reference,
        tolerance,
        dtypes=dtypes,
    )


CASES = [
    make_case(kind, shape, reverse, masked, backward)
    for kind in GATES
    for shape in SHAPES
    if not shape[4] or kind.startswith("lstm")
    for reverse, masked in ([(False, False), (True, True)] if shape[3] < 100 else [(False, False)])
    for backward in (False, True)
]
test_all = harness.make_tests(CASES)


def test_wrong_arguments() -> None:
    def zeros(*shape: int, dtype: str = "float32") -> Any:
        return harness.array(np.zeros(shape, dtype))

    x, w_ih, w_hh = zeros(3, 2, 4), zeros(5, 4), zeros(5, 5)
    rest = (None, None, None, None, None, None, False)
    with pytest.raises(ValueError, match="recurrent: no kind 'elman'"):
        _C.recurrent("elman", x, w_ih, w_hh, *rest)
    with pytest.raises(ValueError, match=r"rnn_tanh: input must be \[steps, batch, in\], got shape \[3, 2\]"):
        _C.recurrent("rnn_tanh", zeros(3, 2), w_ih, w_hh, *rest)
    with pytest.raises(ValueError, match="rnn_tanh: has no projection"):
        _C.recurrent("rnn_tanh", x, w_ih, w_hh, None, None, zeros(2, 5), None, None, None, False)
    with pytest.raises(TypeError, match="rnn_tanh: wants a floating type, got int64"):
        _C.recurrent("rnn_tanh", zeros(3, 2, 4, dtype="int64"), w_ih, w_hh, *rest)
    y, h_n, _, gate, h, c, inner = _C.recurrent("rnn_tanh", x, w_ih, w_hh, *rest)
    assert y.shape == (3, 2, 5) and h_n.shape == (2, 5) and c is None and inner is None
    with pytest.raises(ValueError, match="rnn_tanh_grad: the saved h must have shape"):
        args = (x, w_ih, w_hh, None, None, gate, y, None, None, False, [True] * 8)
        _C.recurrent_grad("rnn_tanh", y, None, None, *args)
    with pytest.raises(ValueError, match="rnn_tanh_grad: wants 8 flags, got 1"):
        _C.recurrent_grad(
            "rnn_tanh", y, None, None, x, w_ih, w_hh, None, None, gate, h, c, inner, False, [True]
        )


def test_bad_lengths_are_reported_and_read_nothing_outside() -> None:
    x, w_ih, w_hh = (harness.array(np.ones(s, np.float32)) for s in ((3, 2, 4), (5, 4), (5, 5)))
    for isa in _C.available_isas():
        for bad in ([1, 4], [2, -1]):
            with harness.using(isa=isa), pytest.raises(IndexError, match="rnn_relu: lengths at flat index 1"):
                lengths = harness.array(np.array(bad))
                _C.recurrent("rnn_relu", x, w_ih, w_hh, None, None, None, None, None, lengths, False)
