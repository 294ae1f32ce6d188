"""Batch and instance norms that learn their number of channels from the first input."""

from __future__ import annotations

from typing import Any

from .layers import batch_norm as layers
from .lazy import LazyModuleMixin
from .parameter import UninitializedBuffer, UninitializedParameter, UninitializedTensorMixin

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _LazyNorm(LazyModuleMixin, layers._Norm):
    """num_features, and every tensor of that size, come from the first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        made = {"device": device, "dtype": dtype}
        # In the places that there are, so that the order of the state stays.
        for name, parameter in self._parameters.items():
            if parameter is not None:
                self._parameters[name] = UninitializedParameter(**made)
        for name in ("running_mean", "running_var"):
            if self._buffers[name] is not None:
                self._buffers[name] = UninitializedBuffer(**made)

    def reset_parameters(self) -> None:
        """The statistics as at the start, weight 1, bias 0, once there are any."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:
        """Takes num_features from the input."""
        self._check(input)
        waiting = self.has_uninitialized_params()
        if not waiting and self.num_features != 0:
            return
        unbatched = issubclass(self.cls_to_become or object, layers._InstanceNorm) and (
            input.ndim == self._ndims[0]
        )
        self.num_features = input.shape[0 if unbatched else 1]
        if waiting:
            for table in (self._parameters, self._buffers):
                for tensor in table.values():
                    if isinstance(tensor, UninitializedTensorMixin):
                        tensor.materialize((self.num_features,))
            self.reset_parameters()


class _LazyInstanceNorm(_LazyNorm):
    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(eps, momentum, affine, track_running_stats, device, dtype, bias=bias)


class LazyBatchNorm1d(_LazyNorm, layers.BatchNorm1d):
    """A BatchNorm1d whose num_features is that of its first input."""

    cls_to_become = layers.BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, layers.BatchNorm2d):
    """A BatchNorm2d whose num_features is that of its first input."""

    cls_to_become = layers.BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, layers.BatchNorm3d):
    """A BatchNorm3d whose num_features is that of its first input."""

    cls_to_become = layers.BatchNorm3d


class LazyInstanceNorm1d(_LazyInstanceNorm, layers.InstanceNorm1d):
    """An InstanceNorm1d whose num_features is that of its first input."""

    cls_to_become = layers.InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, layers.InstanceNorm2d):
    """An InstanceNorm2d whose num_features is that of its first input."""

    cls_to_become = layers.InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, layers.InstanceNorm3d):
    """An InstanceNorm3d whose num_features is that of its first input."""

    cls_to_become = layers.InstanceNorm3d
