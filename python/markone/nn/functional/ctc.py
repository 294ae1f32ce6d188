"""Connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import _C, ops
from ..._dtypes import float32, int64
from ...autograd.engine import grad
from ...autograd.graph import Node, Op, edge_of, recording
from ...autograd.modes import enable_grad, no_grad
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
    problem, scores = _set_up(x, _padded(targets, lengths, count), inputs, lengths, blank)
    loss = _negative_log(scores, problem)
    impossible = loss.detach() > -0.1 * _NEVER
    loss = ops.where(impossible, 0.0 if zero_infinity else float("inf"), loss).to(dtype)
    if reduction == "none":
        return loss.reshape(()) if single else loss
    if reduction == "sum":
        return loss.sum()
    return (loss / ops.clamp(length, min=1).to(dtype)).mean()


class _Problem(NamedTuple):
    """What an alignment may do: positions are b t1 b t2 b ... b, blanks around every label."""

    leaps: Tensor  # [N, S]: 0 where the blank before a label may be left out, else the logarithm of zero
    inputs: np.ndarray  # steps of each [N]
    lengths: np.ndarray  # labels of each [N]


def _set_up(
    x: Tensor, targets: Tensor, inputs: np.ndarray, lengths: np.ndarray, blank: int
) -> tuple[_Problem, Tensor]:
    """The problem, and the log-probability of each position's class at each step [T, N, S]."""
    steps, count, _ = x.shape
    labels = targets.shape[1]
    inside = ops.arange(labels) < ops.from_numpy(lengths).unsqueeze(1)
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


def _walk(scores: Tensor, leaps: Tensor, inputs: np.ndarray) -> list[Tensor]:
    """log α before the first step and after each: of all paths that are at a position [N, S] by then."""
    count, width = leaps.shape
    never = ops.full((count, 2), _NEVER, dtype=scores.dtype)
    # Before the first step all is at the first blank: from there one may stay or go on to the first label.
    start = ops.where(ops.arange(width) == 0, ops.zeros(count, 1, dtype=scores.dtype), _NEVER)
    out, left = [start], ops.from_numpy(inputs).unsqueeze(1)
    for t in range(scores.shape[0]):
        alpha = out[-1]
        wide = ops.cat([never, alpha], 1)
        ways = ops.logaddexp(alpha, ops.narrow(wide, 1, 1, width))
        ways = ops.logaddexp(ways, ops.narrow(wide, 1, 0, width) + leaps) + ops.select(scores, 0, t)
        out.append(ways if t < inputs.min() else ops.where(left > t, ways, alpha))
    return out


def _at_end(alpha: Tensor, lengths: np.ndarray) -> Tensor:
    """-log of the paths that end on the last label or the blank after it [N]."""
    last = ops.from_numpy(2 * lengths).unsqueeze(1)
    before = alpha.gather(1, ops.clamp(last - 1, min=0))
    before = ops.where(last > 0, before, _NEVER)
    return -ops.logaddexp(alpha.gather(1, last), before).squeeze(1)


def _shares(scores: Tensor, problem: _Problem) -> tuple[Tensor, Tensor]:
    """The losses [N], and of each step and position the share of the paths that go through it [T, N, S]: the
    recursion also runs from the end, beside the one from the start (Graves et al. 2006, eq. 9-15)."""
    leaps, inputs, lengths = problem
    steps, count, width = scores.shape
    # Where each step and position lies when a row's input and target are read from their ends.
    t = np.maximum(inputs - 1 - np.arange(steps)[:, None], 0)[:, :, None]
    s = np.maximum(2 * lengths[:, None] - np.arange(width), 0)
    turn = [ops.from_numpy(np.ascontiguousarray(i)) for i in (t, np.arange(count)[:, None], s[None])]
    turned = ops.from_numpy(s)
    # A leap from s - 2 to s is, read from the end, one from s to s - 2.
    inside = turned + 2 < width
    back = leaps.gather(1, ops.where(inside, turned + 2, 0))
    back = ops.where(inside, back, _NEVER)
    both = ops.cat([scores, scores[turn[0], turn[1], turn[2]]], 1)
    walks = _walk(both, ops.cat([leaps, back], 0), np.concatenate([inputs, inputs]))
    loss = _at_end(walks[-1][:count], lengths)
    if steps == 0:
        return loss, scores
    alphas = ops.stack(walks[1:])
    alpha, beta = alphas[:, :count], alphas[:, count:][turn[0], turn[1], turn[2]]
    share = ops.exp(alpha + beta - scores + loss.unsqueeze(1))
    valid = (np.arange(steps)[:, None] < inputs)[:, :, None] & (np.arange(width) <= 2 * lengths[:, None])
    possible = ops.logical_and(ops.from_numpy(valid), (loss < -0.1 * _NEVER).unsqueeze(1))
    return loss, ops.where(possible, share, 0.0)


def _differentiable(node: Node, g: Tensor) -> Any:
    """Through the recursion itself, whose own gradient is recorded."""
    scores = node.tensors()[0]
    with enable_grad():
        inner = scores * 1.0 if scores.requires_grad else scores.detach().requires_grad_()
        loss = _at_end(_walk(inner, node.ctx.leaps, node.ctx.inputs)[-1], node.ctx.lengths)
        return grad(loss, inner, g, create_graph=True)


_CTC = Op(
    "ctc_loss",
    lambda node, g: (_C.neg(_C.mul(node.saved[1], g.unsqueeze(1))),),
    _differentiable,
    (0, None),
)


def _negative_log(scores: Tensor, problem: _Problem) -> Tensor:
    """-log of the summed probability of all paths [N], one node of the graph."""
    with no_grad():
        if not scores.requires_grad:
            return _at_end(_walk(scores, problem.leaps, problem.inputs)[-1], problem.lengths)
        loss, share = _shares(scores.detach(), problem)
    if not recording(scores):
        return loss
    saved = (scores._array, share._array)
    return Tensor(loss._array, True, Node(_CTC, (edge_of(scores),), saved, problem))
