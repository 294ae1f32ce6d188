"""`markone lesson`."""

from __future__ import annotations

from pathlib import Path

from markone import lessons
from markone.cli.errors import UsageError


def run(name: str | None, short: bool, out: Path | None, seed: int) -> None:
    """Lists the lessons, or runs the one of this name."""
    if name is None:
        _list()
        return
    try:
        lesson = lessons.find(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    folder = out or Path("lessons") / lesson.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder} for pictures: {error.strerror}") from error
    page = lesson.run(folder, short, seed)
    if page.wrong:
        raise RuntimeError(f"{len(page.wrong)} figures are not as they should be: {'; '.join(page.wrong)}")


def _list() -> None:
    part = ""
    for lesson in lessons.lessons():
        if lesson.part != part:
            part = lesson.part
            print(f"{part}:")
        print(f"  {lesson.name:<24} {lesson.title} ({lesson.row})")
    print("Run one with: markone lesson NAME")
