"""Optimisers with one native call a step and group, and learning-rate schedulers (names of `torch.optim`)."""

from typing import Any as _Any

from . import lr_scheduler
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]


def __getattr__(name: str) -> _Any:
    from .._left_out import absent

    raise absent("optim", name)
