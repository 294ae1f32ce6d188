"""Padding from the image itself, and maxima of windows with ties and NaN, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

NUMPYS = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
PROBLEMS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 3, 5, 7), (1, 1, 1, 1)),
    ((2, 3, 5, 7), (6, 0, 3, 4)),
    ((3, 130), (5, 129)),
    ((2, 2, 3, 4, 5), (1, 2, 0, 3, 2, 1)),
    ((4, 1, 40), (0, 0)),
    ((0, 2, 3), (1, 2)),
]


def padded(x: np.ndarray, mode: str, sides: tuple[int, ...]) -> np.ndarray:
    pairs = [(0, 0)] * (x.ndim - len(sides) // 2)
    pairs += [(sides[i], sides[i + 1]) for i in range(len(sides) - 2, -1, -2)]
    more = {"constant_values": 1} if mode == "constant" else {}
    return np.pad(x, pairs, mode=NUMPYS[mode], **more)  # type: ignore[call-overload, no-any-return]


test_all = harness.make_tests(
    [
        harness.Case(
            f"pad-{mode}-{'x'.join(map(str, shape + sides))}-{kind}",
            lambda rng, s=shape, k=kind: [rng.integers(0, 2 if k == "bool" else 99, s).astype(k)],
            lambda x, m=mode, s=sides: _C.pad(x[0], m, s, 1),
            lambda a, m=mode, s=sides: padded(a[0], m, s),
            dtypes=("float32", "bfloat16") if kind == "float64" else (None,),
        )
        for shape, sides in PROBLEMS
        for mode in NUMPYS
        for kind in (("float64", "int64", "bool") if len(shape) == 4 else ("float64",))
    ]
)


def test_wrong_sides() -> None:
    x = harness.array(np.zeros((2, 3), np.float32))
    for mode, sides in (
        ("reflect", (3, 0)), ("circular", (0, 4)), ("replicate", (-1, 0)), ("replicate", (1,)),
        ("edge", (1, 1)), ("replicate", (1,) * 8), ("replicate", (2**62, 2**62)),
    ):  # fmt: skip
        with pytest.raises((ValueError, RuntimeError, OverflowError), match="pad: "):
            _C.pad(x, mode, sides)


@pytest.mark.parametrize("isa", _C.available_isas())
def test_equal_maxima_and_nan(isa: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (2, 3, 6, 9, 21)).astype(np.float32)
    x[rng.random(x.shape) < 0.02] = np.nan
    x[0, 0, :3] = -np.inf
    calls: list[Any] = [
        lambda a: _C.adaptive_max_pool(a, (3, 4, 5)),
        lambda a: _C.max_pool3d(a, (2, 3, 2), (2, 3, 2), (0, 0, 0), (1, 1, 1), False),
        lambda a: _C.max_pool3d(a, (3, 3, 3), (1, 2, 1), (1, 1, 1), (1, 1, 2), True),
    ]
    for call in calls:
        with harness.using(isa="ref"):
            want = [harness.bits(r) for r in call(harness.array(x))]
        with harness.using(isa=isa):
            assert [harness.bits(r) for r in call(harness.array(x))] == want
