"""What a recording leaves out or puts together, and what a replay costs in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
from markone import nn


def same(step: Any, body: Any, *args: Any) -> None:
    for got, want in zip(step(*args), body(*args), strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize("on", [True, False])
def test_rewrites_are_listed_and_change_no_bit(on: bool) -> None:
    def body(x: Any) -> Any:
        unused = x.exp()  # noqa: F841
        y = ((x * 2 + 1).tanh() - 0.5).square()
        return y, (y * x.clone()).sum(), mo.ones(3) * 2

    x = mo.randn(300, 400)
    step = mo.compile(body, fuse=on, drop=on, copies=on)
    for _ in range(4):
        same(step, body, x)
    rewrites = "\n".join(step.recordings[0].rewrites)
    if on:
        assert "dropped: exp" in rewrites and "one pass: mul+add+tanh+sub+square" in rewrites
        assert "not copied: clone" in rewrites
        assert "test_rewrites.py:" in rewrites and rewrites in step.explain().replace("\n  ", "\n")
    else:
        assert rewrites == "" and len(step.recordings[0].kernels) == step.recordings[0].calls


def copies_left(step: Any) -> int:
    return sum(kernel.startswith("copy_") for _, kernel in step.recordings[0].kernels)


def test_a_copy_whose_source_stays_is_not_made() -> None:
    weight = mo.randn(6, 5)

    def body(x: Any) -> Any:
        first = x.clone()
        second = first.clone()  # a copy of a copy
        part = second[2:4]
        return (first * 2).sum(), part @ weight.clone(), second.mean()

    step = mo.compile(body)
    for i in range(5):
        same(step, body, mo.randn(8, 6) + i)
    assert copies_left(step) == 0
    # The comparison with a recording that was changed is with what was recorded.
    step.recheck()
    for i in range(4):
        same(step, body, mo.randn(8, 6) + i)
    assert len(step.recordings) == 1


def test_a_copy_is_made_where_the_source_changes() -> None:
    state = mo.zeros(4)
    schedule = mo.optim.lr_scheduler.StepLR(
        optimizer := mo.optim.SGD([nn.Parameter(mo.ones(2))], 0.1), 1, 0.5
    )
    rate = mo.Tensor(optimizer.param_groups[0].lr_array)

    def changed_later(x: Any) -> Any:
        before = x.clone()
        x.add_(1)
        return before * 2, x * 2

    def returned(x: Any) -> Any:
        return x.clone(), x + 1

    def changed_itself(x: Any) -> Any:
        y = x.clone()
        y.mul_(3)
        return y * 1, x * 1

    def captured(x: Any) -> Any:
        before = state.clone()
        state.add_(x)
        return before * 1, state * 1

    def captured_by_argument(x: Any) -> Any:
        before = state.clone()
        x.add_(1)
        return before * 1, x * 1

    def between(x: Any) -> Any:
        before = rate.clone()
        schedule.step()
        return before * 1, rate * x

    for body in (changed_later, returned, changed_itself, captured, captured_by_argument, between):
        results = []
        for compiled in (False, True):
            optimizer.param_groups[0]["lr"] = 0.1
            schedule.last_epoch = 0
            state.zero_()
            step = mo.compile(body) if compiled else body
            x = mo.arange(4).float()
            out = []
            for i in range(5):
                # From the fourth call on the argument is the captured tensor itself.
                argument = state if body is captured_by_argument and i > 2 else x
                out += [t.numpy().copy() for t in step(argument)]
            results.append(out)
            if compiled:
                assert "clone" in [op for op, _ in step.recordings[0].kernels], body.__name__
        for got, want in zip(*results, strict=True):
            np.testing.assert_array_equal(got, want, err_msg=body.__name__)


def test_a_replay_is_profiled_by_kernel() -> None:
    step = mo.compile(lambda x, w: ((x @ w).tanh() * 2 + 1).sum())
    x, w = mo.randn(100, 30), mo.randn(30, 200)
    for _ in range(3):
        step(x, w)
    with mo.profile() as p:
        for _ in range(4):
            step(x, w)
    rows = {row.op: row for row in p.rows}
    assert set(rows) == {"matmul", "tanh+mul+add", "sum"}
    assert all(row.calls == 4 for row in rows.values())
    assert rows["matmul"].flops == 4 * 2 * 100 * 30 * 200
    assert rows["matmul"].implementation is not None
    # What stays inside a chain is neither read nor written.
    assert rows["tanh+mul+add"].read_bytes == rows["tanh+mul+add"].written_bytes == 4 * 100 * 200 * 4
    del step  # names outlive the recording
    assert "tanh+mul+add" in str(p)
