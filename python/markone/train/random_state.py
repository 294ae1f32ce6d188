"""The state of every random generator that a run may draw from: markone's, Python's and NumPy's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

import markone as mo


def get() -> dict[str, Any]:
    """A tree that `set` takes back, of what `checkpoint.save` can write."""
    return {"markone": mo.get_rng_state(), "python": random.getstate(), "numpy": np.random.get_state()}


def set(state: dict[str, Any]) -> None:
    """The generators go on from where `get` found them."""
    mo.set_rng_state(state["markone"])
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
