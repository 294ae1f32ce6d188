"""Writes docs/accuracy.md: the largest error of the elementary functions on float32, on each instruction set.

``python tests/guards/accuracy.py`` measures (half a minute); it fails where an error passes the bound.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1]
FILE = TESTS.parent / "docs" / "accuracy.md"
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

import harness  # noqa: E402
from markone import _C  # noqa: E402

Array = np.ndarray[Any, Any]
COUNT = 1 << 19

HEAD = f"""# Accuracy of the elementary functions

Made by `python tests/guards/accuracy.py`; do not edit. The largest error of a float32 result in units of its
last place, against NumPy in float64, over {COUNT} arguments of all sizes in the range and both signs where
the function takes them. The bound is that of `csrc/kernels/common/elementwise.def`, to which the rounding of
the result adds half a place; `tests/kernels/test_elementwise.py` holds every type to it. Results below the
normal numbers count as zero.

"""

# The function in float64 and the range of |x|.
FUNCTIONS: dict[str, tuple[Callable[[Array], Array], float, float]] = {
    "exp": (np.exp, 1e-6, 87),
    "expm1": (np.expm1, 1e-6, 87),
    "log": (np.log, 1e-30, 1e30),
    "log1p": (np.log1p, 1e-6, 1e30),
    "log2": (np.log2, 1e-30, 1e30),
    "sin": (np.sin, 1e-6, 1e4),
    "cos": (np.cos, 1e-6, 1e4),
    "tanh": (np.tanh, 1e-6, 20),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 1e-6, 80),
    "erf": (np.vectorize(math.erf, otypes=[float]), 1e-6, 6),
}
POSITIVE = ("log", "log2", "log1p")


def largest_error(name: str, isa: str) -> float:
    function, low, high = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(np.log(low), np.log(high), COUNT)).astype(np.float32)
    if name not in POSITIVE:
        x *= np.where(rng.random(COUNT) < 0.5, np.float32(-1), np.float32(1))
    true = function(x.astype(np.float64))
    with harness.using(isa):
        got = harness.numpy(getattr(_C, name)(harness.array(x, "float32")))
    normal = np.abs(true) > np.finfo(np.float32).tiny
    place = np.spacing(np.abs(true[normal]).astype(np.float32)).astype(np.float64)
    return float((np.abs(got[normal] - true[normal]) / place).max())


def table() -> str:
    isas = [isa for isa in _C.available_isas() if isa != "ref"]
    lines = [f"| function | range of abs(x) | bound | {' | '.join(isas)} |", "| --- " * (3 + len(isas)) + "|"]
    for name, (_, low, high) in FUNCTIONS.items():
        errors = [largest_error(name, isa) for isa in isas]
        bound = _C.elementwise_ulp[name]
        if max(errors) > bound + 0.5:
            raise SystemExit(f"{name}: {max(errors):.2f} ulp, the list says {bound}")
        figures = " | ".join(f"{e:.2f}" for e in errors)
        lines.append(f"| {name} | {low:g} to {high:g} | {bound} | {figures} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8")
    print(FILE)
