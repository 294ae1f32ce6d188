"""The Tensor that users hold: an Array, its gradient and its place in the graph. No arithmetic here:
`markone.ops` installs the operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _C, _context
from ._dtypes import as_dtype, bfloat16, refuse_overflow


class Shape(tuple[int, ...]):
    """The sizes of a tensor's dimensions: a tuple that prints as `Size([2, 3])`."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        count = 1
        for size in self:
            count *= size
        return count

    def __repr__(self) -> str:
        return f"Size({list(self)})"


_TYPE_NAMES = {
    "float32": "markone.FloatTensor",
    "float64": "markone.DoubleTensor",
    "bfloat16": "markone.BFloat16Tensor",
    "float16": "markone.HalfTensor",
    "int64": "markone.LongTensor",
    "int32": "markone.IntTensor",
    "uint8": "markone.ByteTensor",
    "bool": "markone.BoolTensor",
}


class Tensor:
    """A multi-dimensional array that can remember how it was computed.

    Made by `markone.tensor`, `zeros`, `from_numpy` and the operations. `Tensor(data)` copies data as
    `markone.tensor(data)` does.
    """

    # _view: None, or [base Tensor, replay, version]; see autograd/inplace.py.
    __slots__ = ("__weakref__", "_array", "_grad", "_grad_fn", "_hooks", "_requires_grad", "_view")
    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    _array: _C.Array
    _requires_grad: bool
    _grad_fn: Any
    _grad: Tensor | None
    _view: list[Any] | None
    _hooks: Any

    def __init__(self, data: Any, requires_grad: bool = False, grad_fn: Any = None) -> None:
        self._array = data if data.__class__ is _C.Array else _array_of(data)
        self._requires_grad = requires_grad
        self._grad_fn = grad_fn
        self._grad = None
        self._view = None
        self._hooks = None

    if TYPE_CHECKING:
        # `markone.ops` installs the operations; a type checker is told of the operators by name.
        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __iter__(self) -> Any: ...
    else:

        def __getattr__(self, name: str) -> Any:
            from ._left_out import absent

            raise absent("Tensor", name)

    # -- what it is

    @property
    def shape(self) -> Shape:
        return Shape(self._array.shape)

    @property
    def dtype(self) -> _C.dtype:
        return self._array.dtype

    @property
    def device(self) -> _C.Device:
        return self._array.device

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def itemsize(self) -> int:
        return self._array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    @property
    def is_cuda(self) -> bool:
        return self._array.device.type == "cuda"

    @property
    def is_cpu(self) -> bool:
        return self._array.device.type == "cpu"

    def get_device(self) -> int:
        """The number of the CUDA device, -1 on the cpu."""
        return self._array.device.index if self.is_cuda else -1

    def type(self, dtype: Any = None) -> Any:
        """The name of the type, as "markone.FloatTensor"; with a dtype the tensor in it."""
        return _TYPE_NAMES[self.dtype.name] if dtype is None else self.to(dtype)

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.numel

    nelement = numel

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension; IndexError for a dimension it does not have."""
        shape = self.shape
        if dim is None:
            return shape
        if not -len(shape) <= dim < len(shape):
            raise IndexError(f"size: dimension {dim} of a tensor of shape {list(shape)}")
        return shape[dim]

    def stride(self, dim: int | None = None) -> Any:
        """The strides in elements, or that of one dimension."""
        strides = self._array.strides
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Elements between the start of the storage and the first element."""
        return self._array.offset

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._array.data_ptr

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.dtype.itemsize

    def is_contiguous(self) -> bool:
        """The elements lie row by row without gaps."""
        return self._array.is_contiguous()

    def is_floating_point(self) -> bool:
        """The dtype is a floating type."""
        return self._array.dtype.is_floating_point

    def is_complex(self) -> bool:
        """False: there are no complex tensors."""
        return False

    is_conj = is_neg = is_complex

    def is_signed(self) -> bool:
        """The dtype has negative numbers."""
        return self.dtype.name not in ("uint8", "bool")

    def is_nonzero(self) -> bool:
        """The only element is not zero; RuntimeError when there are more or none."""
        return bool(self)

    def is_same_size(self, other: Tensor) -> bool:
        """The shapes are equal."""
        return self._array.shape == other._array.shape

    def is_set_to(self, tensor: Tensor) -> bool:
        """The other tensor is the same window on the same memory."""
        a, b = self._array, tensor._array
        return (a.storage_id, a.offset, a.shape, a.strides) == (b.storage_id, b.offset, b.shape, b.strides)

    @property
    def _version(self) -> int:
        return self._array.version

    # -- its place in the graph

    @property
    def requires_grad(self) -> bool:
        if self._view is not None:
            _refresh_view(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        value = bool(value)
        if value and not self._array.dtype.is_floating_point:
            raise RuntimeError(
                f"requires_grad: only floating tensors have gradients, this one is {self.dtype}"
            )
        if not value and self.grad_fn is not None:
            raise RuntimeError(
                "requires_grad: a tensor that was computed from others keeps its place in the graph, use "
                ".detach()"
            )
        self._requires_grad = value

    @property
    def grad_fn(self) -> Any:
        if self._view is not None:
            _refresh_view(self)
        return self._grad_fn

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @property
    def retains_grad(self) -> bool:
        hooks = None if self.grad_fn is None else self.grad_fn.hooks
        return hooks is not None and any(reference() is self for reference in hooks.retained)

    @property
    def grad(self) -> Tensor | None:
        if _context.recorders:
            _context.note_gradient(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if _context.recorders:
            _context.note_gradient(self)
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: wants a Tensor or None, got {type(value).__name__}")
            if value is self:
                raise RuntimeError("grad: a tensor cannot be its own gradient")
            if value._array.shape != self._array.shape or value.dtype is not self.dtype:
                raise RuntimeError(
                    f"grad: got {value.dtype} of shape {list(value.shape)} for a tensor of {self.dtype} of "
                    f"shape "
                    f"{list(self.shape)}"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        if _context.recorders:
            _context.note_gradient(self)
        self._grad = None

    @property
    def data(self) -> Tensor:
        """The same memory, outside the graph."""
        return Tensor(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: wants a Tensor, got {type(value).__name__}")
        if self._requires_grad and not value.dtype.is_floating_point:
            raise RuntimeError(f"data: a tensor that requires a gradient cannot become {value.dtype}")
        self._array = value._array
        _context.parameters_changed()

    # -- Python's protocols

    def __len__(self) -> int:
        shape = self._array.shape
        if not shape:
            raise TypeError("len() of a 0-d tensor")
        return shape[0]

    def item(self) -> Any:
        """The only element as a Python number; RuntimeError when there are more or none."""
        if self._array.numel != 1:
            raise _C.ArgumentError(f"item: wants one element, the tensor has shape {list(self.shape)}")
        return _ndarray(self._array, True).item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers, or one number for a 0-d tensor."""
        return _ndarray(self._array, True).tolist()

    def __bool__(self) -> bool:
        if self._array.numel != 1:
            raise RuntimeError(
                f"bool: the truth of a tensor of shape {list(self.shape)} is ambiguous, use any or all"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._array.dtype.is_floating_point:
            raise TypeError(f"index: only integer tensors are indices, this one is {self.dtype}")
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._array.ndim == 0 and spec else repr(self)

    def __repr__(self) -> str:
        from ._repr import tensor_repr

        return tensor_repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.grad_fn is not None:
            raise RuntimeError("deepcopy: only leaf tensors can be copied deeply, use .detach().clone()")
        copy = type(self).__new__(type(self))
        Tensor.__init__(copy, _C.clone(self._array), self._requires_grad)
        memo[id(self)] = copy
        if self._grad is not None:
            copy._grad = self._grad.__deepcopy__(memo)
        for name, value in getattr(self, "__dict__", {}).items():
            setattr(copy, name, value)
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("pickle: tensors are not pickled, save them with markone.save (safetensors)")

    # -- NumPy and DLPack

    def numpy(self, *, force: bool = False) -> Any:
        """An ndarray on the same memory. bfloat16 needs ml_dtypes to share it and is a float32 copy without.

        Raises RuntimeError for a tensor that requires a gradient unless force=True, which detaches.
        """
        if self._requires_grad and not force:
            raise RuntimeError("numpy: the tensor requires a gradient, use .detach().numpy()")
        if self._array.device.type != "cpu" and not force:
            raise TypeError(f"numpy: the tensor is on {self._array.device}, copy it with .cpu() first")
        return _ndarray(self._array, False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        out = self.numpy()
        if dtype is not None and out.dtype != np.dtype(dtype):
            if copy is False:
                raise ValueError(f"__array__: {out.dtype} to {np.dtype(dtype)} needs a copy, but copy=False")
            return out.astype(dtype)
        if copy is False and self.dtype is bfloat16 and out.dtype == np.float32:
            raise ValueError("__array__: bfloat16 without ml_dtypes needs a copy, but copy=False")
        return out.copy() if copy else out

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1 if self.device.type == "cpu" else 2, self.device.index)

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        """A DLPack capsule on the same memory; versioned when the consumer knows version 1 or later."""
        if self._requires_grad:
            raise BufferError("__dlpack__: the tensor requires a gradient, use .detach()")
        if stream is not None and self.device.type == "cpu" and stream != -1:
            raise BufferError(f"__dlpack__: a cpu tensor takes stream=None, got {stream!r}")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(
                f"__dlpack__: the tensor is on {self.device}, device {dl_device!r} was asked for"
            )
        versioned = max_version is not None and tuple(max_version) >= (1, 0)
        array = _C.clone(self._array) if copy else self._array
        return _C.to_dlpack(array, versioned, bool(copy))


def _ndarray(array: _C.Array, force_float: bool) -> Any:
    """The ndarray of an Array; bfloat16 through ml_dtypes, or as a float32 copy (always, when forced)."""
    if array.dtype is not bfloat16:
        return _C.to_numpy(array)
    if not force_float:
        try:
            import ml_dtypes  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            pass
        else:
            return _C.to_numpy(array).view(ml_dtypes.bfloat16)
    return (_C.to_numpy(array).astype(np.uint32) << 16).view(np.float32)


def _array_of(data: Any, dtype: Any = None) -> _C.Array:
    """A fresh Array with a copy of nested sequences, numbers, ndarrays or tensors."""
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(data, Tensor):
        array = data._array
        return _C.clone(array) if wanted is None or wanted is array.dtype else _C.cast(array, wanted)
    if not isinstance(data, np.ndarray | np.generic):
        data = _from_sequence(data, wanted is None)
        if wanted is not None:
            refuse_overflow("tensor", data, wanted)
        if data.dtype == np.uint64:  # whole numbers past int64
            if wanted is None or not wanted.is_floating_point:
                raise ValueError(f"tensor: {data.max()} does not fit into int64")
            data = data.astype(np.float64)
    elif wanted is not None and isinstance(data, np.generic):
        refuse_overflow("tensor", data, wanted)
    array = _C.from_numpy(np.asarray(data))
    if wanted is not None and wanted is not array.dtype:
        return _C.cast(array, wanted)
    return _C.clone(array)


def _from_sequence(data: Any, narrow: bool) -> Any:
    """An ndarray of Python numbers: ints int64, floats float64, or the default type where `narrow`."""
    from ._dtypes import get_default_dtype

    if isinstance(data, list | tuple):
        data = _lower(data)
    try:
        out = np.asarray(data)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"tensor: the nested sequences do not form an array ({error})") from None
    if out.dtype == object or (out.dtype.kind not in "biuf" and out.dtype.name != "bfloat16"):
        raise TypeError(f"tensor: cannot make a tensor of {type(data).__name__} with elements of {out.dtype}")
    if narrow and out.dtype.kind == "f" and not _holds_arrays(data):
        default = get_default_dtype()
        out = out.astype(np.float32 if default is bfloat16 else default.name)
    return out


def _lower(data: Any) -> Any:
    """Tensors inside sequences become numbers or ndarrays."""
    if isinstance(data, Tensor):
        return data.detach().numpy() if data.ndim else data.item()
    if isinstance(data, list | tuple):
        return [_lower(entry) for entry in data]
    return data


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.generic) or hasattr(data, "__array_interface__")


_C.set_tensor_layout(Tensor)
_refresh_view: Callable[[Tensor], None]


def set_view_refresher(refresh: Callable[[Tensor], None]) -> None:
    """Called once by autograd, which knows how a view follows writes to its base."""
    global _refresh_view
    _refresh_view = refresh
