"""Where the weights start (row B7).

A sum of n inputs with independent weights has n · Var(w) times their variance. Layer on layer the values
vanish or explode unless that is 1, and so do the gradients on the way back:

    Var(w) = 1/n_in                  the slide's Xavier rule, for tanh
    Var(w) = 2/(n_in + n_out)        Glorot and Bengio 2010: between forward and backward
    Var(w) = 2/n_in                  He et al. 2015: ReLU keeps half of the variance

The slide calls √(1/n) the variance; it is the standard deviation. And all weights equal is no start at all:
hidden units with equal weights get equal gradients and stay equal for ever.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import markone as mo
from markone import nn, viz
from markone.datasets.toy import moons
from markone.lessons.loop import fit, mlp
from markone.lessons.page import Page

RULES: dict[str, tuple[Any, Any]] = {
    "uniform ±0.05, tanh": (nn.Tanh, lambda w: nn.init.uniform_(w, -0.05, 0.05)),
    "1/n, tanh": (nn.Tanh, lambda w: nn.init.normal_(w, 0, math.sqrt(1 / w.shape[1]))),
    "Glorot, tanh": (nn.Tanh, nn.init.xavier_normal_),
    "1/n, ReLU": (nn.ReLU, lambda w: nn.init.normal_(w, 0, math.sqrt(1 / w.shape[1]))),
    "He, ReLU": (nn.ReLU, nn.init.kaiming_normal_),
    "4/n, ReLU": (nn.ReLU, lambda w: nn.init.normal_(w, 0, math.sqrt(4 / w.shape[1]))),
}


def lesson(page: Page) -> None:
    """The rules' variances; what they do over twenty layers; equal starts."""
    wide = {name: mo.empty(400, 200) for name in ("±0.05", "1/n", "Glorot", "He")}
    nn.init.uniform_(wide["±0.05"], -0.05, 0.05)
    nn.init.lecun_normal_(wide["1/n"])
    nn.init.xavier_uniform_(wide["Glorot"])
    nn.init.kaiming_uniform_(wide["He"])
    formulas = {"±0.05": 0.1**2 / 12, "1/n": 1 / 200, "Glorot": 2 / 600, "He": 2 / 200}
    page.compare(
        [
            (
                f"variance / formula, {name}",
                float(w.var().item()) / formulas[name],
                1.0,
                f"{formulas[name]:.2g}",
            )
            for name, w in wide.items()
        ],
        digits=1,
        against="formula",
    )

    depth, width = 20, 128 if page.short else 512
    x = mo.randn(256, width, dtype=mo.float64)
    variances = {}
    for name, (activation, rule) in RULES.items():
        net = mlp(*[width] * (depth + 1), 1, activation=activation)[: 2 * depth].double()
        for layer in net:
            if isinstance(layer, nn.Linear):
                rule(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        variances[name] = viz.layer_variances(net, x)
    page.title(f"Variance through {depth} layers of {width} units")
    page.table(
        ("rule", "activations: layer 1", f"layer {depth}", "gradients: layer 1", f"layer {depth}"),
        [(n, *(f"{v:.1e}" for v in (a[0], a[-1], g[0], g[-1]))) for n, (a, g) in variances.items()],
    )
    last = {name: forward[-1] / forward[0] for name, (forward, _) in variances.items()}
    page.check("±0.05 vanishes", last["uniform ±0.05, tanh"] < 1e-6)
    page.check("1/n vanishes with ReLU: a half a layer", 2**-23 < last["1/n, ReLU"] < 2**-15)
    page.check("He keeps it within a factor of 10", 0.1 < last["He, ReLU"] < 10)
    page.check(
        "1/n and Glorot keep tanh within a factor of 30",
        min(last["1/n, tanh"], last["Glorot, tanh"]) > 1 / 30,
    )
    page.check("4/n explodes: twice a layer", 2**15 < last["4/n, ReLU"] < 2**23)
    page.picture("variance", viz.activation_variance(variances, f"{depth} layers of {width} units"))

    page.title("A constant start")
    points, classes = moons(100, seed=page.seed)
    rows, weights = [], {}
    for name in ("constant 0.5", "random"):
        net = mlp(2, 4, 2, activation=nn.Tanh)
        if name != "random":
            for p in net.parameters():
                nn.init.constant_(p, 0.5)
        losses = fit(net, points, classes, 300, lr=0.05)
        weights[name] = net[0].weight.detach().numpy()
        rows.append((name, "; ".join(" ".join(f"{v:.3f}" for v in row) for row in weights[name]), losses[-1]))
    page.table(("start", "weights of the four hidden units afterwards", "loss"), rows)
    page.check(
        "from the constant all hidden units are one and the same",
        len(np.unique(weights["constant 0.5"], axis=0)) == 1,
    )
    page.check("and learn less", rows[0][2] > rows[1][2])
    page.next(
        "Put `nn.BatchNorm1d` between layers: how much does the start matter now?",
        "How deep may a tanh net with 1/n be before its gradient is below 1e-6?",
        "nn.Linear starts with ±√(1/n): find its variance, and where it stands among these.",
    )
