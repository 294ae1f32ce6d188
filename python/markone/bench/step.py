"""Whole training steps: forward, loss, backward, optimiser, on data that is already in memory."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

Case = dict[str, Callable[[int], Callable[[], Any]]]


def _lenet5(batch: int, library: str) -> Callable[[int], Callable[[], Any]]:
    """LeNet-5 as `markone.models.lenet5` has it, Adam, cross-entropy; images from one fixed seed."""

    def build(threads: int) -> Callable[[], Any]:
        rng = np.random.default_rng(0)
        images = rng.standard_normal((batch, 1, 28, 28), dtype=np.float32)
        labels = rng.integers(0, 10, batch)
        lib: Any = importlib.import_module(library)
        lib.set_num_threads(threads)
        lib.manual_seed(0)
        nn: Any = lib.nn
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
        )  # fmt: skip
        optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)
        x, target = lib.from_numpy(images), lib.from_numpy(labels)

        def step() -> None:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()

        return step

    return build


CASES: dict[str, Case] = {
    "lenet5_b1": {"markone": _lenet5(1, "markone"), "torch": _lenet5(1, "torch")},
    "lenet5_b64": {"markone": _lenet5(64, "markone"), "torch": _lenet5(64, "torch")},
}
