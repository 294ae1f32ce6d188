"""The state of every random generator that a run may draw from: markone's, Python's and NumPy's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from markone import _C
from markone.tensor import Tensor


def native() -> Tensor:
    """A copy of the state of markone's default generator (int64 [2])."""
    return Tensor(_C.default_generator.get_state())


def set_native(state: Tensor) -> None:
    """markone's default generator goes on from `state`."""
    _C.default_generator.set_state(state._array)


def get() -> dict[str, Any]:
    """A tree that `set` takes back, of what `checkpoint.save` can write."""
    return {"markone": native(), "python": random.getstate(), "numpy": np.random.get_state()}  # noqa: NPY002


def set(state: dict[str, Any]) -> None:
    """The generators go on from where `get` found them."""
    set_native(state["markone"])
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
