"""Schedules with restarts and cycles; names of `torch.optim.lr_scheduler`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .lr_scheduler import LRScheduler, check_together
from .optimizer import Optimizer, ParamGroup

__all__ = ["ChainedScheduler", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


def one_each(name: str, key: str, optimizer: Optimizer, value: float | Sequence[float]) -> list[float]:
    """One number a group."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups  # type: ignore[list-item]
    if len(value) != groups:
        raise ValueError(f"{name}: {len(value)} {key} for {groups} groups")
    return list(value)


def _check_optimizer(name: str, optimizer: Any, cycle_momentum: bool) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{name}: wants an Optimizer, got {type(optimizer).__name__}")
    if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(f"{name}: cycle_momentum wants an optimiser with momentum or betas")


def _write_momentum(group: ParamGroup, value: float) -> None:
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _start_momentum(
    name: str, optimizer: Optimizer, base: float | Sequence[float], top: float | Sequence[float]
) -> None:
    bases = one_each(name, "base_momentum", optimizer, base)
    tops = one_each(name, "max_momentum", optimizer, top)
    for group, low, high in zip(optimizer.param_groups, bases, tops, strict=True):
        _write_momentum(group, high)
        group["max_momentum"] = high
        group["base_momentum"] = low


class ChainedScheduler(LRScheduler):
    """Several schedulers of one optimiser that all act at every step.

    Args:
        schedulers: at least one, all of the same optimiser.
        optimizer: theirs, where given.
    """

    _not_saved = ("optimizer", "_schedulers")

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if len(schedulers) < 1:
            raise ValueError("ChainedScheduler: wants at least one scheduler, got none")
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        check_together("ChainedScheduler", schedulers, self.optimizer)
        self._schedulers = list(schedulers)
        self._last_lr = self._now()

    def step(self) -> None:
        for s in self._schedulers:
            s.step()
        self._last_lr = self._now()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for s, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            s.load_state_dict(state)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing that starts anew after T_0, T_0 · T_mult, ... steps (Loshchilov and Hutter 2017).

    Args:
        T_0: steps before the first restart.
        T_mult: the factor of the period at each restart.
        eta_min: the lowest rate.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        for key, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {key} is {value}, wants an integer from 1")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        rise = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * rise for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Moves on by one, or to `epoch`, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch is {epoch}, wants at least 0")
        else:
            # Whole periods are left behind, the last one is under way.
            self.T_i = self.T_0
            self.T_cur = epoch % self.T_0 if self.T_mult == 1 else epoch
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        self.last_epoch = math.floor(epoch)
        self._write(self.get_lr())


class CyclicLR(LRScheduler):
    """The rate goes up and down between two bounds (Smith 2017), the momentum the other way.

    Args:
        base_lr: the lower rate, or one a group.
        max_lr: the upper rate, or one a group.
        step_size_up: steps of the rise.
        step_size_down: steps of the fall; as the rise where None.
        mode: 'triangular', 'triangular2' (the height halves each cycle) or 'exp_range' (gamma^step).
        gamma: of 'exp_range'.
        scale_fn: a height of one's own, in place of `mode`.
        scale_mode: what `scale_fn` gets: the number of the 'cycle' or of the 'iterations'.
        cycle_momentum: move momentum (or β1) as well.
        base_momentum: its lower bound.
        max_momentum: its upper bound.
    """

    _not_saved = ("optimizer", "_scale_fn_custom")

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer("CyclicLR", optimizer, cycle_momentum)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"CyclicLR: mode is '{mode}', wants 'triangular', 'triangular2' or 'exp_range', or a scale_fn"
            )
        down = step_size_up if step_size_down is None else step_size_down
        if step_size_up <= 0 or down <= 0:
            raise ValueError(f"CyclicLR: the step sizes are {step_size_up} and {down}, want more than 0")
        bases = one_each("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = one_each("CyclicLR", "max_lr", optimizer, max_lr)
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        self.base_momentums = one_each("CyclicLR", "base_momentum", optimizer, base_momentum)
        self.max_momentums = one_each("CyclicLR", "max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, bases, strict=True):
                group["lr"] = rate
            if cycle_momentum:
                _start_momentum("CyclicLR", optimizer, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def scale_fn(self, x: float) -> float:
        """The height of cycle (or step) x."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        part *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, bounds, strict=True):
                _write_momentum(group, high - (high - low) * part)
        return [low + (high - low) * part for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


class OneCycleLR(LRScheduler):
    """One rise of the rate to `max_lr` and a fall far below its start (Smith and Topin 2018).

    Args:
        max_lr: the highest rate, or one a group.
        total_steps: of the whole cycle; `epochs` · `steps_per_epoch` where None.
        pct_start: the fraction of the steps in which the rate rises.
        anneal_strategy: 'cos' or 'linear'.
        cycle_momentum: move momentum (or β1) the other way.
        base_momentum: its lower bound.
        max_momentum: its upper bound.
        div_factor: the first rate is max_lr / div_factor.
        final_div_factor: the last rate is the first / final_div_factor.
        three_phase: fall to the first rate as fast as the rise was, then to the last.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer("OneCycleLR", optimizer, cycle_momentum)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: wants total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps < 1:
            raise ValueError(f"OneCycleLR: total_steps is {total_steps}, wants an integer from 1")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is {pct_start}, wants a number in [0, 1]")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy is '{anneal_strategy}', wants 'cos' or 'linear'")
        self.total_steps = total_steps
        self.cycle_momentum = cycle_momentum
        self.anneal_strategy = anneal_strategy
        # Of each phase: its last step, the rates and the momenta that it leads from and to.
        rise = pct_start * total_steps - 1
        self._phases = [(rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            fall = 2 * pct_start * total_steps - 2
            self._phases += [
                (fall, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._phases += [(total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        tops = one_each("OneCycleLR", "max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, tops, strict=True):
                group["initial_lr"] = top / div_factor
                group["max_lr"] = top
                group["min_lr"] = group["initial_lr"] / final_div_factor
            if cycle_momentum:
                _start_momentum("OneCycleLR", optimizer, base_momentum, max_momentum)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[float]:
        now = self.last_epoch
        if now > self.total_steps:
            raise ValueError(f"OneCycleLR: this is step {now}, the cycle has {self.total_steps}")
        start = 0.0
        for phase in self._phases:
            if now <= phase[0]:
                break
            if phase is not self._phases[-1]:
                start = phase[0]
        end, lr_from, lr_to, momentum_from, momentum_to = phase
        part = (now - start) / (end - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[lr_from], group[lr_to], part))
            if self.cycle_momentum:
                _write_momentum(group, self._between(group[momentum_from], group[momentum_to], part))
        return rates
