"""Batch norm folded into the layer before it, for inference (names of `torch.nn.utils.fusion`)."""

from __future__ import annotations

import copy
from typing import Any

from ...autograd import no_grad
from ...ops import rsqrt, zeros
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _fold(
    weight: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    gamma: Any,
    beta: Any,
    dim: int,
) -> tuple[Parameter, Parameter]:
    """(x·weight + bias - mean) · gamma / √(var + eps) + beta as one weight and bias."""
    with no_grad():
        scale = rsqrt(var + eps)
        if gamma is not None:
            scale = scale * gamma
        shift = ((zeros(mean.shape, dtype=mean.dtype) if bias is None else bias) - mean) * scale
        if beta is not None:
            shift = shift + beta
        shape = [1] * weight.ndim
        shape[dim] = -1
        return (
            Parameter((weight * scale.reshape(shape)).to(weight.dtype), weight.requires_grad),
            Parameter(shift, weight.requires_grad if bias is None else bias.requires_grad),
        )


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of the convolution that does both; transpose: of a transposed one."""
    return _fold(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of the linear map that does both."""
    return _fold(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def _fused(op: str, layer: Module, bn: Any, dim: int) -> Module:
    if layer.training or bn.training:
        raise RuntimeError(f"{op}: both modules must be in evaluation mode, call eval() first")
    if bn.running_mean is None:
        raise RuntimeError(f"{op}: the batch norm has no running statistics")
    out = copy.deepcopy(layer)
    out.weight, out.bias = _fold(
        layer.weight, layer.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, dim
    )
    return out


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """A copy of `conv` that does what `bn(conv(x))` does, both in evaluation mode."""
    return _fused("fuse_conv_bn_eval", conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """A copy of `linear` that does what `bn(linear(x))` does, both in evaluation mode."""
    if linear.weight.shape[0] != bn.num_features and bn.num_features != 1:
        raise RuntimeError(
            f"fuse_linear_bn_eval: the linear map has {linear.weight.shape[0]} outputs, the batch norm "
            f"{bn.num_features} features"
        )
    return _fused("fuse_linear_bn_eval", linear, bn, 0)
