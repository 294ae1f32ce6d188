"""Types, devices, copies and the way out of the graph."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._dtypes import (
    Device,
    as_device,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
    refuse_overflow,
    uint8,
)
from .._dtypes import dtype as DType
from ..autograd.graph import Node, Op, record, recording
from ..autograd.inplace import overwrite, rebase
from ..tensor import Tensor
from ._common import operand, shrink, sum_to_shape, tensor_arg

# Functions that are Tensor methods too.
METHODS = "to type_as clone contiguous detach detach_ requires_grad_ copy_ fill_ zero_"
# For other families, not for users.
HELPERS = "random_in_place cpu cuda"


def _cast_differentiable(node: Node, g: Tensor) -> Any:
    return (to(g, node.ctx),)


_CAST = Op("to", lambda node, g: (_C.cast(g, node.ctx),), _cast_differentiable)
_MOVE = Op("to", lambda node, g: (_C.to_device(g, node.ctx),), lambda node, g: (to(g, device=node.ctx),))
_CLONE = Op("clone", lambda node, g: (g,), lambda node, g: (g,))


def to(
    input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, **_: Any
) -> Tensor:
    """The tensor with another dtype or device: to(dtype), to(device), to(device, dtype), to(other).

    The tensor itself where nothing changes (unless copy=True).
    """
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, DType):
            dtype = arg
        elif isinstance(arg, Device) or (isinstance(arg, str) and arg.split(":")[0] in ("cpu", "cuda")):
            device = arg
        elif isinstance(arg, bool) or arg is None:
            copy = bool(arg) if arg is args[-1] and len(args) > 2 else copy
        else:
            dtype = as_dtype(arg)
    x = tensor_arg("to", input)
    if device is not None and (place := as_device(device)) != x.device:
        input, copy = _moved(input, place), False
        x = input._array
    wanted = x.dtype if dtype is None else as_dtype(dtype)
    if wanted is x.dtype:
        return clone(input) if copy else input
    out = _C.cast(x, wanted)
    if wanted.is_floating_point and recording(input):
        return record(_CAST, out, (input,), (), x.dtype)
    return Tensor(out)


def _moved(input: Tensor, device: Any) -> Tensor:
    out = _C.to_device(input._array, device)
    return record(_MOVE, out, (input,), (), input.device) if recording(input) else Tensor(out)


def _make_cast(name: str, dtype: Any) -> Any:
    def function(input: Tensor) -> Tensor:
        return to(input, dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The tensor as {dtype}."
    return function


# Methods only: `markone.float` and its like are dtypes.
casts = {
    "float": _make_cast("float", float32),
    "double": _make_cast("double", float64),
    "half": _make_cast("half", float16),
    "bfloat16": _make_cast("bfloat16", bfloat16),
    "long": _make_cast("long", int64),
    "int": _make_cast("int", int32),
    "byte": _make_cast("byte", uint8),
    "bool": _make_cast("bool", bool_),
}


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype of another."""
    return to(input, other.dtype)


def cpu(input: Tensor) -> Tensor:
    """The tensor on the cpu."""
    return to(input, device="cpu")


def cuda(input: Tensor, device: Any = None) -> Tensor:
    """The tensor on a CUDA device; an error that says why where there is none."""
    return to(input, device="cuda" if device is None else device)


# `markone.cuda` is the module.
casts |= {"cpu": cpu, "cuda": cuda}


def clone(input: Tensor) -> Tensor:
    """A contiguous copy; gradients pass through."""
    out = _C.clone(tensor_arg("clone", input))
    return record(_CLONE, out, (input,)) if recording(input) else Tensor(out)


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself where it is contiguous, else a copy."""
    return input if tensor_arg("contiguous", input).is_contiguous() else clone(input)


def detach(input: Tensor) -> Tensor:
    """The same memory outside the graph."""
    return Tensor(tensor_arg("detach", input))


def detach_(input: Tensor) -> Tensor:
    """Takes this tensor out of the graph; it becomes a leaf."""
    if input._view is not None:
        raise RuntimeError("detach_: a view cannot be detached in place, use detach()")
    input._grad_fn = None
    input._requires_grad = False
    return input


def requires_grad_(input: Tensor, requires_grad: bool = True) -> Tensor:
    """Sets requires_grad; returns the tensor."""
    input.requires_grad = requires_grad
    return input


def _copy_differentiable(node: Node, g: Tensor) -> Any:
    return (None if node.edges[0] is None else sum_to_shape(g, *node.ctx),)


_COPY = Op(
    "copy_", lambda node, g: (None if node.edges[0] is None else shrink(g, *node.ctx),), _copy_differentiable
)
_FILL = Op("fill_", lambda node, g: (), lambda node, g: ())


def copy_(input: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """Overwrites the tensor with other (broadcast and cast), a tensor or a number."""
    if isinstance(other, int | float):
        return fill_(input, other)
    out = tensor_arg("copy_", input)
    x = tensor_arg("copy_", other, "other")
    if not recording(input, other):
        _C.copy_into(out, x)
        return input
    return overwrite(input, _COPY, (other,), lambda: _C.copy_into(out, x), (x.shape, x.dtype))


def fill_(input: Tensor, value: Any) -> Tensor:
    """Overwrites every element with a number (or a 0-d tensor)."""
    out = tensor_arg("fill_", input)
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill_: wants a number or a 0-d tensor, got shape {list(value.shape)}")
        return copy_(input, value)
    number = operand("fill_", value)
    if number and not out.dtype.is_floating_point:
        refuse_overflow("fill_", number, out.dtype)
    if not recording(input):
        _C.fill(out, number)
        return input
    return overwrite(input, _FILL, (), lambda: _C.fill(out, number))


def zero_(input: Tensor) -> Tensor:
    """Overwrites every element with zero."""
    return fill_(input, 0)


def random_in_place(input: Tensor, write: Any) -> Tensor:
    """An in-place write of values that depend on nothing."""
    if not recording(input):
        write()
        return input
    return overwrite(input, _FILL, (), write)


__all__ = ["clone", "contiguous", "copy_", "detach", "fill_", "rebase", "to", "zero_"]
