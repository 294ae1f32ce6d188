"""Reductions: right on every instruction set, the same bits in every layout, PyTorch's rules at the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

ISAS = _C.available_isas()
FLOATS = ("float32", "float64")


def normals(*shape: int) -> Callable[[np.random.Generator], list[np.ndarray]]:
    return lambda rng: [rng.standard_normal(shape)]


# The longest path of additions from an element to the result: 64 in a lane, 5 folds, the chunks in double.
def sum_bound(a: np.ndarray, axis: Any) -> np.ndarray:
    return 70 * np.abs(a).sum(axis=axis)


SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()),
    ((1,), (0,)),
    ((7,), (0,)),
    ((1025,), ()),
    ((33000,), (0,)),
    ((70001,), (0,)),
    ((5, 3), (0,)),
    ((5, 3), (1,)),
    ((64, 10), (0,)),
    ((200, 130), (0,)),
    ((130, 200), (1,)),
    ((40000, 3), (0,)),
    ((3, 40000), (1,)),
    ((4, 5, 6, 7), (0, 2, 3)),
    ((4, 5, 6, 7), (1,)),
    ((4, 5, 6, 7), (0, 3)),
    ((4, 5, 49, 31), (0, 2, 3)),
    ((36, 2, 31, 33), (0, 2, 3)),  # more than a block of runs that end within vectors
    ((2, 3, 4, 5, 6), ()),
    ((2, 1, 3), (1,)),
    ((0, 3), (0,)),
    ((3, 0), (0,)),
]


def axes(dims: tuple[int, ...], a: np.ndarray) -> tuple[int, ...]:
    return dims or tuple(range(a.ndim))


def mean(a: np.ndarray, dims: tuple[int, ...]) -> np.ndarray:
    """NaN without a warning where there is nothing."""
    return a.sum(axis=dims, keepdims=True) / np.float64(np.prod([a.shape[d] for d in dims]))


def make_cases() -> list[harness.Case]:
    cases = []
    for shape, dims in SHAPES:
        label = "x".join(map(str, shape)) + "-" + "".join(map(str, dims))
        dtypes: tuple[str, ...] = ("float32",)
        if shape in ((), (1025,), (200, 130), (4, 5, 6, 7)):
            dtypes = (*FLOATS, "bfloat16", "float16")

        def case(name: str, call: Any, reference: Any, tolerance: Any, **options: Any) -> None:
            cases.append(
                harness.Case(
                    f"{name}-{label}", normals(*shape), call, reference, tolerance, dtypes=dtypes, **options
                )
            )

        case(
            "sum",
            lambda x, d=dims: _C.sum(x[0], d, False),
            lambda a, d=dims: a[0].sum(axis=axes(d, a[0])),
            lambda a, d=dims: sum_bound(a[0], axes(d, a[0])),
        )
        case(
            "mean",
            lambda x, d=dims: _C.mean(x[0], d, True),
            lambda a, d=dims: mean(a[0], axes(d, a[0])),
            lambda a, d=dims: 70 * mean(np.abs(a[0]), axes(d, a[0])),
        )
        case(
            "var",
            lambda x, d=dims: _C.var(x[0], d, 0, False),
            lambda a, d=dims: mean((a[0] - mean(a[0], axes(d, a[0]))) ** 2, axes(d, a[0])).squeeze(
                axes(d, a[0])
            ),
            80.0,
        )
        case(
            "norm2",
            lambda x, d=dims: _C.norm2(x[0], d, False),
            lambda a, d=dims: np.sqrt((a[0] ** 2).sum(axis=axes(d, a[0]))),
            lambda a, d=dims: 70 * np.sqrt((a[0] ** 2).sum(axis=axes(d, a[0]))),
        )
        if 0 in [shape[i] for i in axes(dims, np.empty(shape))]:
            continue
        case(
            "amax",
            lambda x, d=dims: _C.amax(x[0], d, False),
            lambda a, d=dims: a[0].max(axis=axes(d, a[0])),
            0.0,
        )
        case(
            "amin",
            lambda x, d=dims: _C.amin(x[0], d, True),
            lambda a, d=dims: a[0].min(axis=axes(d, a[0]), keepdims=True),
            0.0,
        )
        if len(dims) == 1:
            case(
                "argmax",
                lambda x, d=dims: _C.argmax(x[0], d[0], False),
                lambda a, d=dims: a[0].argmax(axis=d[0]),
                0.0,
            )
        if not dims and shape:
            case(
                "argmin",
                lambda x: _C.argmin(x[0], None, False),
                lambda a: np.asarray(a[0].argmin()),
                0.0,
            )
    for shape, dim in (((40,), 0), ((7, 40), 1), ((40, 7), 0)):
        cases.append(
            harness.Case(
                f"prod-{len(shape)}-{dim}",
                lambda rng, s=shape: [1 + 0.3 * rng.standard_normal(s)],
                lambda x, d=dim: _C.prod(x[0], (d,), False),
                lambda a, d=dim: a[0].prod(axis=d),
                50.0,
                dtypes=FLOATS,
            )
        )
    for dtype in ("int64", "int32", "uint8", "bool"):
        for shape, dims in (((70001,), ()), ((9, 5, 77), (0,)), ((9, 5, 77), (1, 2)), ((3, 40000), (1,))):

            def integers(rng: np.random.Generator, s: Any = shape, t: str = dtype) -> list[np.ndarray]:
                if t == "bool":
                    return [rng.random(s) < 0.1]
                return [rng.integers(0 if t == "uint8" else -1000, 256, s).astype(t)]

            label = f"{dtype}-{'x'.join(map(str, shape))}-{''.join(map(str, dims))}"
            for name, function in {
                "sum": lambda a, d: a.sum(axis=d, dtype=np.int64),
                "prod": lambda a, d: a.prod(axis=d, dtype=np.int64),
                "amax": lambda a, d: a.max(axis=d),
                "amin": lambda a, d: a.min(axis=d),
                "any": lambda a, d: a.any(axis=d),
                "all": lambda a, d: a.all(axis=d),
            }.items():
                if name in ("prod", "amin", "all") and len(dims) != 2:
                    continue
                cases.append(
                    harness.Case(
                        f"{name}-{label}",
                        integers,
                        lambda x, d=dims, n=name: getattr(_C, n)(x[0], d, False),
                        lambda a, d=dims, f=function: np.asarray(f(a[0], axes(d, a[0]))),
                        dtypes=(None,),
                    )
                )
    return cases


test_all = harness.make_tests(make_cases())


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Any:
    with harness.using(isa=request.param):
        yield request.param


def test_float32_sum_is_as_good_as_its_rounding(isa: str) -> None:
    """A million equal numbers: adding them one by one in float32 is off by thousands of ulp."""
    x = np.full(1_000_003, 0.1, np.float32)
    want = float(x[0]) * len(x)
    got = harness.numpy(_C.sum(harness.array(x), (), False))
    assert abs(float(got) - want) <= 8 * 2**-23 * want
    along = harness.numpy(_C.sum(harness.array(np.stack([x, x], 1)), (0,), False))
    assert along.tolist() == [float(got)] * 2


def test_a_view_gives_the_bits_of_its_copy(isa: str) -> None:
    rng = np.random.default_rng(0)
    x = harness.array(rng.standard_normal((37, 51, 83)).astype(np.float32))
    views = [x.permute(order) for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1])]
    views += [x.slice(0, 1, 37, 3), x.slice(2, 5, 80, 2), x.flip([1]), x.select(1, 7), x.expand([37, 51, 83])]
    for view in views:
        copy = _C.clone(view)
        for dims in [(), *[(d,) for d in range(view.ndim)], (0, view.ndim - 1)]:
            for name in ("sum", "mean", "var", "prod", "amax"):
                arguments = (dims, 1, False) if name == "var" else (dims, False)
                want = harness.bits(getattr(_C, name)(copy, *arguments))
                assert harness.bits(getattr(_C, name)(view, *arguments)) == want, (name, view.strides, dims)


def test_a_row_alone_gives_the_bits_of_the_row_in_a_batch(isa: str) -> None:
    x = harness.array(np.random.default_rng(1).standard_normal((9, 2000)).astype(np.float32))
    rows = harness.numpy(_C.sum(x, (1,), False))
    for i in range(9):
        assert harness.numpy(_C.sum(x.select(0, i), (), False)) == rows[i]


def test_nan_and_infinities(isa: str) -> None:
    for at in (0, 5, 40, 1500, 2999):
        a = np.random.default_rng(at).standard_normal(3000)
        a[at] = np.nan
        for dtype in FLOATS:
            x = harness.array(a.astype(dtype))
            matrix = harness.array(np.stack([a, -a, np.abs(a)], 1).astype(dtype))
            for name in ("sum", "mean", "prod", "amax", "amin"):
                assert np.isnan(harness.numpy(getattr(_C, name)(x, (), False))), name
                assert np.isnan(harness.numpy(getattr(_C, name)(matrix, (0,), False))).all(), name
            a2 = a.copy()
            a2[min(at + 7, 2999)] = np.nan
            y = harness.array(a2.astype(dtype))
            assert harness.numpy(_C.argmax(y, 0, False)) == at
            assert harness.numpy(_C.argmin(y, None, False)) == at
            assert harness.numpy(_C.argmax(matrix, 0, False)).tolist() == [at] * 3
            assert harness.numpy(_C.any(x, (), False)) and harness.numpy(_C.all(x, (), False))
    low = harness.array(np.full((3, 70), -np.inf, np.float32))
    assert (harness.numpy(_C.amax(low, (1,), False)) == -np.inf).all()
    assert (harness.numpy(_C.argmax(low, 1, False)) == 0).all()
    assert (harness.numpy(_C.argmax(low, 0, False)) == 0).all()


def test_the_first_of_equal_extremes_is_found(isa: str) -> None:
    a = np.zeros((5, 4000), np.float32)
    for i, at in enumerate((0, 31, 1024, 2500, 3999)):
        a[i, at:] = 1
    want = [0, 31, 1024, 2500, 3999]
    assert harness.numpy(_C.argmax(harness.array(a), 1, False)).tolist() == want
    assert harness.numpy(_C.argmin(harness.array(-a.T), 0, False)).tolist() == want
    assert harness.numpy(_C.argmax(harness.array(a.astype(np.int64)), 1, True)).tolist() == [
        [w] for w in want
    ]


def test_nothing_to_reduce(isa: str) -> None:
    x = harness.array(np.empty((0, 3), np.float32))
    assert harness.numpy(_C.sum(x, (), False)) == 0
    assert harness.numpy(_C.prod(x, (0,), False)).tolist() == [1, 1, 1]
    assert np.isnan(harness.numpy(_C.mean(x, (0,), False))).all()
    assert np.isnan(harness.numpy(_C.var(x, (0,), 1, False))).all()
    assert not harness.numpy(_C.any(x, (), False)) and harness.numpy(_C.all(x, (), False))
    assert harness.numpy(_C.sum(x, (1,), True)).shape == (0, 1)
    assert harness.numpy(_C.amax(x, (1,), False)).shape == (0,)
    for name in ("amax", "amin"):
        with pytest.raises(IndexError, match=f"{name}: shape .0, 3. has nothing to reduce"):
            getattr(_C, name)(x, (0,), False)
    for name in ("argmax", "argmin"):
        with pytest.raises(IndexError, match=f"{name}: shape .0, 3. has nothing to choose from"):
            getattr(_C, name)(x, None, False)
    one = harness.array(np.ones((1, 2), np.float32))
    assert np.isnan(harness.numpy(_C.var(one, (0,), 1, False))).all()
    assert harness.numpy(_C.var(one, (0,), 0, False)).tolist() == [0, 0]


def test_integer_sums_wrap_and_small_types_do_not_overflow(isa: str) -> None:
    assert harness.numpy(_C.sum(harness.array(np.full(1000, 255, np.uint8)), (), False)) == 255_000
    big = np.array([2**62, 2**62, 2**62], np.int64)
    with np.errstate(over="ignore"):
        assert harness.numpy(_C.sum(harness.array(big), (), False)) == big.sum()
        assert harness.numpy(_C.prod(harness.array(big - 1), (), False)) == (big - 1).prod()
    assert harness.dtype_name(_C.sum(harness.array(np.ones(3, bool)), (), False)) == "int64"


def test_wrong_arguments() -> None:
    x = harness.array(np.ones((2, 3), np.float32))
    with pytest.raises(IndexError, match="sum"):
        _C.sum(x, (2,), False)
    with pytest.raises(ValueError, match="sum: dimension -1 appears twice"):
        _C.sum(x, (1, -1), False)
    with pytest.raises(IndexError, match="argmax"):
        _C.argmax(x, -3, False)
    for name in ("mean", "var"):
        with pytest.raises(TypeError, match=f"{name}: wants a floating type, got int64"):
            getattr(_C, name)(harness.array(np.ones(3, np.int64)))


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    for shape in ((), (5,), (3, 4), (2, 3, 4)):
        a = rng.standard_normal(shape).astype(np.float32)
        x, t = harness.array(a), torch.tensor(a)
        for keep in (False, True):
            for d in range(-len(shape), len(shape)):
                for name in ("sum", "mean", "amax", "amin", "prod", "argmax", "argmin"):
                    dims = d if name.startswith("arg") else (d,)
                    got = harness.numpy(getattr(_C, name)(x, dims, keep))
                    want = getattr(torch, name)(t, d, keepdim=keep).numpy()
                    assert got.dtype == want.dtype and got.shape == want.shape, name
                    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=name)
                for correction in (0, 1, 1.5):
                    if correction >= shape[d]:
                        continue
                    got = harness.numpy(_C.var(x, (d,), correction, keep))
                    want = torch.var(t, d, correction=correction, keepdim=keep).numpy()
                    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [(6, 0), (0, 6), (2, 0, 3), (0, 0), (2, 3, 0, 4)])
def test_nothing_to_reduce_gives_the_neutral_element(isa: str, shape: tuple[int, ...]) -> None:
    x = harness.array(np.ones(shape, np.float32))
    with harness.using(isa):
        assert harness.numpy(_C.sum(x, (), False)) == 0
        assert harness.numpy(_C.prod(x, (), False)) == 1
        assert harness.numpy(_C.all(_C.cast(x, _C.bool), (), False))
        assert not harness.numpy(_C.any(_C.cast(x, _C.bool), (), True)).any()
        assert np.isnan(harness.numpy(_C.mean(x, (), False)))
