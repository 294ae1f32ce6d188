"""`markone`, `markone list`, `markone info`, and how quickly help comes."""

import subprocess
import sys

import pytest

from markone import _C
from markone.cli.main import main


def test_help_names_the_commands(capsys):
    for arguments in (["--help"], []):
        assert main(arguments) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in ("train", "list", "info"))


def test_help_of_train_names_every_option(capsys):
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    for name in ("data", "epochs", "seed", "out", "resume", "batch-size", "lr", "device", "threads"):
        assert f"--{name}" in out
    assert "SYSTEM" in out


def test_list(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "lenet5" in out and "--data digits (default)" in out and "mnist" in out


def test_info(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for text in (_C.__version__, _C.isa(), f"{_C.num_threads()} (", "cpu", "compiler"):
        assert text in out


@pytest.mark.parametrize("arguments", ["['--help']", "['list']", "['info']"])
def test_quick_commands_load_no_more_than_they_need(arguments):
    code = (
        f"import sys; from markone.cli.main import main; assert main({arguments}) == 0; "
        "heavy = {'matplotlib', 'tqdm', 'safetensors', 'markone.nn', 'markone.train', 'markone.data'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_summary_counts(capsys):
    assert main(["summary", "lenet5", "1", "1", "28", "28"]) == 0
    out = capsys.readouterr().out
    assert "multiply-adds: 416,520" in out and "(Conv2d)" in out
    assert main(["summary", "lenet", "1", "1", "28", "28"]) == 2
    assert "did you mean lenet5?" in capsys.readouterr().err
