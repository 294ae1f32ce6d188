"""What a step computes in, and its figures as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import markone as mo
from markone import amp

__all__ = ["UNSCALED", "add_figures", "autocast", "numbers"]

# Of what is not float16.
UNSCALED = amp.GradScaler(enabled=False)


def autocast(precision: str) -> AbstractContextManager[Any]:
    """The mode of a forward pass in this precision."""
    if precision == "float32":
        return nullcontext()
    if precision not in ("bfloat16", "float16"):
        raise ValueError(f"Trainer: got precision='{precision}', wants 'float32', 'bfloat16' or 'float16'")
    return amp.autocast("cpu", dtype=getattr(mo, precision))


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Figures as Python numbers."""
    return {k: v if v.__class__ is float else float(v) for k, v in values.items()}


def add_figures(sums: dict[str, list[float]], values: Mapping[str, float], size: int) -> None:
    """Adds a batch's figures, weighted by its examples, to the sums of an epoch: name to [total, count]."""
    for name, value in values.items():
        entry = sums.get(name)
        if entry is None:
            sums[name] = [value * size, size]
        else:
            entry[0] += value * size
            entry[1] += size
