"""The loss as a landscape, with and without skip connections (row B12, B9).

A network's loss is a surface over all its weights. A slice shows two directions of it,

    f(α, β) = L(θ + α δ + β η)

δ and η random, each row scaled to the length of the network's own row: without that, large weights would
look flat and small ones steep (Li, Xu, Taylor, Studer and Goldstein 2018). A deep plain network of tanh is a
high plain: its gradients vanish. Skip connections, a layer's input added to its output, let them pass (He et
al. 2015), and the same depth has a bowl with a low bottom.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np

import markone as mo
from markone import nn, viz
from markone.datasets.toy import moons, spirals
from markone.lessons.loop import fit, mlp
from markone.lessons.page import Page
from markone.nn import functional as F


class Deep(nn.Module):
    """Hidden layers of tanh, each with its input added to its output where `skip`."""

    def __init__(self, depth: int, skip: bool, width: int = 16) -> None:
        super().__init__()
        self.skip = skip
        self.first, self.last = nn.Linear(2, width), nn.Linear(width, 2)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])

    def forward(self, x: mo.Tensor) -> mo.Tensor:
        """Points [N, 2] → scores [N, 2]."""
        x = F.tanh(self.first(x))
        for layer in self.hidden:
            x = F.tanh(layer(x)) + x if self.skip else F.tanh(layer(x))
        return self.last(x)


def loss_of(net: Any, x: mo.Tensor, y: mo.Tensor) -> float:
    """The cross-entropy of the network as it is."""
    return float(F.cross_entropy(net(x), y).item())


def lesson(page: Page) -> None:
    """Deep nets trained and sliced; other starts, other minima."""
    x, y = spirals(150, 0.02, turns=1.0, seed=page.seed)
    rows, slices = [], {}
    nets: dict[tuple[int, bool], tuple[Any, float]] = {}
    for depth, skip in itertools.product((20, 56), (False, True)):
        if page.short and depth == 56 and skip:
            continue
        mo.manual_seed(page.seed)
        net = Deep(depth, skip)
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        first = net.first.weight.grad
        assert first is not None
        slope = float(first.norm().item())
        losses = fit(net, x, y, 60 if page.short else 600, lr=3e-3)
        nets[depth, skip] = net, losses[-1]
        rows.append((depth, "yes" if skip else "no", f"{slope:.1e}", f"{losses[-1]:.2g}"))
    page.table(
        ("layers", "skip connections", "first layer's gradient at the start", "loss after training"), rows
    )
    page.check("with them 20 layers learn better", nets[20, True][1] < nets[20, False][1])
    page.check("without them 56 layers learn nothing", nets[56, False][1] > 0.6)

    page.title("Slices")
    for (depth, skip), (net, _) in nets.items():
        if depth == 56 and page.short:
            continue
        name = f"{depth} layers, {'skip connections' if skip else 'plain'}"
        slices[name] = viz.loss_slice(
            net, partial(loss_of, net, x, y), 1.0, 9 if page.short else 31, page.seed
        )
        middle = slices[name].values[len(slices[name].steps) // 2]
        page.text(
            f"{name}: {middle[len(middle) // 2]:.3g} in the middle, {slices[name].values.max():.3g} at most."
        )
        again = loss_of(net, x, y)
        page.check("the middle is the network's own loss", abs(middle[len(middle) // 2] - again) < 1e-5)
    page.picture("slices", viz.loss_landscape(slices, "Slices of the loss, filter-normalised"))

    page.title("Other starts, other minima")
    points, classes = moons(100, 0.1, page.seed)
    ends = []
    for seed in (1, 2):
        mo.manual_seed(seed)
        small = mlp(2, 8, 2, activation=nn.Tanh)
        fit(small, points, classes, 400, lr=0.03)
        ends.append([p.detach().clone() for p in small.parameters()])
    between = []
    steps = np.linspace(-0.3, 1.3, 41)
    with mo.no_grad():
        for t in steps:
            for p, a, b in zip(small.parameters(), *ends):
                p.copy_((1 - float(t)) * a + float(t) * b)
            between.append(loss_of(small, points, classes))
    at = [between[int(np.abs(steps - t).argmin())] for t in (0, 0.5, 1)]
    page.text(f"Loss {at[0]:.3g} at the one end, {at[2]:.3g} at the other, {at[1]:.3g} half way.")
    page.check("a hill stands between two minima", max(between[8:33]) > 10 * max(at[0], at[2]))
    page.picture(
        "between",
        viz.lines(
            {"loss": (steps, between)},
            "θ = (1 − t) θ₁ + t θ₂",
            "cross-entropy",
            "On the line from one end to the other",
            log=True,
        ),
    )
    page.next(
        "Leave the scaling of the directions out: which picture changes most?",
        "Take the directions from the training: the two main ones of the weights by epoch.",
        "Exchange hidden units of the second network so that they match the first's: is the hill still high?",
    )
