"""`mo.profile()`: rows that add up, the choice and its reasons, files that open, one at a time."""

import json
import threading
import time

import numpy as np
import pytest

import markone as mo
from markone import _C
from markone.bench import profiler
from markone.nn import functional as F


@pytest.fixture(autouse=True)
def _no_measuring(monkeypatch):
    class Machine(profiler.Machine):
        def flops(self, dtype="float32"):
            return 1e11

        def stream(self, read, written, in_place=False):
            return 1e10

    monkeypatch.setattr(profiler, "_this_machine", Machine)


def _step():
    x, w = mo.ones(2, 3, 8, 8), mo.ones(4, 3, 3, 3, requires_grad=True)
    F.conv2d(x, w, padding=1).sum().backward()


def test_a_row_a_kernel():
    before = _C.native_calls()
    with mo.profile() as p:
        _step()
        _step()
    assert sum(row.calls for row in p.rows) == _C.native_calls() - before
    row = next(row for row in p.rows if row.op == "conv2d")
    lists = dict(_C.implementation_lists())["conv"]
    assert row.calls == 2 and row.flops == 2 * 2 * 2 * 4 * 64 * 27
    assert row.implementation in lists
    assert [name for name, _ in row.refused] == lists[: lists.index(row.implementation)]
    assert row.written_bytes == 2 * 4 * 2 * 4 * 64
    assert 0 < sum(row.seconds for row in p.rows) < p.seconds
    assert [r.seconds for r in p.rows] == sorted((r.seconds for r in p.rows), reverse=True)


def test_the_table_says_what_was_refused():
    _C.force_implementation("conv", "reference")
    try:
        with mo.profile() as p, mo.no_grad():
            F.conv2d(mo.ones(1, 1, 4, 4), mo.ones(1, 1, 3, 3))
    finally:
        _C.force_implementation("conv", "")
    assert "reference (not " in str(p) and "another implementation is forced" in str(p)
    assert "conv2d" in str(p) and "GFLOP/s" in str(p)
    assert len(p.table(most=1).splitlines()) == 3


def test_pictures_and_traces(tmp_path):
    with mo.profile() as p:
        _step()
    p.chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == sum(row.calls for row in p.rows)
    assert {"name", "ph", "ts", "dur", "pid", "tid"} <= set(events[0])
    assert all(e["dur"] >= 0 and e["ts"] >= 0 for e in events)
    p.roofline(tmp_path / "roofline.png")
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")


def test_every_thread_is_seen():
    def work():
        for _ in range(200):
            mo.exp(mo.ones(16))

    threads = [threading.Thread(target=work) for _ in range(4)]
    with mo.profile() as p:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    exp = next(row for row in p.rows if row.op == "exp")
    assert exp.calls == 800
    assert len({e["tid"] for e in p._trace()}) == 4


def test_profiles_cannot_be_nested():
    with mo.profile() as p:
        with pytest.raises(RuntimeError, match="profile: another profile is on"), mo.profile():
            pass
        mo.exp(mo.ones(3))
    assert any(row.op == "exp" for row in p.rows)
    with pytest.raises(RuntimeError, match="profile: no profile is on"):
        _C.end_profile()


def test_results_come_after_the_block():
    p = mo.profile()
    with pytest.raises(RuntimeError, match="it has no block"):
        p.table()
    with p, pytest.raises(RuntimeError, match="its block has not ended"):
        p.table()
    assert "0 calls" in p.table()


def test_an_error_in_the_block_ends_the_profile():
    with pytest.raises(ValueError), mo.profile():
        raise ValueError
    with mo.profile() as p:
        mo.exp(mo.ones(3))
    assert p.rows


def test_a_replayed_program_is_seen_too():
    x = _C.from_numpy(np.ones(8, np.float32))
    program = _C.Program()
    _C.begin_recording(program)
    try:
        y = _C.exp(x)
    finally:
        _C.end_recording()
    with mo.profile() as p:
        program.replay()
    assert [(row.op, row.calls) for row in p.rows] == [("exp", 1)]
    assert y.shape == (8,)


def test_short_replays_are_counted_whether_timed_or_not():
    step = mo.compile(lambda x: mo.exp(x) + mo.sin(x) * 2)
    x = mo.ones(4)
    for _ in range(3):
        step(x)

    def calls(replays):
        with mo.profile() as p:
            for _ in range(replays):
                step(x)
        return len(p._done()), sum(row.calls for row in p.rows)

    kernels = calls(1)[1]
    assert calls(16) == (16 * kernels, 16 * kernels)
    timed, counted = calls(5000)  # what came after the last timed one is not counted: at most 1000
    assert timed <= counted and 4000 * kernels < counted <= 5000 * kernels


@pytest.mark.slow  # a time, on a machine that may be busy
def test_a_profile_costs_little():
    x = mo.ones(64, 64)

    def seconds():
        start = time.perf_counter()
        for _ in range(300):
            mo.exp(x)
        return time.perf_counter() - start

    seconds()
    ratios = []
    for _ in range(30):
        plain = seconds()
        with mo.profile():
            ratios.append(seconds() / plain)
    assert sorted(ratios)[15] < 1.05
