"""Reductions on the device against the CPU's."""

import numpy as np
import pytest

from cuda.against import FLOATING, WHOLE, made, same
from markone import _C

SHAPES = (
    ((3, 5, 7), (1,)),
    ((3, 5, 7), ()),
    ((300, 4), (0,)),
    ((2, 500), (1,)),
    ((70000,), ()),
    ((4, 0), (1,)),
)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "amax", "amin", "norm2", "any", "all"])
def test_reductions(name):
    for dtype in FLOATING + WHOLE:
        for shape, dims in SHAPES:
            if (name in ("amax", "amin") and 0 in shape) or (name == "prod" and 70000 in shape):
                continue
            # A sum may cancel: measured against the sum of the sizes.
            x = made(dtype, shape)
            x = _C.abs(x) if name in ("sum", "mean") and dtype in FLOATING else x
            same(name, [x, dims], 64)
            same(name, [x.permute(tuple(range(x.ndim))[::-1]), tuple(x.ndim - 1 - d for d in dims)], 64)


def test_var():
    for dtype in FLOATING:
        for shape, dims in SHAPES[:-1]:
            same("var", [made(dtype, shape), dims, 1.0], 64)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_first_extremes(name):
    for dtype in ("float32", "float64", "bfloat16", "int64", "uint8"):
        x = made(dtype, (2, 70, 2))
        for dim in (0, 1, 2, None):
            same(name, [x, dim])
    nan = _C.from_numpy(np.array([1.0, np.nan, 3.0, np.nan, 5.0]))
    same(name, [nan, None])
