"""Layer, group, RMS and local response norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ops import empty
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LayerNorm(Module):
    """(x - mean) / √(variance + eps) · weight + bias over the trailing dimensions (Ba, Kiros, Hinton 2016).

    Args:
        normalized_shape: the trailing dimensions, or the last one's size.
        eps: added to the variance.
        elementwise_affine: whether there are weight (starts as 1) and bias (0).
        bias: whether there is a bias.

    Shape: x [*, normalized_shape] → y the same; weight and bias [normalized_shape].
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made = {"device": device, "dtype": dtype}
        _register(self, "weight", self.normalized_shape if elementwise_affine else None, made)
        _register(self, "bias", self.normalized_shape if elementwise_affine and bias else None, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """x / √(mean(x²) + eps) · weight over the trailing dimensions (Zhang and Sennrich 2019).

    Args:
        normalized_shape: the trailing dimensions, or the last one's size.
        eps: added to the mean; None is the machine epsilon.
        elementwise_affine: whether there is a weight (starts as 1).

    Shape: x [*, normalized_shape] → y the same; weight [normalized_shape].
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape if elementwise_affine else None
        _register(self, "weight", shape, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        reset_affine(self)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """(x - mean) / √(variance + eps) · weight + bias of each sample's groups of channels (Wu and He 2018).

    Args:
        num_groups: groups that the channels are split into.
        num_channels: C of [N, C, *].
        eps: added to the variance.
        affine: whether there are weight (starts as 1) and bias (0).

    Shape: x [N, C, *] → y the same; weight and bias [C].
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups <= 0 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: cannot split {num_channels} channels into {num_groups} groups")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        made = {"device": device, "dtype": dtype}
        _register(self, "weight", (num_channels,) if affine else None, made)
        _register(self, "bias", (num_channels,) if affine and bias else None, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        reset_affine(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + alpha · mean of x² over `size` neighbouring channels)^beta (Krizhevsky et al. 2012).

    AlexNet's published alpha is a factor of the sum: pass size · alpha for it.

    Shape: x [N, C, *, ...] → y the same.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """LocalResponseNorm of [N, C, H, W] by an older name."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)


def _shape(size: int | Sequence[int]) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else tuple(size)


def _register(module: Module, name: str, shape: tuple[int, ...] | None, made: dict[str, Any]) -> None:
    module.register_parameter(name, None if shape is None else Parameter(empty(shape, **made)))


def reset_affine(module: Module) -> None:
    """Weight 1, bias 0, where there are such."""
    weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
    if weight is not None:
        init.ones_(weight)
    if bias is not None:
        init.zeros_(bias)
