"""Convolution and its two gradients: every implementation on every instruction set against a sum over taps in
float64 with the bound of the mathematics, and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from convolution import Problem, forward, input_grad, inputs, weight_grad
from harness import array, bits, numpy, using
from markone import _C

ISAS = _C.available_isas()
FAST = [isa for isa in ISAS if isa != "ref"]
PROBLEMS = [
    Problem(2, 1, 28, 28, 6, 5, 5, padding=(2, 2)),  # LeNet-5
    Problem(2, 1, 32, 32, 6, 5, 5),
    Problem(3, 6, 14, 14, 16, 5, 5),
    Problem(2, 16, 5, 5, 20, 5, 5),
    # Output channels as lanes: two blocks of K, both widths of a panel, 5 and 3 taps beside each other.
    Problem(1, 44, 9, 13, 45, 5, 5, padding=(2, 2)),
    Problem(2, 5, 9, 10, 12, 3, 3, padding=(1, 1)),
    Problem(2, 3, 14, 15, 16, 3, 3, padding=(2, 1), dilation=(2, 2)),
    Problem(1, 4, 19, 21, 16, 3, 3, (2, 2), (1, 1)),
    Problem(2, 3, 9, 11, 4, 3, 3, padding=(1, 1)),
    Problem(1, 64, 14, 14, 30, 3, 3, padding=(1, 1)),  # several blocks of K
    Problem(1, 9, 7, 7, 150, 3, 3, padding=(1, 1)),  # several blocks of output channels
    Problem(2, 3, 15, 17, 5, 3, 3, (2, 2), (1, 1)),
    Problem(1, 3, 40, 43, 7, 7, 7, (4, 4), (3, 3)),
    Problem(1, 4, 20, 21, 8, 3, 3, (1, 1), (2, 2), (2, 2)),
    Problem(1, 2, 30, 31, 3, 3, 2, (3, 3), (1, 1), (2, 2)),
    Problem(1, 2, 30, 31, 3, 3, 4, (3, 2), (2, 5), (4, 3)),
    Problem(1, 2, 31, 30, 3, 4, 3, (4, 6), (1, 2), (2, 4)),
    Problem(2, 5, 23, 19, 7, 1, 1),
    Problem(2, 5, 23, 19, 7, 1, 1, (2, 3)),
    Problem(2, 5, 8, 9, 7, 1, 1, padding=(1, 2)),
    Problem(2, 8, 10, 10, 8, 3, 3, padding=(1, 1), groups=8),  # depthwise
    Problem(2, 8, 13, 10, 16, 3, 3, (2, 2), (1, 1), groups=8),
    Problem(1, 12, 9, 9, 6, 3, 3, padding=(1, 1), groups=3),
    Problem(3, 6, 20, 37, 6, 3, 3, padding=(1, 1), groups=6),
    Problem(2, 4, 37, 41, 12, 5, 5, (2, 2), (2, 2), groups=4),
    Problem(2, 4, 7, 7, 8, 5, 5, padding=(2, 2), groups=4),
    Problem(1, 2, 12, 530, 2, 3, 3, (2, 2), (0, 3), groups=2),  # wider than a tile
    Problem(1, 1, 7, 7, 2, 7, 7),
    Problem(2, 2, 5, 5, 3, 2, 2, (4, 4)),
    Problem(2, 2, 8, 8, 2, 3, 3, (7, 7), (3, 3)),
    Problem(1, 2, 3, 3, 3, 3, 3, padding=(5, 5)),  # more padding than image
    Problem(1, 1, 3, 4, 2, 1, 1, padding=(70, 40)),
    Problem(1, 2, 100, 3, 3, 2, 2, (1, 1), (1, 1), (50, 1)),
    Problem(1, 1, 4, 1300, 2, 2, 3, padding=(1, 1)),  # wider than a tile
    Problem(1, 1, 4, 1500, 2, 2, 3, (2, 1), (1, 1), (1, 600)),
    Problem(1, 1, 700, 2, 1, 3, 1, dilation=(300, 1)),
    Problem(1, 1, 1, 1, 1, 1, 1),
    Problem(70, 1, 6, 6, 3, 3, 3),  # more images than parts of the sum
]


# What each operation sums over: each of so many steps rounds once, by half an epsilon of the magnitudes.
def steps(p: Problem, op: str) -> int:
    if op == "conv":
        return p.c // p.groups * p.r * p.s + 2
    if op == "conv_input_grad":
        return p.o // p.groups * p.r * p.s + 1
    return p.n * p.out[2] * p.out[3] + 1


OPERATIONS: dict[str, Any] = {
    "conv": (
        lambda p, x, w, b, g: _C.conv(x, w, b, *p.rest),
        lambda p, x, w, b, g: forward(p, x, w) + b[:, None, None],
    ),
    "conv_input_grad": (
        lambda p, x, w, b, g: _C.conv_input_grad(g, w, p.x, *p.rest),
        lambda p, x, w, b, g: input_grad(p, g, w),
    ),
    "conv_weight_grad": (
        lambda p, x, w, b, g: _C.conv_weight_grad(g, x, p.weight, *p.rest),
        lambda p, x, w, b, g: weight_grad(p, g, x),
    ),
}


@pytest.mark.parametrize("op", OPERATIONS)
@pytest.mark.parametrize("p", PROBLEMS, ids=str)
def test_against_the_sum_over_taps(op: str, p: Problem) -> None:
    call, reference = OPERATIONS[op]
    for dtype in ("float32", "float64"):
        values = inputs(p, dtype)
        wide = [v.astype(np.float64) for v in values]
        want = reference(p, *wide)
        bound = steps(p, op) * np.finfo(dtype).eps * reference(p, *(np.abs(v) for v in wide))
        for isa in ISAS:
            names = ("depthwise", "columns", "implicit", "reference")
            for implementation in names[-1:] if isa == "ref" else names:
                if implementation == "reference" and isa not in ("ref", ISAS[-1]):
                    continue  # the same function
                if implementation == "columns" and op == "conv_weight_grad":
                    continue
                with using(isa, None, op, implementation):
                    try:
                        got = numpy(call(p, *(array(v) for v in values)))
                    except NotImplementedError:
                        assert implementation in names[:2]
                        assert implementation == "columns" or not (p.few and op == "conv")
                        continue
                assert got.shape == want.shape
                worst = np.max(np.abs(got - want) - bound)
                assert worst <= 0, f"{dtype} {isa} {implementation}: {worst:.3g} above the bound"


def case(p: Problem, op: str) -> harness.Case:
    call, reference = OPERATIONS[op]
    return harness.Case(
        f"{op}-{p}",
        inputs=lambda rng: [rng.standard_normal(shape) for shape in (p.x, p.weight, (p.o,), p.out)],
        call=lambda a: call(p, *a),
        reference=lambda a: reference(p, *a),
        tolerance=lambda a: steps(p, op) * reference(p, *(np.abs(v) for v in a)),
        dtypes=("float32", "float64"),
        op=op,
    )


# Layouts, guard bytes, threads.
test_cases = harness.make_tests(
    [case(p, op) for op in OPERATIONS for p in (PROBLEMS[0], PROBLEMS[2], PROBLEMS[10], PROBLEMS[18])]
)


@pytest.mark.parametrize("isa", FAST)
def test_an_image_alone_equals_the_same_image_in_a_batch(isa: str) -> None:
    for p in (PROBLEMS[0], Problem(17, 6, 14, 14, 16, 5, 5), Problem(9, 8, 13, 10, 16, 3, 3, (2, 2), (1, 1))):
        x, w, b, g = inputs(p)
        with using(isa):
            together = numpy(_C.conv(array(x), array(w), array(b), *p.rest))
            back = numpy(_C.conv_input_grad(array(g), array(w), p.x, *p.rest))
            for i in range(p.n):
                alone = numpy(_C.conv(array(x[i : i + 1]), array(w), array(b), *p.rest))
                assert alone[0].tobytes() == together[i].tobytes()
                one = numpy(_C.conv_input_grad(array(g[i : i + 1]), array(w), (1, *p.x[1:]), *p.rest))
                assert one[0].tobytes() == back[i].tobytes()


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("op", OPERATIONS)
def test_threads_change_no_bit(op: str, isa: str) -> None:
    call, _ = OPERATIONS[op]
    for p in (Problem(16, 6, 28, 28, 16, 5, 5), Problem(5, 70, 20, 20, 140, 3, 3, padding=(1, 1))):
        values = [array(v) for v in inputs(p)]
        with using(isa, 1):
            want = bits(call(p, *values))
        for threads in (2, 3, 5):
            with using(isa, threads):
                assert bits(call(p, *values)) == want


@pytest.mark.parametrize("isa", FAST)
def test_a_1x1_convolution_is_a_matrix_product(isa: str) -> None:
    """The same sums in the same order, so the same bits."""
    p = Problem(1, 50, 9, 13, 33, 1, 1)
    x, w, _, _ = inputs(p)
    with using(isa):
        got = numpy(_C.conv(array(x), array(w), None, *p.rest))
        want = numpy(_C.matmul(array(w[:, :, 0, 0].copy()), array(x.reshape(50, 117))))
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_floats_round_once(dtype: str) -> None:
    p = PROBLEMS[4]
    kind = getattr(_C, dtype)
    values = [array(v, dtype) for v in inputs(p)]
    wide = [_C.cast(v, _C.float32) for v in values]
    for call, _ in OPERATIONS.values():
        got = call(p, *values)
        assert got.dtype == kind
        assert bits(got) == bits(_C.cast(call(p, *wide), kind))


def test_a_gradient_that_broadcasts() -> None:
    """What sum().backward() gives: one number with strides of zero."""
    p = PROBLEMS[7]
    x, w, _, _ = inputs(p)
    ones = array(np.ones((1, 1, 1, 1), np.float32)).expand(p.out)
    full = array(np.ones(p.out, np.float32))
    for gradient, other in ((ones, full),):
        a = _C.conv_input_grad(gradient, array(w), p.x, *p.rest)
        assert bits(a) == bits(_C.conv_input_grad(other, array(w), p.x, *p.rest))
        a = _C.conv_weight_grad(gradient, array(x), p.weight, *p.rest)
        assert bits(a) == bits(_C.conv_weight_grad(other, array(x), p.weight, *p.rest))


def test_empty_batches_and_channels() -> None:
    x, w = f32(0, 3, 8, 8), array(np.ones((4, 3, 3, 3), np.float32))
    assert _C.conv(x, w).shape == (0, 4, 6, 6)
    assert _C.conv_input_grad(f32(0, 4, 6, 6), w, (0, 3, 8, 8)).shape == (0, 3, 8, 8)
    grad = _C.conv_weight_grad(f32(0, 4, 6, 6), x, (4, 3, 3, 3))
    assert np.array_equal(numpy(grad), np.zeros((4, 3, 3, 3)))
    for isa in ISAS:
        with using(isa):
            # No input channels: only the bias is left.
            bias = np.arange(4, dtype=np.float32)
            y = numpy(_C.conv(f32(2, 0, 8, 8), f32(4, 0, 3, 3), array(bias)))
            assert np.array_equal(y, np.broadcast_to(bias[:, None, None], (2, 4, 6, 6)))
            assert np.array_equal(
                numpy(_C.conv_input_grad(f32(2, 0, 6, 6), f32(0, 3, 3, 3), (2, 3, 8, 8))),
                np.zeros((2, 3, 8, 8)),
            )
    assert _C.conv(f32(2, 3, 8, 8), f32(0, 3, 3, 3)).shape == (2, 0, 6, 6)


HUGE = (2**31, 2**62, 2**63 - 1)


@pytest.mark.parametrize("huge", HUGE)
def test_huge_parameters(huge: int) -> None:
    x, w, one = (
        array(np.ones((1, 1, 4, 4), np.float32)),
        f32(1, 1, 3, 3),
        array(np.ones((1, 1, 1, 1), np.float32)),
    )
    with pytest.raises(ValueError, match="conv2d: "):
        _C.conv(x, w, None, 1, 0, huge)
    with pytest.raises((ValueError, MemoryError), match="conv2d: "):
        _C.conv(x, w, None, 1, huge)
    with pytest.raises(ValueError, match="conv2d: "):
        _C.conv(x, w, None, 1, 0, 1, huge)
    # A stride past the end leaves one output, and a single tap has no use for its dilation.
    for isa in ISAS:
        with using(isa):
            y = _C.conv(x, one, None, huge, 0, huge)
            assert numpy(y).tolist() == [[[[1.0]]]]
            back = numpy(_C.conv_input_grad(y, one, (1, 1, 4, 4), huge, 0, huge))
            assert back[0, 0, 0, 0] == 1 and back.sum() == 1
            grad = numpy(_C.conv_weight_grad(y, x, (1, 1, 1, 1), huge, 0, huge))
            assert grad.tolist() == [[[[1.0]]]]


def test_padding_stride_and_dilation_of_2_to_the_31() -> None:
    """Three taps 2**31 apart: the middle one meets the image, and the result has one number."""
    big = 2**31
    x = array(np.full((1, 1, 1, 1), 3.0, np.float32))
    w = array(np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3))
    for isa in ISAS:
        with using(isa):
            y = _C.conv(x, w, None, big, big, big)
            assert numpy(y).tolist() == [[[[12.0]]]]
            assert numpy(_C.conv_input_grad(y, w, (1, 1, 1, 1), big, big, big)).tolist() == [[[[48.0]]]]
            grad = numpy(_C.conv_weight_grad(y, x, (1, 1, 3, 3), big, big, big))
            assert grad[0, 0, 1, 1] == 36 and grad.sum() == 36


def f32(*shape: int) -> Any:
    return _C.empty(shape, _C.float32)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: _C.conv(f32(8, 3, 32, 32), f32(16, 4, 5, 5)),
            ValueError,
            r"conv2d: input has 3 channels \(shape \[8, 3, 32, 32\]\) but weight wants 4 "
            r"\(shape \[16, 4, 5, 5\], groups=1\)",
        ),
        (
            lambda: _C.conv(f32(3, 8, 8), f32(4, 3, 3, 3)),
            ValueError,
            r"conv1d: weight must be",
        ),
        (lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 3)), ValueError, "conv2d: weight must be"),
        (
            lambda: _C.conv(f32(1, 4, 8, 8), f32(3, 2, 3, 3), None, 1, 0, 1, 2),
            ValueError,
            "multiple of groups=2",
        ),
        (lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 3, 3), f32(3)), ValueError, r"bias must be \[4\]"),
        (
            lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 9, 3)),
            ValueError,
            "kernel height 9 .* reaches over 9",
        ),
        (
            lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 3, 3), None, 0),
            ValueError,
            "stride must be at least 1",
        ),
        (
            lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 3, 3), None, 1, -1),
            ValueError,
            "padding must be at least 0",
        ),
        (lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 3, 3), None, 1, 0, 0), ValueError, "dilation must be"),
        (lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 3, 3), None, 1, 0, 1, 0), ValueError, "groups must be"),
        (
            lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 3, 3), None, (1, 1, 1)),
            ValueError,
            "one number or 2",
        ),
        (lambda: _C.conv(f32(1, 3, 8, 8), f32(4, 3, 0, 3)), ValueError, "kernel height must be at least 1"),
        (
            lambda: _C.conv(f32(1, 3, 8, 8), _C.empty((4, 3, 3, 3), _C.float64)),
            TypeError,
            "conv2d: input is float32 but weight is float64",
        ),
        (
            lambda: _C.conv(_C.empty((1, 3, 8, 8), _C.int64), _C.empty((4, 3, 3, 3), _C.int64)),
            NotImplementedError,
            "conv2d: is not defined for int64",
        ),
        (
            lambda: _C.conv_input_grad(f32(1, 4, 5, 5), f32(4, 3, 3, 3), (1, 3, 8, 8)),
            ValueError,
            r"conv2d_input_grad: the gradient has shape \[1, 4, 5, 5\] but the result has \[1, 4, 6, 6\]",
        ),
        (
            lambda: _C.conv_weight_grad(f32(2, 4, 6, 6), f32(1, 3, 8, 8), (4, 3, 3, 3)),
            ValueError,
            "conv2d_weight_grad: the gradient has shape",
        ),
    ],
)
def test_wrong_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    tried = 0
    while tried < 60:
        groups = int(rng.choice([1, 1, 2, 3]))
        n, c, o = int(rng.integers(1, 4)), groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 6))
        h, w, r, s = (int(v) for v in (*rng.integers(1, 24, 2), *rng.integers(1, 5, 2)))
        stride, padding, dilation = (
            (int(a), int(b)) for a, b in (rng.integers(1, 4, 2), rng.integers(0, 4, 2), rng.integers(1, 4, 2))
        )
        p = Problem(n, c, h, w, o, r, s, stride, padding, dilation, groups)
        if min(p.out[2:]) < 1 or h + 2 * padding[0] < dilation[0] * (r - 1) + 1:
            continue
        if w + 2 * padding[1] < dilation[1] * (s - 1) + 1:
            continue
        tried += 1
        x, weight, bias, g = inputs(p, "float64")
        leaves = [torch.tensor(v, requires_grad=True) for v in (x, weight, bias)]
        y = torch.nn.functional.conv2d(*leaves, stride, padding, dilation, groups)
        y.backward(torch.tensor(g))
        native = [array(v) for v in (x, weight, bias, g)]
        for got, want in (
            (OPERATIONS["conv"][0](p, *native), y.detach()),
            (OPERATIONS["conv_input_grad"][0](p, *native), leaves[0].grad),
            (OPERATIONS["conv_weight_grad"][0](p, *native), leaves[1].grad),
        ):
            assert np.allclose(numpy(got), want.numpy(), rtol=1e-11, atol=1e-11), str(p)
