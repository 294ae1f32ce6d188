"""Writes docs/tutorials/NAME.md for every lesson: its text, its code, and what it printed.

``python tests/guards/lesson_docs.py [NAME ...]`` runs lessons in full and puts pictures beside the text;
with ``--text`` first it runs nothing and keeps what the pages say was printed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from PIL import Image

from markone import lessons

DOCS = Path(__file__).parents[2] / "docs" / "tutorials"
SOURCES = Path(lessons.__file__).parent


def text_and_code(lesson: lessons.Lesson) -> str:
    """The part that does not depend on a run."""
    source = (SOURCES / f"{lesson.name}.py").read_text(encoding="utf-8")
    code = re.split(r'^"""$', source, maxsplit=1, flags=re.M)[1].strip()
    return (
        f"# {lesson.title}\n\n{lesson.part}, {lesson.row} of the course. Run it with "
        f"`markone lesson {lesson.name}`; its file is `python/markone/lessons/{lesson.name}.py`.\n\n"
        f"{lesson.text}\n\n## The code\n\n```python\n{code}\n```\n"
    )


def index() -> str:
    """The list of lessons."""
    out = "# The lessons\n\n`markone lesson` lists them, `markone lesson NAME` runs one.\n"
    part = ""
    for lesson in lessons.lessons():
        if lesson.part != part:
            part = lesson.part
            out += f"\n## {part}\n\n"
        out += f"- [{lesson.title}]({lesson.name}.md) ({lesson.row})\n"
    return out


def write(lesson: lessons.Lesson) -> None:
    """Runs the lesson and writes its page."""
    page = lesson.run(DOCS / "pictures" / lesson.name)
    assert not page.wrong, page.wrong
    for path in page.pictures:
        if path.suffix == ".png":  # a palette halves what the repository carries
            Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)
    printed = "\n".join(line for line in page.lines[page.start :] if not line.startswith("→")).strip("\n")
    pictures = "".join(f"![{path.stem}](pictures/{lesson.name}/{path.name})\n\n" for path in page.pictures)
    text = f"{text_and_code(lesson)}\n## What it printed\n\n```text\n{printed}\n```\n\n{pictures}"
    text = text.rstrip() + "\n"
    (DOCS / f"{lesson.name}.md").write_text(text, encoding="utf-8")


def write_text(lesson: lessons.Lesson) -> None:
    """Puts the lesson's present text and code above what an earlier run printed."""
    path = DOCS / f"{lesson.name}.md"
    _, mark, printed = path.read_text(encoding="utf-8").partition("\n## What it printed\n")
    path.write_text(text_and_code(lesson) + mark + printed, encoding="utf-8")


if __name__ == "__main__":
    keep = "--text" in sys.argv
    named = [name for name in sys.argv[1:] if name != "--text"]
    for one in lessons.lessons():
        if not named or one.name in named:
            (write_text if keep else write)(one)
    (DOCS / "README.md").write_text(index(), encoding="utf-8")
