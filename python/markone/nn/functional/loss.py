"""Losses of regression and of distributions."""

from __future__ import annotations

from ... import ops
from ...ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    gaussian_nll_loss,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from ...ops.softmax import cross_entropy, nll_loss
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
