"""Winograd's filtering for 3x3 convolutions: the bound of its error against float64 on every instruction set;
that it never looks at the batch; that it can be switched off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from convolution import Problem, forward, input_grad, inputs, weight_grad
from harness import array, bits, numpy, using
from markone import _C

FAST = [isa for isa in _C.available_isas() if isa != "ref"]
TILES = (4, 2)
EPS = float(np.finfo(np.float32).eps)


def three(n: int, c: int, h: int, w: int, o: int, pad: int = 1) -> Problem:
    return Problem(n, c, h, w, o, 3, 3, padding=(pad, pad))


PROBLEMS = [
    three(2, 16, 14, 14, 16),
    three(1, 1, 3, 3, 1, 0),
    three(2, 5, 9, 11, 7),
    three(1, 64, 20, 37, 48, 0),
    three(2, 150, 13, 6, 70, 2),  # several blocks of K and of output channels
    three(1, 17, 5, 70, 33, 4),  # more padding than taps: the input gradient crops
    three(3, 20, 31, 30, 130),  # several chunks
]


def matrices(out: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A', G and B' of F(out, 3), from the polynomials that vanish at all points but one (Toom and Cook)."""
    points = [0.0, 1.0, -1.0] if out == 2 else [0.0, 0.75, -0.75, 1.5, -1.5]
    n = out + 2
    a, g, b = np.zeros((out, n)), np.zeros((n, 3)), np.zeros((n, n))
    for i, p in enumerate(points):
        others = points[:i] + points[i + 1 :]
        a[:, i] = p ** np.arange(out)
        g[i] = p ** np.arange(3) / np.prod([p - q for q in others])
        b[i, : n - 1] = np.poly(others)[::-1]
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(points)[::-1]
    return a, g, b


def tiles(p: Problem, x: np.ndarray, out: int) -> Any:
    """(row, column, input [n, c, out + 2, out + 2]) of each tile of outputs."""
    high, wide = -(-p.out[2] // out), -(-p.out[3] // out)
    ph, pw = p.padding
    grown = np.zeros((p.n, p.c, high * out + 2, wide * out + 2))
    source = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    grown[:, :, : source.shape[2], : source.shape[3]] = source[:, :, : grown.shape[2], : grown.shape[3]]
    for i in range(0, high * out, out):
        for j in range(0, wide * out, out):
            yield i, j, grown[:, :, i : i + out + 2, j : j + out + 2]


def filtered(p: Problem, x: np.ndarray, w: np.ndarray, out: int, absolute: bool = False) -> np.ndarray:
    """A' [sum over channels (G w G') * (B' x B)] A tile by tile in float64; with absolute values everywhere,
    what each rounding is relative to."""
    a, g, b = (np.abs(m) if absolute else m for m in matrices(out))
    y = np.zeros((p.n, p.o, p.out[2] + out, p.out[3] + out))
    u = g @ w @ g.T
    for i, j, tile in tiles(p, x, out):
        m = np.einsum("ocij,ncij->noij", u, b @ tile @ b.T)
        y[:, :, i : i + out, j : j + out] = a @ m @ a.T
    return y[:, :, : p.out[2], : p.out[3]]


def filtered_back(p: Problem, gradient: np.ndarray, x: np.ndarray, out: int, absolute: bool) -> np.ndarray:
    """The same for the weights: G' [sum over tiles (A g A') * (B' x B)] G."""
    a, g, b = (np.abs(m) if absolute else m for m in matrices(out))
    grown = np.pad(gradient, ((0, 0), (0, 0), (0, out), (0, out)))
    u = np.zeros((p.o, p.c, out + 2, out + 2))
    for i, j, tile in tiles(p, x, out):
        m = a.T @ grown[:, :, i : i + out, j : j + out] @ a
        u += np.einsum("noij,ncij->ocij", m, b @ tile @ b.T)
    return g.T @ u @ g


# The sum over channels rounds once a channel; the six transforms of one dimension at most six times each.
def bound(p: Problem, x: np.ndarray, w: np.ndarray, out: int) -> np.ndarray:
    return (p.c + 36) * filtered(p, np.abs(x), np.abs(w), out, absolute=True)


def backward(p: Problem, w: np.ndarray) -> tuple[Problem, np.ndarray]:
    """The convolution that the input gradient is."""
    turned = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    pad = 2 - p.padding[0]
    return three(p.n, p.o, p.out[2], p.out[3], p.c, pad), turned


def input_bound(p: Problem, g: np.ndarray, w: np.ndarray, out: int) -> np.ndarray:
    back, turned = backward(p, w)
    crop = -min(0, back.padding[0])
    if crop:
        g = g[:, :, crop : p.out[2] - crop, crop : p.out[3] - crop]
        back = three(p.n, p.o, g.shape[2], g.shape[3], p.c, 0)
    return bound(back, g, turned, out)


def test_the_matrices_make_a_convolution() -> None:
    p = PROBLEMS[2]
    x, w, _, g = inputs(p, "float64")
    for out in TILES:
        assert np.allclose(filtered(p, x, w, out), forward(p, x, w), rtol=1e-12, atol=1e-12)
        want = weight_grad(p, g, x)
        assert np.allclose(filtered_back(p, g, x, out, False), want, rtol=1e-12, atol=1e-11)


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("out", TILES)
@pytest.mark.parametrize("p", PROBLEMS, ids=str)
def test_the_error_is_bounded(p: Problem, out: int, isa: str) -> None:
    """Each output within (channels + 36) epsilon of the transformed magnitudes, and, what one sees, within 16
    epsilon of the largest sum of |x| |w|."""
    x, w, b, g = inputs(p)
    wide = [v.astype(np.float64) for v in (x, w, b, g)]
    with using(isa, None, "conv", f"winograd{out}"):
        got = numpy(_C.conv(array(x), array(w), array(b), *p.rest))
    want = forward(p, wide[0], wide[1]) + wide[2][:, None, None]
    error = np.abs(got - want)
    shift = np.abs(wide[2])[:, None, None]
    assert np.all(error <= EPS * (bound(p, wide[0], wide[1], out) + shift))
    assert error.max() <= 16 * EPS * (forward(p, np.abs(wide[0]), np.abs(wide[1])) + shift).max()
    with using(isa, None, "conv_input_grad", f"winograd{out}"):
        got = numpy(_C.conv_input_grad(array(g), array(w), p.x, *p.rest))
    error = np.abs(got - input_grad(p, wide[3], wide[1]))
    assert np.all(error <= EPS * input_bound(p, wide[3], wide[1], out))
    assert error.max() <= 16 * EPS * input_grad(p, np.abs(wide[3]), np.abs(wide[1])).max()


def weight_bound(p: Problem, g: np.ndarray, x: np.ndarray, out: int) -> np.ndarray:
    """The sum over tiles rounds once a tile."""
    count = p.n * -(-p.out[2] // out) * -(-p.out[3] // out)
    return (count + 36) * filtered_back(p, np.abs(g), np.abs(x), out, True)


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("out", TILES)
@pytest.mark.parametrize("p", [*PROBLEMS, three(9, 17, 30, 31, 20)], ids=str)  # several parts of the tiles
def test_the_error_of_the_weight_gradient_is_bounded(p: Problem, out: int, isa: str) -> None:
    """As above, with the tiles in the place of channels."""
    x, _, _, g = inputs(p)
    wide_x, wide_g = x.astype(np.float64), g.astype(np.float64)
    with using(isa, None, "conv_weight_grad", f"winograd{out}"):
        got = numpy(_C.conv_weight_grad(array(g), array(x), p.weight, *p.rest))
    error = np.abs(got - weight_grad(p, wide_g, wide_x))
    assert np.all(error <= EPS * weight_bound(p, wide_g, wide_x, out))
    assert error.max() <= 16 * EPS * weight_grad(p, np.abs(wide_g), np.abs(wide_x)).max()


def case(p: Problem, op: str) -> harness.Case:
    call, reference, tolerance = {
        "conv": (
            lambda x, w, b, g: _C.conv(x, w, b, *p.rest),
            lambda x, w, b, g: forward(p, x, w) + b[:, None, None],
            lambda x, w, b, g: bound(p, x, w, 4) + np.abs(b)[:, None, None],
        ),
        "conv_input_grad": (
            lambda x, w, b, g: _C.conv_input_grad(g, w, p.x, *p.rest),
            lambda x, w, b, g: input_grad(p, g, w),
            lambda x, w, b, g: input_bound(p, g, w, 4),
        ),
        "conv_weight_grad": (
            lambda x, w, b, g: _C.conv_weight_grad(g, x, p.weight, *p.rest),
            lambda x, w, b, g: weight_grad(p, g, x),
            lambda x, w, b, g: weight_bound(p, g, x, 4) + p.n * p.out[2] * p.out[3],
        ),
    }[op]
    return harness.Case(
        f"{op}-{p}",
        inputs=lambda rng: [rng.standard_normal(shape) for shape in (p.x, p.weight, (p.o,), p.out)],
        call=lambda a: call(*a),
        reference=lambda a: reference(*a),
        tolerance=lambda a: tolerance(*a),
        dtypes=("float32",),
        op=op,
    )


# Layouts, guard bytes, threads; each implementation in turn.
test_cases = harness.make_tests(
    [
        case(p, op)
        for op in ("conv", "conv_input_grad", "conv_weight_grad")
        for p in (PROBLEMS[2], three(2, 18, 9, 18, 34))
    ]
)


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("out", TILES)
def test_batch_and_threads_change_no_bit(out: int, isa: str) -> None:
    p = three(5, 34, 13, 14, 70)
    x, w, b, _ = inputs(p)
    with using(isa, 1, "conv", f"winograd{out}"):
        together = numpy(_C.conv(array(x), array(w), array(b), *p.rest))
        for i in range(p.n):
            alone = numpy(_C.conv(array(x[i : i + 1]), array(w), array(b), *p.rest))
            assert alone[0].tobytes() == together[i].tobytes()
    for threads in (2, 5):
        with using(isa, threads, "conv", f"winograd{out}"):
            assert numpy(_C.conv(array(x), array(w), array(b), *p.rest)).tobytes() == together.tobytes()
    p = three(5, 34, 33, 34, 70)
    x, _, _, wide = inputs(p)
    with using(isa, 1, "conv_weight_grad", f"winograd{out}"):
        want = bits(_C.conv_weight_grad(array(wide), array(x), p.weight, *p.rest))
    for threads in (2, 5):
        with using(isa, threads, "conv_weight_grad", f"winograd{out}"):
            assert bits(_C.conv_weight_grad(array(wide), array(x), p.weight, *p.rest)) == want


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("out", TILES)
def test_an_image_has_the_same_input_gradient_alone(out: int, isa: str) -> None:
    p = three(5, 34, 13, 14, 70)
    _, w, _, g = inputs(p)
    with using(isa, None, "conv_input_grad", f"winograd{out}"):
        back = numpy(_C.conv_input_grad(array(g), array(w), p.x, *p.rest))
        one = numpy(_C.conv_input_grad(array(g[3:4]), array(w), (1, *p.x[1:]), *p.rest))
        assert one[0].tobytes() == back[3].tobytes()


def kernel_of(call: Any) -> str:
    program = _C.Program()
    _C.begin_recording(program)
    try:
        call()
    finally:
        _C.end_recording()
    return program.kernels()[-1][1]


def zeros(*shape: int) -> Any:
    return array(np.zeros(shape, np.float32))


def test_the_choice_looks_at_the_shape() -> None:
    w = zeros(64, 64, 3, 3)
    for batch in (1, 3):
        for isa in FAST:
            with using(isa):
                for size, kernel in ((28, "winograd4"), (6, "winograd2")):
                    name = kernel_of(lambda n=size: _C.conv(zeros(batch, 64, n, n), w, None, 1, 1))
                    assert kernel in name
                few = kernel_of(lambda: _C.conv(zeros(batch, 3, 28, 28), zeros(64, 3, 3, 3), None, 1, 1))
                assert "implicit" in few
                strided = kernel_of(lambda: _C.conv(zeros(batch, 64, 28, 28), w, None, 2, 1))
                assert "implicit" in strided


def test_it_can_be_switched_off() -> None:
    p = three(1, 16, 12, 12, 16)
    x, w, b, _ = (array(v) for v in inputs(p))
    with using(None, None, "conv", "implicit"):
        want = bits(_C.conv(x, w, b, *p.rest))
    try:
        _C.set_winograd(0)
        assert _C.winograd() == 0
        assert bits(_C.conv(x, w, b, *p.rest)) == want
        with (
            using(None, None, "conv", "winograd4"),
            pytest.raises(
                NotImplementedError, match="conv: no implementation.*winograd4: Winograd is switched off"
            ),
        ):
            _C.conv(x, w, b, *p.rest)
        _C.set_winograd(2)
        assert "winograd2" in kernel_of(
            lambda: _C.conv(zeros(1, 64, 28, 28), zeros(64, 64, 3, 3), None, 1, 1)
        )
    finally:
        _C.set_winograd(4)
    with pytest.raises(ValueError, match="set_winograd: wants 4, 2 or 0"):
        _C.set_winograd(3)


def test_nan_and_inf_stay_in_their_tiles() -> None:
    """They spread over the tiles that read them and no further."""
    p = three(1, 16, 24, 24, 16)
    x, w, b, _ = inputs(p)
    clean = numpy(_C.conv(array(x), array(w), array(b), *p.rest))
    for value in (np.nan, np.inf):
        bad = x.copy()
        bad[0, 3, 13, 13] = value
        got = numpy(_C.conv(array(bad), array(w), array(b), *p.rest))
        assert not np.isfinite(got[0, :, 12:15, 12:15]).any()
        changed = ~np.isfinite(got) | (got != clean)
        changed[:, :, 12:16, 12:16] = False
        assert not changed.any()
