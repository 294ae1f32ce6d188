"""Parameter: a tensor that a module owns and an optimiser changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _C
from .._context import parameters_changed
from ..ops import empty
from ..tensor import Tensor

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class Parameter(Tensor):
    """A leaf tensor that a Module registers when it is assigned to an attribute.

    Args:
        data: its values; memory is shared. An empty tensor where None.
        requires_grad: whether gradients are wanted.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: wants a Tensor, got {type(data).__name__}")
        if requires_grad and not data.dtype.is_floating_point:
            raise RuntimeError(f"Parameter: only floating tensors can require a gradient, got {data.dtype}")
        super().__init__(data._array, requires_grad=requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    @property
    def data(self) -> Tensor:
        """The same memory, outside the graph."""
        return Tensor(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        Tensor.data.fset(self, value)  # type: ignore[attr-defined]


class Buffer(Tensor):
    """A tensor without gradient that a Module registers as a buffer when it is assigned to an attribute.

    Args:
        data: its values; memory is shared.
        persistent: whether it is part of the state dict.
    """

    persistent: bool

    def __init__(self, data: Tensor, *, persistent: bool = True) -> None:
        super().__init__(data._array, requires_grad=False)
        self.persistent = persistent


class UninitializedTensorMixin(Tensor):
    """A place for a Parameter or Buffer whose shape is not known yet; `materialize` makes it one.

    It knows whether it requires a gradient, its device and dtype; everything else raises RuntimeError.
    """

    # What `materialize` makes of it.
    cls_to_become: type[Tensor]

    def _begin(self, requires_grad: bool, device: Any, dtype: Any) -> None:
        # As Tensor.__init__, but for the array.
        self._requires_grad = requires_grad
        self._grad_fn = self._grad = self._view = self._hooks = None
        self._wanted = (device, dtype)

    def materialize(self, shape: Sequence[int], device: Any = None, dtype: Any = None) -> None:
        """Takes memory for `shape`, not initialised, and becomes an ordinary Parameter or Buffer.

        Args:
            shape: its sizes.
            device, dtype: those given at construction where None.
        """
        device = self._wanted[0] if device is None else device
        dtype = self._wanted[1] if dtype is None else dtype
        self._array = empty(*shape, device=device, dtype=dtype)._array
        del self._wanted
        self.__class__ = self.cls_to_become  # type: ignore[assignment]
        parameters_changed()

    def __getattr__(self, name: str) -> Any:
        if name == "_array":
            raise RuntimeError(
                f"{type(self).__name__}: has no shape and no values yet; call the module once (or "
                "materialize it)"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def data(self) -> Any:
        return self

    @data.setter
    def data(self, value: Any) -> None:
        if value is not self:
            raise RuntimeError(f"{type(self).__name__}: has no values yet, use materialize")

    @property
    def dtype(self) -> Any:
        return empty(0, dtype=self._wanted[1]).dtype

    @property
    def device(self) -> Any:
        return empty(0, device=self._wanted[0]).device

    def detach(self) -> Any:
        """Itself: there is nothing to share."""
        return self

    def is_floating_point(self) -> bool:
        """Whether its dtype is a floating one."""
        return bool(self.dtype.is_floating_point)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Changes the device or the dtype that it will have, in place."""
        device, dtype = self._wanted
        for value in (*args, *kwargs.values()):
            if isinstance(value, _C.dtype):
                dtype = value
            elif isinstance(value, str | _C.Device):
                device = value
        self._wanted = (device, dtype)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Switches its gradient."""
        self._requires_grad = requires_grad
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copy = type(self).__new__(type(self))
        copy._begin(self._requires_grad, *self._wanted)
        for name, value in self.__dict__.items():
            setattr(copy, name, value)
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A Parameter without a shape: see UninitializedTensorMixin.

    Args:
        requires_grad: whether gradients are wanted.
        device, dtype: of the Parameter that it becomes.
    """

    cls_to_become = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._begin(requires_grad, device, dtype)


class UninitializedBuffer(UninitializedTensorMixin, Buffer):
    """A Buffer without a shape: see UninitializedTensorMixin.

    Args:
        requires_grad: False, a buffer has no gradient.
        device, dtype: of the Buffer that it becomes.
        persistent: whether it is part of the state dict.
    """

    cls_to_become = Buffer

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> None:
        if requires_grad:
            raise ValueError("UninitializedBuffer: a buffer has no gradient, requires_grad has to be False")
        self._begin(False, device, dtype)
        self.persistent = persistent


def is_lazy(value: Any) -> bool:
    """Whether it is an UninitializedParameter or UninitializedBuffer."""
    return isinstance(value, UninitializedTensorMixin)
