"""Indexing by integer arrays, gather, scatter, nonzero, cat and arange, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

ISAS = _C.available_isas()
TYPES = ("float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool")
numpy, array = harness.numpy, harness.array


def _data(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "bool":
        return rng.random(shape) < 0.5
    kind = np.float32 if dtype in ("bfloat16", "float16") else np.dtype(dtype)
    return rng.integers(0, 100, shape).astype(kind)


def _both(indices: list[np.ndarray | None]) -> tuple[list[Any], tuple[Any, ...]]:
    native = [None if i is None else array(np.asarray(i, np.int64)) for i in indices]
    return native, tuple(slice(None) if i is None else i for i in indices)


def _index_sets(rng: np.random.Generator) -> list[tuple[tuple[int, ...], list[np.ndarray | None]]]:
    def at(size: int, *shape: int) -> np.ndarray:
        return rng.integers(-size, size, shape)

    return [
        ((10,), [at(10, 7)]),
        ((10,), [at(10)]),
        ((10, 6), [at(10, 4)]),
        ((10, 6), [None, at(6, 3, 2)]),
        ((10, 6), [at(10, 5), at(6, 5)]),
        ((10, 6), [at(10, 5, 1), at(6, 1, 4)]),
        ((4, 5, 6), [at(4, 3), None, at(6, 3)]),
        ((4, 5, 6), [None, at(5, 3), at(6, 2, 1)]),
        ((4, 5, 6), [None, at(5, 1), None]),
        ((4, 5, 6), [at(4, 1, 1)]),
        ((4, 5, 6), [at(4, 2), at(5, 2), at(6, 2)]),
        ((4, 0, 6), [at(4, 3)]),
        ((4, 5), [np.zeros((0,), np.int64)]),
        ((50, 300), [at(50, 200)]),
    ]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", TYPES)
def test_get_and_put(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    with harness.using(isa), harness.guarded():
        for shape, indices in _index_sets(rng):
            data = _data(rng, shape, dtype)
            native, key = _both(indices)
            for layout in (None, *harness.LAYOUTS) if data.size else (None,):
                x = array(data, dtype, layout)
                assert np.array_equal(numpy(_C.index(x, native)), data[key]), (shape, layout)
                values = _data(rng, data[key].shape, dtype)
                want = data.copy()
                want[key] = values
                _C.index_put_into(x, native, array(values, dtype), False)
                assert np.array_equal(numpy(x), want), (shape, layout)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", TYPES)
def test_accumulate(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    with harness.using(isa), harness.guarded():
        for shape, indices in _index_sets(rng):
            data = _data(rng, shape, dtype) if dtype == "bool" else _data(rng, shape, dtype) % 3
            native, key = _both(indices)
            values = _data(rng, data[key].shape, dtype)
            values = values if dtype == "bool" else values % 3
            want = data.copy()
            (np.logical_or if dtype == "bool" else np.add).at(want, key, values)
            x = array(data, dtype)
            _C.index_put_into(x, native, array(values, dtype), True)
            assert np.array_equal(numpy(x), want), shape


@pytest.mark.parametrize("isa", ISAS)
def test_accumulate_in_order(isa: str) -> None:
    """Additions to one place happen in the order of the indices, whatever the threads."""
    rng = np.random.default_rng(3)
    indices = rng.integers(0, 5, 3000)
    values = (rng.standard_normal((3000, 200)) * np.exp(rng.standard_normal((3000, 1)) * 4)).astype(
        np.float32
    )
    want = np.zeros((5, 200), np.float32)
    for i, v in zip(indices, values):
        want[i] += v
    for threads in (1, 2):
        with harness.using(isa, threads):
            x = array(np.zeros((5, 200), np.float32))
            _C.index_put_into(x, [array(indices)], array(values), True)
            assert numpy(x).tobytes() == want.tobytes()


def test_put_broadcasts_and_casts() -> None:
    x = array(np.zeros((4, 3), np.float32))
    _C.index_put_into(x, [array(np.array([1, 3]))], array(np.array([1, 2, 3])), False)
    assert numpy(x).tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0], [1, 2, 3]]
    _C.index_put_into(x, [array(np.array([0, 0]))], array(np.array(5.0)), True)
    assert numpy(x)[0].tolist() == [10, 10, 10]
    # The values and the indices may be the array itself.
    y = array(np.array([2, 0, 1]))
    _C.index_put_into(y, [y], y.flip([0]), False)
    assert numpy(y).tolist() == [0, 2, 1]


@pytest.mark.parametrize("isa", ISAS)
def test_bad_indices(isa: str) -> None:
    with harness.using(isa), harness.guarded():
        x = array(np.arange(12.0).reshape(4, 3))
        bad = array(np.array([0, 1, 4, -5]))
        with pytest.raises(IndexError, match="index: index at flat index 2 is 4, wanted -4 <= value < 4"):
            _C.index(x, [bad])
        before = numpy(x)
        with pytest.raises(IndexError, match="index_put_: index at flat index 2 is 4"):
            _C.index_put_into(x, [bad], array(np.array(0.0)), False)
        assert np.array_equal(numpy(x)[2:], before[2:])
        huge = array(np.array([2**62, -(2**63), 2**63 - 1]))
        for call in (
            lambda: _C.index(x, [huge]),
            lambda: _C.gather(x, 0, huge.unsqueeze(1)),
            lambda: _C.scatter_into(x, 0, huge.unsqueeze(1), array(np.zeros((3, 1))), True),
            lambda: _C.index(array(np.zeros((0, 3))), [array(np.array([0]))]),
        ):
            with pytest.raises(IndexError, match="flat index 0 is"):
                call()
    with pytest.raises(TypeError, match="index: an index array must be int64, got float32"):
        _C.index(x, [array(np.zeros(2, np.float32))])
    with pytest.raises(IndexError, match="index: got 3 indices for an array of 2 dimensions"):
        _C.index(x, [bad, bad, bad])
    with pytest.raises(IndexError, match="index: got no index array"):
        _C.index(x, [None])
    with pytest.raises(ValueError, match="index: shapes"):
        _C.index(x, [bad, array(np.zeros(3, np.int64))])
    with pytest.raises(ValueError, match="index_put_: more than one element of the written-to tensor"):
        _C.index_put_into(array(np.zeros((1, 3))).expand([2, 3]), [bad], array(np.array(0.0)), False)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", TYPES)
def test_gather_and_scatter(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(4)
    with harness.using(isa), harness.guarded():
        for shape in [(7,), (5, 6), (3, 4, 5), (40, 600), ()]:
            for dim in range(len(shape) or 1):
                data = _data(rng, shape, dtype)
                size = shape[dim] if shape else 1
                index = rng.integers(0, size, shape)
                x, i = array(data, dtype), array(np.asarray(index, np.int64))
                want = np.take_along_axis(data, index, dim) if shape else data
                assert np.array_equal(numpy(_C.gather(x, dim, i)), want)
                strided = array(data, dtype, "transposed")
                assert np.array_equal(numpy(_C.gather(strided, dim, i)), want)
                if dtype in ("bool", "uint8"):
                    continue
                values = (_data(rng, shape, dtype) % 3).astype(data.dtype)
                sums = np.zeros(shape, np.float64)
                if shape:
                    places = list(np.indices(shape))
                    places[dim] = index
                    np.add.at(sums, tuple(places), values)
                else:
                    sums = sums + values
                out = array(np.zeros(shape), dtype)
                _C.scatter_into(out, dim, i, array(values, dtype), True)
                assert np.array_equal(numpy(out).astype(np.float64), sums)
                if shape:
                    put = np.zeros(shape)
                    np.put_along_axis(put, index, values, dim)
                    out = array(np.zeros(shape), dtype)
                    _C.scatter_into(out, dim, i, array(values, dtype), False)
                    assert np.array_equal(numpy(out).astype(np.float64), put)
    x = array(np.zeros((3, 4)))
    small = array(np.zeros((2, 4), np.int64))
    assert _C.gather(x, 0, small).shape == (2, 4)
    with pytest.raises(ValueError, match="gather: the index of shape"):
        _C.gather(x, 0, array(np.zeros((2, 5), np.int64)))
    with pytest.raises(ValueError, match=r"scatter_: the index of shape .* larger than the source"):
        _C.scatter_into(x, 0, small, array(np.zeros((1, 4))), False)
    with pytest.raises(TypeError, match="gather: the index must be int64"):
        _C.gather(x, 0, x)
    with pytest.raises(IndexError, match="gather: dimension 2"):
        _C.gather(x, 2, small)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", TYPES)
def test_nonzero(isa: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    with harness.using(isa), harness.guarded():
        for shape in [(), (0,), (3, 0), (70,), (6, 7), (3, 4, 5), (400, 300)]:
            data = (_data(rng, shape, dtype) * (rng.random(shape) < 0.3)).astype(
                bool if dtype == "bool" else np.float32
            )
            want = np.argwhere(data)
            for threads in (1, 2):
                _C.set_num_threads(threads)
                got = numpy(_C.nonzero(array(data, dtype)))
                assert got.dtype == np.int64
                assert got.shape == (want.shape[0], len(shape))
                assert np.array_equal(got, want.reshape(got.shape))
            if data.ndim > 1:
                got = numpy(_C.nonzero(array(data, dtype, "transposed")))
                assert np.array_equal(got, want)


def test_nonzero_is_not_recorded() -> None:
    x = array(np.ones(3))
    program = _C.Program()
    _C.begin_recording(program)
    try:
        with pytest.raises(RuntimeError, match="nonzero: .*the shape of its result depends on data"):
            _C.nonzero(x)
    finally:
        _C.end_recording()


@pytest.mark.parametrize("isa", ISAS)
def test_cat(isa: str) -> None:
    rng = np.random.default_rng(6)
    with harness.using(isa), harness.guarded():
        a, b, c = (rng.standard_normal((2, n, 3)).astype(np.float32) for n in (3, 0, 70))
        got = _C.cat([array(a), array(b), array(c, None, "transposed")], -2)
        assert np.array_equal(numpy(got), np.concatenate([a, b, c], 1))
        mixed = _C.cat([array(np.ones(2, np.float32)), array(np.arange(3))], 0)
        assert mixed.dtype == _C.float32
        assert numpy(mixed).tolist() == [1, 1, 0, 1, 2]
        assert _C.cat([array(np.zeros(0)), array(a)], 0).shape == a.shape
    with pytest.raises(ValueError, match="cat: got no arrays"):
        _C.cat([], 0)
    with pytest.raises(ValueError, match=r"cat: shapes .* differ at dimension 2"):
        _C.cat([array(a), array(np.zeros((2, 3, 4), np.float32))], 1)
    with pytest.raises(ValueError, match="cat: 0-d arrays"):
        _C.cat([array(np.zeros(()))], 0)
    with pytest.raises(IndexError, match="cat: dimension 3"):
        _C.cat([array(a)], 3)


@pytest.mark.parametrize("isa", ISAS)
def test_arange(isa: str) -> None:
    with harness.using(isa), harness.guarded():
        for n in [*range(20), 70, 40000]:
            assert np.array_equal(numpy(_C.arange(3, -2, n, _C.int64)), 3 - 2 * np.arange(n))
            want = (0.1 + np.arange(n) * 0.3).astype(np.float32)
            assert np.array_equal(numpy(_C.arange(0.1, 0.3, n, _C.float32)), want)
        assert numpy(_C.arange(2**62, 2**62, 3, _C.int64)).tolist() == [2**62, -(2**63), -(2**62)]
    with pytest.raises(ValueError, match="arange: got a count of -1"):
        _C.arange(0, 1, -1, _C.int64)
    with pytest.raises((ValueError, MemoryError), match="arange"):
        _C.arange(0, 1, 2**62, _C.int64)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", TYPES)
def test_reduce_at_places(isa: str, dtype: str) -> None:
    """prod, amax and amin by index and along a dimension, with the same bits on 1 and 2 threads."""
    rng = np.random.default_rng(6)
    ways = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}
    for shape, indices in [((40, 300), [rng.integers(-40, 40, 90)]), ((50,), [rng.integers(0, 50, 5000)])]:
        native, key = _both(indices)
        for how, meet in ways.items():
            many = np.prod(indices[0].shape) * np.prod(shape[1:]) > 4000 and how in ("sum", "prod")
            data, values = (_data(rng, s, dtype) for s in (shape, (*indices[0].shape, *shape[1:])))
            if dtype != "bool":  # numbers whose sums and products every type holds
                data, values = (x % 2 if many else x % 3 for x in (data, values))
                values = values * (how != "sum" or dtype not in ("bfloat16", "float16"))
            want = data.copy()
            if dtype == "bool":
                meet = np.logical_and if how in ("prod", "amin") else np.logical_or
            meet.at(want, key, values)
            for threads in (1, 2):
                with harness.using(isa, threads), harness.guarded():
                    x = array(data, dtype)
                    _C.index_reduce_into(x, native, array(values, dtype), how)
                    assert np.array_equal(numpy(x), want), (shape, how)
                    if len(shape) == 1:
                        y = array(data, dtype)
                        _C.scatter_reduce_into(y, 0, native[0], array(values, dtype), how)
                        assert np.array_equal(numpy(y), want), how
    with pytest.raises(ValueError, match="index_reduce_: reduce is 'mean'"):
        _C.index_reduce_into(x, native, array(values, dtype), "mean")


@pytest.mark.parametrize("isa", ISAS)
def test_rows_on_threads(isa: str) -> None:
    """Writes to one row keep their order, however the rows are shared out."""
    rng = np.random.default_rng(7)
    index = rng.integers(-200, 200, 5000)
    values = rng.standard_normal((5000, 70)).astype(np.float32)
    added, put = np.zeros((200, 70), np.float32), np.zeros((200, 70), np.float32)
    for i, v in zip(index, values):
        added[i] += v
        put[i] = v
    across = rng.integers(0, 200, (30, 500))
    source = rng.standard_normal((30, 500)).astype(np.float32)
    down = np.zeros((200, 500), np.float32)
    for i, v in zip(across, source):
        down[i, np.arange(500)] += v
    for threads in (1, 2, 5):
        with harness.using(isa, threads):
            for want, how in ((added, "sum"), (put, "put")):
                x = array(np.zeros((200, 70), np.float32))
                _C.index_reduce_into(x, [array(index)], array(values), how)
                assert numpy(x).tobytes() == want.tobytes(), (how, threads)
            x = array(np.zeros((200, 500), np.float32))
            _C.scatter_reduce_into(x, 0, array(across), array(source), "sum")
            assert numpy(x).tobytes() == down.tobytes()
            assert np.array_equal(numpy(_C.gather(x, 0, array(across))), np.take_along_axis(down, across, 0))
