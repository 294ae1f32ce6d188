"""Layers that learn the size of their input from the first one, and what makes a layer lazy."""

from __future__ import annotations

from typing import Any, ClassVar

from .layers.conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Size,
    _ConvNd,
)
from .layers.linear import Linear
from .module import Module
from .parameter import Parameter, UninitializedParameter, is_lazy

__all__ = [
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyLinear",
    "LazyModuleMixin",
]


class LazyModuleMixin(Module):
    """The first base of a lazy layer, before the layer that it becomes.

    Its constructor puts UninitializedParameters (or UninitializedBuffers) in the places whose shape the input
    decides. The first call runs `initialize_parameters` on its arguments, which materialises them, and turns
    the module into a `cls_to_become`. Loading a state dict materialises them too.

    ```python
    class LazyScale(LazyModuleMixin, Scale):
        cls_to_become = Scale

        def __init__(self):
            super().__init__(0)
            self.weight = UninitializedParameter()

        def reset_parameters(self):
            if not self.has_uninitialized_params():
                super().reset_parameters()

        def initialize_parameters(self, input):
            if self.has_uninitialized_params():
                self.weight.materialize(input.shape[-1:])
                self.reset_parameters()
    ```
    """

    cls_to_become: ClassVar[type[Module] | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_forward_pre_hook(_infer_parameters, with_kwargs=True)

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module itself still waits for its shape."""
        return any(is_lazy(t) for table in (self._parameters, self._buffers) for t in table.values())

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialises what waits from the arguments of the first call; a subclass writes it."""
        raise NotImplementedError(
            f"{type(self).__name__}: a lazy module has to write initialize_parameters()"
        )


def _infer_parameters(module: LazyModuleMixin, args: Any, kwargs: Any) -> None:
    """The forward pre-hook of a lazy module's first call."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"{module._get_name()}: initialize_parameters() left parameters without a shape")
    for key, (hook, _) in list(module._forward_pre_hooks.items()):
        if hook is _infer_parameters:
            del module._forward_pre_hooks[key]
    module._forget_missing_hooks()
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become  # type: ignore[assignment]


class LazyLinear(LazyModuleMixin, Linear):
    """A Linear whose in_features is the last size of its first input.

    Args:
        out_features: size of each output.
        bias: whether there is a b.
        device, dtype: of the parameters.
    """

    cls_to_become = Linear
    weight: Parameter
    bias: Parameter | None

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws the parameters anew, once there are any."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:
        """Takes in_features from the input."""
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))  # type: ignore[attr-defined]
            if self.bias is not None:
                self.bias.materialize((self.out_features,))  # type: ignore[attr-defined]
            self.reset_parameters()
        elif self.in_features == 0:  # its state came from a state dict
            self.in_features = self.weight.shape[1]


class _LazyConvNd(LazyModuleMixin, _ConvNd):
    """What lazy convolutions have: in_channels comes from the first input."""

    def _wait(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draws the parameters anew, once there are any."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Takes in_channels from the input."""
        if self.has_uninitialized_params():
            if input.ndim not in (self._axes + 1, self._axes + 2):
                raise RuntimeError(
                    f"{self._get_name()}: wants input of {self._axes + 1} or {self._axes + 2} dimensions, "
                    f"got shape {list(input.shape)}"
                )
            self.in_channels = input.shape[-self._axes - 1]
            if self.in_channels % self.groups:
                raise ValueError(
                    f"{self._get_name()}: groups is {self.groups}, wants a divisor of in_channels "
                    f"{self.in_channels}"
                )
            self.weight.materialize(self._weight_shape())  # type: ignore[attr-defined]
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))  # type: ignore[attr-defined]
            self.reset_parameters()
        elif self.in_channels == 0:  # its state came from a state dict
            self.in_channels = self.weight.shape[0 if self.transposed else 1]
            if not self.transposed:
                self.in_channels *= self.groups


class _LazyConv(_LazyConvNd):
    def __init__(
        self,
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
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        self._wait(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvNd):
    def __init__(
        self,
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
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode
        )
        self._wait(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A Conv1d whose in_channels is that of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A Conv2d whose in_channels is that of its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A Conv3d whose in_channels is that of its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A ConvTranspose1d whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A ConvTranspose2d whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A ConvTranspose3d whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose3d
