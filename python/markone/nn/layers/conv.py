"""Convolution layers, transposed ones, and those whose weights differ from place to place."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...ops import empty
from ...ops._common import numbers
from ...ops.conv import same_padding
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .linear import reset_weight_and_bias

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LocallyConnected1d",
    "LocallyConnected2d",
]

Size = int | tuple[int, ...]


class _ConvNd(Module):
    """What all convolutions have; `_axes` is the number of theirs."""

    _axes: ClassVar[int]
    transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str

    def _setup(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: str | Size,
        dilation: Size,
        output_padding: Size,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        name = self._get_name()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups is {groups}, wants a divisor of in_channels {in_channels} and out_channels "
                f"{out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = numbers(name, "kernel_size", kernel_size, self._axes)
        self.stride = numbers(name, "stride", stride, self._axes)
        if isinstance(padding, str):
            if padding not in ("same", "valid") or self.transposed:
                wanted = "numbers" if self.transposed else "'same', 'valid' or numbers"
                raise ValueError(f"{name}: padding is '{padding}', wants {wanted}")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{name}: padding='same' wants stride 1, got {self.stride}")
            self.padding = padding
        else:
            self.padding = numbers(name, "padding", padding, self._axes)
        self.dilation = numbers(name, "dilation", dilation, self._axes)
        self.output_padding = numbers(name, "output_padding", output_padding, self._axes)
        self.groups = groups
        self.padding_mode = padding_mode
        self.weight = Parameter(empty(*self._weight_shape(), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        sizes = self.out_channels, self.in_channels
        first, second = reversed(sizes) if self.transposed else sizes
        return (first, second // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        reset_weight_and_bias(self.weight, self.bias)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        zeros, ones = (0,) * self._axes, (1,) * self._axes
        for name, usual in (
            ("padding", zeros),
            ("dilation", ones),
            ("output_padding", zeros),
            ("groups", 1),
        ):
            if getattr(self, name) != usual:
                parts.append(f"{name}={getattr(self, name)}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"{self._get_name()}: padding_mode is '{padding_mode}', wants 'zeros', 'reflect', "
                "'replicate' or 'circular'"
            )
        self._setup(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._sides(), self.padding_mode)
            padding = 0
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self._axes - 1]
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            padding,
            self.dilation,
            self.groups,
        )

    def _sides(self) -> list[int]:
        """What each side is padded by, the last axis first."""
        if self.padding == "valid":
            return [0] * (2 * self._axes)
        if isinstance(self.padding, str):
            sides = same_padding(self.dilation, self.kernel_size)
        else:
            sides = [(n, n) for n in self.padding]
        return [n for both in reversed(sides) for n in both]


class Conv1d(_Conv):
    """One-dimensional convolution (cross-correlation) over sequences.

    y[n, o, i] = b[o] + Σ_{c, u} w[o, c, u] · x[n, c, i·stride + u·dilation - padding]

    Arguments as Conv2d's, sizes of one axis.

    Shape: x [N, C, L] or [C, L] → y [N, O, OL] or [O, OL] with
    OL = ⌊(L + 2·padding - dilation·(K - 1) - 1) / stride⌋ + 1; weight [O, C / groups, K], bias [O].
    """

    _axes = 1


class Conv2d(_Conv):
    """Two-dimensional convolution (cross-correlation) over images.

    y[n, o, i, j] = b[o] + Σ_{c, u, v} w[o, c, u, v] · x[n, c, i·stride + u·dilation - padding, ...]

    Args:
        in_channels: C of the input.
        out_channels: O of the output.
        kernel_size: KH, KW, or one number for both.
        stride: step of the window.
        padding: on each side; or 'valid' (none) or 'same' (the output has the input's size; stride 1).
        dilation: distance of the kernel's elements.
        groups: channels are split in groups that do not mix.
        bias: whether there is a b.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.
        device, dtype: of the parameters.

    Shape: x [N, C, H, W] or [C, H, W] → y [N, O, OH, OW] or [O, OH, OW] with
    OH = ⌊(H + 2·padding - dilation·(KH - 1) - 1) / stride⌋ + 1; weight [O, C / groups, KH, KW], bias [O].

    Both start uniform in ±1/√(C / groups · KH · KW).
    """

    _axes = 2


class Conv3d(_Conv):
    """Three-dimensional convolution (cross-correlation) over volumes.

    Arguments as Conv2d's, sizes of three axes.

    Shape: x [N, C, D, H, W] or [C, D, H, W] → y [N, O, OD, OH, OW] or [O, OD, OH, OW], sizes as Conv2d's;
    weight [O, C / groups, KD, KH, KW], bias [O].
    """

    _axes = 3


class _ConvTranspose(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f"{self._get_name()}: padding_mode is '{padding_mode}', takes only 'zeros'")
        self._setup(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._extra(input, list(output_size))
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self._axes - 1]
        return convolve(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _extra(self, input: Tensor, size: list[int]) -> tuple[int, ...]:
        """The output padding that gives an output of `size`, with or without its first two dimensions."""
        if len(size) == input.ndim:
            size = size[-self._axes :]
        if len(size) != self._axes:
            raise ValueError(
                f"{self._get_name()}: output_size is {size}, wants {self._axes} or {input.ndim} numbers"
            )
        extra = []
        for i, (have, want) in enumerate(zip(input.shape[-self._axes :], size, strict=True)):
            least = (have - 1) * self.stride[i] - 2 * int(self.padding[i])
            least += self.dilation[i] * (self.kernel_size[i] - 1) + 1
            if not least <= want < least + max(self.stride[i], self.dilation[i]):
                raise ValueError(
                    f"{self._get_name()}: output_size is {size}, axis {i} can have {least} to "
                    f"{least + self.stride[i] - 1} for an input of shape {list(input.shape)}"
                )
            extra.append(want - least)
        return tuple(extra)


class ConvTranspose1d(_ConvTranspose):
    """The transpose of a Conv1d (the gradient of its input) as a layer: see ConvTranspose2d.

    Shape: x [N, C, L] or [C, L] → y [N, O, OL] or [O, OL]; weight [C, O / groups, K], bias [O].
    """

    _axes = 1


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a Conv2d (the gradient of its input) as a layer; makes images larger.

    Args:
        in_channels: C of the input.
        out_channels: O of the output.
        kernel_size: KH, KW, or one number for both.
        stride: distance of the places to which neighbouring inputs are added.
        padding: what is taken off each side of the output.
        output_padding: rows and columns more at the end.
        groups: channels are split in groups that do not mix.
        bias: whether there is a b.
        dilation: distance of the kernel's elements.
        padding_mode: 'zeros'.
        device, dtype: of the parameters.

    The call takes `output_size`, which chooses the output padding.

    Shape: x [N, C, H, W] or [C, H, W] → y [N, O, OH, OW] or [O, OH, OW] with OH = (H - 1)·stride -
    2·padding + dilation·(KH - 1) + output_padding + 1; weight [C, O / groups, KH, KW], bias [O].

    Both start uniform in ±1/√(O / groups · KH · KW).
    """

    _axes = 2


class ConvTranspose3d(_ConvTranspose):
    """The transpose of a Conv3d (the gradient of its input) as a layer: see ConvTranspose2d.

    Shape: x [N, C, D, H, W] or [C, D, H, W] → y [N, O, OD, OH, OW] or [O, OD, OH, OW];
    weight [C, O / groups, KD, KH, KW], bias [O].
    """

    _axes = 3


class _LocallyConnected(Module):
    """A convolution whose weights differ from place to place; `_axes` is the number of its axes."""

    _axes: ClassVar[int]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: Size,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = self._get_name()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.input_size = numbers(name, "input_size", input_size, self._axes)
        self.kernel_size = numbers(name, "kernel_size", kernel_size, self._axes)
        self.stride = numbers(name, "stride", stride, self._axes)
        self.padding = numbers(name, "padding", padding, self._axes)
        self.dilation = numbers(name, "dilation", dilation, self._axes)
        self.output_size = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(
                self.input_size, self.kernel_size, self.stride, self.padding, self.dilation, strict=True
            )
        )
        if min(self.output_size) < 1:
            raise ValueError(
                f"{name}: kernel_size {self.kernel_size} does not fit in input_size {self.input_size}"
            )
        shape = (*self.output_size, out_channels, in_channels, *self.kernel_size)
        self.weight = Parameter(empty(*shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, *self.output_size, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, uniform in ±1/√(C · KH · KW)."""
        fan_in = self.in_channels * math.prod(self.kernel_size)
        bound = 1.0 / math.sqrt(fan_in) if fan_in > 0 else 0.0
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        connect = (F.locally_connected1d, F.locally_connected2d)[self._axes - 1]
        return connect(input, self.weight, self.bias, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, input_size={self.input_size}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, bias={self.bias is not None}"
        )


class LocallyConnected1d(_LocallyConnected):
    """A Conv1d whose weights differ from place to place: see LocallyConnected2d.

    Shape: x [N, C, L] or [C, L] → y [N, O, OL] or [O, OL]; weight [OL, O, C, K], bias [O, OL].
    """

    _axes = 1


class LocallyConnected2d(_LocallyConnected):
    """A Conv2d whose weights differ from place to place (LeCun 1989). PyTorch has no such layer.

    Args:
        in_channels: C of the input.
        out_channels: O of the output.
        input_size: H, W of the input, on which the number of weights depends.
        kernel_size, stride, padding, dilation: as Conv2d's.
        bias: whether there is one, a number for each output.
        device, dtype: of the parameters.

    Shape: x [N, C, H, W] or [C, H, W] → y [N, O, OH, OW] or [O, OH, OW]; weight [OH, OW, O, C, KH, KW], where
    weight[i, j] is that of a Conv2d, bias [O, OH, OW].
    """

    _axes = 2
