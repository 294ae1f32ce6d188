"""New tensors from data, numbers and other tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _C
from .._dtypes import CPU, as_device, as_dtype, bool_, float64, get_default_dtype, int64, refuse_overflow
from ..tensor import Tensor, _array_of
from ._common import operand, sizes, spread, tensor_arg

# Functions that are Tensor methods too.
METHODS = "new_tensor new_zeros new_ones new_empty new_full"
# For other families, not for users.
HELPERS = "filled fits"


def _finish(array: Any, requires_grad: bool, op: str, device: Any = None) -> Tensor:
    """The tensor of a new array; on `device`, where that is not None."""
    if device is not None:
        array = _C.to_device(array, as_device(device))
    if requires_grad and not array.dtype.is_floating_point:
        raise RuntimeError(f"{op}: only floating tensors can require a gradient, got {array.dtype}")
    return Tensor(array, bool(requires_grad))


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A copy of data: numbers, nested sequences, ndarrays or tensors. Python floats give the default
    dtype, ints int64.

    TypeError for elements or dtypes without a counterpart, ValueError for ragged sequences, RuntimeError for
    numbers that an integer dtype does not hold (ndarrays and tensors keep the low bits).
    """
    return _finish(_array_of(data, dtype), requires_grad, "tensor", device)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """data itself where it is a tensor of the dtype, on an ndarray's memory, else a copy."""
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(data, Tensor):
        from .cast import to

        return to(data, dtype=wanted, device=device)
    if isinstance(data, np.ndarray):
        array = _C.from_numpy(data)
        return _finish(array if wanted is None else _C.cast(array, wanted), False, "as_tensor", device)
    return _finish(_array_of(data, dtype), False, "as_tensor", device)


def from_numpy(array: Any) -> Tensor:
    """A tensor on the ndarray's memory: each sees what is written through the other. Read-only stays
    read-only.

    TypeError for a NumPy type that has no counterpart. Byte-swapped or unaligned data is copied.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: wants an ndarray, got {type(array).__name__}")
    return Tensor(_C.from_numpy(array))


def from_dlpack(source: Any) -> Tensor:
    """A tensor on the memory of any object with __dlpack__, or of a DLPack capsule.

    BufferError for another device than the cpu, an unknown element type or a DLPack version that is not 1.x.
    """
    if not hasattr(source, "__dlpack__"):
        return Tensor(_C.from_dlpack(source))
    device = tuple(source.__dlpack_device__()) if hasattr(source, "__dlpack_device__") else (1, 0)
    if device[0] not in (1, 3, 11):  # cpu, and host memory that CUDA or ROCm has pinned
        raise BufferError(f"from_dlpack: the data is on DLPack device {device}, wants the cpu (1, 0)")
    try:
        capsule = source.__dlpack__(max_version=(1, 1))
    except TypeError:  # a producer from before DLPack 1.0
        capsule = source.__dlpack__()
    return Tensor(_C.from_dlpack(capsule))


def filled(op: str, size: Any, value: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor of one number."""
    place = as_device(device)
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    if value.__class__ is _C.Array or place != CPU:
        out = _C.empty(sizes(op, size), kind, place)
        if value.__class__ is not _C.Array and value:
            refuse_overflow(op, value, kind)
        _C.fill(out, value)
    else:
        if value:
            refuse_overflow(op, value, kind)
        out = _C.full(sizes(op, size), kind, value)
    return _finish(out, requires_grad, op)


def fits(op: str, count: int, dtype: Any) -> int:
    """`count`, where so many elements can be had; else the error in the name of the operation."""
    try:
        _C.empty((count,), dtype)
    except (OverflowError, ValueError, MemoryError):
        raise _C.OutOfMemoryError(f"{op}: no memory for {count} elements of {dtype}") from None
    return count


def zeros(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """A tensor of zeros of the given shape."""
    if named:
        size = spread("zeros", "size", size, named)
    return filled("zeros", size, 0, dtype, device, requires_grad)


def ones(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """A tensor of ones of the given shape."""
    if named:
        size = spread("ones", "size", size, named)
    return filled("ones", size, 1, dtype, device, requires_grad)


def empty(
    *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """A tensor whose elements are whatever was in its memory."""
    if named:
        size = spread("empty", "size", size, named)
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    out = _C.empty(sizes("empty", size), kind, as_device(device))
    return _finish(out, requires_grad, "empty")


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of fill_value, whose kind gives the dtype unless one is asked for."""
    value = operand("full", fill_value)
    if isinstance(fill_value, Tensor):
        value = fill_value.item()
        dtype = fill_value.dtype if dtype is None else dtype
    if dtype is None:
        dtype = bool_ if isinstance(value, bool) else int64 if isinstance(value, int) else None
    return filled(
        "full", (size if isinstance(size, list | tuple) else (size,),), value, dtype, device, requires_grad
    )


def _like(op: str, input: Tensor, dtype: Any) -> tuple[Any, Any]:
    x = tensor_arg(op, input)
    return x.shape, x.dtype if dtype is None else dtype


def _place(input: Tensor, device: Any) -> Any:
    return input.device if device is None else device


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape and dtype of another tensor."""
    shape, kind = _like("zeros_like", input, dtype)
    return filled("zeros_like", (shape,), 0, kind, _place(input, device), requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of another tensor."""
    shape, kind = _like("ones_like", input, dtype)
    return filled("ones_like", (shape,), 1, kind, _place(input, device), requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uninitialised, in the shape and dtype of another tensor."""
    shape, kind = _like("empty_like", input, dtype)
    return empty(shape, dtype=kind, device=_place(input, device), requires_grad=requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """fill_value in the shape and dtype of another tensor."""
    shape, kind = _like("full_like", input, dtype)
    return filled(
        "full_like",
        (shape,),
        operand("full_like", fill_value),
        kind,
        _place(input, device),
        requires_grad,
    )


def new_tensor(input: Tensor, data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """tensor(data) with the dtype of another tensor."""
    return tensor(data, dtype=input.dtype if dtype is None else dtype, requires_grad=requires_grad)


def new_zeros(
    input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """Zeros with the dtype of another tensor."""
    if named:
        size = spread("new_zeros", "size", size, named)
    kind = input.dtype if dtype is None else dtype
    return zeros(*size, dtype=kind, device=input.device, requires_grad=requires_grad)


def new_ones(
    input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """Ones with the dtype of another tensor."""
    if named:
        size = spread("new_ones", "size", size, named)
    kind = input.dtype if dtype is None else dtype
    return ones(*size, dtype=kind, device=input.device, requires_grad=requires_grad)


def new_empty(
    input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, **named: Any
) -> Tensor:
    """Uninitialised, with the dtype of another tensor."""
    if named:
        size = spread("new_empty", "size", size, named)
    kind = input.dtype if dtype is None else dtype
    return empty(*size, dtype=kind, device=input.device, requires_grad=requires_grad)


def new_full(
    input: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """fill_value with the dtype of another tensor."""
    kind = input.dtype if dtype is None else dtype
    return full(size, fill_value, dtype=kind, device=input.device, requires_grad=requires_grad)


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below end. int64 when all are integers, else the default dtype."""
    if end is None:
        start, end = 0, start
    values = [
        v.item() if isinstance(v, Tensor | np.generic) else operand("arange", v) for v in (start, end, step)
    ]
    start, end, step = values
    if step == 0:
        raise _C.ArgumentError("arange: step must not be zero")
    if not all(math.isfinite(v) for v in values):
        raise _C.ArgumentError(f"arange: the bounds must be finite, got {values}")
    whole = all(isinstance(v, int) for v in values)
    kind = as_dtype(dtype) if dtype is not None else int64 if whole else get_default_dtype()
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    if (end - start) * step < 0:
        raise _C.ArgumentError(f"arange: a step of {step} does not lead from {start} to {end}")
    return _finish(_C.arange(start, step, max(int(count), 0), kind), requires_grad, "arange", device)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from start to end, both included, evenly spaced."""
    if steps < 0:
        raise RuntimeError(f"linspace: steps must not be negative, got {steps}")
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    values = np.linspace(float(start), float(end), fits("linspace", steps, float64))
    return _finish(_C.cast(_C.from_numpy(values), kind), requires_grad, "linspace", device)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """base ** linspace(start, end, steps)."""
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    if steps < 0:
        raise ValueError(f"logspace: steps must not be negative, got {steps}")
    values = np.logspace(float(start), float(end), fits("logspace", steps, float64), base=base)
    return _finish(_C.cast(_C.from_numpy(values), kind), requires_grad, "logspace")


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """[n, m] with ones on the diagonal."""
    out = zeros(n, n if m is None else m, dtype=dtype, device=device)
    _C.fill(out._array.diagonal(0, 0, 1), 1)
    return _finish(out._array, requires_grad, "eye")


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Grids of the coordinates in 1-d tensors; indexing "ij" or "xy"."""
    from .shape import expand, reshape

    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing {indexing!r}, wants 'ij' or 'xy'")
    swap = indexing == "xy" and len(given) >= 2
    order = [given[1], given[0], *given[2:]] if swap else list(given)
    shape = [t.numel() for t in order]
    grids = [
        expand(reshape(t, [shape[i] if k == i else 1 for k in range(len(order))]), shape)
        for i, t in enumerate(order)
    ]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)
