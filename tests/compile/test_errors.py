"""What cannot be recorded says so, with the line; and whatever happens leaves a usable state."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import markone as mo
from markone import nn
from markone.nn import functional as F

HELD: list[Any] = []


def read_item(x: Any) -> Any:
    return x * x.sum().item()  # here


def read_float(x: Any) -> Any:
    return x * float(x[0, 0])  # here


def branch(x: Any) -> Any:
    return x if (x > 0).all() else -x  # here


def show(x: Any) -> Any:
    print(x * 2)  # here
    return x


def as_array(x: Any) -> Any:
    return x + mo.from_numpy(x.detach().numpy())  # here


def by_numpy(x: Any) -> Any:
    return x * mo.tensor(np.asarray(x))  # here


def selected(x: Any) -> Any:
    return x[x > 0]  # here


def nonzero(x: Any) -> Any:
    return x.nonzero()  # here


def seeded(x: Any) -> Any:
    mo.manual_seed(1)  # here
    return x + mo.rand(3)


def hooked(x: Any) -> Any:
    y = x.clone().requires_grad_()
    y.register_hook(lambda g: g * 2)
    (y * 3).sum().backward()  # here
    return y.grad


def kept(x: Any) -> Any:
    HELD.append(x * 2)  # here
    return x.sum()


BUFFER = np.zeros((2, 3), np.float32)


def to_numpy_memory(x: Any) -> Any:
    mo.from_numpy(BUFFER).copy_(x)  # here
    return x.sum()


WRAPPED = np.zeros((2, 3), np.float32)
CAPTURED = mo.from_numpy(WRAPPED)


def by_numpy_itself(x: Any) -> Any:
    WRAPPED[0, 1] += 1
    return x + CAPTURED  # here


COUNT = {"calls": 0}


def counted(x: Any) -> Any:
    COUNT["calls"] += 1
    return x + COUNT["calls"]  # here


def drawn(x: Any) -> Any:
    return x + mo.tensor(np.random.default_rng().random(3), dtype=mo.float32)  # here


def longer(x: Any) -> Any:
    COUNT["calls"] += 1
    for _ in range(COUNT["calls"]):
        x = x + 1.0  # here
    return x


CASES: list[tuple[Callable[[Any], Any], str]] = [
    (read_item, "numpy: cannot be recorded"),
    (read_float, "numpy: cannot be recorded"),
    (branch, "numpy: cannot be recorded"),
    (show, "numpy: cannot be recorded"),
    (as_array, "numpy: cannot be recorded"),
    (by_numpy, "numpy: cannot be recorded"),
    (selected, "nonzero: cannot be recorded"),
    (nonzero, "nonzero: cannot be recorded"),
    (seeded, "manual_seed: cannot be recorded"),
    (hooked, "hook: cannot be recorded"),
    (kept, "still held"),
    (to_numpy_memory, "NumPy memory"),
    (by_numpy_itself, "the NumPy memory that add"),
    (counted, "two runs of the step were not the same: call 0, add"),
    (drawn, "two runs of the step were not the same"),
    (longer, "two runs of the step were not the same"),
]


@pytest.mark.parametrize(("function", "message"), CASES, ids=[f.__name__ for f, _ in CASES])
def test_what_cannot_be_recorded_names_the_line(function: Callable[[Any], Any], message: str) -> None:
    lines, start = inspect.getsourcelines(function)
    line = start + next(i for i, text in enumerate(lines) if "# here" in text)
    HELD.clear()
    COUNT["calls"] = 0
    step = mo.compile(function)
    with pytest.raises(mo.CompileError) as caught:
        for _ in range(2):
            step(mo.ones(2, 3))
    assert message in str(caught.value)
    assert f"{__file__}:{line}" in str(caught.value)
    # Nothing is left of it: the thread records no more, and other steps do.
    assert mo.ones(2).sum().item() == 2
    other = mo.compile(lambda x: x * 2)
    for i in range(4):
        assert other(mo.full((2,), float(i))).tolist() == [2.0 * i] * 2


def test_a_step_on_self_and_a_hook_of_a_module() -> None:
    model = nn.Linear(3, 2)
    step = mo.compile(lambda x: model(x))
    for _ in range(3):
        step(mo.ones(1, 3))
    handle = model.register_forward_hook(lambda module, args, output: output * 2)
    with pytest.raises(mo.CompileError, match="hook of a Linear"):
        step(mo.ones(1, 3))
    handle.remove()
    np.testing.assert_array_equal(step(mo.ones(1, 3)).numpy(), model(mo.ones(1, 3)).detach().numpy())


def test_an_exception_while_recording_passes_through() -> None:
    wanted = {"fail": True}
    model = nn.Linear(2, 2)

    @mo.compile
    def step(x: Any) -> Any:
        model.zero_grad()
        loss = model(x).sum()
        loss.backward()
        if wanted["fail"]:
            raise KeyError("mine")
        return loss

    for _ in range(3):
        with pytest.raises(KeyError, match="mine"):
            step(mo.ones(1, 2))
    gradient = model.weight.grad
    wanted["fail"] = False
    for _ in range(4):
        step(mo.ones(1, 2))
    assert len(step.recordings) == 1
    assert gradient.tolist() == [[1, 1], [1, 1]]  # memory of the failed recording is nobody else's


def test_bad_labels_raise_in_a_replay_before_the_update() -> None:
    model = nn.Linear(4, 3)
    optimizer = mo.optim.SGD(model.parameters(), lr=0.1)

    @mo.compile
    def step(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    x = mo.ones(2, 4)
    for _ in range(4):
        step(x, mo.tensor([0, 1]))
    before = [p.detach().numpy().copy() for p in model.parameters()]
    with pytest.raises(
        IndexError, match=r"cross_entropy: target at flat index 1 is 7, wanted 0 <= value < 3"
    ):
        step(x, mo.tensor([0, 7]))
    for p, b in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), b)
    assert step(x, mo.tensor([0, 1])).item() > 0
    ints = mo.compile(lambda a, b: a // b)
    for _ in range(3):
        ints(mo.tensor([4]), mo.tensor([2]))
    with pytest.raises(ValueError, match="floor_divide"):
        ints(mo.tensor([4]), mo.tensor([0]))


def test_bad_arguments() -> None:
    step = mo.compile(lambda x: x)
    with pytest.raises(TypeError, match="compile: an argument is a NumPy array"):
        step(np.ones(3))
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(RecursionError):
        step(nested)
    with pytest.raises(TypeError, match="compile: wants a function, got int"):
        mo.compile(3)
    w = mo.ones(2, requires_grad=True)
    with pytest.raises(mo.CompileError, match="argument tensor 0 is part of a graph"):
        step(w * 2)
    with pytest.raises(TypeError):
        mo.compile(lambda x: x)()


def test_ctrl_c_is_seen_after_the_replay() -> None:
    model = nn.Linear(64, 64)
    state = mo.zeros(1)

    @mo.compile
    def step(x: Any) -> Any:
        state.add_(1.0)
        for _ in range(20):
            x = model(x).tanh()
        state.add_(1.0)
        return x.detach()

    x = mo.ones(64, 64)
    for _ in range(3):
        step(x)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            while True:
                step(x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert state.item() % 2 == 0  # no replay was left half done
    np.testing.assert_array_equal(step(x).numpy(), step.__wrapped__(x).numpy())
