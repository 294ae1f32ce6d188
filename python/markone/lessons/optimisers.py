"""Optimisers, schedules, clipping (row B10).

All go downhill by the gradient g; they differ in what they remember:

    momentum    v ← µ v + g,  w ← w − η v                     rolls on along a valley
    Nesterov    g is taken where v is about to lead
    Adagrad     w ← w − η g / √Σ g²                           small steps where gradients were large
    RMSprop     the same over a running mean                  forgets
    Adam        running means of g and g²: momentum and RMSprop together (Kingma and Ba 2015)
    AdamW       Adam, the weights decayed beside it (Loshchilov and Hutter 2019)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import markone as mo
from markone import nn, optim, viz
from markone.datasets.toy import spirals
from markone.lessons.loop import mlp
from markone.lessons.page import Page
from markone.nn import functional as F

# Each with a rate that suits the valley below; how far one goes in a step is measured differently in each.
OPTIMISERS: dict[str, Any] = {
    "GD": lambda p: optim.SGD(p, lr=0.018),
    "momentum": lambda p: optim.SGD(p, lr=0.018, momentum=0.8),
    "Nesterov": lambda p: optim.SGD(p, lr=0.018, momentum=0.8, nesterov=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=1.0),
    "Adadelta": lambda p: optim.Adadelta(p, lr=20.0),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.3),
    "AdamW": lambda p: optim.AdamW(p, lr=0.3, weight_decay=0.01),
}


def valley(w: mo.Tensor) -> mo.Tensor:
    """A long narrow bowl: 50 times steeper across than along."""
    return 0.5 * (w[0] ** 2 + 50 * w[1] ** 2)


def lesson(page: Page) -> None:
    """The rules by hand; each on a valley and on spirals; schedules; clipping."""
    by_hand(page)
    race(page)
    spiral(page)
    schedules(page)
    clipping(page)
    page.next(
        "Give GD a rate above 2/50: why does it jump out of the valley, however small the start?",
        "Plot the spirals' loss by epoch for batches of 10 and of 200 with SGD: noise is a regulariser.",
        "`mo.train.lr_find(trainer, loader)` looks for a rate by itself.",
    )


def by_hand(page: Page) -> None:
    """Two steps of each rule in NumPy."""
    page.title("Two steps by the formulas")
    eta, mu, gradients = 0.1, 0.9, [np.array([1.0, -2.0]), np.array([0.5, 1.0])]
    start = np.array([1.0, 1.0])

    def ours(kind: Any, **how: Any) -> np.ndarray:
        w = nn.Parameter(mo.tensor(start))
        step = kind([w], lr=eta, **how)
        for g in gradients:
            w.grad = mo.tensor(g)
            step.step()
        return w.detach().numpy()

    w = {
        name: start.copy() for name in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
    }
    v, squares, mean_square, m, s = (np.zeros(2) for _ in range(5))
    for t, g in enumerate(gradients, 1):
        w["sgd"] -= eta * g
        v = mu * v + g
        w["momentum"] -= eta * v
        w["nesterov"] -= eta * (g + mu * v)
        squares += g**2
        w["adagrad"] -= eta * g / np.sqrt(squares)
        mean_square = 0.99 * mean_square + 0.01 * g**2
        w["rmsprop"] -= eta * g / np.sqrt(mean_square)
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        adam = eta * (m / (1 - 0.9**t)) / np.sqrt(s / (1 - 0.999**t))
        w["adam"] -= adam
        w["adamw"] = w["adamw"] * (1 - eta * 0.01) - adam
    page.compare(
        [
            ("SGD", ours(optim.SGD), w["sgd"]),
            ("momentum", ours(optim.SGD, momentum=mu), w["momentum"]),
            ("Nesterov", ours(optim.SGD, momentum=mu, nesterov=True), w["nesterov"], "as PyTorch writes it"),
            ("Adagrad", ours(optim.Adagrad), w["adagrad"]),
            ("RMSprop", ours(optim.RMSprop), w["rmsprop"]),
            ("Adam", ours(optim.Adam), w["adam"], "bias-corrected"),
            ("AdamW", ours(optim.AdamW), w["adamw"], "× (1 − η λ) first"),
        ],
        digits=5,
        against="by hand",
    )


def race(page: Page) -> None:
    """The way of each through the valley."""
    page.title("A narrow valley: 60 steps from (−9, 1)")
    ways, rows = {}, []
    for name, make in OPTIMISERS.items():
        w = nn.Parameter(mo.tensor([-9.0, 1.0], dtype=mo.float64))
        step, way = make([w]), []
        for _ in range(60):
            way.append(w.detach().numpy().copy())
            step.zero_grad()
            valley(w).backward()
            step.step()
        ways[name] = np.stack(way)
        rows.append((name, valley(w.detach()).item()))
    page.table(("optimiser", "loss after 60 steps"), [(n, f"{v:.2g}") for n, v in rows])
    loss = dict(rows)
    page.check("momentum beats plain descent a hundredfold", loss["momentum"] < loss["GD"] / 100)
    page.check("all end below a quarter of the start's 65.5", max(loss.values()) < 65.5 / 4)
    page.picture(
        "valley", viz.descents(lambda x, y: 0.5 * (x**2 + 50 * y**2), ways, "Ways through a narrow valley")
    )


def spiral(page: Page) -> None:
    """A small network, mini-batches."""
    page.title("Spirals, batches of 50")
    x, y = spirals(200, 0.02, turns=1.25, seed=page.seed)
    makers: dict[str, Any] = {
        "SGD": lambda p: optim.SGD(p, lr=0.2),
        "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
        "RMSprop": lambda p: optim.RMSprop(p, lr=3e-3),
        "Adam": lambda p: optim.Adam(p, lr=1e-2),
    }
    curves = {}
    for name, make in makers.items():
        mo.manual_seed(page.seed)
        net = mlp(2, 32, 32, 2)
        curves[name] = train(net, x, y, make(net.parameters()), 60 if page.short else 200)
    page.table(("optimiser", "loss"), [(n, f"{c[-1]:.2g}") for n, c in curves.items()])
    page.check("Adam is ahead of plain SGD", curves["Adam"][-1] < curves["SGD"][-1])
    page.picture(
        "spirals", viz.lines(curves, y="cross-entropy", title="The same network and start", log=True)
    )


def train(net: Any, x: mo.Tensor, y: mo.Tensor, step: Any, epochs: int, schedule: Any = None) -> list[float]:
    """The plain loop, one step of the schedule an epoch."""
    order_of, losses = np.random.default_rng(0), []
    for _ in range(epochs):
        total = 0.0
        for rows in np.array_split(order_of.permutation(len(x)), 4):
            loss = F.cross_entropy(net(x[mo.from_numpy(rows)]), y[mo.from_numpy(rows)])
            step.zero_grad()
            loss.backward()
            step.step()
            total += loss.item() / 4
        losses.append(total)
        if schedule is not None:
            schedule.step()
    return losses


def schedules(page: Page) -> None:
    """The rates by epoch, against their formulas."""
    page.title("Schedules")
    rates: dict[str, list[float]] = {}
    kinds: dict[str, Any] = {
        "step": lambda s: optim.lr_scheduler.StepLR(s, 25, 0.3),
        "exponential": lambda s: optim.lr_scheduler.ExponentialLR(s, 0.96),
        "cosine": lambda s: optim.lr_scheduler.CosineAnnealingLR(s, 100),
        "one cycle": lambda s: optim.lr_scheduler.OneCycleLR(s, 1.0, 101),
        "warm-up": lambda s: optim.lr_scheduler.LinearLR(s, 0.05, 1.0, 20),
    }
    for name, make in kinds.items():
        step = optim.SGD([nn.Parameter(mo.zeros(1))], lr=1.0)
        schedule = make(step)
        rates[name] = []
        for _ in range(100):
            rates[name].append(float(step.param_groups[0]["lr"]))
            step.step()
            schedule.step()
    page.compare(
        [
            ("step, epoch 60", rates["step"][60], 0.3**2, "γ^⌊t/25⌋"),
            ("exponential, epoch 60", rates["exponential"][60], 0.96**60, "γᵗ"),
            ("cosine, epoch 60", rates["cosine"][60], (1 + math.cos(0.6 * math.pi)) / 2, "(1 + cos πt/T)/2"),
            ("warm-up, epoch 10", rates["warm-up"][10], 0.05 + 0.95 / 2),
        ],
        digits=6,
        against="formula",
    )
    page.picture("schedules", viz.lines(rates, y="learning rate", title="Schedules"))


def clipping(page: Page) -> None:
    """By value and by norm."""
    page.title("Clipping a gradient of (3, −4)")
    rows = []
    for name, clip, want in (
        ("by value, to ±1", lambda p: nn.utils.clip_grad_value_(p, 1.0), (1.0, -1.0)),
        ("by norm, to 1", lambda p: nn.utils.clip_grad_norm_(p, 1.0), (0.6, -0.8)),
    ):
        w = nn.Parameter(mo.zeros(2, dtype=mo.float64))
        w.grad = mo.tensor([3.0, -4.0], dtype=mo.float64)
        clip([w])
        rows.append((name, w.grad, np.array(want), "turns it" if "value" in name else "keeps its direction"))
    page.compare(rows, against="by hand")
