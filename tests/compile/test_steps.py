"""Compiled steps give the same bits as the uncompiled ones, however often they are called."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import markone as mo
from markone import nn
from markone.nn import functional as F
from markone.train.ema import EMA

CALLS = 7


def bits(tree: Any) -> list[Any]:
    """Every tensor in a nested result as an ndarray of its own."""
    if isinstance(tree, mo.Tensor):
        return [tree.detach().numpy().copy()]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [array for item in tree for array in bits(item)]
    return [] if tree is None else [np.asarray(tree)]


class Setup:
    """A step, the arguments of call i, and the state that it changes."""

    def __init__(self, step: Callable[..., Any], args: Callable[[int], tuple[Any, ...]], state: Any) -> None:
        self.step, self.args, self.state = step, args, state


def data(*shape: int) -> Callable[[int], Any]:
    return lambda i: mo.from_numpy(np.random.default_rng(i).standard_normal(shape).astype(np.float32))


def trained(model: Any, optimizer: Any) -> Callable[[], Any]:
    def state() -> Any:
        held = [list(model.state_dict().values()), [p.grad for p in model.parameters()]]
        return held + [list(s.values()) for s in optimizer.state.values()]

    return state


def mlp(optimizer_of: Callable[[Any], Any], **options: Any) -> Setup:
    model = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Dropout(options.get("p", 0.0)), nn.Linear(9, 3))
    optimizer = optimizer_of(model.parameters())
    schedule = options.get("schedule")
    scheduler = schedule(optimizer) if schedule else None
    clip = options.get("clip")
    average = EMA(model, 0.9) if options.get("ema") else None

    def step(x: Any, target: Any) -> Any:
        optimizer.zero_grad(set_to_none=options.get("set_to_none", True))
        loss = F.mse_loss(model(x), target)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if scheduler:
            scheduler.step()
        if average:
            average.update()
        return loss

    x, y = data(5, 6), data(5, 3)
    state = trained(model, optimizer)
    extra = [optimizer.param_groups[0].lr_array]
    return Setup(
        step,
        lambda i: (x(i), y(i + 50)),
        lambda: [state(), [mo.Tensor(a) for a in extra], average.average if average else []],
    )


def conv_net() -> Setup:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64, 5),
    )  # fmt: skip
    optimizer = mo.optim.Adam(model.parameters(), lr=1e-2)

    def step(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        out = model(x)
        loss = F.cross_entropy(out, target)
        loss.backward()
        optimizer.step()
        return {"loss": loss, "out": out}

    x = data(3, 1, 8, 8)
    return Setup(step, lambda i: (x(i), mo.tensor([i % 5, 1, 4])), trained(model, optimizer))


def lstm() -> Setup:
    net, head = nn.LSTM(4, 6, 2, batch_first=True, dropout=0.2), nn.Linear(6, 3)
    both = nn.ModuleList([net, head])
    optimizer = mo.optim.SGD(both.parameters(), lr=0.1, momentum=0.9, nesterov=True)

    def step(x: Any, state: Any) -> Any:
        optimizer.zero_grad()
        out, (h, c) = net(x, state)
        loss = head(out).square().mean()
        loss.backward()
        optimizer.step()
        return loss, (h.detach(), c.detach())

    x, h, c = data(2, 7, 4), data(2, 2, 6), data(2, 2, 6)
    return Setup(step, lambda i: (x(i), (h(i + 9), c(i + 19))), trained(both, optimizer))


def elman() -> Setup:
    cell = nn.RNNCell(4, 4)
    optimizer = mo.optim.SGD(cell.parameters(), lr=0.1)

    def step(x: Any, target: Any) -> Any:
        h = mo.zeros(1, 4)
        loss = mo.zeros(())
        for t in range(x.shape[0]):
            h = cell(x[t], h)
            loss = loss + ((h - target[t]) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, h

    x, y = data(6, 1, 4), data(6, 1, 4)
    return Setup(step, lambda i: (x(i), y(i + 9)), trained(cell, optimizer))


def gan() -> Setup:
    maker = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    judge = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    g, d = mo.optim.Adam(maker.parameters(), lr=1e-2), mo.optim.Adam(judge.parameters(), lr=1e-2)

    def step(real: Any) -> Any:
        fake = maker(mo.randn(4, 3))
        d.zero_grad()
        loss_d = F.softplus(-judge(real)).mean() + F.softplus(judge(fake.detach())).mean()
        loss_d.backward()
        d.step()
        g.zero_grad()
        loss_g = F.softplus(-judge(fake)).mean()
        loss_g.backward()
        g.step()
        return loss_d, loss_g

    real = data(4, 2)
    return Setup(step, lambda i: (real(i),), lambda: [trained(maker, g)(), trained(judge, d)()])


def gibbs() -> Setup:
    w, a, b = data(6, 4)(1), mo.zeros(6), mo.zeros(4)
    chains = (data(5, 6)(2) > 0).float(), (data(5, 6)(3) > 0).float()

    def step(v: Any, steps: int) -> Any:
        with mo.no_grad():
            for _ in range(steps):
                h = mo.bernoulli(mo.sigmoid(v @ w + b))
                v.copy_(mo.bernoulli(mo.sigmoid(h @ w.t() + a)))
            w.add_(v.t() @ h, alpha=0.01)
            return h

    return Setup(step, lambda i: (chains[i % 2], 3), lambda: [w, *chains])


def inference() -> Setup:
    model = nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.LayerNorm(5)).eval()

    @mo.no_grad()
    def step(batch: Any) -> Any:
        y = model(batch["x"])
        return [y, y.t(), batch["x"], batch["x"][1:], model[0].weight]

    x = data(3, 4)
    return Setup(step, lambda i: ({"x": x(i)},), list)


def input_gradient() -> Setup:
    model = nn.Linear(4, 2)

    def step(x: Any) -> Any:
        model(x).square().sum().backward()
        return x.grad.sign()

    made = data(3, 4)
    return Setup(step, lambda i: (made(i).requires_grad_(),), list)


def penalty() -> Setup:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = mo.optim.Adam(model.parameters())

    def step(x: Any) -> Any:
        x = x.clone().requires_grad_()
        optimizer.zero_grad()
        (g,) = mo.autograd.grad(model(x).sum(), x, create_graph=True)
        loss = (g.norm(dim=1) - 1).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    x = data(4, 3)
    return Setup(step, lambda i: (x(i),), trained(model, optimizer))


def ctc(second: bool) -> Setup:
    """Lengths that are inputs and differ from call to call; with the gradient of the gradient or without."""
    model = nn.Linear(4, 5)
    optimizer = mo.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, targets: Any, steps: Any, lengths: Any) -> Any:
        x = x.clone().requires_grad_()
        optimizer.zero_grad()
        loss = F.ctc_loss(model(x).log_softmax(2), targets, steps, lengths)
        if second:
            (g,) = mo.autograd.grad(loss, x, create_graph=True)
            loss = loss + g.square().sum()
        loss.backward()
        optimizer.step()
        return loss

    x = data(7, 2, 4)

    def args(i: int) -> tuple[Any, ...]:
        lengths = [i % 3, 3 - i % 3]
        return x(i), mo.tensor([1, 2, 1 + i % 4]), mo.tensor([7, 7 - i % 2]), mo.tensor(lengths)

    return Setup(step, args, trained(model, optimizer))


SETUPS: dict[str, Callable[[], Setup]] = {
    "sgd momentum": lambda: mlp(lambda p: mo.optim.SGD(p, lr=0.1, momentum=0.9)),
    "zeroed in place": lambda: mlp(lambda p: mo.optim.SGD(p, lr=0.1), set_to_none=False),
    "adam step schedule": lambda: mlp(
        lambda p: mo.optim.Adam(p, lr=0.1), schedule=lambda o: mo.optim.lr_scheduler.StepLR(o, 2)
    ),
    "cosine schedule": lambda: mlp(
        lambda p: mo.optim.AdamW(p, lr=0.1), schedule=lambda o: mo.optim.lr_scheduler.CosineAnnealingLR(o, 9)
    ),
    "dropout": lambda: mlp(lambda p: mo.optim.SGD(p, lr=0.1), p=0.4),
    "clipping": lambda: mlp(lambda p: mo.optim.SGD(p, lr=0.1), clip=0.05),
    "ema": lambda: mlp(lambda p: mo.optim.SGD(p, lr=0.1), ema=True),
    "conv net": conv_net,
    "lstm": lstm,
    "elman": elman,
    "gan": gan,
    "gibbs": gibbs,
    "inference": inference,
    "input gradient": input_gradient,
    "gradient penalty": penalty,
    "ctc": lambda: ctc(False),
    "ctc gradient penalty": lambda: ctc(True),
}


def run(make: Callable[[], Setup], compiled: bool, calls: int = CALLS) -> tuple[list[Any], Any]:
    mo.manual_seed(3)
    setup = make()
    step = mo.compile(setup.step) if compiled else setup.step
    results = [bits([step(*setup.args(i)), setup.state()]) for i in range(calls)]
    return results, step


@pytest.mark.parametrize("name", SETUPS)
def test_the_bits_are_those_of_the_uncompiled_step(name: str) -> None:
    want, _ = run(SETUPS[name], False)
    got, step = run(SETUPS[name], True)
    assert len(step.recordings) >= 1
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y, err_msg=f"call {i}")


def test_a_replay_reports_a_length_that_does_not_fit() -> None:
    step = mo.compile(lambda x, y, steps, lengths: F.ctc_loss(x, y, steps, lengths))
    x, y, steps = mo.zeros(4, 1, 3), mo.tensor([[1, 2]]), mo.tensor([4])
    for _ in range(4):
        step(x, y, steps, mo.tensor([2]))
    with pytest.raises(IndexError, match="ctc_loss: a length or label at flat index 0 is 3"):
        step(x, y, steps, mo.tensor([3]))


def test_gradients_accumulate_over_calls() -> None:
    def make(compiled: bool) -> list[Any]:
        mo.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = mo.optim.SGD(model.parameters(), lr=0.1)

        def gather(x: Any) -> Any:
            loss = model(x).square().mean()
            loss.backward()
            return loss

        def update() -> None:
            optimizer.step()
            optimizer.zero_grad()

        if compiled:
            gather, update = mo.compile(gather), mo.compile(update)
        out = []
        x = data(4, 3)
        for i in range(15):
            out += bits([gather(x(i)), [p.grad for p in model.parameters()]])
            if i % 3 == 2:
                update()
                assert model.weight.grad is None
                out += bits(list(model.parameters()))
        if compiled:
            assert len(gather.recordings) == 2 and len(update.recordings) == 1
        return out

    for a, b in zip(make(True), make(False), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_gradient_is_one_buffer() -> None:
    model = nn.Linear(2, 2)
    optimizer = mo.optim.SGD(model.parameters(), lr=0.1)

    @mo.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        return loss

    step(mo.ones(1, 2))
    gradient = model.weight.grad
    for _ in range(3):
        step(mo.ones(3, 2))
        assert model.weight.grad is gradient
    assert gradient.tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize("kind", ["one_cycle_sgd", "one_cycle_adam", "cyclic_rmsprop"])
def test_a_schedule_that_moves_the_momentum_is_followed(kind: str) -> None:
    optim, schedulers = mo.optim, mo.optim.lr_scheduler

    def make(compiled: bool) -> tuple[list[Any], Any]:
        mo.manual_seed(0)
        model = nn.Linear(3, 2)
        if kind == "one_cycle_sgd":
            optimizer: Any = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
            scheduler: Any = schedulers.OneCycleLR(optimizer, 0.1, total_steps=40)
        elif kind == "one_cycle_adam":
            optimizer = optim.AdamW(model.parameters(), lr=0.1, betas=(0.9, 0.99))
            scheduler = schedulers.OneCycleLR(optimizer, 0.1, total_steps=40)
        else:
            optimizer = optim.RMSprop(model.parameters(), lr=0.1, momentum=0.5)
            scheduler = schedulers.CyclicLR(optimizer, 0.01, 0.1, step_size_up=4)

        def body(x: Any) -> Any:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
            return loss

        step = mo.compile(body) if compiled else body
        x = data(4, 3)
        out = []
        for i in range(12):
            out += bits([step(x(i)), list(model.parameters())])
        # By hand it counts from the next call on.
        group = optimizer.param_groups[0]
        for momentum in (0.3, 0.6):
            group.update({"betas": (momentum, 0.99)} if "betas" in group else {"momentum": momentum})
            out += bits([step(x(20)), list(model.parameters())])
        return out, step

    got, step = make(True)
    want, _ = make(False)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(step.recordings) == 1


def test_a_scaler_leaves_out_the_steps_that_overflow() -> None:
    def make(compiled: bool) -> tuple[list[Any], Any, list[float]]:
        mo.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer = mo.optim.Adam(model.parameters(), lr=0.01)
        scaler = mo.amp.GradScaler(init_scale=2.0**40, growth_interval=5)

        def body(x: Any) -> Any:
            optimizer.zero_grad()
            with mo.autocast("cpu", dtype=mo.float16):
                loss = model(x).float().square().mean()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            return loss

        step = mo.compile(body) if compiled else body
        x = data(4, 3)
        out, scales = [], []
        for i in range(70):
            out += bits([step(x(i)), list(model.parameters()), list(optimizer.state.values())])
            scales.append(scaler.get_scale())
        return out, step, scales

    got, step, scales = make(True)
    want, _, same_scales = make(False)
    assert scales == same_scales and min(scales) < 2.0**30
    # It grows and shrinks: steps are left out in replays too.
    assert any(b < a for a, b in itertools.pairwise(scales[40:]))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(step.recordings) == 1
