"""Where data sets lie, and how they get there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["cache_root", "data_root", "download"]


def data_root() -> Path | None:
    """The folder that the environment variable MARKONE_DATA names; None where it is not set.

    Raises:
        FileNotFoundError: it is set, but there is no such folder.
    """
    name = os.environ.get("MARKONE_DATA")
    if not name:
        return None
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"MARKONE_DATA is '{name}', which is not a folder")
    return folder


def cache_root() -> Path:
    """Where downloads go: $MARKONE_CACHE, else markone/ in the user's cache folder."""
    name = os.environ.get("MARKONE_CACHE")
    if name:
        return Path(name).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "markone"


def download(name: str, urls: Sequence[str], sha256: str, folder: Path) -> Path:
    """Fetches a file into a folder, from the first place that has it with the right SHA-256 (one that has
    none is checked by whoever asks).

    Raises:
        ImportError: pooch, which downloads, is not installed.
        RuntimeError: no place gave the right file.
    """
    try:
        import pooch  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ImportError(
            f"downloading {name} wants pooch (pip install pooch, or 'markone[data]'); or put the file in a "
            "folder and pass it as root, or set MARKONE_DATA"
        ) from None
    problems = []
    for url in urls:
        try:
            return Path(
                pooch.retrieve(
                    url, known_hash=f"sha256:{sha256}" if sha256 else None, fname=name, path=folder
                )
            )
        except Exception as error:
            problems.append(f"{url}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    raise RuntimeError(f"could not download {name} into {folder}:\n  " + "\n  ".join(problems))
