"""Layers that pad, take windows, or move elements between channels and pixels."""

from __future__ import annotations

from typing import Any, ClassVar

from ...ops._common import numbers
from ...tensor import Tensor
from .. import functional as F
from ..module import Module

__all__ = [
    "ChannelShuffle",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "Unfold",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """`functional.pad` of the last `_axes` dimensions in one mode."""

    _axes: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = numbers(self._get_name(), "padding", padding, 2 * self._axes)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPad(_Pad):
    _mode = "reflect"


class _ReplicationPad(_Pad):
    _mode = "replicate"


class _CircularPad(_Pad):
    _mode = "circular"


class ConstantPad1d(_ConstantPad):
    """A constant around sequences; `padding` is left, right or one number for both."""

    _axes = 1


class ConstantPad2d(_ConstantPad):
    """A constant around images; `padding` is left, right, top, bottom or one number for all."""

    _axes = 2


class ConstantPad3d(_ConstantPad):
    """A constant around volumes; `padding` is left, right, top, bottom, front, back or one number for all."""

    _axes = 3


class ZeroPad1d(_ZeroPad):
    """Zeros around sequences; `padding` as ConstantPad1d's."""

    _axes = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around images; `padding` as ConstantPad2d's."""

    _axes = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around volumes; `padding` as ConstantPad3d's."""

    _axes = 3


class ReflectionPad1d(_ReflectionPad):
    """Sequences mirrored at their ends, which are not repeated; `padding` as ConstantPad1d's."""

    _axes = 1


class ReflectionPad2d(_ReflectionPad):
    """Images mirrored at their borders, which are not repeated; `padding` as ConstantPad2d's."""

    _axes = 2


class ReflectionPad3d(_ReflectionPad):
    """Volumes mirrored at their borders, which are not repeated; `padding` as ConstantPad3d's."""

    _axes = 3


class ReplicationPad1d(_ReplicationPad):
    """Sequences whose ends are repeated; `padding` as ConstantPad1d's."""

    _axes = 1


class ReplicationPad2d(_ReplicationPad):
    """Images whose border is repeated; `padding` as ConstantPad2d's."""

    _axes = 2


class ReplicationPad3d(_ReplicationPad):
    """Volumes whose border is repeated; `padding` as ConstantPad3d's."""

    _axes = 3


class CircularPad1d(_CircularPad):
    """Sequences that go on from their other end; `padding` as ConstantPad1d's."""

    _axes = 1


class CircularPad2d(_CircularPad):
    """Images that go on from their other side; `padding` as ConstantPad2d's."""

    _axes = 2


class CircularPad3d(_CircularPad):
    """Volumes that go on from their other side; `padding` as ConstantPad3d's."""

    _axes = 3


class Unfold(Module):
    """Each window as a column: [N, C, H, W] → [N, C·KH·KW, windows]; see functional.unfold."""

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns summed in an image: [N, C·KH·KW, windows] → [N, C, H, W]; see functional.fold."""

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class PixelShuffle(Module):
    """[*, C·r², H, W] → [*, C, H·r, W·r] with r = upscale_factor (Shi et al. 2016)."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """[*, C, H·r, W·r] → [*, C·r², H, W] with r = downscale_factor: the inverse of PixelShuffle."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels of `groups` groups dealt out in turn (Zhang et al. 2018): see functional.channel_shuffle."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
