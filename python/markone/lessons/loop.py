"""The training loop that the lessons share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

import markone as mo
from markone import optim
from markone.nn import functional as F

__all__ = ["error", "fit", "mlp"]


def mlp(*widths: int, activation: Any = None, dropout: tuple[float, float] = (0.0, 0.0)) -> mo.nn.Sequential:
    """Full layers of these widths, inputs first, each but the last with its activation (ReLU).

    `dropout` is the share of inputs, and of hidden values, that a step leaves out.
    """
    nn = mo.nn
    layers: list[Any] = [nn.Dropout(dropout[0])] if dropout[0] else []
    for at, (here, after) in enumerate(itertools.pairwise(widths)):
        layers.append(nn.Linear(here, after))
        if at < len(widths) - 2:
            layers += [(activation or nn.ReLU)(), *([nn.Dropout(dropout[1])] if dropout[1] else [])]
    return nn.Sequential(*layers)


def fit(
    net: Any,
    x: mo.Tensor,
    y: mo.Tensor,
    epochs: int,
    loss: Callable[[Any, Any], Any] = F.cross_entropy,
    *,
    lr: float = 0.01,
    step: Any = None,
    batch: int | None = None,
    cosine: bool = False,
    seed: int = 0,
    each: Callable[[int], Any] | None = None,
) -> list[float]:
    """Trains `net` on x, y; returns the mean loss by epoch.

    Args:
        step: an optimiser; Adam with `lr` where None.
        batch: rows of a step, drawn in a new order each epoch; all of them where None.
        cosine: let the rate fall to 0 over the run as half a cosine.
        each: called with the epoch's number after each epoch, in evaluation mode.
    """
    step = step or optim.Adam(net.parameters(), lr=lr)
    start = [group["lr"] for group in step.param_groups]
    order_of = np.random.default_rng(seed)
    size = batch or len(x)
    losses = []
    for epoch in range(epochs):
        net.train()
        order = order_of.permutation(len(x)) if batch else np.arange(len(x))
        total = 0.0
        for at in range(0, len(x), size):
            rows = mo.from_numpy(order[at : at + size])
            value = loss(net(x[rows]), y[rows]) if batch else loss(net(x), y)
            if cosine:
                done = (epoch + at / len(x)) / epochs
                for group, rate in zip(step.param_groups, start):
                    group["lr"] = rate * (1 + math.cos(math.pi * done)) / 2
            step.zero_grad()
            value.backward()
            step.step()
            total += value.item() * len(rows)
        losses.append(total / len(x))
        if each is not None:
            net.eval()
            each(epoch)
    net.eval()
    return losses


def error(net: Any, x: mo.Tensor, y: mo.Tensor) -> float:
    """The share of rows whose largest output is not the class y."""
    net.eval()
    with mo.no_grad():
        wrong = [
            (net(part).argmax(1) != label).sum().item() for part, label in zip(x.split(1000), y.split(1000))
        ]
    return sum(wrong) / len(y)
