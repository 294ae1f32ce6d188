"""Convolution layers."""

from __future__ import annotations

from typing import Any

from ...ops import empty
from ...ops.conv import pair
from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .linear import reset_weight_and_bias

__all__ = ["Conv2d"]


class Conv2d(Module):
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

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups is {groups}, wants a divisor of in_channels {in_channels} and out_channels "
                f"{out_channels}"
            )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"Conv2d: padding_mode is '{padding_mode}', wants 'zeros', 'reflect', 'replicate' or "
                f"'circular'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size)
        self.stride = pair("Conv2d", "stride", stride)
        self.padding: str | tuple[int, int]
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Conv2d: padding is '{padding}', wants 'same', 'valid' or numbers")
            if padding == "same" and self.stride != (1, 1):
                raise ValueError(f"Conv2d: padding='same' wants stride 1, got {self.stride}")
            self.padding = padding
        else:
            self.padding = pair("Conv2d", "padding", padding)
        self.dilation = pair("Conv2d", "dilation", dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        self.weight = Parameter(
            empty(out_channels, in_channels // groups, *self.kernel_size, device=device, dtype=dtype)
        )
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._sides(), self.padding_mode)
            padding = 0
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _sides(self) -> list[int]:
        """What each side is padded by: left, right, top, bottom."""
        if isinstance(self.padding, str):
            vertical, horizontal = _both_sides(self.padding, self.kernel_size, self.dilation)
            return [*horizontal, *vertical]
        return [self.padding[1], self.padding[1], self.padding[0], self.padding[0]]

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


def _both_sides(
    padding: str, kernel: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(top, bottom), (left, right) of 'valid' and 'same'; 'same' puts an odd one at the end."""
    if padding == "valid":
        return (0, 0), (0, 0)
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    vertical, horizontal = ((total // 2, total - total // 2) for total in totals)
    return vertical, horizontal
