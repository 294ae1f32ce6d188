"""Whole training steps: forward, loss, backward, optimiser; and an epoch of them with the data loader."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

Case = dict[str, Callable[[int], Callable[[], Any]]]


def _lenet5_step(lib: Any) -> Callable[[Any, Any], None]:
    """LeNet-5 as `markone.models.lenet5` has it, Adam, cross-entropy: one training step."""
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any, target: Any) -> None:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()

    return step


def _lenet5(batch: int, library: str) -> Callable[[int], Callable[[], Any]]:
    """One step on a batch from one fixed seed."""

    def build(threads: int) -> Callable[[], Any]:
        rng = np.random.default_rng(0)
        lib: Any = importlib.import_module(library)
        lib.set_num_threads(threads)
        lib.manual_seed(0)
        x = lib.from_numpy(rng.standard_normal((batch, 1, 28, 28), dtype=np.float32))
        target = lib.from_numpy(rng.integers(0, 10, batch))
        step = _lenet5_step(lib)
        return lambda: step(x, target)

    return build


def _epoch(batch: int, library: str) -> Callable[[int], Callable[[], Any]]:
    """All of 6,400 shuffled images through the library's own loader and the step of `_lenet5`."""

    def build(threads: int) -> Callable[[], Any]:
        lib: Any = importlib.import_module(library)
        data: Any = importlib.import_module("markone.data" if library == "markone" else "torch.utils.data")
        lib.set_num_threads(threads)
        lib.manual_seed(0)
        rng = np.random.default_rng(0)
        images = lib.from_numpy(rng.standard_normal((6400, 1, 28, 28), dtype=np.float32))
        labels = lib.from_numpy(rng.integers(0, 10, 6400))
        loader = data.DataLoader(data.TensorDataset(images, labels), batch_size=batch, shuffle=True)
        step = _lenet5_step(lib)

        def epoch() -> None:
            for x, target in loader:
                step(x, target)

        return epoch

    return build


CASES: dict[str, Case] = {
    "lenet5_epoch_b128": {"markone": _epoch(128, "markone"), "torch": _epoch(128, "torch")},
    "lenet5_b1": {"markone": _lenet5(1, "markone"), "torch": _lenet5(1, "torch")},
    "lenet5_b64": {"markone": _lenet5(64, "markone"), "torch": _lenet5(64, "torch")},
}
