"""Every lesson runs in its short form, agrees with the course's figures, and draws its pictures."""

import pytest

from markone import lessons
from markone.cli import main


@pytest.mark.parametrize("lesson", lessons.lessons(), ids=lambda lesson: lesson.name)
def test_lesson(lesson, tmp_path):
    pytest.importorskip("matplotlib")
    page = lesson.run(tmp_path, short=True, quiet=True)
    assert not page.wrong
    assert page.pictures
    assert all(path.stat().st_size > 2000 for path in page.pictures)
    assert any(line.startswith(("✓", "•")) for line in page.lines)


def test_every_file_is_in_the_list():
    folder = lessons.__path__[0]
    from pathlib import Path

    files = {path.stem for path in Path(folder).glob("*.py")} - {"__init__", "loop", "page"}
    assert files == {lesson.name for lesson in lessons.lessons()}


def test_the_command(tmp_path, capsys):
    assert main(["lesson"]) == 0
    assert "perceptron" in capsys.readouterr().out
    assert main(["lesson", "percepton"]) == 2
    assert "did you mean perceptron?" in capsys.readouterr().err
    assert main(["lesson", "threshold-unit", "--short", "--out", str(tmp_path)]) == 0
    assert "AND" in capsys.readouterr().out


def test_a_figure_that_differs_is_seen(tmp_path):
    page = lessons.Page(tmp_path, quiet=True)
    page.compare([("same", 0.3333, 0.333), ("other", [1, 2], [1, 3])])
    page.check("two is three", 2 == 3)
    assert len(page.wrong) == 2


def test_a_folder_that_cannot_be_is_seen_before_the_run(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["lesson", "threshold_unit", "--short", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot make the folder" in capsys.readouterr().err
