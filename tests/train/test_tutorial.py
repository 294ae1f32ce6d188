"""The tutorial's script does what its page says."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "tutorials" / "plain_loop.py"


def test_the_plain_loop_and_the_trainer_agree(capsys):
    if not SCRIPT.exists():
        pytest.skip("docs/ is not in the source package")
    spec = importlib.util.spec_from_file_location("plain_loop", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.main(epochs=1)
    assert "the same, bit for bit" in capsys.readouterr().out
