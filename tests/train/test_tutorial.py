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


def test_the_training_page_runs(monkeypatch, tmp_path, capsys):
    page = SCRIPT.parents[1] / "training.md"
    if not page.exists():
        pytest.skip("docs/ is not in the source package")
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in page.read_text(encoding="utf-8").split("```python\n")[1:]:
        exec(block.split("```")[0], scope)
    assert "multiply-adds: 112" in capsys.readouterr().out
    assert {"train_d", "train_g", "lr_d", "lr_g"} <= set(scope["history"][-1])
    assert (tmp_path / "metrics.jsonl").exists() and (tmp_path / "last.safetensors").exists()
