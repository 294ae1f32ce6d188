"""Learning-rate schedulers: each `step()` writes the next rates into the optimiser's groups.

They work in the chainable form: the next rate is computed from the present one, so that several may act on
one optimiser and a rate changed by hand stays changed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .._context import host_action
from .optimizer import Optimizer

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class LRScheduler:
    """The base: counts the steps and writes `get_lr()` into the groups.

    Args:
        optimizer: whose groups' 'lr' is written; 'initial_lr' is kept in the groups.
        last_epoch: the step to continue after; -1 starts.
    """

    # What state_dict() leaves out.
    _not_saved: tuple[str, ...] = ("optimizer",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = host_action(cls.step)  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: wants an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{type(self).__name__}: to continue, group {i} needs its 'initial_lr'")
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._last_lr: list[float] = [group["lr"] for group in optimizer.param_groups]
        self.step()

    def get_lr(self) -> list[float]:
        """The rates of the step `last_epoch`, from those in the groups now."""
        raise NotImplementedError(f"{type(self).__name__}: a scheduler has to write get_lr()")

    def get_last_lr(self) -> list[float]:
        """The rates written last, one a group."""
        return self._last_lr

    @host_action
    def step(self) -> None:
        """Moves on by one and writes the rates."""
        self._step_count += 1
        self.last_epoch += 1
        self._write(self.get_lr())

    def _write(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _now(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _scaled(self, factor: float) -> list[float]:
        return [rate * factor for rate in self._now()]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser."""
        return {k: v for k, v in self.__dict__.items() if k not in self._not_saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave; the groups' rates come with the optimiser's own state."""
        self.__dict__.update({k: v for k, v in state_dict.items() if k not in self._not_saved})


class LambdaLR(LRScheduler):
    """initial_lr · lr_lambda(epoch). Functions are not part of the state dict.

    Args:
        lr_lambda: a function of the step, or a list of them, one a group.
    """

    _not_saved = ("optimizer", "lr_lambdas")

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _one_each(type(self).__name__, optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(LambdaLR):
    """Multiplies the rate by lr_lambda(epoch) at each step."""

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._now()
        return [rate * f(self.last_epoch) for f, rate in zip(self.lr_lambdas, self._now(), strict=True)]


class StepLR(LRScheduler):
    """Multiplies the rate by `gamma` every `step_size` steps."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size is {step_size}, wants at least 1")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self._scaled(self.gamma) if due else self._now()


class MultiStepLR(LRScheduler):
    """Multiplies the rate by `gamma` at each of the `milestones` (twice where one is there twice)."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        times = self.milestones.get(self.last_epoch, 0)
        return self._scaled(self.gamma**times) if times else self._now()


class ExponentialLR(LRScheduler):
    """Multiplies the rate by `gamma` at every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._now() if self.last_epoch == 0 else self._scaled(self.gamma)


class ConstantLR(LRScheduler):
    """The rate times `factor` until step `total_iters`, then the rate itself."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor is {factor}, wants a number in [0, 1]")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._scaled(self.factor)
        return self._scaled(1.0 / self.factor) if self.last_epoch == self.total_iters else self._now()


class LinearLR(LRScheduler):
    """The rate times a factor that goes from `start_factor` to `end_factor` in `total_iters` steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor is {start_factor}, wants (0, 1]; end_factor is {end_factor}, "
                f"wants [0, 1]"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._scaled(self.start_factor)
        if self.last_epoch > self.total_iters:
            return self._now()
        change = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * change
        return self._scaled(1.0 + change / before)


class PolynomialLR(LRScheduler):
    """The rate times (1 - epoch / total_iters)^power; zero from step `total_iters` on."""

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        e, n = self.last_epoch, self.total_iters
        if e == 0 or e > n:
            return self._now()
        return self._scaled(((1.0 - e / n) / (1.0 - (e - 1) / n)) ** self.power)


class CosineAnnealingLR(LRScheduler):
    r"""eta_min + (initial_lr - eta_min) · (1 + cos(π · epoch / T_max)) / 2 (Loshchilov, Hutter 2017).

    Args:
        T_max: half a period; after it the rate rises again.
        eta_min: the lowest rate.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max is {T_max}, wants at least 1")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        e, n, low = self.last_epoch, self.T_max, self.eta_min
        if e == 0:
            return self._now()
        if (e - 1 - n) % (2 * n) == 0:  # at the lowest point the ratio below is 0 / 0
            rise = (1 - math.cos(math.pi / n)) / 2
            return [rate + (base - low) * rise for rate, base in zip(self._now(), self.base_lrs, strict=True)]
        ratio = (1 + math.cos(math.pi * e / n)) / (1 + math.cos(math.pi * (e - 1) / n))
        return [ratio * (rate - low) + low for rate in self._now()]


def check_together(op: str, schedulers: Sequence[LRScheduler], optimizer: Optimizer) -> None:
    """Several schedulers act on one optimiser, each at a step without a metric."""
    if any(s.optimizer is not optimizer for s in schedulers):
        raise ValueError(f"{op}: a scheduler belongs to another optimiser")
    if any(isinstance(s, ReduceLROnPlateau) for s in schedulers):
        raise ValueError(f"{op}: ReduceLROnPlateau wants a metric at each step, it cannot be one of several")


class SequentialLR(LRScheduler):
    """One scheduler after the other, changing at the `milestones`.

    Args:
        schedulers: all of this optimiser, made in this order.
        milestones: one fewer than schedulers; the step at which the next one takes over.
    """

    _not_saved = ("optimizer", "_schedulers")

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if len(schedulers) < 1 or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: wants one milestone fewer than schedulers, got {len(milestones)} and "
                f"{len(schedulers)}"
            )
        check_together("SequentialLR", schedulers, optimizer)
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        self.optimizer = optimizer
        self.last_epoch = last_epoch + 1
        # The constructors have each made a first step: only that of the first scheduler is to count.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for s in self._schedulers:
            s.last_epoch -= 1
        self._schedulers[0].step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def step(self) -> None:
        self.last_epoch += 1
        place = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[place]
        if place > 0 and self._milestones[place - 1] == self.last_epoch:
            # It starts from the initial rates, whatever the one before left.
            for group in self.optimizer.param_groups:
                group["lr"] = group["initial_lr"]
            scheduler.last_epoch = -1
        scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = {k: v for k, v in state_dict.items() if k != "_schedulers"}
        super().load_state_dict(own)
        for s, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            s.load_state_dict(state)


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rate by `factor` when a metric has not improved for more than `patience` steps.

    Args:
        mode: 'min': smaller is better; 'max': larger is.
        factor: below 1.
        patience: steps without improvement that are let pass.
        threshold: how much counts as an improvement.
        threshold_mode: 'rel': a fraction of the best; 'abs': an amount.
        cooldown: steps after a reduction before bad ones are counted again.
        min_lr: the lowest rate, or a list of them, one a group.
        eps: smaller changes are left out.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}, wants less than 1")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode is '{mode}', wants 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode is '{threshold_mode}', wants 'rel' or 'abs'")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"ReduceLROnPlateau: wants an Optimizer, got {type(optimizer).__name__}")
        groups = len(optimizer.param_groups)
        lowest = [float(min_lr)] * groups if isinstance(min_lr, (int, float)) else [float(x) for x in min_lr]
        if len(lowest) != groups:
            raise ValueError(f"ReduceLROnPlateau: {len(lowest)} min_lr for {groups} groups")
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = lowest
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = self._now()

    def _better(self, value: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            return sign * value > sign * self.best * (1.0 + sign * self.threshold)
        return sign * value > sign * self.best + self.threshold

    def step(self, metrics: Any = None) -> None:
        """Counts this step's metric (a number or a one-element tensor)."""
        if metrics is None:
            raise TypeError("ReduceLROnPlateau.step: wants the metric, got nothing")
        value = float(metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            now = self._now()
            fresh = [max(rate * self.factor, low) for rate, low in zip(now, self.min_lrs, strict=True)]
            self._write([new if old - new > self.eps else old for old, new in zip(now, fresh, strict=True)])
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._now()


def _one_each(name: str, optimizer: Optimizer, functions: Any) -> list[Any]:
    """One function a group."""
    if not isinstance(functions, (list, tuple)):
        return [functions] * len(optimizer.param_groups)
    if len(functions) != len(optimizer.param_groups):
        raise ValueError(f"{name}: {len(functions)} functions for {len(optimizer.param_groups)} groups")
    return list(functions)


# Last, for they derive from the class above.
from .cycles import ChainedScheduler, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR  # noqa: E402
