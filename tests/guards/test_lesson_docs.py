"""The tutorials are the lessons."""

import pytest

from guards import lesson_docs
from markone import lessons


@pytest.mark.parametrize("lesson", lessons.lessons(), ids=lambda lesson: lesson.name)
def test_the_tutorial_has_the_lessons_text_and_code(lesson):
    page = lesson_docs.DOCS / f"{lesson.name}.md"
    hint = f"run python tests/guards/lesson_docs.py {lesson.name}"
    assert page.exists(), hint
    assert page.read_text(encoding="utf-8").startswith(lesson_docs.text_and_code(lesson)), hint


def test_the_list_is_up_to_date():
    assert (lesson_docs.DOCS / "README.md").read_text(encoding="utf-8") == lesson_docs.index()
