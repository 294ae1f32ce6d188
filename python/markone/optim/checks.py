"""Checks that optimisers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["at_least_zero", "check_betas"]


def at_least_zero(name: str, group: Mapping[str, Any], *keys: str) -> None:
    """Raises ValueError where an option is negative or not a number."""
    for key in keys:
        if not group[key] >= 0:
            raise ValueError(f"{name}: {key} is {group[key]}, wants at least 0")


def check_betas(name: str, group: Mapping[str, Any]) -> None:
    """Raises ValueError where a decay rate of a moving average is not in [0, 1)."""
    for i, beta in enumerate(group["betas"]):
        if not 0 <= beta < 1:
            raise ValueError(f"{name}: betas[{i}] is {beta}, wants a number in [0, 1)")
