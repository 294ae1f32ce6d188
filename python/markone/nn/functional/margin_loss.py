"""Losses with a margin: of pairs, triplets and rankings of classes."""

from __future__ import annotations

from collections.abc import Callable

from ... import ops
from ..._dtypes import int64
from ...ops.distance import pairwise_distance
from ...ops.loss import (
    check_reduction,
    hinge_embedding_loss,
    margin_ranking_loss,
    multilabel_soft_margin_loss,
    reduced,
    soft_margin_loss,
)
from ...tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _positive(x: Tensor) -> Tensor:
    return ops.clamp(x, min=0.0)


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1.

    input1, input2 [N, D] with target [N], or [D] with a 0-d one. The squared lengths are raised by 1e-12.
    """
    reduction = check_reduction("cosine_embedding_loss", reduction, size_average, reduce)
    op = "cosine_embedding_loss"
    if input1.shape != input2.shape or input1.ndim != target.ndim + 1 or target.ndim > 1:
        raise RuntimeError(
            f"{op}: wants [N, D], [N, D] and [N], or [D], [D] and [], got {list(input1.shape)}, "
            f"{list(input2.shape)} and {list(target.shape)}"
        )
    squares = (input1 * input1).sum(-1) + 1e-12, (input2 * input2).sum(-1) + 1e-12
    cos = (input1 * input2).sum(-1) / (squares[0] * squares[1]).sqrt()
    loss = ops.where(target == 1, 1 - cos, 0.0) + ops.where(target == -1, _positive(cos - margin), 0.0)
    return reduced(loss, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm distance along the last
    dimension; swap takes the smaller of the negative's two distances (Balntas et al. 2016)."""
    reduction = check_reduction("triplet_margin_loss", reduction, size_average, reduce)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            f"triplet_margin_loss: wants as many dimensions in all, got {list(anchor.shape)}, "
            f"{list(positive.shape)} and {list(negative.shape)}"
        )

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own (`pairwise_distance` where None)."""
    op, distance = "triplet_margin_with_distance_loss", distance_function or pairwise_distance
    return _triplet(op, anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    op: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if not margin > 0:
        raise ValueError(f"{op}: margin is {margin}, wants above 0")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced(_positive(margin + near - far), check_reduction(op, reduction))


def _rows(op: str, input: Tensor, target: Tensor, target_ndim: int) -> tuple[Tensor, Tensor]:
    """Input and target with their batch dimension, checked; target_ndim is the target's with one."""
    if input.ndim not in (1, 2) or input.shape[-1] == 0:
        raise RuntimeError(f"{op}: wants input [N, C] or [C], got shape {list(input.shape)}")
    if target.dtype is not int64:
        raise RuntimeError(f"{op}: target must be int64 classes, got {target.dtype}")
    wanted = [*input.shape[:-1], *([input.shape[-1]] if target_ndim == 2 else [])]
    if list(target.shape) != wanted and not (input.ndim == 1 and list(target.shape) == [1] != wanted == []):
        raise RuntimeError(f"{op}: target has shape {list(target.shape)}, wants {wanted}")
    if input.ndim == 1:
        return input.unsqueeze(0), target.reshape(1, *wanted)
    return input, target


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ_{i ≠ y} max(0, margin - x[y] + x[i])^p · weight[y] / C.

    input [N, C] or [C]; target int64 [N] or []; p 1 or 2; weight [C].
    """
    reduction = check_reduction("multi_margin_loss", reduction, size_average, reduce)
    op = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"{op}: p is {p}, wants 1 or 2")
    single = input.ndim == 1
    x, y = _rows(op, input, target, 1)
    classes = x.shape[1]
    if weight is not None and list(weight.shape) != [classes]:
        raise ValueError(f"{op}: weight has shape {list(weight.shape)}, wants [{classes}]")
    away = ops.relu(margin - x.gather(1, y.unsqueeze(1)) + x)
    if p == 2:
        away = away * away
    away = ops.where(ops.arange(classes) == y.unsqueeze(1), 0.0, away)
    loss = away.sum(1) / classes
    if weight is not None:
        loss = loss * weight.gather(0, y)
    return reduced(loss.reshape(()) if single else loss, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Σ over labels y and classes i that are none: max(0, 1 - (x[y] - x[i])) / C.

    input [N, C] or [C]; target int64 of that shape: the labels of a row, ended by -1.
    """
    reduction = check_reduction("multilabel_margin_loss", reduction, size_average, reduce)
    op = "multilabel_margin_loss"
    single = input.ndim == 1
    x, y = _rows(op, input, target, 2)
    classes = x.shape[1]
    # A label counts where no negative number stands at or before it.
    negatives = (y < 0).to(x.dtype) @ ops.triu(ops.ones(classes, classes, dtype=x.dtype))
    valid = negatives == 0
    safe = ops.where(valid, y, 0)
    hit = ops.logical_and(safe.unsqueeze(2) == ops.arange(classes), valid.unsqueeze(2))
    labelled = hit.any(1)
    pairs = ops.logical_and(valid.unsqueeze(2), ops.logical_not(labelled).unsqueeze(1))
    away = ops.relu(1 - x.gather(1, safe).unsqueeze(2) + x.unsqueeze(1))
    loss = ops.where(pairs, away, 0.0).sum((1, 2)) / classes
    return reduced(loss.reshape(()) if single else loss, reduction)
