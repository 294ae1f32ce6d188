"""Element types and devices: the names that users write, and what else is accepted for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _C

dtype = _C.dtype
Device = _C.Device

float32: _C.dtype = _C.float32
float64: _C.dtype = _C.float64
bfloat16: _C.dtype = _C.bfloat16
float16: _C.dtype = _C.float16
int64: _C.dtype = _C.int64
int32: _C.dtype = _C.int32
uint8: _C.dtype = _C.uint8
bool_: _C.dtype = _C.bool_
float = float32
double = float64
half = float16
long = int64
int = int32

_ALL = (float32, float64, bfloat16, float16, int64, int32, uint8, bool_)
_BY_NAME = {t.name: t for t in _ALL}
_PYTHON = {"float": float32, "int": int64, "bool": bool_}
CPU: _C.Device = _C.Device("cpu")

_default = float32


def as_dtype(value: Any) -> _C.dtype:
    """A markone dtype from one of ours, a NumPy dtype or scalar type, a name, or Python's float, int or bool.

    Raises TypeError for what has no counterpart.
    """
    if type(value) is dtype:
        return value
    if isinstance(value, type) and value.__name__ in _PYTHON and value.__module__ == "builtins":
        return _PYTHON[value.__name__]
    if isinstance(value, str) and value in _BY_NAME:
        return _BY_NAME[value]
    try:
        name = np.dtype(value).name
    except TypeError:
        name = str(value)
    if name not in _BY_NAME:
        raise TypeError(f"dtype: {value!r} has no counterpart, wants one of {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def refuse_overflow(op: str, values: Any, wanted: _C.dtype) -> None:
    """RuntimeError where a number, or one of an ndarray, does not fit into an integer type. As in PyTorch, a
    whole number may be as negative for uint8 as its maximum."""
    if wanted.is_floating_point or wanted is bool_:
        return
    values = np.asarray(values)
    if not values.size or values.dtype.kind not in "iufO":
        return
    limits = np.iinfo(wanted.name)
    low, high = values.min(), values.max()
    least = -limits.max if wanted is uint8 and values.dtype.kind == "i" else limits.min
    # The maximum of int64 as a float is 2^63, which is one too many.
    if not (low >= least and (high < 2.0**63 if values.dtype.kind == "f" else True) and high <= limits.max):
        wrong = low if not low >= least else high
        raise RuntimeError(f"{op}: value {wrong} cannot be converted to type {wanted.name} without overflow")


def get_default_dtype() -> _C.dtype:
    """The floating type that new tensors get when none is asked for."""
    return _default


def set_default_dtype(value: Any) -> None:
    """Sets the floating type of new tensors; raises TypeError for a type that is not floating."""
    global _default
    wanted = as_dtype(value)
    if not wanted.is_floating_point:
        raise TypeError(f"set_default_dtype: wants a floating type, got {wanted}")
    _default = wanted
    _C.bump_state_generation()  # a recorded step made tensors of the old type


def device(type: Any = "cpu", index: Any = None) -> _C.Device:
    """A device from "cpu", "cuda", "cuda:1", a Device, or a type and an index."""
    if isinstance(type, Device):
        return type
    if not isinstance(type, str):
        raise TypeError(f"device: wants a string such as 'cpu' or 'cuda:0', got {type!r}")
    name, colon, number = type.partition(":")
    if colon:
        if index is not None or not number.isdecimal():
            raise ValueError(f"device: {type!r} with index {index!r}, wants 'cuda' or 'cuda:0'")
        index = number
    return Device(name, 0 if index is None else __import__("builtins").int(index))


def as_device(value: Any) -> _C.Device:
    """The device of `value`; None is the cpu. A device that cannot be used here is an error that says why."""
    if value is None:
        return CPU
    wanted = device(value)
    if wanted.type != "cpu":
        if not _C.cuda_device_count():
            raise NotImplementedError(f"device: {wanted} was asked for, but {_C.cuda_missing()}")
        _C.check_device(wanted)
    return wanted


class finfo:
    """Machine limits of a floating type: eps, max, min, tiny, smallest_normal, resolution, bits."""

    def __init__(self, type: Any = None) -> None:
        self.dtype = _default if type is None else as_dtype(type)
        if not self.dtype.is_floating_point:
            raise TypeError(f"finfo: wants a floating type, got {self.dtype}")
        self.bits = self.dtype.itemsize * 8
        if self.dtype is bfloat16:
            self.eps, self.max = 2.0**-7, (2 - 2.0**-7) * 2.0**127
            self.tiny, self.resolution = 2.0**-126, 0.01
        else:
            info: Any = np.finfo(self.dtype.name)
            self.eps, self.max = info.eps.item(), info.max.item()
            self.tiny, self.resolution = info.tiny.item(), info.resolution.item()
        self.min = -self.max
        self.smallest_normal = self.tiny

    def __repr__(self) -> str:
        return f"finfo(dtype={self.dtype}, eps={self.eps:g}, max={self.max:g}, tiny={self.tiny:g})"


class iinfo:
    """Machine limits of an integer type: min, max, bits."""

    def __init__(self, type: Any) -> None:
        self.dtype = as_dtype(type)
        if self.dtype.is_floating_point or self.dtype is bool_:
            raise TypeError(f"iinfo: wants an integer type, got {self.dtype}")
        info = np.iinfo(self.dtype.name)
        self.bits, self.min, self.max = info.bits, info.min, info.max

    def __repr__(self) -> str:
        return f"iinfo(dtype={self.dtype}, min={self.min}, max={self.max})"
