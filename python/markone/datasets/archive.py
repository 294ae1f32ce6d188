"""Data sets of many files that come in one zip file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .folders import download

__all__ = ["Archive", "digest", "snapshot"]


def snapshot(repository: str, commit: str) -> str:
    """The address of a public repository as it was at a commit, as a zip file."""
    return f"https://github.com/{repository}/archive/{commit}.zip"


def digest(sums: Mapping[str, str]) -> str:
    """One SHA-256 of many files (name → SHA-256): of the lines that `sha256sum` prints, sorted by name."""
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class Archive:
    """A zip file and what is wanted of it.

    Attributes:
        addresses: where it is, each the same file.
        pick: (pattern, replacement): members whose whole name fits the pattern become the file named by
            the replacement.
        sha256: of the zip file; "" where its packing may change, as in a repository's snapshot.
        contents: `digest` of the files picked, where there is no `sha256`.
        count: how many files are picked, where a commit names the contents and no sum is known.
    """

    addresses: Sequence[str]
    pick: tuple[str, str]
    sha256: str = ""
    contents: str = ""
    count: int = 0

    def unpack(self, folder: Path) -> None:
        """Downloads it, checks the files and puts them into a folder, which then has all or none.

        Raises:
            RuntimeError: no place gave the right files.
            ValueError: the zip file is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = download(self.addresses[0].rpartition("/")[2], self.addresses, self.sha256, folder)
        try:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as name:
                self._extract(path, Path(name))
                for part in sorted(Path(name).iterdir()):
                    if (folder / part.name).is_dir():
                        shutil.rmtree(folder / part.name)
                    os.replace(part, folder / part.name)
        finally:
            path.unlink(missing_ok=True)

    def _extract(self, path: Path, into: Path) -> None:
        sums = {}
        try:
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    match = re.fullmatch(self.pick[0], member)
                    if match is None or member.endswith("/"):
                        continue
                    name = match.expand(self.pick[1])
                    if ".." in name.split("/") or name.startswith("/"):
                        raise ValueError(f"{path}: '{member}' would lie outside the folder")
                    content = archive.read(member)
                    sums[name] = hashlib.sha256(content).hexdigest()
                    target = into / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: the zip file is damaged or cut off ({error})") from None
        if self.count and len(sums) != self.count:
            raise RuntimeError(
                f"{self.addresses[0]}: {len(sums)} of its files are wanted, there should be {self.count}"
            )
        if self.contents and digest(sums) != self.contents:
            raise RuntimeError(
                f"{self.addresses[0]}: the {len(sums)} files in it are not those that are known (SHA-256 of "
                f"their sums {digest(sums)}, wants {self.contents})"
            )
