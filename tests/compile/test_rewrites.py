"""What a recording leaves out or puts together, and what a replay costs in memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import markone as mo
from markone import _C, nn


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


# -- Weights

# Above the 192 KiB from which B is packed.
N, K = 300, 200


def packs(step: Any) -> list[str]:
    return [rewrite for rewrite in step.recordings[-1].rewrites if rewrite.startswith("packed")]


@pytest.mark.parametrize("dtype", [mo.float32, mo.float64])
def test_weights_that_stay_are_packed_when_they_change(dtype: Any) -> None:
    layer = nn.Linear(K, N).to(dtype)
    plain = mo.compile(lambda x: (layer(x).detach(),), pack=False)
    step = mo.compile(lambda x: (layer(x).detach(),))

    def body(x: Any) -> tuple[Any]:
        with mo.autograd.no_grad():
            return (x @ layer.weight.T + layer.bias,)

    for i in range(8):
        x = mo.randn(17, K, dtype=dtype)
        for one in (step, plain):
            same(one, body, x)
        if i == 4:  # in place: the recording stays
            with mo.no_grad():
                layer.weight.mul_(2)
        if i == 6:  # memory that NumPy writes to
            layer.weight.detach().numpy()[:] += 1
    assert "packed when they change: the weights of 1 linear" in packs(step)[0]
    assert any(kernel.startswith("gemm_pack_") for _, kernel in step.recordings[0].kernels)
    assert not packs(plain)
    # NumPy may write once more, unseen.
    layer.weight.detach().numpy()[:] *= 3
    same(step, body, x)


def test_weights_of_a_loop_are_packed_once_a_step() -> None:
    def make(compiled: bool) -> list[Any]:
        mo.manual_seed(0)
        cell = nn.RNNCell(K, K + 60)
        optimizer = mo.optim.Adam(cell.parameters(), lr=1e-3)

        def body(x: Any) -> Any:
            h = mo.zeros(6, K + 60)
            optimizer.zero_grad()
            for t in range(4):
                h = cell(x[t], h)
            loss = h.square().mean()
            loss.backward()
            optimizer.step()
            return loss

        step = mo.compile(body) if compiled else body
        rng = np.random.default_rng(0)
        out = []
        for _ in range(6):
            x = mo.from_numpy(rng.standard_normal((4, 6, K)).astype(np.float32))
            out += [step(x).detach().numpy().copy(), cell.weight_hh.detach().clone().numpy()]
        if compiled:
            assert any("packed once a step: the weights of" in r for r in packs(step))
            kernels = [kernel for _, kernel in step.recordings[0].kernels]
            assert sum(k.startswith("gemm_pack_") for k in kernels) == len(packs(step)) >= 2
            step.recheck()
            step(x)
        return out

    for got, want in zip(make(True), make(False), strict=True):
        np.testing.assert_array_equal(got, want)


def test_an_argument_that_is_the_weights() -> None:
    weight = mo.randn(K, N)

    def body(x: Any, w: Any) -> Any:
        first = x @ weight
        w.mul_(2)
        return first, x @ weight

    results = []
    for compiled in (False, True):
        mo.manual_seed(1)
        with mo.no_grad():
            weight.copy_(mo.randn(K, N))
        step = mo.compile(body) if compiled else body
        other = mo.randn(K, N)
        out = []
        for i in range(6):
            # The last calls are given the captured weights themselves.
            out += [t.numpy().copy() for t in step(mo.ones(8, K) * (i + 1), weight if i > 3 else other)]
        results.append(out)
    for got, want in zip(*results, strict=True):
        np.testing.assert_array_equal(got, want)


def test_eager_weights_are_kept_packed_from_their_second_use_on() -> None:
    _C.set_prepacking(False)
    _C.set_prepacking(True)
    layer = nn.Linear(K, N)
    x = mo.randn(9, K)

    def out() -> Any:
        with mo.no_grad():
            return layer(x).numpy().copy()

    want = out()
    assert _C.prepacked_bytes() == 0
    np.testing.assert_array_equal(out(), want)
    kept = _C.prepacked_bytes()
    assert kept >= N * K * 4
    np.testing.assert_array_equal(out(), want)
    with mo.no_grad():
        layer.weight.mul_(2)
        layer.bias.mul_(2)
    np.testing.assert_array_equal(out(), want * 2)
    assert _C.prepacked_bytes() == 0  # what was made of other values is gone
    out()
    assert _C.prepacked_bytes() == kept
    layer.weight.detach().numpy()[:] /= 2  # exported: never kept again
    layer.bias.detach().numpy()[:] /= 2
    np.testing.assert_array_equal(out(), want)
    np.testing.assert_array_equal(out(), want)
    layer = nn.Linear(K, N)
    out(), out()
    assert _C.prepacked_bytes() == kept
    del layer  # freed with its weights
    assert _C.prepacked_bytes() == 0
    layer = nn.Linear(K, N)
    out(), out()
    _C.set_prepacking(False)
    assert _C.prepacked_bytes() == 0
    out(), out()
    assert _C.prepacked_bytes() == 0
    _C.set_prepacking(True)


def test_a_training_step_keeps_nothing_packed() -> None:
    _C.set_prepacking(False)
    _C.set_prepacking(True)
    layer = nn.Linear(K, N)
    optimizer = mo.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        layer(mo.randn(9, K)).sum().backward()
        optimizer.step()
    assert _C.prepacked_bytes() == 0


# -- Memory

MEMORY = """
import sys
import markone as mo
from markone import _C, nn
mo.set_num_threads(1)
layers = [nn.Linear(300, 400), nn.ReLU(), nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 10)]
x = mo.randn(64, 300)
if sys.argv[2] == "conv":
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1),
              nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 10)]
    x = mo.randn(32, 3, 32, 32)
model = nn.Sequential(*layers)
optimizer = mo.optim.Adam(model.parameters())
target = mo.randint(0, 10, (x.shape[0],))
def step(x, target):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), target)
    loss.backward()
    optimizer.step()
    return loss
if sys.argv[1] == "compiled":
    step = mo.compile(step)
for _ in range(6):
    step(x, target)
def total():
    stats = _C.memory_stats()
    pool = 0
    if sys.argv[1] == "compiled":
        held = step.controller._pool
        pool = _C.pool_cached(held) + _C.pool_bytes(held)
    return stats["allocated_bytes"] + stats["cached_bytes"] + pool
print(total(), x.numel() * 4)
"""


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_a_compiled_step_needs_no_more_memory(network: str) -> None:
    """All that was ever taken from the system, cached blocks included: the inputs may come on top, and
    something for sizes that are rounded up."""

    def measured(kind: str) -> tuple[int, int]:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, kind, network], capture_output=True, text=True, check=True
        )
        total, inputs = done.stdout.split()
        return int(total), int(inputs)

    plain, inputs = measured("plain")
    compiled, _ = measured("compiled")
    assert compiled <= 1.02 * (plain + inputs)
