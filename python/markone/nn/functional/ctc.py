"""Connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import ops
from ..._dtypes import float32, int64
from ...ops.softmax import check_reduction
from ...tensor import Tensor

__all__ = ["ctc_loss"]

# The logarithm of zero: finite, so that differences of two have no NaN; a sum of 10^5 still fits float32.
_NEVER = -1e30


def _lengths(name: str, value: Tensor | Sequence[int], count: int, most: int) -> np.ndarray:
    """Lengths of a batch, each in 0 .. most."""
    array = np.asarray(value.tolist() if isinstance(value, Tensor) else value)
    if array.ndim > 1 or array.size != count or (array.size and array.dtype.kind not in "iu"):
        raise RuntimeError(f"ctc_loss: {name} must be {count} integers, got shape {list(array.shape)}")
    out = array.reshape(-1).astype(np.int64)
    if out.size and (out.min() < 0 or out.max() > most):
        raise RuntimeError(f"ctc_loss: {name} must be in [0, {most}], got {out.min()} .. {out.max()}")
    return out


def _padded(targets: Tensor, lengths: np.ndarray, count: int) -> Tensor:
    """Targets [N, S], from rows one after the other where they come so."""
    if targets.ndim == 2:
        return targets
    starts = np.cumsum(lengths) - lengths
    places = np.minimum(starts[:, None] + np.arange(lengths.max(initial=0)), max(targets.numel() - 1, 0))
    flat = targets if targets.numel() else ops.zeros(1, dtype=targets.dtype)
    return ops.take(flat, ops.from_numpy(places.astype(np.int64))).reshape(count, -1)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of all alignments of each target with its input (Graves et al. 2006, eq. 6-8).

    log_probs [T, N, C] or [T, C] of log-probabilities; targets int64 [N, S], or the rows one after the other,
    [sum of target_lengths]; input_lengths and target_lengths of N. `mean` divides each loss by its target's
    length first. Where no alignment fits, the loss is infinite, or 0 with zero_infinity; its gradient is 0.

    The gradient is that of the values given: PyTorch's takes for granted that they come out of log_softmax,
    after which both are the same.
    """
    check_reduction("ctc_loss", reduction)
    if not log_probs.is_floating_point() or log_probs.ndim not in (2, 3):
        raise RuntimeError(
            f"ctc_loss: wants log_probs [T, N, C] or [T, C], got {log_probs.dtype} {list(log_probs.shape)}"
        )
    if targets.is_floating_point() or targets.ndim not in (1, 2):
        raise RuntimeError(f"ctc_loss: wants integer targets, got {targets.dtype} {list(targets.shape)}")
    single = log_probs.ndim == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    steps, count, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank is {blank}, wants one of {classes} classes")
    targets = targets.to(int64)
    if targets.ndim == 2 and targets.shape[0] != count:
        raise RuntimeError(f"ctc_loss: targets has shape {list(targets.shape)}, wants {count} rows")
    most = targets.shape[-1]
    inputs = _lengths("input_lengths", input_lengths, count, steps)
    lengths = _lengths("target_lengths", target_lengths, count, most)
    if targets.ndim == 1 and lengths.sum() != most:
        raise RuntimeError(f"ctc_loss: {most} targets in a row, but target_lengths sum to {lengths.sum()}")
    if count == 0:
        return x.sum() if reduction == "sum" else x.sum((0, 2)) if reduction == "none" else x.sum() / 0
    dtype = x.dtype
    if dtype.itemsize < 4:
        x = x.to(float32)
    length = ops.from_numpy(lengths)
    loss = _alignments(x, _padded(targets, lengths, count), ops.from_numpy(inputs), length, blank)
    impossible = loss.detach() > -0.1 * _NEVER
    loss = ops.where(impossible, 0.0 if zero_infinity else float("inf"), loss).to(dtype)
    if reduction == "none":
        return loss.reshape(()) if single else loss
    if reduction == "sum":
        return loss.sum()
    return (loss / ops.clamp(length, min=1).to(dtype)).mean()


def _alignments(x: Tensor, targets: Tensor, inputs: Tensor, lengths: Tensor, blank: int) -> Tensor:
    """-log Σ over the paths of [N], by the forward variables α of all positions at once."""
    steps, count, _ = x.shape
    labels = targets.shape[1]
    inside = ops.arange(labels) < lengths.unsqueeze(1)
    targets = ops.where(inside, targets, blank)
    # Blanks around every label: b t1 b t2 b ... b.
    blanks = ops.full((count, labels, 1), blank, dtype=int64)
    places = ops.cat([blanks, targets.unsqueeze(2)], 2).reshape(count, 2 * labels)
    places = ops.cat([places, ops.full((count, 1), blank, dtype=int64)], 1)
    width = 2 * labels + 1
    scores = x.gather(2, ops.expand(places.unsqueeze(0), (steps, count, width)))
    scores = ops.clamp(scores, min=_NEVER)
    # A blank may be left out between two different labels.
    never = ops.full((count, 2), _NEVER, dtype=x.dtype)
    skips = ops.cat([ops.full((count, 2), blank, dtype=int64), places], 1)[:, :width]
    skips = ops.logical_and(places != blank, places != skips)
    # Before the first step all is at the first blank: from there one may stay or go on to the first label.
    alpha = ops.where(ops.arange(width) == 0, 0.0, ops.full((count, width), _NEVER, dtype=x.dtype))
    for t in range(steps):
        wide = ops.cat([never, alpha], 1)
        skipped = ops.where(skips, wide[:, :width], _NEVER)
        ways = ops.stack([alpha, wide[:, 1 : width + 1], skipped], 0)
        alpha = ops.where((inputs > t).unsqueeze(1), ops.logsumexp(ways, 0) + scores[t], alpha)
    last = alpha.gather(1, (2 * lengths).unsqueeze(1))
    before = alpha.gather(1, ops.clamp(2 * lengths - 1, min=0).unsqueeze(1))
    before = ops.where((lengths > 0).unsqueeze(1), before, _NEVER)
    return -ops.logsumexp(ops.cat([last, before], 1), 1)
