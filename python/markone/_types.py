"""Questions about tensors, types and shapes (names of `torch`)."""

from __future__ import annotations

from typing import Any

from . import _C
from ._dtypes import bool_, dtype
from .tensor import Shape, Tensor

__all__ = ["broadcast_shapes", "can_cast", "is_floating_point", "is_tensor", "numel", "result_type"]


def is_tensor(obj: Any) -> bool:
    """The object is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """The tensor's type is a floating one."""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """How many elements the tensor has."""
    return input.numel()


def broadcast_shapes(*shapes: int | list[int] | tuple[int, ...]) -> Shape:
    """The shape of the result of operands of these shapes; RuntimeError where they do not fit."""
    out: tuple[int, ...] = ()
    for shape in shapes:
        out = tuple(_C.broadcast_shapes(out, (shape,) if isinstance(shape, int) else tuple(shape)))
    return Shape(out)


def result_type(tensor1: Tensor | float, tensor2: Tensor | float) -> dtype:
    """The type of an arithmetic result of two operands, tensors or numbers."""
    operands = [
        _C.empty((0,) if x.ndim else (), x.dtype) if isinstance(x, Tensor) else x for x in (tensor1, tensor2)
    ]
    found: dtype = _C.where(_C.empty((0,), bool_), *operands).dtype
    return found


def _kind(type: dtype) -> int:
    return 2 if type.is_floating_point else 0 if type is bool_ else 1


def can_cast(from_: dtype, to: dtype) -> bool:
    """A result of the first type may be stored in place in the second: bool < integer < floating."""
    return _kind(from_) <= _kind(to)
