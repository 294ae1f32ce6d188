"""Recording and replaying kernel calls."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C


@contextmanager
def recording() -> Iterator[Any]:
    program = _C.Program()
    _C.begin_recording(program)
    try:
        yield program
    finally:
        _C.end_recording()


def normal(*shape: int, seed: int = 0) -> Any:
    return _C.normal(list(shape), _C.float32, 0.0, 1.0, _C.Generator(seed))


def test_replay_gives_the_same_bits_from_new_inputs() -> None:
    x, w = normal(33, 50), normal(50, 20, seed=1)

    def step() -> Any:
        return _C.mul(_C.sigmoid(_C.add(_C.matmul(x, w), 1.0)), 0.5)

    with recording() as program:
        y = step()
    assert len(program) == len(program.kernels()) > 3
    assert [op for op, _ in program.kernels()][:2] == ["matmul", "add"]
    first = harness.numpy(y)
    for seed in (2, 3):
        _C.copy_into(x, normal(33, 50, seed=seed))
        program.replay()
        got = harness.numpy(y)
        np.testing.assert_array_equal(got, harness.numpy(step()))
        assert (got != first).any()


def test_temporaries_are_reused_inside_the_program_only() -> None:
    x = normal(100, 100)
    with recording() as program:
        y = x
        for _ in range(50):
            y = _C.exp(_C.neg(y))
    want = harness.numpy(y)
    # Whatever is allocated and freed outside must not share memory with the program's buffers.
    others = [normal(100, 100, seed=i) for i in range(60)]
    kept = [harness.numpy(o) for o in others]
    program.replay()
    np.testing.assert_array_equal(harness.numpy(y), want)
    for other, before in zip(others, kept, strict=True):
        np.testing.assert_array_equal(harness.numpy(other), before)


def test_a_long_recording_needs_few_buffers() -> None:
    if _C.build_info()["sanitized"]:
        pytest.skip("buffers are never reused under a sanitizer")
    x = normal(1000)
    y = x
    requests = []
    for length in (10, 200):
        with recording():
            addresses = set()
            for _ in range(length):
                y = _C.neg(y)
                addresses.add(y.data_ptr)
            requests.append(len(addresses))
    assert requests[1] <= requests[0] + 2


def test_outside_memory_lives_as_long_as_the_program() -> None:
    inputs = [normal(64, seed=5), harness.array(np.ones(64, np.float32))]
    with recording() as program:
        y = _C.add(*inputs)
    want = harness.numpy(y)
    inputs.clear()
    gc.collect()
    junk = [normal(64, seed=i) for i in range(20)]
    program.replay()
    np.testing.assert_array_equal(harness.numpy(y), want)
    del program
    gc.collect()
    # The result outlives the program whose pool it came from.
    np.testing.assert_array_equal(harness.numpy(y), want)
    del junk


def test_dropout_advances_on_replay_and_repeats_from_a_state() -> None:
    g = _C.Generator(3)
    x = normal(4000)
    with recording() as program:
        y, mask = _C.dropout(x, 0.5, g)
    masks = [harness.numpy(mask)]
    for _ in range(3):
        program.replay()
        masks.append(harness.numpy(mask))
    assert len({m.tobytes() for m in masks}) == 4
    g.manual_seed(3)
    again = [harness.numpy(mask)]
    for i in range(4):
        program.replay()
        np.testing.assert_array_equal(harness.numpy(mask), masks[i])
    del again, y


def test_only_the_recording_thread_is_recorded() -> None:
    x = normal(10)
    with recording() as program:
        _C.neg(x)
        other = threading.Thread(target=lambda: [_C.exp(x) for _ in range(20)])
        other.start()
        other.join()
        _C.neg(x)
    assert [op for op, _ in program.kernels()] == ["neg", "neg"]


def test_versions_move_on_replay() -> None:
    x, y = normal(10), normal(10, seed=1)
    with recording() as program:
        _C.copy_into(x, y)
    before = x.version, y.version
    program.replay()
    assert (x.version, y.version) == (before[0] + 1, before[1])


def test_misuse_raises() -> None:
    program = _C.Program()
    _C.begin_recording(program)
    try:
        with pytest.raises(RuntimeError, match="record: this thread is recording already"):
            _C.begin_recording(_C.Program())
        with pytest.raises(RuntimeError, match="replay: the program is still being recorded"):
            program.replay()
        errors: list[str] = []

        def elsewhere() -> None:
            try:
                _C.begin_recording(program)
            except RuntimeError as error:
                errors.append(str(error))

        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        assert errors == ["record: another thread is recording this program"]
    finally:
        _C.end_recording()
    _C.end_recording()  # nothing is open: nothing happens
    program.replay()  # an empty program
    with pytest.raises(TypeError):
        _C.begin_recording(None)


def test_a_program_that_nobody_holds_is_kept_while_it_records() -> None:
    _C.begin_recording(_C.Program())
    gc.collect()
    _C.neg(normal(100))
    _C.end_recording()


def test_a_thread_that_ends_while_it_records() -> None:
    program = _C.Program()

    def leave_open() -> None:
        _C.begin_recording(program)
        _C.neg(normal(5))

    for _ in range(2):
        worker = threading.Thread(target=leave_open)
        worker.start()
        worker.join()
        # join() returns a moment before the thread's own objects are gone, and with them its recording.
        deadline = time.monotonic() + 20
        while True:
            try:
                program.replay()
                break
            except RuntimeError:
                assert time.monotonic() < deadline, "the ended thread still records"
                time.sleep(0.01)


def test_two_threads_replay_one_program() -> None:
    x = normal(200, 200)
    with recording() as program:
        y = _C.matmul(_C.matmul(x, x), x)
    want = harness.numpy(y)
    workers = [threading.Thread(target=lambda: [program.replay() for _ in range(10)]) for _ in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    np.testing.assert_array_equal(harness.numpy(y), want)


def test_a_value_error_in_a_replay_is_raised_after_it() -> None:
    p = harness.array(np.full(10, 0.5, np.float32))
    with recording() as program:
        _C.bernoulli(p, _C.Generator(1))
        y = _C.neg(p)
    _C.copy_into(p, harness.array(np.full(10, 2.0, np.float32)))
    with pytest.raises(IndexError, match="bernoulli: p in millionths at flat index 0 is 2000000"):
        program.replay()
    np.testing.assert_array_equal(harness.numpy(y), np.full(10, -2, np.float32))


def test_read_only_memory_is_not_written() -> None:
    frozen = np.zeros(4, np.float32)
    frozen.flags.writeable = False
    a = _C.from_numpy(frozen)
    assert a.read_only
    with pytest.raises(RuntimeError, match="fill_: the output is read-only memory"):
        _C.fill(a, 1.0)
    with pytest.raises(RuntimeError, match="read-only"):
        _C.uniform_into(a, 0.0, 1.0, _C.Generator(1))
    assert (frozen == 0).all()
