"""The thread pool: sizes, fork, several Python threads, and a stress under ThreadSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import harness
from markone import _C

ROOT = Path(__file__).parents[2]


def work(seed: int = 0) -> bytes:
    """Large enough for every kernel in it to be cut into chunks."""
    g = _C.Generator(seed)
    x = _C.normal([300000], _C.float32, 0.0, 1.0, g)
    y = _C.mul(_C.sigmoid(x), x)
    a = _C.uniform([150, 170], _C.float32, -1.0, 1.0, g)
    return b"".join(harness.numpy(r).tobytes() for r in (x, y, _C.matmul(a, a.transpose(0, 1))))


def test_the_number_of_threads_changes_no_bit() -> None:
    results = set()
    for threads in (1, 2, 3, 16):
        _C.set_num_threads(threads)
        assert _C.num_threads() == threads
        results.add(work())
    assert len(results) == 1


@pytest.mark.parametrize("count", [0, -1, 257, 2**40])
def test_a_wrong_number_of_threads_is_refused(count: int) -> None:
    before = _C.num_threads()
    with pytest.raises(ValueError, match=f"set_num_threads: got {count}, wants 1 to 256"):
        _C.set_num_threads(count)
    assert _C.num_threads() == before


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_environment_sets_the_number() -> None:
    code = "from markone import _C; print(_C.num_threads())"
    assert child(code, MARKONE_NUM_THREADS="3").stdout == "3\n"
    for bad in ("0", "two", "300", "1.5"):
        result = child(code, MARKONE_NUM_THREADS=bad)
        assert result.returncode == 1
        assert f"Error: MARKONE_NUM_THREADS: '{bad}' is not a number from 1 to 256" in result.stderr


def test_several_python_threads_at_once() -> None:
    _C.set_num_threads(2)
    want = [work(seed) for seed in range(4)]
    wrong: list[int] = []

    def repeat(seed: int) -> None:
        for _ in range(5):
            if work(seed) != want[seed]:
                wrong.append(seed)

    workers = [threading.Thread(target=repeat, args=(seed,)) for seed in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


FORK = """
import os, sys, threading, warnings
import numpy as np
from markone import _C
warnings.simplefilter("ignore")
_C.set_num_threads(2)

def work():
    x = _C.normal([300000], _C.float32, 0.0, 1.0, _C.Generator(1))
    return np.array(_C.to_numpy(_C.exp(x))).tobytes()

want = work()
stop = False
def busy():
    while not stop:
        work()
threads = [threading.Thread(target=busy) for _ in range(int(sys.argv[1]))]
for t in threads:
    t.start()
wrong = 0
for i in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        # The child starts a pool of its own, and its own child again.
        ok = work() == want
        inner = os.fork()
        if inner == 0:
            os._exit(0 if work() == want else 1)
        ok &= os.waitpid(inner, 0)[1] == 0
        os._exit(0 if ok else 1)
    wrong += os.waitpid(pid, 0)[1] != 0
    wrong += work() != want
stop = True
for t in threads:
    t.join()
print("wrong", wrong)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("busy", "forks"), [(0, 5), (2, 20)])
def test_kernels_after_fork(busy: int, forks: int) -> None:
    result = subprocess.run(
        [sys.executable, "-c", FORK, str(busy), str(forks)], capture_output=True, text=True, timeout=120
    )
    assert result.stdout == "wrong 0\n", result.stderr


def build(tmp_path: Path, *flags: str) -> Path:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not compiler or os.name == "nt":
        pytest.skip("needs a C++ compiler")
    target = tmp_path / "parallel_stress"
    sources = [ROOT / "tests/native/parallel_stress.cpp", ROOT / "csrc/core/parallel.cpp"]
    command = [compiler, "-std=c++20", "-O1", *flags, f"-I{ROOT / 'csrc'}", *map(str, sources)]
    made = subprocess.run([*command, "-o", str(target), "-lpthread"], capture_output=True, text=True)
    if made.returncode and "sanitize" in " ".join(flags):
        pytest.skip("this compiler has no ThreadSanitizer")
    assert made.returncode == 0, made.stderr
    return target


def test_every_chunk_runs_once(tmp_path: Path) -> None:
    """A late worker once ran a chunk of the loop after its own: it took some 10,000 loops to show."""
    program = build(tmp_path)
    for callers in ("1", "3"):
        result = subprocess.run([program, "100000", callers], capture_output=True, text=True, timeout=120)
        assert result.stdout == "every chunk ran once\n"


def test_no_race_under_thread_sanitizer(tmp_path: Path) -> None:
    program = build(tmp_path, "-g1", "-fsanitize=thread")
    # One sanitizer a process: another's library may be preloaded into this one.
    alone = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    result = subprocess.run([program, "1500", "3"], capture_output=True, text=True, timeout=120, env=alone)
    if "unexpected memory mapping" in result.stderr:
        pytest.skip("ThreadSanitizer cannot run on this kernel")
    assert (result.returncode, result.stdout) == (0, "every chunk ran once\n"), result.stderr[-3000:]


@pytest.mark.parametrize("call", ["x @ x", "program.replay()"])
def test_a_thread_at_work_when_python_ends_does_not_abort(call: str) -> None:
    """CPython ends such a thread by unwinding, which a destructor on its stack would turn into an abort."""
    code = f"""
import sys, threading, time
import markone as mo
from markone import _C
x = mo.ones(400, 400)
program = _C.Program()
_C.begin_recording(program)
y = x @ x
_C.end_recording()
began = threading.Event()
def work():
    while True:
        {call}
        began.set()
threading.Thread(target=work, daemon=True).start()
began.wait()
sys.exit(3)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (3, "")


def test_subnormals_are_flushed_and_the_callers_mode_is_put_back() -> None:
    tiny = np.array([1e-40, -1e-40], np.float32)
    got = harness.numpy(_C.mul(harness.array(tiny), 1.0))
    assert (got == 0).all()
    assert (tiny * np.float32(1)).tolist() == tiny.tolist()  # NumPy still has subnormals
