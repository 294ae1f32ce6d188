"""Softmax over many classes, the rare ones in clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ... import ops
from ...tensor import Tensor
from .. import functional as F
from ..containers import ModuleList, Sequential
from ..module import Module
from .linear import Linear

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _Result(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax of n_classes that are sorted by frequency: the frequent ones and a place for each cluster
    of rarer ones in a head, the clusters' own in ever smaller layers (Grave et al. 2017).

    Args:
        in_features: size of each input.
        n_classes: number of classes.
        cutoffs: where the clusters begin, rising.
        div_value: each cluster's hidden layer is smaller by this factor than the one before.
        head_bias: whether the head has a bias.

    Shape: input [N, in_features] or [in_features], target [N] or [] → output of the target's shape, the
    log-probability of each target, and loss, the mean of -output.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if (
            not cutoffs
            or cutoffs != sorted({int(c) for c in cutoffs})
            or not (cutoffs[0] > 0 and cutoffs[-1] < n_classes)
        ):
            raise ValueError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs is {cutoffs}, wants integers rising from 1 to "
                f"{n_classes - 1}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        made = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **made), Linear(hidden, size, bias=False, **made)
                )
            )

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster.children():
                layer.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> _Result:
        name = "AdaptiveLogSoftmaxWithLoss"
        if target.ndim > 1 or input.ndim != target.ndim + 1 or input.shape[:-1] != target.shape:
            raise RuntimeError(
                f"{name}: wants input [N, in] and target [N], or [in] and [], got {list(input.shape)} and "
                f"{list(target.shape)}"
            )
        x, y = (input, target) if target.ndim else (input.unsqueeze(0), target.unsqueeze(0))
        if ops.any(ops.logical_or(ops.lt(y, 0), ops.ge(y, self.n_classes))).item():
            raise RuntimeError(
                f"{name}: targets must be in [0, {self.n_classes}), got {y.min().item()} .. {y.max().item()}"
            )
        output = ops.zeros(y.shape, dtype=x.dtype)
        places = y
        for i, cluster in enumerate(self.tail):
            low, high = self.cutoffs[i : i + 2]
            (rows,) = ops.where(ops.logical_and(ops.ge(y, low), ops.lt(y, high)))
            if rows.numel() == 0:
                continue
            inside = ops.index_select(y, 0, rows) - low
            logs = F.log_softmax(cluster(ops.index_select(x, 0, rows)), 1)
            output = output.index_add(0, rows, logs.gather(1, inside.unsqueeze(1)).squeeze(1))
            places = places.index_fill(0, rows, self.shortlist_size + i)
        head = F.log_softmax(self.head(x), 1)
        output = output + head.gather(1, places.unsqueeze(1)).squeeze(1)
        return _Result(output if target.ndim else output.squeeze(0), -output.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: [N, in_features] → [N, n_classes]."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            at = self.shortlist_size + i
            parts.append(F.log_softmax(cluster(input), 1) + head[:, at : at + 1])
        return ops.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each input: [N, in_features] → int64 [N]."""
        return ops.argmax(self.log_prob(input), 1)
