"""A small network with dropout on a few real digits, and a Trainer for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import markone as mo
from markone import train
from markone.data import DataLoader, Subset
from markone.datasets import Digits
from markone.nn import functional as F
from markone.transforms import RandomCrop


def small_model() -> Any:
    return mo.nn.Sequential(
        mo.nn.Flatten(), mo.nn.Linear(64, 24), mo.nn.ReLU(), mo.nn.Dropout(0.2), mo.nn.Linear(24, 10)
    )


def small_loaders(images: int = 160, workers: int = 1) -> tuple[Any, Any]:
    moved = Digits(True, RandomCrop(8, padding=1))
    plain = Digits(True)
    return (
        DataLoader(Subset(moved, range(images)), 16, shuffle=True, num_workers=workers),
        DataLoader(Subset(plain, range(images, images + 40)), 20),
    )


def small_trainer(*callbacks: Any, seed: int = 3, lr: float = 0.01, **options: Any) -> Any:
    mo.manual_seed(seed)
    model = small_model()
    optimizer = mo.optim.Adam(model.parameters(), lr=lr)
    return train.Trainer(
        model,
        optimizer,
        F.cross_entropy,
        metrics=[train.Accuracy()],
        scheduler=mo.optim.lr_scheduler.StepLR(optimizer, 1, 0.5),
        callbacks=callbacks,
        **options,
    )


@pytest.fixture
def make_trainer() -> Callable[..., Any]:
    return small_trainer


@pytest.fixture
def make_loaders() -> Callable[..., Any]:
    return small_loaders


def weights_of(trainer: Any) -> dict[str, bytes]:
    """Every bit of the state, by key."""
    return {key: value.numpy().tobytes() for key, value in trainer.model.state_dict().items()}


@pytest.fixture
def bits() -> Callable[[Any], dict[str, bytes]]:
    return weights_of
