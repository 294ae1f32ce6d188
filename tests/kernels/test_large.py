"""Cases above 2**31 elements, of the families whose results stay small: a 32-bit offset anywhere would show.

They need up to 10 GB; `pytest -m large tests/kernels/test_large.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

N = 2**31 + 2048
FAR = N - 5  # the place that only 64-bit offsets reach
WIDE = 1024


def _free_bytes() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _zeros_but(dtype: Any, value: float) -> Any:
    """N zeros, and `value` at FAR."""
    x = _C.empty([N], dtype)
    _C.fill(x, 0)
    _C.fill(x.slice(0, FAR, FAR + 1, 1), value)
    return x


def _places(*places: int) -> Any:
    return harness.array(np.array(places, np.int64))


def _index() -> None:
    x = _zeros_but(_C.uint8, 7)
    assert harness.numpy(_C.index(x, [_places(0, FAR, -1)])).tolist() == [0, 7, 0]
    _C.index_put_into(x, [_places(FAR + 1, FAR)], harness.array(np.array([3, 2], np.uint8)), True)
    assert harness.numpy(_C.gather(x, 0, _places(FAR, FAR + 1))).tolist() == [9, 3]


def _search() -> None:
    x = _C.empty([N], _C.uint8)
    _C.fill(x, 1)
    _C.fill(x.slice(0, FAR, N, 1), 9)
    values = harness.array(np.array([1, 9, 10], np.uint8))
    assert harness.numpy(_C.searchsorted(x, values, None, False)).tolist() == [0, FAR, N]


def _cat() -> None:
    x = _C.empty([N // 2], _C.uint8)
    _C.fill(x, 1)
    y = _C.cat([x, x, harness.array(np.array([5], np.uint8))], 0)
    assert harness.numpy(y.slice(0, N - 2, N + 1, 1)).tolist() == [1, 1, 5]


def _pool() -> None:
    x = _zeros_but(_C.bfloat16, 7).reshape_view((1, 1, N // WIDE, WIDE))
    y = _C.max_pool2d_values(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert y.shape == (1, 1, N // WIDE // 2, WIDE // 2)
    last = harness.numpy(_C.cast(y.slice(2, y.shape[2] - 1, y.shape[2], 1), _C.float32)).ravel()
    assert last[(FAR % WIDE) // 2] == 7 and last.sum() == 7


@pytest.mark.large
@pytest.mark.parametrize("case", [_index, _search, _cat, _pool])
def test_more_than_two_to_the_31_elements(case: Callable[[], None]) -> None:
    if _free_bytes() < 12 * 2**30:
        pytest.skip("needs 12 GB of free memory")
    case()
