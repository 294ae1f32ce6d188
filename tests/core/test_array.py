"""Views of arrays against NumPy's, and the refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness
from markone import _C

BIG = 2**62


def counted(*shape: int) -> tuple[Any, np.ndarray]:
    x = np.arange(np.prod(shape, dtype=int), dtype=np.int64).reshape(shape)
    return harness.array(x), x


def same(got: Any, want: np.ndarray) -> None:
    assert got.shape == want.shape
    np.testing.assert_array_equal(harness.numpy(got), want)


VIEWS: list[tuple[str, Any, Any]] = [
    ("permute", lambda a: a.permute([2, 0, 1]), lambda x: x.transpose(2, 0, 1)),
    ("permute-negative", lambda a: a.permute([-1, 0, 1]), lambda x: x.transpose(2, 0, 1)),
    ("transpose", lambda a: a.transpose(0, -1), lambda x: x.swapaxes(0, -1)),
    ("select", lambda a: a.select(1, -2), lambda x: x[:, -2]),
    ("unsqueeze", lambda a: a.unsqueeze(-1).unsqueeze(0), lambda x: x[None, ..., None]),
    ("squeeze", lambda a: a.slice(1, 2, 3, 1).squeeze(1), lambda x: x[:, 2]),
    ("squeeze-of-more", lambda a: a.squeeze(1), lambda x: x),
    ("expand", lambda a: a.select(0, 0).expand([5, 3, -1]), lambda x: np.broadcast_to(x[0], (5, 3, 4))),
    ("flip", lambda a: a.flip([0, 2]), lambda x: x[::-1, :, ::-1]),
    ("diagonal", lambda a: a.diagonal(1, 1, 2), lambda x: np.diagonal(x, 1, 1, 2)),
    ("diagonal-below", lambda a: a.diagonal(-1, 0, 2), lambda x: np.diagonal(x, -1, 0, 2)),
    ("diagonal-outside", lambda a: a.diagonal(9, 0, 2), lambda x: np.diagonal(x, 9, 0, 2)),
    ("reshape", lambda a: a.reshape_view([4, -1]), lambda x: x.reshape(4, -1)),
    (
        "as_strided",
        lambda a: a.as_strided([2, 3], [5, 2], 1),
        lambda x: x.reshape(-1)[[[1, 3, 5], [6, 8, 10]]],
    ),
]


@pytest.mark.parametrize(("view", "reference"), [v[1:] for v in VIEWS], ids=[v[0] for v in VIEWS])
def test_views_share_memory_and_agree_with_numpy(view: Any, reference: Any) -> None:
    a, x = counted(2, 3, 4)
    got = view(a)
    same(got, reference(x))
    assert got.storage_id == a.storage_id
    version = got.version
    _C.fill(a, 7)
    assert got.version == version + 1
    same(got, np.full_like(reference(x), 7))


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=3),
    st.integers(-9, 9),
    st.integers(-9, 9),
    st.integers(-4, 4).filter(bool),
    st.data(),
)
@settings(deadline=None, max_examples=200)
def test_slices_are_pythons(shape: list[int], start: int, stop: int, step: int, data: Any) -> None:
    a, x = counted(*shape)
    dim = data.draw(st.integers(0, len(shape) - 1))
    window = (slice(None),) * dim + (slice(start, stop, step),)
    same(a.slice(dim, start, stop, step), x[window])


@given(st.lists(st.integers(1, 4), min_size=0, max_size=4), st.data())
@settings(deadline=None, max_examples=300)
def test_reshape_of_any_view(shape: list[int], data: Any) -> None:
    a, x = counted(*shape)
    order = data.draw(st.permutations(range(len(shape))))
    a, x = a.permute(list(order)), x.transpose(order)
    if shape and data.draw(st.booleans()):
        a, x = a.slice(0, 0, 99, 2), x[::2]
    sizes: list[int] = []
    left = x.size
    while left > 1:
        size = data.draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0]))
        sizes.append(size)
        left //= size
        if len(sizes) == 6:
            sizes.append(left)
            break
    view = a.try_reshape(sizes)
    want = x.reshape(sizes)
    if view is not None:
        same(view, want)
    # Where NumPy can do it without a copy, so must this.
    if np.shares_memory(want, x):
        assert view is not None


def test_zero_dimensions_and_nothing() -> None:
    a = harness.array(np.float32(3))
    assert a.shape == () and a.numel == 1 and a.is_contiguous()
    same(a.reshape_view([1, 1]), np.full((1, 1), 3, np.float32))
    same(a.expand([2, 3]), np.full((2, 3), 3, np.float32))
    assert a.transpose(0, -1).shape == ()
    empty = _C.empty([0, BIG], _C.float32)
    assert empty.numel == 0 and empty.is_contiguous()
    assert empty.unsqueeze(0).flip([0, 1]).slice(1, 5, 2, 1).numel == 0
    assert empty.reshape_view([3, 0]).shape == (3, 0)


REFUSALS: list[tuple[type[Exception], str, Any]] = [
    (ValueError, "reshape|view: shape", lambda a: a.reshape_view([5, 5])),
    (ValueError, "more than one -1", lambda a: a.reshape_view([-1, -1])),
    (ValueError, "cannot hold 24", lambda a: a.reshape_view([-1, 5])),
    (ValueError, "cannot be viewed as", lambda a: a.transpose(0, 2).reshape_view([24])),
    (ValueError, "does not fit in 64 bits", lambda a: a.reshape_view([BIG, BIG])),
    (ValueError, "appears twice", lambda a: a.permute([0, 0, 1])),
    (ValueError, "got 2 dimensions", lambda a: a.permute([0, 1])),
    (IndexError, "dimension 3 is outside", lambda a: a.transpose(0, 3)),
    (IndexError, "index 3 is outside dimension 1 of size 3", lambda a: a.select(1, 3)),
    (IndexError, "index -4 is outside", lambda a: a.select(1, -4)),
    (ValueError, "the step must not be zero", lambda a: a.slice(0, 0, 1, 0)),
    (ValueError, "does not expand to", lambda a: a.expand([2, 3, 5])),
    (ValueError, "cannot expand to the shorter", lambda a: a.expand([3, 4])),
    (ValueError, "negative size", lambda a: a.expand([-2, 2, 3, 4])),
    (
        ValueError,
        "more than 2\\^63 elements",
        lambda a: a.select(0, 0).select(0, 0).select(0, 0).expand([BIG, 4]),
    ),
    (ValueError, "the two dimensions must differ", lambda a: a.diagonal(0, 1, 1)),
    (ValueError, "leaves a storage of 24 elements", lambda a: a.as_strided([5, 5], [5, 1], 0)),
    (ValueError, "leaves a storage", lambda a: a.as_strided([2], [-1], 0)),
    (ValueError, "leaves a storage", lambda a: a.as_strided([0], [1], BIG)),
    (ValueError, "does not fit in 64 bits", lambda a: a.as_strided([BIG], [BIG], 0)),
    (ValueError, "differ in length", lambda a: a.as_strided([2, 2], [1], 0)),
    (
        TypeError,
        "cannot read int64 of shape .*last dimension",
        lambda a: a.transpose(0, 2).bit_cast(_C.int32),
    ),
    (ValueError, "at most 8 are supported", lambda a: a.reshape_view([1] * 9)),
    (TypeError, "incompatible function arguments", lambda a: a.reshape_view("ab")),
    (TypeError, "incompatible function arguments", lambda a: a.permute([0.5, 1, 2])),
]


@pytest.mark.parametrize(("kind", "message", "call"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals(kind: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(kind, match=message):
        call(counted(2, 3, 4)[0])


def test_huge_steps_and_bounds_do_not_overflow() -> None:
    a, x = counted(3, 4)
    lowest, highest = -(2**63), 2**63 - 1
    for start, stop, step in (
        (lowest, highest, highest),
        (highest, lowest, lowest),
        (0, highest, highest),
        (lowest, lowest, 1),
        (3, lowest, -1),
        (highest, lowest, -(2**62)),
    ):
        python = slice(start, None if stop == lowest and step < 0 else stop, step)
        same(a.slice(1, start, stop, step), x[:, python])
    assert a.diagonal(lowest, 0, 1).numel == 0


def test_a_size_whose_index_changes_the_list() -> None:
    class Evil:
        def __index__(self) -> int:
            sizes.clear()
            return 2

    sizes: list[Any] = [Evil(), 3, 4]
    assert _C.empty(sizes, _C.float32).shape == (2,)


def test_bit_cast() -> None:
    a = harness.array(np.array([1.0, -0.0], np.float32))
    same(a.bit_cast(_C.int32), np.array([0x3F800000, -(2**31)], np.int32))
    rows = np.arange(24, dtype=np.int32).reshape(3, 8)
    same(harness.array(rows).bit_cast(_C.int64), rows.view(np.int64))
    same(harness.array(rows).slice(1, 2, 6, 1).bit_cast(_C.uint8), rows[:, 2:6].copy().view(np.uint8))
    with pytest.raises(TypeError, match="no whole numbers of int64"):
        harness.array(rows).slice(1, 1, 5, 1).bit_cast(_C.int64)
