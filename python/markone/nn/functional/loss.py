"""Losses."""

from __future__ import annotations

import math

from ... import ops
from ...ops.softmax import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    check_reduction,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
    reduced,
    same_shapes,
)
from ...tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "check_reduction",
    "cross_entropy",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


def _settle(op: str, loss: Tensor, reduction: str) -> Tensor:
    return reduced(loss, check_reduction(op, reduction))


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """(x - y)² / (2 beta) where |x - y| < beta, else |x - y| - beta / 2."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta}, wants at least 0")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    same_shapes("smooth_l1_loss", input, target)
    away = ops.abs(input - target)
    loss = ops.where(away < beta, ops.square(away) * (0.5 / beta), away - 0.5 * beta)
    return _settle("smooth_l1_loss", loss, reduction)


def huber_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """(x - y)² / 2 where |x - y| < delta, else delta · (|x - y| - delta / 2)."""
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is {delta}, wants above 0")
    same_shapes("huber_loss", input, target)
    away = ops.abs(input - target)
    loss = ops.where(away < delta, ops.square(away) * 0.5, (away - 0.5 * delta) * delta)
    return _settle("huber_loss", loss, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-y · x))."""
    same_shapes("soft_margin_loss", input, target)
    return _settle("soft_margin_loss", ops.softplus(-(target * input)), reduction)


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """y · (log y - x) of log-probabilities x; reduction may be 'batchmean': the sum over the batch's size."""
    if log_target:
        loss = ops.exp(target) * (target - input)
    else:
        positive = target > 0
        logs = ops.log(ops.where(positive, target, 1.0))
        loss = ops.where(positive, target * logs, 0.0) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0]
    return _settle("kl_div", loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - y · x, or x - y · log(x + eps); `full` adds Stirling's y log y - y + log(2πy)/2 for y > 1."""
    loss = ops.exp(input) - target * input if log_input else input - target * ops.log(input + eps)
    if full:
        large = target > 1
        safe = ops.where(large, target, 1.0)
        stirling = safe * ops.log(safe) - safe + 0.5 * ops.log(safe * (2 * math.pi))
        loss = loss + ops.where(large, stirling, 0.0)
    return _settle("poisson_nll_loss", loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (x - y)² / v) / 2 with v = max(var, eps), through which no gradient of the limit passes."""
    if var.ndim == input.ndim - 1:
        var = var.unsqueeze(-1)
    with_limit = ops.where(var < eps, eps, var)
    loss = 0.5 * (ops.log(with_limit) + ops.square(input - target) / with_limit)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _settle("gaussian_nll_loss", loss, reduction)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """x where y = 1, max(0, margin - x) where y = -1."""
    near = ops.where(target == -1, 0.0, input)
    far = ops.where(target == 1, 0.0, ops.relu(margin - input))
    return _settle("hinge_embedding_loss", near + far, reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, -y · (x1 - x2) + margin)."""
    return _settle("margin_ranking_loss", ops.relu(-(target * (input1 - input2)) + margin), reduction)
