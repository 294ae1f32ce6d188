"""Dropout: of elements, of whole channels, and the forms that keep SELU's mean and variance."""

from __future__ import annotations

import math
import warnings

from ... import ops
from ..._dtypes import float32
from ...tensor import Tensor
from .activation import _apply

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def _check(op: str, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{op}: p must be in [0, 1], got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zero with probability p, else x / (1 - p)."""
    return _apply("dropout", input, lambda x: ops.dropout(x, p, training), inplace and training)


def _channels(op: str, input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    """Each channel, dimension 1 of a batch or else 0, is zeroed with probability p."""
    _check(op, p)
    if not training or p == 0:
        return input
    kept = 2 if batched else 1
    shape = (*input.shape[:kept], *([1] * (input.ndim - kept)))
    scale = ops.dropout(ops.ones(shape, dtype=input.dtype), p, True)
    return _apply(op, input, lambda x: x * scale, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes whole channels of [N, C, L] or [C, L] with probability p, scales the others."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: wants [N, C, L] or [C, L], got shape {list(input.shape)}")
    return _channels("dropout1d", input, p, training, inplace, input.ndim == 3)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes whole channels of [N, C, H, W] with probability p, scales the others.

    Three dimensions are [N, C, L], as in PyTorch, which warns of it too.
    """
    if input.ndim not in (3, 4):
        raise ValueError(f"dropout2d: wants [N, C, H, W] or [N, C, L], got shape {list(input.shape)}")
    if input.ndim == 3:
        warnings.warn("dropout2d: three dimensions are taken as [N, C, L]; use dropout1d", stacklevel=2)
    return _channels("dropout2d", input, p, training, inplace, True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, zeroes whole channels of [N, C, D, H, W] or [C, D, H, W] with probability p, scales the
    others."""
    if input.ndim not in (4, 5):
        raise ValueError(f"dropout3d: wants [N, C, D, H, W] or [C, D, H, W], got shape {list(input.shape)}")
    return _channels("dropout3d", input, p, training, inplace, input.ndim == 5)


# What SELU tends to far below zero: -scale · alpha (Klambauer et al. 2017).
_SATURATED = -1.7580993408473766


def _alpha(op: str, input: Tensor, p: float, training: bool, inplace: bool, shape: list[int]) -> Tensor:
    """Dropped elements take SELU's lowest value; an affine map then restores mean 0 and variance 1."""
    _check(op, p)
    if not training or p == 0:
        return input
    if p == 1:
        return _apply(op, input, lambda x: x * 0.0, inplace)
    kept = ops.rand(shape, dtype=float32) >= p
    scale = 1.0 / math.sqrt((_SATURATED**2 * p + 1.0) * (1.0 - p))
    shift = -scale * _SATURATED * p
    return _apply(op, input, lambda x: ops.where(kept, x, _SATURATED) * scale + shift, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """In training, elements take SELU's lowest value with probability p; then all are scaled and shifted so
    that mean 0 and variance 1 stay (Klambauer et al. 2017, section 'Effects of dropout')."""
    return _alpha("alpha_dropout", input, p, training, inplace, list(input.shape))


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels: [N, C, ...]."""
    if input.ndim < 2:
        raise RuntimeError(f"feature_alpha_dropout: wants [N, C, ...], got shape {list(input.shape)}")
    shape = [*input.shape[:2], *([1] * (input.ndim - 2))]
    return _alpha("feature_alpha_dropout", input, p, training, inplace, shape)
