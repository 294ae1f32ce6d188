"""Pooling layers: their arguments are kept as attributes and passed to the function of the same name."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from ..module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "StochasticPool2d",
]

Size = Any  # an int, or a tuple with one for each pooled dimension


class _Pool(Module):
    """Shows the attributes that its class names."""

    _shown: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class MaxPool1d(_Pool):
    """The largest element of each window: see `MaxPool2d`. Shape: x [N, C, L] or [C, L] → y [..., OL]."""

    _function = staticmethod(F.max_pool1d)
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Size,
        stride: Size = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return self._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool2d(MaxPool1d):
    """The largest element of each window.

    Args:
        kernel_size: KH, KW of the window.
        stride: its step; the kernel size where None.
        padding: on each side, at most half the kernel; padded places never win.
        dilation: distance of the window's elements.
        return_indices: also the flat place of each winner in its plane (int64).
        ceil_mode: round the output's size up.

    Shape: x [N, C, H, W] or [C, H, W] → y [..., OH, OW], OH = ⌊(H + 2p - d·(KH - 1) - 1) / stride⌋ + 1.
    """

    _function = staticmethod(F.max_pool2d)


class MaxPool3d(MaxPool1d):
    """The largest element of each window: see `MaxPool2d`. Shape: x [N, C, D, H, W] → y [..., OD, OH, OW]."""

    _function = staticmethod(F.max_pool3d)


class AvgPool1d(_Pool):
    """The mean of each window: see `AvgPool2d`. Shape: x [N, C, L] or [C, L] → y [..., OL]."""

    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Size,
        stride: Size = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AvgPool2d(_Pool):
    """The mean of each window.

    Args:
        kernel_size: KH, KW of the window.
        stride: its step; the kernel size where None.
        padding: zeros on each side, at most half the kernel.
        ceil_mode: round the output's size up.
        count_include_pad: padded places count in the mean.
        divisor_override: divide by this instead.

    Shape: x [N, C, H, W] or [C, H, W] → y [..., OH, OW], OH = ⌊(H + 2p - KH) / stride⌋ + 1.
    """

    _function = staticmethod(F.avg_pool2d)
    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Size,
        stride: Size = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return self._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(AvgPool2d):
    """The mean of each window: see `AvgPool2d`. Shape: x [N, C, D, H, W] → y [..., OD, OH, OW]."""

    _function = staticmethod(F.avg_pool3d)


class LPPool1d(_Pool):
    """(Σ xᵖ)^(1/p) of each window, p = norm_type. Shape: x [N, C, L] or [C, L] → y [..., OL]."""

    _function = staticmethod(F.lp_pool1d)
    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self._function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(LPPool1d):
    """(Σ xᵖ)^(1/p) of each window, p = norm_type. Shape: x [N, C, H, W] or [C, H, W] → y [..., OH, OW]."""

    _function = staticmethod(F.lp_pool2d)


class LPPool3d(LPPool1d):
    """(Σ xᵖ)^(1/p) of each window, p = norm_type. Shape: x [N, C, D, H, W] → y [..., OD, OH, OW]."""

    _function = staticmethod(F.lp_pool3d)


class AdaptiveAvgPool1d(_Pool):
    """Mean over windows that give the wanted output size: see `AdaptiveAvgPool2d`."""

    _function = staticmethod(F.adaptive_avg_pool1d)
    _shown = ("output_size",)

    def __init__(self, output_size: Size) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self._function(input, self.output_size)


class AdaptiveAvgPool2d(AdaptiveAvgPool1d):
    """Mean over windows that give the wanted output size: row i takes ⌊i·H/OH⌋ .. ⌈(i+1)·H/OH⌉.

    Args:
        output_size: OH, OW; one number for both; None keeps a size. 1 is global pooling.

    Shape: x [N, C, H, W] or [C, H, W] → y [..., OH, OW].
    """

    _function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(AdaptiveAvgPool1d):
    """Mean over windows that give the wanted output size: see `AdaptiveAvgPool2d`."""

    _function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_Pool):
    """The largest element of windows that give the wanted output size: see `AdaptiveMaxPool2d`."""

    _function = staticmethod(F.adaptive_max_pool1d)
    _shown = ("output_size",)

    def __init__(self, output_size: Size, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return self._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(AdaptiveMaxPool1d):
    """The largest element of windows that give the wanted output size, as `AdaptiveAvgPool2d`'s.

    With return_indices also the flat place of each in its plane (int64).
    """

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(AdaptiveMaxPool1d):
    """The largest element of windows that give the wanted output size: see `AdaptiveMaxPool2d`."""

    _function = staticmethod(F.adaptive_max_pool3d)


class FractionalMaxPool2d(_Pool):
    """The largest element of windows at drawn places: see `functional.fractional_max_pool2d`.

    Args:
        kernel_size: of the windows.
        output_size: OH, OW; or
        output_ratio: OH / H, OW / W, between 0 and 1.
        return_indices: also the flat place of each winner in its plane (int64).
    """

    _function = staticmethod(F.fractional_max_pool2d)
    _shown = ("kernel_size", "output_size", "output_ratio")

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{type(self).__name__}: wants either output_size or output_ratio")
        self.kernel_size = kernel_size
        self.output_size = output_size
        self.output_ratio = output_ratio
        self.return_indices = return_indices
        self._random_samples = _random_samples

    def forward(self, input: Tensor) -> Any:
        return self._function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


class FractionalMaxPool3d(FractionalMaxPool2d):
    """The largest element of windows at drawn places: see `functional.fractional_max_pool3d`."""

    _function = staticmethod(F.fractional_max_pool3d)


class StochasticPool2d(_Pool):
    """In training an element of each window by chance, else their weighted mean: see
    `functional.stochastic_pool2d`. For activations that are not negative."""

    _shown = ("kernel_size", "stride", "padding", "ceil_mode")

    def __init__(
        self, kernel_size: Size, stride: Size = None, padding: Size = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return F.stochastic_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.training
        )


class MaxUnpool1d(_Pool):
    """Puts elements back where a `MaxPool1d` found them; zeros elsewhere."""

    _function = staticmethod(F.max_unpool1d)
    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, kernel_size: Size, stride: Size = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return self._function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(MaxUnpool1d):
    """Puts elements back where a `MaxPool2d` found them; zeros elsewhere. output_size tells apart the sizes
    that pool to the same one."""

    _function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(MaxUnpool1d):
    """Puts elements back where a `MaxPool3d` found them; zeros elsewhere."""

    _function = staticmethod(F.max_unpool3d)
