"""Parameter: a tensor that a module owns and an optimiser changes."""

from __future__ import annotations

from .._context import parameters_changed
from ..ops import empty
from ..tensor import Tensor

__all__ = ["Buffer", "Parameter"]


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
        parameters_changed()


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
