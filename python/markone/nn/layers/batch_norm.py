"""Batch and instance norm: layers that keep running statistics."""

from __future__ import annotations

from typing import Any

from ...ops import empty, tensor
from ...ops.norm import batch_norm_tracked
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .norm import reset_affine

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]


class _Norm(Module):
    """Weight and bias [C], running_mean and running_var [C], and how many batches they have seen."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    # How many dimensions an input has, in words and numbers.
    _ndims: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        made = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_features, **made)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_features, **made)) if affine and bias else None)
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, empty(num_features, **made) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", tensor(0) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        if self.running_mean is not None and self.running_var is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """The statistics as at the start, weight 1, bias 0."""
        self.reset_running_stats()
        reset_affine(self)

    def _check(self, input: Tensor) -> None:
        if input.ndim not in self._ndims:
            raise ValueError(
                f"{type(self).__name__}: wants an input with {' or '.join(map(str, self._ndims))} dimensions,"
                f" got shape {list(input.shape)}"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Norm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        mean, variance = self.running_mean, self.running_var
        # Without running statistics the batch's own are used in evaluation too.
        own = self.training or mean is None or variance is None
        count = None
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            count = self.num_batches_tracked if self.momentum is None else None
        if self.training and not self.track_running_stats:
            mean = variance = None
        momentum = 0.0 if self.momentum is None else self.momentum
        return batch_norm_tracked(
            input, mean, variance, self.weight, self.bias, own, momentum, self.eps, count
        )


class BatchNorm1d(_BatchNorm):
    """(x - mean) / √(variance + eps) · weight + bias of each feature over the batch (Ioffe and Szegedy 2015).

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: of the running statistics; None: the mean over all batches.
        affine: whether there are weight (starts as 1) and bias (0).
        track_running_stats: whether evaluation uses running statistics; else the batch's own.
        bias: whether there is a bias.

    Shape: x [N, C] or [N, C, L] → y the same; weight, bias, running_mean, running_var [C].
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """BatchNorm1d for images: x [N, C, H, W]."""

    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """BatchNorm1d for volumes: x [N, C, D, H, W]."""

    _ndims = (5,)


class _InstanceNorm(_Norm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        single = input.ndim == self._ndims[0]
        channels = input.shape[0 if single else 1]
        if channels != self.num_features and self.affine:
            raise ValueError(
                f"{type(self).__name__}: wants {self.num_features} channels, got shape {list(input.shape)}"
            )
        y = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y.squeeze(0) if single else y


class InstanceNorm1d(_InstanceNorm):
    """(x - mean) / √(variance + eps) of each sample's channels (Ulyanov, Vedaldi and Lempitsky 2016).

    Args: as `BatchNorm1d`; affine and track_running_stats are off where not given.

    Shape: x [N, C, L] or [C, L] → y the same.
    """

    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """InstanceNorm1d for images: x [N, C, H, W] or [C, H, W]."""

    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """InstanceNorm1d for volumes: x [N, C, D, H, W] or [C, D, H, W]."""

    _ndims = (4, 5)
