"""Checks that optimisers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["at_least_zero"]


def at_least_zero(name: str, group: Mapping[str, Any], *keys: str) -> None:
    """Raises ValueError where an option is negative or not a number."""
    for key in keys:
        if not group[key] >= 0:
            raise ValueError(f"{name}: {key} is {group[key]}, wants at least 0")
