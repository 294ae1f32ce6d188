"""Averages of a model's weights over training (names of `torch.optim.swa_utils`)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from ..autograd import no_grad
from ..nn import Module
from ..nn.layers.batch_norm import _BatchNorm
from ..ops import tensor
from ..tensor import Tensor
from .cycles import one_each
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

# Of the average, the model's value and the number of models in the average.
AvgFn = Callable[[Tensor, Tensor, Tensor], Tensor]
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """decay · average + (1 - decay) · model; decay is in [0, 1]."""
    _check_decay("get_ema_avg_fn", decay)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Tensor) -> Tensor:
        with no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """average + (model - average) / (n + 1): all models count alike."""

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Tensor) -> Tensor:
        with no_grad():
            return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """As `get_ema_avg_fn`, for lists and in place."""
    _check_decay("get_ema_multi_avg_fn", decay)
    return _for_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """As `get_swa_avg_fn`, for lists and in place."""
    return _for_lists(get_swa_avg_fn())


def _for_lists(average: AvgFn) -> MultiAvgFn:
    def update(averages: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor) -> None:
        with no_grad():
            for mean, now in zip(averages, current, strict=True):
                mean.copy_(average(mean, now, num_averaged))

    return update


def _check_decay(name: str, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"{name}: decay is {decay}, wants a number in [0, 1]")


class AveragedModel(Module):
    """A copy of a model with averaged weights (Izmailov et al., UAI 2018; Polyak and Juditsky 1992).

    The first `update_parameters` copies the weights, each later one takes them into the average. Buffers are
    copied each time, or averaged too where `use_buffers`.

    Args:
        model: what is averaged.
        device: of the copy.
        avg_fn: average = avg_fn(average, model's, number of models so far) for each tensor.
        multi_avg_fn: multi_avg_fn(averages, the model's, number) for all tensors of a dtype, in place.
            Without either the models count alike.
        use_buffers: average the buffers as well.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: got avg_fn and multi_avg_fn, wants one of them")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the model's weights as they are now into the average."""
        with no_grad():

            def averaged(m: Any) -> list[Tensor]:
                return list(chain(m.parameters(), m.buffers()) if self.use_buffers else m.parameters())

            means, current = averaged(self.module), averaged(model)
            if self.n_averaged.item() == 0:
                for mean, now in zip(means, current, strict=True):
                    mean.copy_(now)
            elif self.avg_fn is not None:
                for mean, now in zip(means, current, strict=True):
                    mean.copy_(self.avg_fn(mean.detach(), now.detach(), self.n_averaged))
            else:
                multi = self.multi_avg_fn or get_swa_multi_avg_fn()
                by_type: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
                for mean, now in zip(means, current, strict=True):
                    lists = by_type.setdefault(mean.dtype, ([], []))
                    lists[0].append(mean.detach())
                    lists[1].append(now.detach())
                for lists in by_type.values():
                    multi(*lists, self.n_averaged)
            if not self.use_buffers:
                for mean, now in zip(self.module.buffers(), model.buffers(), strict=True):
                    mean.copy_(now)
            self.n_averaged.add_(1)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Sets the running statistics of batch normalisation to those of one pass over `loader`.

    Args:
        loader: gives batches: a tensor, or a list or tuple whose first item is one.
        model: whose batch normalisation counts; its mode is put back.
        device: where each batch is moved.
    """
    with no_grad():
        layers = [m for m in model.modules() if isinstance(m, _BatchNorm)]
        if not layers:
            return
        momenta = [layer.momentum for layer in layers]
        was_training = model.training
        model.train()
        try:
            for layer in layers:
                layer.reset_running_stats()
                layer.momentum = None  # all batches count alike
            for batch in loader:
                x = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(x if device is None else x.to(device))
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum
            model.train(was_training)


class SWALR(LRScheduler):
    """Takes each group's rate to `swa_lr` in `anneal_epochs` steps and keeps it there.

    Args:
        swa_lr: the last rate, or one a group; kept in the groups as 'swa_lr'.
        anneal_epochs: steps of the way there.
        anneal_strategy: 'cos' or 'linear'.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy is '{anneal_strategy}', wants 'cos' or 'linear'")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"SWALR: anneal_epochs is {anneal_epochs}, wants an integer from 0")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"SWALR: wants an Optimizer, got {type(optimizer).__name__}")
        rates = one_each("SWALR", "swa_lr", optimizer, swa_lr)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """How far the way is gone at a step."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
