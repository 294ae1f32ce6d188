"""What a step computes in, and its figures as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import markone as mo

__all__ = ["autocast", "numbers"]


def autocast(precision: str) -> AbstractContextManager[Any]:
    """The mode of a forward pass in this precision; NotImplementedError where there is none."""
    if precision == "float32":
        return nullcontext()
    if precision not in ("bfloat16", "float16"):
        raise ValueError(f"Trainer: got precision='{precision}', wants 'float32', 'bfloat16' or 'float16'")
    mode = getattr(mo, "autocast", None)
    if mode is None:
        raise NotImplementedError(f"Trainer: precision='{precision}' wants autocast, which cpu has not")
    made: AbstractContextManager[Any] = mode("cpu", dtype=getattr(mo, precision))
    return made


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Figures as Python numbers."""
    return {k: v if v.__class__ is float else float(v) for k, v in values.items()}
