"""What networks can represent: width and depth (row B6).

A sum of enough bent units comes as near to any continuous function on an interval as wanted (Cybenko 1989;
Hornik, Stinchcombe and White 1989):

    f(x) ≈ c + Σ vⱼ tanh(wⱼ x + bⱼ)

How many are enough is another matter. Of ReLU units one layer of n makes at most n + 1 straight pieces.
Layers on layers fold the line: each fold doubles the pieces, so k layers of two units make 2ᵏ (Telgarsky
2016).
"""

from __future__ import annotations

import itertools

import numpy as np

import markone as mo
from markone import nn, viz
from markone.datasets.toy import spirals
from markone.lessons.loop import error, fit, mlp
from markone.lessons.page import Page
from markone.nn import functional as F


def pieces(x: np.ndarray, y: np.ndarray) -> int:
    """How many straight pieces a line through these points has."""
    slope = np.diff(y) / np.diff(x)
    return 1 + int((np.abs(np.diff(slope)) > 1e-6).sum())


def folded(depth: int) -> nn.Sequential:
    """Layers of two ReLU units: each maps 0 .. 1 onto 0 .. 1 twice, t(x) = 2 relu(x) − 4 relu(x − ½)."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        first, second = nn.Linear(1, 2, dtype=mo.float64), nn.Linear(2, 1, bias=False, dtype=mo.float64)
        with mo.no_grad():
            first.weight.fill_(1.0)
            first.bias.copy_(mo.tensor([0.0, -0.5]))  # type: ignore[union-attr]
            second.weight.copy_(mo.tensor([[2.0, -4.0]]))
        layers += [first, nn.ReLU(), second]
    return nn.Sequential(*layers)


def lesson(page: Page) -> None:
    """One function by width; a sawtooth by depth; deep against shallow at equal size."""
    x = mo.linspace(-1, 1, 120).unsqueeze(1)
    y = mo.sin(4 * x) + 0.4 * mo.sin(13 * x)
    across, errors, panels, dots = x[:, 0].numpy(), {}, {}, {}
    for width in (1, 3, 10, 100):
        net = mlp(1, width, 1, activation=nn.Tanh)
        with mo.no_grad():
            nn.init.uniform_(net[0].weight, -8, 8)  # so that bends stand all over the interval
            nn.init.uniform_(net[0].bias, -8, 8)
        fit(net, x, y, 1000 if page.short else 4000, F.mse_loss, lr=0.02, cosine=True)
        with mo.no_grad():
            errors[width] = F.mse_loss(net(x), y).item()
            name = f"{width} hidden unit{'s' * (width > 1)}"
            panels[name] = {"network": (across, net(x)[:, 0].numpy())}
        dots[name] = (across, y[:, 0].numpy())
    page.table(("hidden units", "mean squared error"), [(w, f"{e:.2g}") for w, e in errors.items()])
    values = list(errors.values())
    page.check("the error falls with the width", all(a > b for a, b in itertools.pairwise(values)))
    page.check("a hundred units fit it to 1e-3", values[-1] < 1e-3)
    page.picture(
        "width", viz.panels(panels, "x", title="One hidden layer of tanh by width", dots=dots, share=True)
    )

    page.title("A sawtooth by folding")
    line = np.linspace(0, 1, 2**10 + 1)
    rows, teeth = [], {}
    for depth in (1, 2, 3, 6):
        with mo.no_grad():
            saw = folded(depth)(mo.tensor(line[:, None]))[:, 0].numpy()
        found = pieces(line, saw)
        rows.append(
            (
                f"{depth} layer{'s' * (depth > 1)} of 2 units",
                found,
                2**depth,
                f"one layer of {2 * depth} has at most {2 * depth + 1}",
            )
        )
        teeth[f"{depth} layer{'s' * (depth > 1)}, {2 * depth} units"] = {"network": (line, saw)}
    page.compare(rows)
    page.picture("depth", viz.panels(teeth, "x", title="ReLU layers fold the line", share=True))

    page.title("Deep against shallow at equal size")
    (points, classes), (new, truth) = (
        spirals(400, 0.02, turns=1.75, seed=s) for s in (page.seed, page.seed + 1000)
    )
    table = []
    for widths in ((2, 112, 2), (2, 20, 20, 2), (2, 15, 15, 15, 2)):
        net = mlp(*widths)
        losses = fit(net, points, classes, 400 if page.short else 2000, lr=0.02, cosine=True)
        size = sum(p.numel() for p in net.parameters())
        table.append(("-".join(map(str, widths)), size, losses[-1], error(net, new, truth)))
    page.table(
        ("network", "weights", "loss", "new points wrong"),
        [(n, s, f"{v:.2g}", f"{e:.1%}") for n, s, v, e in table],
    )
    page.check(
        "both deep ones reach a lower loss than the shallow one", max(table[1][2], table[2][2]) < table[0][2]
    )
    page.next(
        "Where do the 10 units of the second picture bend? Plot each vⱼ tanh(wⱼ x + bⱼ).",
        "Train a network of the folding shape to the sawtooth from a random start.",
    )
