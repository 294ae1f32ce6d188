"""The one way in which data sets find, fetch and open their files."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..ops import from_numpy
from ..tensor import Tensor
from .archive import Archive
from .folders import cache_root, data_root, download

__all__ = [
    "Source",
    "github",
    "raw",
    "read_bytes",
    "read_image",
    "read_lines",
    "read_npz",
    "read_text",
    "split_of",
]

_PACKED = ("", ".gz", ".xz")
Root = str | os.PathLike[str] | None


def raw(repository: str, commit: str, path: str = "") -> str:
    """The address of a file of a public repository as it was at a commit; it never changes."""
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"


def github(repository: str, commit: str, folder: str, sums: Mapping[str, str]) -> dict[str, Any]:
    """`Source.files` of some files of a folder of a repository: name → SHA-256."""
    return {name: ([raw(repository, commit, folder + name)], sha256) for name, sha256 in sums.items()}


@dataclass(frozen=True)
class Source:
    """Where the files of a data set lie and where they come from.

    Attributes:
        folder: its name below the root, $MARKONE_DATA and the cache.
        about: where a person gets the data; ends the error where nothing can be downloaded.
        files: what can be downloaded: name → (addresses, SHA-256).
        below: other folders below the root, as other libraries leave them.
        archive: what holds all the other files, where there is such.
    """

    folder: str
    about: str
    files: Mapping[str, tuple[Sequence[str], str]] = field(default_factory=dict)
    below: Sequence[str] = ()
    archive: Archive | None = None

    def find(self, owner: str, name: str | Sequence[str], root: Root, fetch: bool = False) -> Path:
        """A file or folder by its name, packed (.gz, .xz) or not: below the root, $MARKONE_DATA, the
        cache; else downloaded into the root, or the cache where that is None. Of several names, as
        different places call the same thing, any will do; the first is the one to download.

        Raises:
            FileNotFoundError: it is nowhere and cannot, or may not, be downloaded.
        """
        folders = []
        given = None if root is None else Path(root).expanduser()
        if given is not None:
            folders += [given, given / self.folder, *(given / part for part in self.below)]
        shared = data_root()
        if shared is not None:
            folders.append(shared / self.folder)
        folders.append(cache_root() / self.folder)
        names = [name] if isinstance(name, str) else list(name)
        stems = [one.removesuffix(".gz").removesuffix(".xz") for one in names]
        candidates = [*names, *(stem + end for stem in stems for end in _PACKED)]
        for folder in folders:
            for candidate in candidates:
                if (folder / candidate).exists():
                    return folder / candidate
        name = names[0]
        places = ", ".join(str(folder) for folder in folders)
        if name not in self.files and self.archive is None:
            raise FileNotFoundError(f"{owner}: {name} is in none of {places}; {self.about}")
        if not fetch:
            raise FileNotFoundError(f"{owner}: {name} is in none of {places}; download=True fetches it")
        into = (cache_root() if given is None else given) / self.folder
        if name in self.files:
            return download(Path(name).name, *self.files[name], (into / name).parent)
        assert self.archive is not None
        self.archive.unpack(into)
        for name in names:
            if (into / name).exists():
                return into / name
        raise FileNotFoundError(f"{owner}: {' or '.join(names)} is not in {self.archive.addresses[0]}")


def split_of(owner: str, split: str, known: Sequence[str]) -> str:
    """Checks the name of a part."""
    if split not in known:
        raise ValueError(f"{owner}: split is {split!r}, wants one of {list(known)}")
    return split


def read_bytes(path: Path) -> bytes:
    """What a file holds, unpacked.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the packed stream is damaged or cut off.
    """
    content = path.read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:6] == b"\xfd7zXZ\0":
            return lzma.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise ValueError(f"{path}: the packed stream is damaged or cut off ({error})") from None
    return content


def read_text(path: Path) -> str:
    """A text file in UTF-8, packed or not."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text (byte {error.start}: {error.reason})") from None


def read_lines(path: Path) -> list[str]:
    """Its lines, without their ends; the blank end of the file is no line."""
    lines = read_text(path).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_npz(path: Path, wanted: Mapping[str, tuple[str, int]]) -> dict[str, np.ndarray]:
    """Arrays of an .npz file: name → (NumPy kinds, dimensions). Nothing is unpickled."""
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            for name, (kinds, ndim) in wanted.items():
                if name not in stored.files:
                    raise ValueError(f"has no array '{name}', only {sorted(stored.files)}")
                array = stored[name]
                if array.dtype.kind not in kinds or array.ndim != ndim:
                    raise ValueError(
                        f"'{name}' is {array.dtype} {list(array.shape)}, wants {kinds}, {ndim} dimensions"
                    )
                arrays[name] = array
    except FileNotFoundError:
        raise
    except Exception as error:  # zip, zlib and NumPy each have their own
        raise ValueError(f"{path}: {error}") from None
    return arrays


def read_image(source: Path | bytes | np.ndarray, mode: str = "RGB", name: str = "") -> Tensor:
    """A picture as uint8 [C, H, W].

    Args:
        source: a file, its bytes, or an array uint8 [C, H, W] that is passed on.
        mode: 'RGB', 'L' (grey), or 'P' (the palette's indices as they are).
        name: of the file whose bytes these are.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: not a picture, or cut off.
    """
    if isinstance(source, np.ndarray):
        return from_numpy(np.ascontiguousarray(source))
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("reading pictures wants Pillow (pip install 'markone[viz]')") from None
    stream: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(stream) as picture:
            keep = mode == "P" and picture.mode in ("P", "L")
            array = np.array(
                picture if keep else picture.convert("L" if mode == "P" else mode), dtype=np.uint8
            )
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise ValueError(f"{name or str(source)[:80]}: cannot be read as a picture ({error})") from None
    return from_numpy(np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)))
