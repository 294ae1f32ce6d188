"""The IDX format of MNIST: big-endian sizes, then the elements row by row; plain or gzipped."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO

import numpy as np

__all__ = ["read_idx", "write_idx"]

# Code in the third byte → big-endian element type.
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 22


def _read(stream: IO[bytes], count: int) -> bytes:
    """Up to `count` bytes, without asking for more memory than there are bytes."""
    parts: list[bytes] = []
    while count > 0:
        part = stream.read(min(count, _CHUNK))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_idx(path: str | os.PathLike[str], shape: tuple[int | None, ...] | None = None) -> np.ndarray:
    """The array in an IDX file.

    Args:
        path: gzipped or not, told by its first bytes.
        shape: what is wanted; None stands for any size.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an IDX file, too short, too long, damaged, or of another shape. The message
            names the file, what came and what was wanted.
    """
    path = Path(path)
    with open(path, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        try:
            if zipped:
                with gzip.open(plain) as stream:
                    return _parse(path, stream, shape)  # type: ignore[arg-type]
            return _parse(path, plain, shape)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}: the gzip stream is damaged or cut off ({error})") from None


def _parse(path: Path, stream: IO[bytes], shape: tuple[int | None, ...] | None) -> np.ndarray:
    head = _read(stream, 4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise ValueError(
            f"{path}: not an IDX file: it starts with bytes {list(head)}, wants [0, 0, type, dimensions] "
            f"with a "
            f"type of {sorted(_TYPES)}"
        )
    kind, ndim = np.dtype(_TYPES[head[2]]), head[3]
    size_bytes = _read(stream, 4 * ndim)
    if len(size_bytes) < 4 * ndim:
        raise ValueError(
            f"{path}: ends inside the header: {len(size_bytes)} bytes of sizes, wants {4 * ndim}"
        )
    sizes = tuple(int(n) for n in np.frombuffer(size_bytes, dtype=">u4"))
    if shape is not None and (
        len(shape) != ndim or any(w not in (None, n) for w, n in zip(shape, sizes, strict=True))
    ):
        wanted = ", ".join("*" if w is None else str(w) for w in shape)
        raise ValueError(f"{path}: holds an array of shape {list(sizes)}, wants [{wanted}]")
    wanted_bytes = math.prod(sizes) * kind.itemsize
    data = _read(stream, wanted_bytes)
    if len(data) < wanted_bytes:
        raise ValueError(
            f"{path}: cut off: {len(data)} bytes of elements, wants {wanted_bytes} (shape {list(sizes)})"
        )
    if stream.read(1):
        raise ValueError(f"{path}: more bytes than the {wanted_bytes} that shape {list(sizes)} wants")
    return np.frombuffer(data, dtype=kind).reshape(sizes).astype(kind.newbyteorder("="))


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Writes an array as IDX, gzipped where the name ends with .gz.

    Raises:
        TypeError: IDX has no code for the element type.
    """
    array = np.asarray(array)
    big = array.dtype.newbyteorder(">")
    codes = {np.dtype(name): code for code, name in _TYPES.items()}
    if big not in codes:
        raise TypeError(f"write_idx: IDX cannot hold {array.dtype}, wants one of {sorted(_TYPES.values())}")
    head = bytes([0, 0, codes[big], array.ndim]) + np.asarray(array.shape, dtype=">u4").tobytes()
    data = head + array.astype(big).tobytes()
    Path(path).write_bytes(gzip.compress(data, 9, mtime=0) if str(path).endswith(".gz") else data)
