"""Connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import _C, ops
from ..._dtypes import float32, int64
from ...autograd.engine import grad
from ...autograd.graph import Node, Op, edge_of, recording
from ...autograd.modes import enable_grad
from ...ops.loss import check_reduction
from ...tensor import Tensor

__all__ = ["ctc_loss"]

# The logarithm of zero: finite, so that differences of two have no NaN; a sum of 10^5 still fits float32.
_NEVER = -1e30


def _lengths(name: str, value: Tensor | Sequence[int], count: int, most: int) -> Any:
    """Lengths of a batch, int64: of a sequence each in 0 .. most, of a tensor as the kernel finds them."""
    if isinstance(value, Tensor) and not value.is_floating_point() and value.numel() == count:
        return _C.contiguous(value.to(int64).reshape(-1)._array)
    array = np.asarray(value.tolist() if isinstance(value, Tensor) else value)
    if array.ndim > 1 or array.size != count or (array.size and array.dtype.kind not in "iu"):
        raise RuntimeError(f"ctc_loss: {name} must be {count} integers, got shape {list(array.shape)}")
    out = array.reshape(-1).astype(np.int64)
    if out.size and (out.min() < 0 or out.max() > most):
        raise RuntimeError(f"ctc_loss: {name} must be in [0, {most}], got {out.min()} .. {out.max()}")
    return _C.from_numpy(out)


def _padded(targets: Tensor, lengths: Tensor) -> Tensor:
    """Targets [N, S], from rows one after the other where they come so: then S is as many as all have, for a
    recording does not know the longest."""
    if targets.ndim == 2:
        return targets
    starts = ops.cumsum(lengths, 0) - lengths
    places = starts.unsqueeze(1) + ops.arange(targets.numel())
    return ops.take(targets, ops.clamp(places, max=max(targets.numel() - 1, 0)))


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
    if count == 0:
        return x.sum() if reduction == "sum" else x.sum((0, 2)) if reduction == "none" else x.sum() / 0
    dtype = x.dtype
    if dtype.itemsize < 4:
        x = x.to(float32)
    saves = recording(x)
    value, alpha = _C.ctc(x._array, targets._array, inputs, lengths, blank, saves)
    if saves:
        saved = (x._array, targets._array, inputs, lengths, value, alpha)
        loss = Tensor(value, True, Node(_CTC, (edge_of(x),), saved, blank))
    else:
        loss = Tensor(value)
    if zero_infinity:
        loss = ops.where(loss.detach() == float("inf"), 0.0, loss)
    loss = loss.to(dtype)
    if reduction == "none":
        return loss.reshape(()) if single else loss
    if reduction == "sum":
        return loss.sum()
    return (loss / ops.clamp(Tensor(lengths), min=1).to(dtype)).mean()


# -- gradients of the gradient: the recursion in operations, with lengths that are known


class _Problem(NamedTuple):
    """What an alignment may do: positions are b t1 b t2 b ... b, blanks around every label."""

    leaps: Tensor  # [N, S]: 0 where the blank before a label may be left out, else the logarithm of zero
    inputs: Tensor  # steps of each [N]
    lengths: Tensor  # labels of each [N]


def _set_up(
    x: Tensor, targets: Tensor, inputs: Tensor, lengths: Tensor, blank: int
) -> tuple[_Problem, Tensor]:
    """The problem, and the log-probability of each position's class at each step [T, N, S]."""
    steps, count, _ = x.shape
    labels = targets.shape[1]
    inside = ops.arange(labels) < lengths.unsqueeze(1)
    targets = ops.where(inside, targets, blank)
    blanks = ops.full((count, labels, 1), blank, dtype=int64)
    places = ops.cat([blanks, targets.unsqueeze(2)], 2).reshape(count, 2 * labels)
    places = ops.cat([places, ops.full((count, 1), blank, dtype=int64)], 1)
    width = 2 * labels + 1
    scores = ops.expand(places.unsqueeze(0), (steps, count, width))
    scores = ops.clamp(x.gather(2, scores), min=_NEVER)
    before = ops.cat([ops.full((count, 2), blank, dtype=int64), places], 1)[:, :width]
    may = ops.logical_and(places != blank, places != before)
    return _Problem(ops.where(may, ops.zeros(1, dtype=x.dtype), _NEVER), inputs, lengths), scores


def _walk(scores: Tensor, leaps: Tensor, inputs: Tensor) -> list[Tensor]:
    """log α before the first step and after each: of all paths that are at a position [N, S] by then."""
    count, width = leaps.shape
    never = ops.full((count, 2), _NEVER, dtype=scores.dtype)
    # Before the first step all is at the first blank: from there one may stay or go on to the first label.
    start = ops.where(ops.arange(width) == 0, ops.zeros(count, 1, dtype=scores.dtype), _NEVER)
    out, left = [start], inputs.unsqueeze(1)
    for t in range(scores.shape[0]):
        alpha = out[-1]
        wide = ops.cat([never, alpha], 1)
        ways = ops.logaddexp(alpha, ops.narrow(wide, 1, 1, width))
        ways = ops.logaddexp(ways, ops.narrow(wide, 1, 0, width) + leaps) + ops.select(scores, 0, t)
        out.append(ops.where(left > t, ways, alpha))
    return out


def _at_end(alpha: Tensor, lengths: Tensor) -> Tensor:
    """-log of the paths that end on the last label or the blank after it [N]."""
    last = (2 * lengths).unsqueeze(1)
    before = alpha.gather(1, ops.clamp(last - 1, min=0))
    before = ops.where(last > 0, before, _NEVER)
    return -ops.logaddexp(alpha.gather(1, last), before).squeeze(1)


def _differentiable(node: Node, g: Tensor) -> Any:
    """Through the recursion itself, whose own gradient is recorded."""
    x, targets, inputs, lengths, *_ = node.tensors()
    with enable_grad():
        inner = x * 1.0 if x.requires_grad else x.detach().requires_grad_()
        problem, scores = _set_up(inner, _padded(targets, lengths), inputs, lengths, node.ctx)
        loss = _at_end(_walk(scores, problem.leaps, inputs)[-1], lengths)
        return grad(loss, inner, g, create_graph=True)


def _native(node: Node, g: Any) -> Any:
    x, targets, inputs, lengths, loss, alpha = node.saved
    return (_C.ctc_grad(g, x, targets, inputs, lengths, node.ctx, loss, alpha),)


_CTC = Op("ctc_loss", _native, _differentiable, (0, None, None, None, None, None))
