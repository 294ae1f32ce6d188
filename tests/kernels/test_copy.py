"""Copies, casts and fills of every pair of types and every layout."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from markone import _C

FLOATS = ("float32", "float64", "bfloat16", "float16")
INTEGERS = ("int64", "int32", "uint8")
TYPES = (*FLOATS, *INTEGERS, "bool")
ISAS = _C.available_isas()
VALUES = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -2.75, 3.7, 100.0, 254.0, 255.0, 300.0, 1e4, -1e4, 65504.0, 70000.0]
    + [2.0**31, -(2.0**31), 2.0**40, 1e300, 3e38, 1e-3, 1.0009765625, 1.00048828125, 1.001464843750]
)


def _wanted(x: np.ndarray, to: str) -> np.ndarray:
    """`x` cast to `to`; the two 16-bit floats as float32. Floats are in the range of integers."""
    if to == "bool":
        return x != 0
    if to in ("bfloat16", "float16"):
        with np.errstate(over="ignore"):
            return harness.round_to(x.astype(np.float32), to).astype(np.float32)
    if to in INTEGERS and x.dtype.kind == "f":
        x = np.trunc(x).astype(np.int64)
    with np.errstate(over="ignore"):
        return x.astype(to)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("source", TYPES)
def test_every_pair(isa: str, source: str) -> None:
    values = VALUES
    if source in INTEGERS:
        info = np.iinfo(source)
        values = np.array([info.min, info.max, 0, 1, 2, 7, info.max - 1, info.max // 2 + 1], source)
    with harness.using(isa):
        x = harness.array(values, source)
        stored = harness.numpy(x)
        for to in TYPES:
            use = stored
            given = x
            if source in FLOATS and to in INTEGERS:
                # What int64 cannot hold is another test's.
                fits = np.abs(stored.astype(np.float64)) < 2.0**62
                use = stored[fits]
                given = harness.array(use, source)
            want = _wanted(use, to)
            for repeats in (1, 40):
                many = harness.array(np.tile(use, repeats), source)
                assert np.array_equal(
                    harness.numpy(_C.cast(many, getattr(_C, to))), np.tile(want, repeats)
                ), to
            # Into a strided window, from a reversed one.
            wide = _C.empty([2 * len(use)], getattr(_C, to))
            _C.fill(wide, 0)
            _C.copy_into(wide.slice(0, 0, 2 * len(use), 2), given.flip([0]))
            got = harness.numpy(wide)
            assert np.array_equal(got[::2], want[::-1]), to
            assert not got[1::2].any()


@pytest.mark.parametrize("isa", ISAS)
def test_halves_bit_by_bit(isa: str) -> None:
    """All 65536 patterns of both 16-bit types survive the way through float32, and halves between two of them
    round to even."""
    words = np.arange(65536, dtype=np.uint16)
    with harness.using(isa):
        halves = words.view(np.float16).astype(np.float32)
        x = _C.cast(harness.array(halves), _C.float16)
        back = harness.numpy(x)
        assert np.array_equal(back, halves, equal_nan=True)
        ordered = np.sort(halves[np.isfinite(halves)]).astype(np.float64)
        middles = ((ordered[1:] + ordered[:-1]) / 2).astype(np.float32)
        middles = middles[np.abs(middles) > 2.0**-14]
        want = middles.astype(np.float16).astype(np.float32)
        assert np.array_equal(harness.numpy(_C.cast(harness.array(middles), _C.float16)), want)

        brains = (words.astype(np.uint32) << 16).view(np.float32)
        normal = (np.abs(brains) >= 2.0**-126) | (brains == 0) | np.isnan(brains)
        got = harness.numpy(_C.cast(harness.array(brains[normal]), _C.bfloat16))
        assert np.array_equal(got, brains[normal], equal_nan=True)
        x = np.random.default_rng(2).standard_normal(5000).astype(np.float32)
        x[:3] = np.nan, np.inf, 3.4e38
        got = harness.numpy(_C.cast(harness.array(x), _C.bfloat16))
        assert np.array_equal(got, harness.round_to(x, "bfloat16"), equal_nan=True)


@pytest.mark.parametrize("isa", ISAS)
def test_values_that_do_not_fit(isa: str) -> None:
    """Unspecified, but the same everywhere and harmless."""
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0**63, 1e10, -5.0])
    with harness.using(isa):
        for source in ("float32", "float64"):
            for to in INTEGERS:
                got = harness.numpy(_C.cast(harness.array(x, source), getattr(_C, to)))
                exact = np.array(
                    [int(v) if abs(v) < 2.0**63 else -(2**63) for v in np.nan_to_num(x, nan=1e30)]
                )
                if source == "float32":
                    exact[6] = int(np.float32(1e10))
                assert np.array_equal(got, exact.astype(to)), (source, to)
        flags = harness.numpy(_C.cast(harness.array(x), _C.bool_))
        assert flags.all()


SHAPES = [(), (0,), (1,), (70,), (3, 0, 2), (5, 7), (33, 65), (100, 4), (4, 100), (3, 40, 50), (2, 3, 4, 5)]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "bool", "int64"])
def test_every_permutation(isa: str, dtype: str) -> None:
    import itertools

    rng = np.random.default_rng(1)
    with harness.using(isa), harness.guarded():
        for shape in SHAPES:
            x = (
                (rng.random(shape) * 200)
                .astype(dtype if dtype != "float16" else np.float16)
                .astype(np.float32 if dtype == "float16" else dtype)
            )
            for order in itertools.permutations(range(len(shape))):
                got = _C.contiguous(harness.array(x, dtype).permute(list(order)))
                assert got.is_contiguous()
                assert np.array_equal(harness.numpy(got), x.transpose(order))
            for layout in harness.LAYOUTS:
                assert np.array_equal(harness.numpy(_C.clone(harness.array(x, dtype, layout))), x)


@pytest.mark.parametrize("isa", ISAS)
def test_broadcast_and_overlap(isa: str) -> None:
    with harness.using(isa):
        out = harness.array(np.zeros((4, 200), np.float32))
        _C.copy_into(out, harness.array(np.arange(200, dtype=np.float32)))
        assert np.array_equal(harness.numpy(out), np.tile(np.arange(200), (4, 1)))
        _C.copy_into(out, harness.array(np.arange(4).reshape(4, 1)))
        assert np.array_equal(harness.numpy(out), np.repeat(np.arange(4), 200).reshape(4, 200))
        x = harness.array(np.arange(10))
        _C.copy_into(x.slice(0, 1, 10, 1), x.slice(0, 0, 9, 1))
        assert harness.numpy(x).tolist() == [0, *range(9)]
        _C.copy_into(x, x.flip([0]))
        assert harness.numpy(x).tolist() == [*range(9)][::-1] + [0]
        with pytest.raises(ValueError, match="copy_: more than one element of the written-to tensor"):
            _C.copy_into(harness.array(np.zeros((1, 3))).expand([2, 3]), harness.array(np.zeros((2, 3))))
        with pytest.raises(ValueError, match="copy_"):
            _C.copy_into(x, harness.array(np.zeros(11)))


@pytest.mark.parametrize("isa", ISAS)
def test_fill(isa: str) -> None:
    with harness.using(isa), harness.guarded():
        for dtype in TYPES:
            for value in (0, 1, 2, 0.5, True):
                x = _C.empty([3, 70], getattr(_C, dtype))
                _C.fill(x, 0)
                _C.fill(x.slice(1, 1, 70, 3), value)
                want = np.zeros((3, 70))
                want[:, 1::3] = bool(value) if dtype == "bool" else int(value) if dtype in INTEGERS else value
                assert np.array_equal(harness.numpy(x).astype(np.float64), want), (dtype, value)
        big = _C.empty([5], _C.int64)
        _C.fill(big, 2**62 + 1)
        assert harness.numpy(big).tolist() == [2**62 + 1] * 5
        with pytest.raises(RuntimeError, match="fill_: nan is no int64"):  # as in PyTorch
            _C.fill(big, float("nan"))
        _C.fill(_C.empty([], _C.float32), 3)
        _C.fill(_C.empty([0], _C.float32), 3)


def test_clone_and_contiguous() -> None:
    x = harness.array(np.arange(6.0).reshape(2, 3))
    assert _C.contiguous(x).storage_id == x.storage_id
    assert _C.cast(x, _C.float64).storage_id == x.storage_id
    assert _C.clone(x).storage_id != x.storage_id
    assert _C.contiguous(x.transpose(0, 1)).storage_id != x.storage_id


test_same_bits = harness.make_tests(
    [
        harness.Case(
            f"cast-to-{to}",
            inputs=lambda rng: [rng.standard_normal((37, 70)) * 100],
            call=lambda x, to=to: _C.cast(x[0], getattr(_C, to)),
            reference=lambda a, to=to: (
                a[0] != 0 if to == "bool" else np.trunc(a[0]).astype(to) if to in INTEGERS else a[0]
            ),
            tolerance=0.51,
            dtypes=FLOATS[:1],
        )
        for to in ("float32", "float64", "bfloat16", "float16", "int64", "int32", "bool")
    ],
    checks=("right", "bits"),
)
