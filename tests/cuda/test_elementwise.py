"""The CUDA kernels against the CPU's: on a GPU, or in the emulation (MARKONE_CUDA_LIBRARY)."""

import numpy as np
import pytest

from cuda.against import CUDA, FLOATING, WHOLE, made, numpy, same
from markone import _C


@pytest.mark.parametrize("name", sorted(_C.unary_derivatives))
def test_unary(name):
    for dtype in FLOATING + WHOLE:
        same(name, [made(dtype)], 2 * _C.elementwise_ulp[name] + 2)
        same(name, [made(dtype).permute((2, 0, 1)).slice(1, 0, 3, 2)], 2 * _C.elementwise_ulp[name] + 2)
        if dtype in FLOATING and name != "bitwise_not":
            x = made(dtype)
            same(f"{name}_grad", [made(dtype), x, getattr(_C, name)(x)], 32)


@pytest.mark.parametrize("name", sorted(_C.binary_derivatives))
def test_binary(name):
    for dtype in FLOATING + WHOLE:
        x, y = made(dtype), made(dtype, (5, 1))
        if dtype in WHOLE:
            y = _C.add(_C.mul(y, y), 1)
            y = _C.cast(y, x.dtype)
        if name == "polygamma":
            y = _C.cast(_C.from_numpy(np.array(2.0)), x.dtype)
        same(name, [x, y], 2 * _C.elementwise_ulp[name] + 2)


@pytest.mark.parametrize(
    "name", ["lt", "le", "gt", "ge", "eq", "ne", "logical_and", "logical_or", "logical_xor"]
)
def test_compare(name):
    for dtype in FLOATING + WHOLE:
        same(name, [made(dtype), made(dtype, (5, 1))], 0)
        same(name, [made(dtype), 1], 0)


@pytest.mark.parametrize(
    "name", ["isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit", "logical_not"]
)
def test_tests(name):
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
    for dtype in FLOATING:
        same(name, [_C.cast(_C.from_numpy(special), getattr(_C, dtype))], 0)


@pytest.mark.parametrize("to", FLOATING + WHOLE)
@pytest.mark.parametrize("source", FLOATING + WHOLE)
def test_casts(source, to):
    same("cast", [made(source), getattr(_C, to)], 0)
    same("cast", [made(source).permute((1, 2, 0)), getattr(_C, to)], 0)


def test_where_and_fill():
    for dtype in FLOATING + WHOLE:
        same("where", [made("bool"), made(dtype), made(dtype, (7,))], 0)
        same("where", [made("bool"), made(dtype), 2], 0)
        array = _C.to_device(made(dtype), CUDA)
        _C.fill(array.slice(1, 1, 3, 1), 1)
        assert (numpy(array)[:, 1:3] == 1).all()


def test_a_bad_value_is_reported_at_the_next_wait():
    zero = _C.to_device(_C.from_numpy(np.array([3, 0, 5, 0])), CUDA)
    _C.floor_divide(7, zero)
    with pytest.raises(ValueError, match="floor_divide: divisor at flat index 1 is 0"):
        _C.cuda_synchronize(0)
    _C.cuda_synchronize(0)  # once


def test_errors_name_the_operation_and_the_devices():
    x = _C.to_device(made("float32"), CUDA)
    with pytest.raises(RuntimeError, match="add: wants all its arrays on one device, got cuda:0 and cpu"):
        _C.add(x, made("float32"))
    with pytest.raises(RuntimeError, match="there is no cuda:5"):
        _C.to_device(x, _C.Device("cuda", 5))


def test_memory_is_reused_and_counted():
    before = _C.memory_stats(CUDA)["allocated_bytes"]
    x = _C.to_device(made("float32"), CUDA)
    assert _C.memory_stats(CUDA)["allocated_bytes"] > before
    del x
    assert _C.memory_stats(CUDA)["allocated_bytes"] == before
    system = _C.memory_stats(CUDA)["system_requests"]
    _C.to_device(made("float32"), CUDA)
    assert _C.memory_stats(CUDA)["system_requests"] == system


def test_no_memory_is_an_exception():
    with pytest.raises(MemoryError, match="no memory on cuda:0 for"):
        _C.empty((1 << 40,), _C.float32, CUDA)
