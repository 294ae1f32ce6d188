"""Nothing that Python can pass makes the process crash, hang or write outside an array."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")


def run(level: str, seed: int, count: int, tmp_path: Path, seconds: float) -> None:
    log = tmp_path / "call"
    command = [sys.executable, str(FUZZ), level, str(seed), str(count), str(log)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        pytest.fail(f"still running after {seconds} s: {log.read_text(encoding='utf-8')}")
    under_way = log.read_text(encoding="utf-8") if log.exists() else ""
    assert done.returncode in (0, 1), f"ended with {done.returncode} in {under_way}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, under_way + done.stdout + done.stderr[-3000:]


@pytest.mark.parametrize("seed", range(2))
def test_native_calls_raise_or_work(seed, tmp_path):
    run("native", seed, 4000, tmp_path, 120)


@pytest.mark.parametrize("seed", range(2))
def test_python_calls_raise_or_work(seed, tmp_path):
    run("python", seed, 2000, tmp_path, 120)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["native", "python"])
def test_many_calls_raise_or_work(level, tmp_path):
    for seed in range(100, 120):
        run(level, seed, 20000, tmp_path, 900)
