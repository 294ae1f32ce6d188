"""The learning-rate range test (Smith 2017, "Cyclical Learning Rates", section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from markone.tensor import Tensor
from markone.train.trainer import Trainer

__all__ = ["LRFinder", "lr_find"]


@dataclass(frozen=True)
class LRFinder:
    """The losses at rising rates. `suggestion`: the rate at which the loss fell most steeply, or None."""

    rates: list[float]
    losses: list[float]
    suggestion: float | None

    def __repr__(self) -> str:
        tried = f"{self.rates[0]:.3g} .. {self.rates[-1]:.3g}" if self.rates else "none"
        return f"LRFinder(suggestion={self.suggestion}, {len(self.rates)} rates: {tried})"

    def picture(self) -> Any:
        """Loss over learning rate with the suggestion marked, a Matplotlib Figure."""
        from markone import viz

        return viz.learning_rates(self.rates, self.losses, self.suggestion)


def _copy(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_copy(value) for value in tree)
    return tree


def lr_find(
    trainer: Trainer,
    loader: Iterable[Any],
    min_lr: float = 1e-7,
    max_lr: float = 10.0,
    num_steps: int = 100,
    smoothing: float = 0.9,
    diverged: float = 4.0,
    figure: str = "loss",
) -> LRFinder:
    """Trains `num_steps` steps while the rate rises geometrically from `min_lr` to `max_lr`, then undoes all.

    Stops early when the smoothed loss is above `diverged` times its best. Weights, optimisers, schedules and
    random state are put back; the loader is gone through again from its start as often as needed.

    Args:
        smoothing: the weight of the past in the bias-corrected running mean of the loss.
        figure: which of the step's figures to watch.
    """
    if not (0 < min_lr < max_lr and num_steps >= 2):
        raise ValueError(
            f"lr_find: got min_lr={min_lr}, max_lr={max_lr}, num_steps={num_steps}, 0 < min < max, 2 or more"
        )
    before = _copy(trainer.state_dict())
    loader_state = loader.state_dict() if hasattr(loader, "state_dict") else None
    check, schedulers, was_training = trainer.check_finite, trainer.schedulers, trainer.model.training
    trainer.check_finite, trainer.schedulers = False, {}
    trainer.model.train()
    rates: list[float] = []
    losses: list[float] = []
    mean, best = 0.0, math.inf
    batches = iter(loader)
    try:
        for k in range(num_steps):
            rate = min_lr * (max_lr / min_lr) ** (k / (num_steps - 1))
            for optimizer in trainer.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate
            try:
                batch = next(batches)
            except StopIteration:
                batches = iter(loader)
                batch = next(batches)
            value = float(trainer.train_step(batch)[figure])
            mean = smoothing * mean + (1 - smoothing) * value
            smooth = mean / (1 - smoothing ** (k + 1))
            if not math.isfinite(smooth) or (k > 10 and smooth > diverged * best):
                break
            rates.append(rate)
            losses.append(smooth)
            best = min(best, smooth)
    finally:
        trainer.check_finite, trainer.schedulers = check, schedulers
        trainer.load_state_dict(before)
        trainer.model.train(was_training)
        for parameter in trainer.model.parameters():
            parameter.grad = None
        if loader_state is not None:
            loader.load_state_dict(loader_state)  # type: ignore[attr-defined]
    return LRFinder(rates, losses, _steepest(rates, losses))


def _steepest(rates: list[float], losses: list[float]) -> float | None:
    """The rate of the steepest fall between the first tenth, whose mean is of few losses, and the minimum."""
    first = len(losses) // 10
    last = first + int(np.argmin(losses[first:])) if losses else 0
    if last - first < 2:
        return None
    slopes = np.gradient(np.asarray(losses), np.log(rates))[first : last + 1]
    at = int(slopes.argmin())
    return rates[first + at] if slopes[at] < 0 else None
