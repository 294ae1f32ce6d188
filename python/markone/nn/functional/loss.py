"""Losses of regression and of distributions."""

from __future__ import annotations

import math

from ... import _C, ops
from ...ops.softmax import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    check_reduction,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    reduced,
    warn_of_broadcast,
)
from ...tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """(x - y)² / (2 beta) where |x - y| < beta, else |x - y| - beta / 2."""
    reduction = check_reduction("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta is {beta}, wants at least 0")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    warn_of_broadcast("smooth_l1_loss", input, target)
    away = ops.abs(input - target)
    loss = ops.where(away < beta, ops.square(away) * (0.5 / beta), away - 0.5 * beta)
    return reduced(loss, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """y · (log y - x) of log-probabilities x; reduction may be 'batchmean': the sum over the batch's size."""
    reduction = check_reduction("kl_div", reduction, size_average, reduce, ("batchmean",))
    if log_target:
        loss = ops.exp(target) * (target - input)
    else:
        positive = target > 0
        logs = ops.log(ops.where(positive, target, 1.0))
        loss = ops.where(positive, target * logs, 0.0) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0]
    return reduced(loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - y · x, or x - y · log(x + eps); `full` adds Stirling's y log y - y + log(2πy)/2 for y > 1."""
    reduction = check_reduction("poisson_nll_loss", reduction, size_average, reduce)
    loss = ops.exp(input) - target * input if log_input else input - target * ops.log(input + eps)
    if full:
        large = target > 1
        safe = ops.where(large, target, 1.0)
        stirling = safe * ops.log(safe) - safe + 0.5 * ops.log(safe * (2 * math.pi))
        loss = loss + ops.where(large, stirling, 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (x - y)² / v) / 2 with v = max(var, eps), through which no gradient of the limit passes."""
    spread = var if isinstance(var, Tensor) else ops.full_like(input, var)
    if spread.ndim == input.ndim - 1 and spread.shape == input.shape[:-1]:
        spread = spread.unsqueeze(-1)
    elif spread.ndim != input.ndim or any(v not in (1, n) for v, n in zip(spread.shape, input.shape)):
        raise ValueError(
            f"gaussian_nll_loss: var has shape {list(spread.shape)}, wants the input's {list(input.shape)}, "
            "or without its last dimension or with sizes of 1"
        )
    _C.check_range("gaussian_nll_loss", "wants var not negative", spread._array, 0.0, math.inf, False)
    with_limit = ops.where(spread < eps, eps, spread)
    loss = 0.5 * (ops.log(with_limit) + ops.square(input - target) / with_limit)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, check_reduction("gaussian_nll_loss", reduction))


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Tensor:
    """cross_entropy(linear(input, linear_weight, linear_bias), target, ...).

    input [N, in] or [in]; linear_weight [C, in], or [C, d1, ..., in] for scores [N, C, d1, ...]; linear_bias
    has the weight's shape without its last dimension. options (scores in chunks) are PyTorch's alone.
    """
    op = "linear_cross_entropy"
    if options is not None:
        raise NotImplementedError(f"{op}: options is left out, the scores are always made whole")
    if input.ndim not in (1, 2) or linear_weight.ndim < 2 or input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(
            f"{op}: wants input [N, in] or [in] and linear_weight [C, ..., in], got {list(input.shape)} and "
            f"{list(linear_weight.shape)}"
        )
    outputs = linear_weight.shape[:-1]
    if linear_bias is not None and linear_bias.shape != outputs:
        raise RuntimeError(f"{op}: linear_bias has shape {list(linear_bias.shape)}, wants {list(outputs)}")
    if len(outputs) > 1 and input.ndim == 1:
        raise RuntimeError(f"{op}: linear_weight {list(linear_weight.shape)} wants input [N, in]")
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError(f"{op}: ignore_index does not go with a target of probabilities")
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = ops.linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias)
    return cross_entropy(
        scores.reshape(*input.shape[:-1], *outputs),
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
