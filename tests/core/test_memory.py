"""The allocator: reuse, guards, errors, and what is given back."""

from __future__ import annotations

import ctypes
import gc
from typing import Any

import pytest

import harness
from markone import _C


def stats() -> dict[str, int]:
    gc.collect()
    return _C.memory_stats()


def needs_cache() -> None:
    if _C.build_info()["sanitized"]:
        pytest.skip("nothing is cached under a sanitizer")


@pytest.mark.parametrize("count", [0, 1, 16, 17, 1000, 12345, 1 << 20])
def test_blocks_are_aligned_and_reused(count: int) -> None:
    needs_cache()
    a = _C.empty([count], _C.float32)
    address = a.data_ptr
    assert address % 64 == 0
    before = stats()
    del a
    b = _C.empty([count], _C.float32)
    after = stats()
    assert b.data_ptr == address
    assert after["system_requests"] == before["system_requests"]
    assert after["requests"] == before["requests"] + 1


def test_counts_add_up() -> None:
    needs_cache()
    before = stats()
    arrays = [_C.empty([n], _C.float32) for n in (10, 1000, 100000)]
    inside = stats()
    asked = sum(a.nbytes for a in arrays)
    used = inside["allocated_bytes"] - before["allocated_bytes"]
    assert asked <= used <= 1.25 * asked + 3 * 64
    assert inside["peak_bytes"] >= inside["allocated_bytes"]
    del arrays
    assert stats()["allocated_bytes"] == before["allocated_bytes"]
    _C.empty_cache()
    assert stats()["cached_bytes"] == 0


def test_a_view_keeps_the_memory() -> None:
    a = _C.empty([64], _C.float32)
    _C.fill(a, 3.0)
    view = a.slice(0, 10, 20, 1)
    del a
    others = [_C.empty([64], _C.float32) for _ in range(10)]
    for other in others:
        _C.fill(other, 9.0)
    assert harness.numpy(view).tolist() == [3.0] * 10


@pytest.mark.parametrize("shape", [[2**58], [2**60], [2**61 - 1], [2**40, 2**18], [2**62]])
def test_too_much_is_a_memory_error(shape: list[int]) -> None:
    before = stats()
    with pytest.raises((MemoryError, ValueError)) as raised:
        _C.empty(shape, _C.uint8)
    assert issubclass(raised.type, MemoryError) and str(raised.value).startswith("empty: no memory for ")
    assert stats()["allocated_bytes"] == before["allocated_bytes"]
    _C.empty([10], _C.float32)


def test_a_size_past_64_bits_is_a_value_error() -> None:
    for shape in ([2**62, 4], [2**61], [2**32, 2**32]):
        with pytest.raises((ValueError, MemoryError)):
            _C.empty(shape, _C.float64)
    with pytest.raises(ValueError, match=r"does not fit in 64 bits|more than 2\^63"):
        _C.empty([2**61], _C.float64)
    with pytest.raises(MemoryError):
        _C.set_guarded(True)
        _C.empty([2**63 - 1], _C.uint8)
    with pytest.raises(ValueError, match="sizes must not be negative"):
        _C.empty([-1], _C.float32)


def poke(array: Any, offset: int) -> None:
    ctypes.c_ubyte.from_address(array.data_ptr + offset).value ^= 0xFF


@pytest.mark.parametrize("offset", [-1, -64, 40, 103])
def test_a_write_outside_is_found(offset: int) -> None:
    _C.set_guarded(True)
    before = _C.damaged_guards()
    fine = _C.empty([10], _C.float32)
    _C.fill(fine, 1.0)
    del fine
    assert _C.damaged_guards() == before
    hit = _C.empty([10], _C.float32)
    if _C.build_info()["sanitized"]:
        pytest.skip("the sanitizer would stop at the poke")
    poke(hit, offset)
    del hit
    assert _C.damaged_guards() == before + 1


def test_guarded_and_plain_blocks_may_be_mixed() -> None:
    plain = _C.empty([100], _C.float32)
    _C.set_guarded(True)
    guarded = _C.empty([100], _C.float32)
    before = _C.damaged_guards()
    _C.set_guarded(False)
    for a in (plain, guarded):
        _C.fill(a, 2.0)
        assert harness.numpy(a).sum() == 200
    del plain, guarded, a
    gc.collect()
    assert _C.damaged_guards() == before
