"""Matrix products: every implementation on every instruction set against NumPy in float64 with the bound of
the mathematics, and the law that all paths add up in the same order, so that a row alone equals the same row
in a batch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import harness
from harness import array, bits, numpy, using
from markone import _C

ISAS = _C.available_isas()
# Those that keep the order; the reference adds in double.
PATHS = ("direct", "packed", "")
FAST = [isa for isa in ISAS if isa != "ref"]
FLOATS = ("float32", "float64")


def product_case(m: int, n: int, k: int, dtypes: tuple[str, ...] = FLOATS) -> harness.Case:
    return harness.Case(
        f"matmul-{m}x{n}x{k}",
        inputs=lambda rng: [rng.standard_normal((m, k)), rng.standard_normal((k, n))],
        call=lambda x: _C.matmul(x[0], x[1]),
        reference=lambda a: a[0] @ a[1],
        # Each of k steps rounds once, by half an epsilon of what is summed so far.
        tolerance=lambda a: (k + 1) * (np.abs(a[0]) @ np.abs(a[1])),
        dtypes=dtypes,
        op="matmul",
        flops=2.0 * m * n * k,
    )


def linear_case(rows: int, n: int, k: int) -> harness.Case:
    return harness.Case(
        f"linear-{rows}x{n}x{k}",
        inputs=lambda rng: [
            rng.standard_normal((rows, k)),
            rng.standard_normal((n, k)),
            rng.standard_normal(n),
        ],
        call=lambda x: _C.linear(x[0], x[1], x[2]),
        reference=lambda a: a[0] @ a[1].T + a[2],
        tolerance=lambda a: (k + 2) * (np.abs(a[0]) @ np.abs(a[1]).T + np.abs(a[2])),
        dtypes=FLOATS,
        op="matmul",
        flops=2.0 * rows * n * k,
    )


CASES = [
    product_case(1, 1, 1),
    product_case(1, 70, 33),
    product_case(3, 1, 65),
    product_case(5, 17, 0),
    product_case(6, 16, 9),
    product_case(29, 31, 37),
    product_case(64, 64, 64),
    product_case(130, 70, 401),
    product_case(250, 530, 20),
    linear_case(1, 10, 84),
    linear_case(3, 33, 50),
    linear_case(64, 84, 120),
    linear_case(27, 1, 19),
]
test_cases = harness.make_tests(CASES)


def matrices(m: int, n: int, k: int, dtype: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


def stored(x: np.ndarray, transposed: bool) -> Any:
    """The matrix as an Array that lies by rows or by columns."""
    return array(np.ascontiguousarray(x.T)).transpose(0, 1) if transposed else array(x)


def check_product(got: np.ndarray, a: np.ndarray, b: np.ndarray, label: str) -> None:
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    bound = (a.shape[-1] + 1) * np.finfo(a.dtype).eps * (np.abs(a64) @ np.abs(b64))
    assert got.shape == (a64 @ b64).shape, label
    assert (np.abs(got - a64 @ b64) <= bound).all(), label


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n, k", [(37, 33), (1, 40), (70, 801), (130, 5)])
def test_a_row_alone_equals_the_same_row_in_a_batch(isa: str, dtype: str, n: int, k: int) -> None:
    a, b = matrices(70, n, k, dtype)
    want = None
    for path in PATHS:
        with using(isa, 1, "matmul", path or None):
            for a_by_columns, b_by_columns in itertools.product((False, True), repeat=2):
                left, right = stored(a, a_by_columns), stored(b, b_by_columns)
                label = f"{path or 'chosen'}, transposed {a_by_columns} {b_by_columns}"
                whole = numpy(_C.matmul(left, right))
                if want is None:
                    check_product(whole, a, b, label)
                    want = whole
                assert whole.tobytes() == want.tobytes(), label
                for m in range(1, 70):
                    some = numpy(_C.matmul(left.slice(0, 0, m, 1), right))
                    assert some.tobytes() == want[:m].tobytes(), f"{label}: the first {m} rows"
                    row = numpy(_C.matmul(left.slice(0, m, m + 1, 1), right))
                    assert row.tobytes() == want[m].tobytes(), f"{label}: row {m}"


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_batch_equals_its_items(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal((5, 19, 23)).astype(dtype)
    b = rng.standard_normal((5, 23, 31)).astype(dtype)
    for path in PATHS:
        with using(isa, 2, "matmul", path or None):
            together = numpy(_C.matmul(array(a), array(b)))
            shared = numpy(_C.matmul(array(a), array(b[2])))
            for i in range(5):
                alone = numpy(_C.matmul(array(a[i]), array(b[i])))
                assert together[i].tobytes() == alone.tobytes()
                alone = numpy(_C.matmul(array(a[i]), array(b[2])))
                assert shared[i].tobytes() == alone.tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_all_edge_sizes(isa: str, dtype: str) -> None:
    for path in ("",) if isa == "ref" else PATHS:
        with using(isa, 1, "matmul", path or None):
            for s in range(71):
                for m, n, k in ((s, 70 - s, (7 * s) % 71), ((5 * s) % 71, s, s), (s, (11 * s) % 71, 71 - s)):
                    a, b = matrices(m, n, k, dtype, s)
                    label = f"{path} {m} x {n} x {k}"
                    check_product(numpy(_C.matmul(stored(a, s % 2 == 0), stored(b, s % 3 == 0))), a, b, label)


@pytest.mark.parametrize("isa", FAST)
@pytest.mark.parametrize("path", PATHS[:2])
def test_threads_change_no_bit(isa: str, path: str) -> None:
    # Several blocks of each of M, N and K.
    a, b = matrices(260, 1100, 830, "float32")
    with using(isa, 1, "matmul", path):
        want = bits(_C.matmul(array(a), array(b)))
    for threads in (2, 3, 5):
        with using(isa, threads, "matmul", path):
            assert bits(_C.matmul(array(a), array(b))) == want


def test_wide_and_long_products() -> None:
    # More columns than are packed at a time.
    a, b = matrices(30, 3300, 40, "float32")
    check_product(numpy(_C.matmul(array(a), array(b))), a, b, "wide")
    # A few rows against a large matrix, by rows and by columns.
    for m in (1, 2, 3, 4, 5):
        a, b = matrices(m, 2100, 1030, "float32")
        for by_columns in (False, True):
            check_product(numpy(_C.matmul(array(a), stored(b, by_columns))), a, b, f"{m} rows")


BATCHES = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 2)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (4, 3, 6)),
    ((1, 4, 2, 3), (5, 1, 3, 6)),
    ((2, 3, 4, 5, 6), (4, 6, 7)),
    ((0, 2, 3), (3, 4)),
    ((4, 0, 3), (4, 3, 2)),
    ((4, 2, 0), (4, 0, 3)),
    ((0,), (0,)),
]


@pytest.mark.parametrize("left, right", BATCHES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_shapes_by_the_rules_of_matmul(left: Any, right: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, shape).astype(dtype) for shape in (left, right))
    want = np.matmul(a, b)
    got = numpy(_C.matmul(array(a), array(b)))
    assert got.shape == want.shape and got.dtype == want.dtype
    assert np.array_equal(got, want)  # small integers are exact in every type


def test_broadcast_and_reversed_inputs() -> None:
    a, b = matrices(20, 30, 40, "float32")
    spread = array(a[:1]).expand((20, 40))
    check_product(numpy(_C.matmul(spread, array(b))), np.repeat(a[:1], 20, 0), b, "one row for all")
    spread = array(b[:1]).expand((40, 30))
    check_product(numpy(_C.matmul(array(a), spread)), a, np.repeat(b[:1], 40, 0), "one row of b for all")
    back = numpy(_C.matmul(array(a).flip((1,)), array(b).flip((0,))))
    check_product(back, np.ascontiguousarray(a[:, ::-1]), np.ascontiguousarray(b[::-1]), "reversed")


@pytest.mark.parametrize("isa", ISAS)
def test_accumulating_begins_with_what_is_there(isa: str) -> None:
    a, b = matrices(33, 45, 500, "float32")
    c = np.random.default_rng(2).standard_normal((33, 45)).astype(np.float32)
    with using(isa):
        out = array(c)
        version = out.version
        _C.matmul_into(out, array(a), array(b), True)
        assert out.version > version
        want = c + a.astype(np.float64) @ b
        assert np.abs(numpy(out) - want).max() < 502 * 2.0**-23 * (np.abs(a) @ np.abs(b) + np.abs(c)).max()
        _C.matmul_into(out, array(a), array(b))
        assert bits(out) == bits(_C.matmul(array(a), array(b)))
        # The output may be an input.
        square = array(a[:, :33])
        want_bits = bits(_C.matmul(square, square))
        _C.matmul_into(square, square, square)
        assert bits(square) == want_bits


@pytest.mark.parametrize("isa", FAST)
def test_a_split_sum_equals_the_whole(isa: str) -> None:
    """What a K-block relies on: it begins with C as its accumulator."""
    a, b = matrices(9, 21, 100, "float32")
    with using(isa):
        want = bits(_C.matmul(array(a), array(b)))
        out = _C.matmul(array(a[:, :37].copy()), array(b[:37]))
        _C.matmul_into(out, array(a[:, 37:].copy()), array(b[37:]), True)
        assert bits(out) == want


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_floats_round_once(dtype: str) -> None:
    a, b = matrices(20, 30, 300, "float32")
    kind = getattr(_C, dtype)
    left, right = array(a, dtype), array(b, dtype)
    wide = _C.matmul(_C.cast(left, _C.float32), _C.cast(right, _C.float32))
    got = _C.matmul(left, right)
    assert got.dtype == kind
    assert bits(got) == bits(_C.cast(wide, kind))
    bias = array(b[0, :30], dtype)
    weight = array(np.ascontiguousarray(b.T), dtype)
    wide = _C.linear(*(_C.cast(x, _C.float32) for x in (left, weight, bias)))
    assert bits(_C.linear(left, weight, bias)) == bits(_C.cast(wide, kind))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_integers_wrap_like_numpy(dtype: str) -> None:
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype)
    a = rng.integers(info.min, info.max, (9, 12), dtype, endpoint=True)
    b = rng.integers(info.min, info.max, (12, 7), dtype, endpoint=True)
    with np.errstate(over="ignore"):
        want = np.matmul(a, b)
    assert np.array_equal(numpy(_C.matmul(array(a), array(b))), want)


@pytest.mark.parametrize("isa", ISAS)
def test_no_terms_give_zeros_and_the_bias(isa: str) -> None:
    with using(isa):
        assert np.array_equal(
            numpy(_C.matmul(_C.empty((3, 0), _C.float32), _C.empty((0, 5), _C.float32))), np.zeros((3, 5))
        )
        bias = np.arange(5, dtype=np.float32)
        got = numpy(_C.linear(_C.empty((3, 0), _C.float32), _C.empty((5, 0), _C.float32), array(bias)))
        assert np.array_equal(got, np.tile(bias, (3, 1)))


def test_nan_and_infinity_reach_their_outputs_only() -> None:
    for isa in ISAS:
        for path in ("",) if isa == "ref" else PATHS:
            with using(isa, 1, "matmul", path or None):
                a, b = matrices(13, 19, 21, "float32")
                a[4, 20], a[7, 3] = np.nan, np.inf
                got = numpy(_C.matmul(array(a), array(b)))
                finite = np.isfinite(got).all(1)
                assert not finite[4] and not finite[7] and finite.sum() == 11


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: _C.matmul(f32(2, 3), f32(4, 5)), ValueError, r"matmul: .*\[2, 3\] and \[4, 5\].*3.*4"),
        (lambda: _C.matmul(f32(), f32(4)), ValueError, "matmul: .*at least 1 dimension"),
        (lambda: _C.matmul(f32(2, 2, 3), f32(3, 3, 4)), ValueError, "matmul: .*do not broadcast"),
        (lambda: _C.matmul(f32(2, 3), f64(3, 2)), TypeError, "matmul: a is float32 but b is float64"),
        (
            lambda: _C.matmul(_C.empty((2, 2), _C.bool_), _C.empty((2, 2), _C.bool_)),
            NotImplementedError,
            "matmul: is not defined for bool",
        ),
        (lambda: _C.linear(f32(2, 3), f32(5, 4)), ValueError, r"linear: .*3 features.*\[5, 4\] wants 4"),
        (lambda: _C.linear(f32(2, 3), f32(5, 3), f32(4)), ValueError, r"linear: bias must be \[5\]"),
        (lambda: _C.linear(f32(2, 3), f32(3)), ValueError, "linear: weight must be"),
        (lambda: _C.linear(f32(), f32(3, 3)), ValueError, "linear: input of shape"),
        (lambda: _C.linear(f32(2, 3), f32(5, 3), f64(5)), TypeError, "linear: input is float32 but bias"),
        (lambda: _C.matmul_into(f32(2, 2), f32(2, 3), f32(3, 4)), ValueError, "matmul_into: .*stored"),
    ],
)
def test_wrong_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def f32(*shape: int) -> Any:
    return _C.empty(shape, _C.float32)


def f64(*shape: int) -> Any:
    return _C.empty(shape, _C.float64)


def test_a_recorded_product_replays() -> None:
    a, b = array(matrices(40, 50, 60, "float32")[0]), array(matrices(40, 50, 60, "float32")[1])
    want = bits(_C.matmul(a, b))
    program = _C.Program()
    with using(threads=1):
        _C.begin_recording(program)
        try:
            out = _C.matmul(a, b)
        finally:
            _C.end_recording()
    _C.fill(out, 0.0)
    # More threads than when it was recorded: the scratch was sized for one.
    with using(threads=4):
        program.replay()
    assert bits(out) == want


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    for _ in range(40):
        m, n, k = (int(v) for v in rng.integers(1, 90, 3))
        a, b = matrices(m, n, k, "float32", int(rng.integers(1 << 30)))
        want = torch.matmul(torch.from_numpy(a), torch.from_numpy(b)).numpy()
        got = numpy(_C.matmul(array(a), array(b)))
        assert (np.abs(got - want) <= 2 * (k + 1) * 2.0**-23 * (np.abs(a) @ np.abs(b))).all()


def halves(x: np.ndarray, dtype: str, transposed: bool = False) -> Any:
    """The matrix in a type of two bytes, by rows or by columns."""
    if transposed:
        return halves(np.ascontiguousarray(x.T), dtype).transpose(0, 1)
    return _C.cast(array(x), getattr(_C, dtype))


def floats(x: Any) -> np.ndarray:
    """An Array of halves as float32."""
    return numpy(_C.cast(x, _C.float32))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("dtype", "unit"), [("bfloat16", 2.0**-8), ("float16", 2.0**-11)])
def test_products_of_halves(isa: str, dtype: str, unit: float) -> None:
    # A sum is one of float32, and the result is rounded once.
    rng = np.random.default_rng(5)
    for m, n, k in (
        (1, 1, 1),
        (3, 70, 33),
        (1, 300, 128),
        (17, 40, 7),
        (70, 130, 801),
        (9, 5, 0),
        (260, 530, 1100),
    ):
        a, b, bias = (
            harness.round_to(rng.standard_normal(shape).astype("float32"), dtype)
            for shape in ((m, k), (k, n), (n,))
        )
        exact = a.astype(np.float64) @ b.astype(np.float64)
        sums = (k + 2) * np.finfo("float32").eps * (np.abs(a).astype(np.float64) @ np.abs(b) + np.abs(bias))
        want = None
        for threads, by_columns, b_by_columns in itertools.product((1, 2), (False, True), (False, True)):
            label = f"{m} x {n} x {k}, {threads} threads, transposed {by_columns} {b_by_columns}"
            with using(isa, threads):
                left, right = halves(a, dtype, by_columns), halves(b, dtype, b_by_columns)
                got = floats(_C.matmul(left, right))
                assert (np.abs(got - exact) <= sums + unit * np.abs(exact)).all(), label
                want = got if want is None else want
                assert got.tobytes() == want.tobytes(), label
                for row in {0, m // 2, m - 1}:
                    alone = floats(_C.matmul(left.slice(0, row, row + 1, 1), right))
                    assert alone.tobytes() == want[row].tobytes(), f"{label}: row {row}"
                got = floats(_C.linear(left, right.transpose(0, 1), halves(bias, dtype)))
                error = np.abs(got - (exact + bias))
                assert (error <= sums + unit * np.abs(exact + bias)).all(), label
        with using(isa, 2):
            together = floats(_C.matmul(*(halves(np.stack([x, x[::-1]]), dtype) for x in (a, b))))
        assert want is not None and together[0].tobytes() == want.tobytes(), f"{m} x {n} x {k} in a batch"
