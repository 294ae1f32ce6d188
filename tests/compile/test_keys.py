"""Which recording a call gets: keys, guards, what is noticed, memory, threads."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np

import markone as mo
from markone import _C, nn


def warm(step: Any, *args: Any, calls: int = 3) -> Any:
    for _ in range(calls):
        out = step(*args)
    return out


def test_each_kind_of_call_has_its_recording() -> None:
    runs: list[int] = []

    @mo.compile
    def step(x: Any, scale: float = 1.0, *, names: Any = ("a",)) -> Any:
        runs.append(1)
        return x * scale

    def calls_of_python(*args: Any, **kwargs: Any) -> int:
        before = len(runs)
        for _ in range(4):
            np.testing.assert_array_equal(
                step(*args, **kwargs).detach().numpy(), args[0].detach().numpy() * kwargs.get("scale", 1.0)
            )
        return len(runs) - before

    x = mo.ones(2, 3)
    assert calls_of_python(x) == 2
    assert calls_of_python(mo.zeros(2, 3)) == 0
    assert calls_of_python(mo.ones(3, 2)) == 2
    assert calls_of_python(mo.ones(3, 2).t()) == 2  # strides
    assert calls_of_python(mo.ones(2, 3, dtype=mo.float64)) == 2
    assert calls_of_python(x, scale=2.0) == 2
    assert calls_of_python(x, scale=3.0) == 2
    assert calls_of_python(x, scale=2.0) == 0
    assert calls_of_python(x, names=("a", "b")) == 2
    assert calls_of_python(x.clone().requires_grad_()) == 2
    with mo.no_grad():
        assert calls_of_python(x) == 2
    assert calls_of_python(x) == 0
    assert len(step.recordings) == 9
    assert "float32[2, 3]" in step.explain()


def test_modes_of_modules_and_dropout() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    step = mo.compile(lambda x: model(x))
    x = mo.randn(8, 3)
    warm(step, x)
    model.eval()
    warm(step, x)
    for training in (True, False, True):
        model.train(training)
        mo.manual_seed(1)
        want = model(x)
        mo.manual_seed(1)
        # The plain run moved the statistics, which do not enter the result in training.
        np.testing.assert_array_equal(step(x).numpy(), want.detach().numpy())
    assert len(step.recordings) == 2


def test_aliasing_of_arguments() -> None:
    def add(a: Any, b: Any) -> Any:
        a.add_(1.0)
        return b * 2

    step = mo.compile(add)
    data = mo.arange(10.0)
    for start in (0, 2, 1, 5):  # windows of one memory that do not overlap
        got = step(data[start : start + 2], data[7:9])
        assert got.tolist() == (data[7:9] * 2).tolist()
    x = mo.ones(3)
    for i in range(4):
        assert step(x, x).tolist() == [2.0 * (i + 2)] * 3
    y = mo.ones(5)
    for i in range(4):
        assert step(y[:3], y[1:4]).tolist()[1:] == [2.0 * (i + 2), 2.0]
    assert len(step.recordings) == 3


def test_a_captured_tensor_that_is_also_an_argument() -> None:
    w = mo.ones(3)
    step = mo.compile(lambda x: x * 10 + w)
    warm(step, w)
    assert step(mo.full((3,), 2.0)).tolist() == [21.0] * 3


def test_replaced_parameters_and_state_are_noticed() -> None:
    model = nn.Linear(2, 2, bias=False)
    optimizer = mo.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    @mo.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = mo.ones(1, 2)
    warm(step, x)
    model.weight.data = mo.zeros(2, 2)
    assert step(x).item() == 0
    saved = optimizer.state_dict()
    warm(step, x)
    optimizer.load_state_dict(saved)
    optimizer.param_groups[0]["lr"] = 0.0
    before = model.weight.detach().numpy().copy()
    for _ in range(4):
        step(x)
        np.testing.assert_array_equal(model.weight.detach().numpy(), before)
    optimizer.param_groups[0]["lr"] = 1.0  # written through to the recording
    step(x)
    assert (model.weight.detach().numpy() != before).all()
    optimizer.param_groups[0]["momentum"] = 0.0  # a number: the step is recorded anew
    for _ in range(3):
        before = model.weight.detach().numpy().copy()
        step(x)
        np.testing.assert_allclose(model.weight.detach().numpy(), before - 1.0)


def test_outputs_are_fresh_and_hold_their_values() -> None:
    step = mo.compile(lambda x: (x + 1, (x + 1).sum()))
    outs = [step(mo.full((3,), float(i))) for i in range(8)]
    for i, (a, b) in enumerate(outs):
        assert a.tolist() == [i + 1.0] * 3 and b.item() == 3 * (i + 1)
        assert a.grad_fn is None and not a.requires_grad
    del a, b, outs
    a = step(mo.zeros(3))[0]
    shared = a.numpy()
    del a
    for _ in range(4):
        step(mo.full((3,), 9.0))
    assert shared.tolist() == [1.0] * 3


def test_a_method_and_an_object_as_arguments() -> None:
    class Thing:
        def __init__(self, k: float) -> None:
            self.k = k

        @mo.compile
        def times(self, x: Any) -> Any:
            """Doc."""
            return x * self.k

    two, three = Thing(2.0), Thing(3.0)
    for _ in range(4):
        assert two.times(mo.ones(2)).tolist() == [2, 2]
        assert three.times(mo.ones(2)).tolist() == [3, 3]
    assert Thing.times.__doc__ == "Doc." and Thing.times.__name__ == "times"


def test_compiled_inside_compiled() -> None:
    inner = mo.compile(lambda x: x * 2)
    outer = mo.compile(lambda x: inner(x) + 1)
    for _ in range(4):
        assert outer(mo.ones(2)).tolist() == [3, 3]
    assert len(inner.recordings) == 0 and len(outer.recordings[0].kernels) == 2


def test_a_replay_allocates_only_what_it_returns_and_the_pool_is_shared() -> None:
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))

    @mo.compile
    def step(x: Any) -> Any:
        return model(x).detach().square().mean()

    x = mo.randn(128, 64)
    warm(step, x)
    one = step.recordings[0].bytes
    small = mo.randn(64, 64)
    warm(step, small)
    assert step.recordings[1].bytes <= one * 2  # blocks of one size serve both
    gc.collect()
    before = _C.memory_stats()
    outs = [step(x) for _ in range(10)]
    after = _C.memory_stats()
    assert after["requests"] - before["requests"] <= 10
    assert after["system_requests"] - before["system_requests"] <= 10
    del outs


def test_the_memory_of_recordings_is_given_back() -> None:
    def use() -> None:
        step = mo.compile(lambda x: (x @ x).tanh().sum())
        warm(step, mo.ones(200, 200))

    use()
    gc.collect()
    before = _C.memory_stats()["allocated_bytes"]
    for _ in range(5):
        use()
    gc.collect()
    assert _C.memory_stats()["allocated_bytes"] <= before


def test_ten_thousand_kernels() -> None:
    def chain(x: Any) -> Any:
        w = x.clone().requires_grad_()
        y = w
        for _ in range(5000):
            y = y * 1.0001
        y.sum().backward()
        return w.grad

    step = mo.compile(chain)
    want = chain(mo.ones(3)).tolist()
    for _ in range(3):
        assert step(mo.ones(3)).tolist() == want
    assert step.recordings[0].calls > 10_000
    del step


def test_several_threads() -> None:
    model = nn.Linear(6, 4)
    shared = mo.compile(lambda x: model(x).detach())
    failures: list[Any] = []

    def work(seed: int) -> None:
        try:
            rng = np.random.default_rng(seed)
            mine = mo.compile(lambda x: (x * 2).sum())
            for i in range(60):
                rows = 1 + (i + seed) % 3
                x = mo.from_numpy(rng.standard_normal((rows, 6)).astype(np.float32))
                np.testing.assert_array_equal(shared(x).numpy(), model(x).detach().numpy())
                np.testing.assert_array_equal(mine(x).numpy(), (x * 2).sum().numpy())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_autocast_is_part_of_the_key() -> None:
    model = nn.Linear(4, 4)
    step = mo.compile(lambda x: model(x).detach())
    x = mo.randn(2, 4)
    for _ in range(3):
        assert step(x).dtype is mo.float32
        with mo.autocast("cpu", dtype=mo.bfloat16):
            assert step(x).dtype is mo.bfloat16
            want = model(x).detach()
            np.testing.assert_array_equal(step(x).float().numpy(), want.float().numpy())
    assert len(step.recordings) == 2
