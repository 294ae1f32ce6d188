"""Arrays in MATLAB's files of level 5 (MAT-File Format, MathWorks)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .source import read_bytes

__all__ = ["read_mat"]

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _COMPRESSED = 14, 15


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """The elements one after another: type, bytes."""
    place = 0
    while place + 8 <= len(content):
        kind, size = struct.unpack_from(order + "II", content, place)
        start, place = place + 8, place + 8
        if kind >> 16:  # up to four bytes in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, start - 4
        if start + size > len(content):
            raise ValueError(f"an element of {size} bytes ends outside the {len(content)}")
        yield kind, content[start : start + size]
        if start == place:
            place += size if kind == _COMPRESSED else (size + 7) // 8 * 8


def _numbers(element: tuple[int, bytes], order: str) -> np.ndarray:
    kind, content = element
    if kind not in _NUMBERS:
        raise ValueError(f"an array holds elements of type {kind}, wants numbers")
    return np.frombuffer(content, dtype=order + _NUMBERS[kind])


def read_mat(path: Path, name: str) -> np.ndarray:
    """A real array of numbers by its name, in the file's own shape.

    Raises:
        ValueError: not such a file, cut off, or without that array.
    """
    content = read_bytes(path)
    if len(content) < 128 or content[126:128] not in (b"IM", b"MI"):
        raise ValueError(f"{path}: not a MATLAB file of level 5")
    order = "<" if content[126:128] == b"IM" else ">"
    names = []
    try:
        for kind, body in _elements(content[128:], order):
            if kind == _COMPRESSED:
                ((kind, body),) = _elements(zlib.decompress(body), order)
            if kind != _MATRIX:
                continue
            # Flags, sizes, name, real part; an imaginary part may follow.
            _, sizes, called, *parts = _elements(body, order)
            names.append(called[1].decode("ascii", "replace"))
            if names[-1] == name:
                shape = [int(size) for size in _numbers(sizes, order)]
                return _numbers(parts[0], order).reshape(shape, order="F")
    except (ValueError, IndexError, zlib.error, struct.error) as error:
        raise ValueError(f"{path}: damaged or cut off ({error})") from None
    raise ValueError(f"{path}: has no array '{name}', only {names}")
