"""Hyperparameters: depth, width, learning rate, activation (row B11).

Weights are learned by gradients; how many layers, how many units, which rate and which activation are tried
out, on data that the training did not see. Two plain ways:

    grid      every combination of a few values of each
    random    each drawn by itself; rates and widths by their logarithm

With three values each, a grid of 81 tries three learning rates; 81 random trials try 81 (Bergstra and Bengio
2012). Cleverer ways look at the trials before: `study.optuna(n)` asks Optuna.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

import markone as mo
from markone import nn, tune, viz
from markone.datasets.toy import spirals
from markone.lessons.loop import error, fit, mlp
from markone.lessons.page import Page
from markone.nn import functional as F

ACTIVATIONS: dict[str, Any] = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
SPACE: dict[str, Any] = {
    "lr": tune.LogUniform(3e-4, 0.3),
    "width": tune.Integer(2, 64, log=True),
    "depth": tune.Integer(1, 3),
    "activation": tune.Choice(*ACTIVATIONS),
}


def lesson(page: Page) -> None:
    """A grid and a random search of the same size; Optuna; the chosen network on the test data."""
    (x, y), (vx, vy), (tx, ty) = (spirals(200, 0.05, turns=0.75, seed=page.seed + s) for s in (0, 1000, 2000))
    steps = 40 if page.short else 150

    def network(lr: float, width: int, depth: int, activation: str) -> Any:
        mo.manual_seed(page.seed)
        net = mlp(2, *[width] * depth, 2, activation=ACTIVATIONS[activation])
        fit(net, x, y, steps, lr=lr)
        return net

    def objective(**values: Any) -> float:
        """The validation loss."""
        return F.cross_entropy(network(**values)(vx), vy).item()

    grid = tune.Study(objective, SPACE).grid(
        {"lr": 3, "width": 2 if page.short else 3, "depth": 2 if page.short else 3}
    )
    count = len(grid.trials)
    random = tune.Study(objective, SPACE, seed=page.seed).random(count)
    studies = {"grid": grid, "random": random}
    if importlib.util.find_spec("optuna") is not None:
        studies["Optuna"] = tune.Study(objective, SPACE, seed=page.seed).optuna(5 if page.short else count)
    else:
        page.text("Optuna is not installed (pip install 'markone[tune]'); left out.")
    page.table(
        ("search", "trials", "learning rates tried", "best validation loss", "median"),
        [
            (
                name,
                len(s.trials),
                len({t.values["lr"] for t in s.trials}),
                s.best.score,
                float(np.median([t.score for t in s.ranked()])),
            )
            for name, s in studies.items()
        ],
    )
    page.compare(
        [
            ("learning rates of the grid", len({t.values["lr"] for t in grid.trials}), 3),
            ("of the random search", len({t.values["lr"] for t in random.trials}), count, "one a trial"),
        ],
        against="wanted",
    )
    page.title("The best of the random search")
    for line in random.table(5).splitlines():
        page.print(line)
    best = min((s.best for s in studies.values()), key=lambda t: t.score or 0.0)
    page.check("a trial can be had again", objective(**best.values) == best.score)
    page.text(
        f"Best: {best.values}. The validation data helped to choose it, its loss there flatters; on test "
        f"data {error(network(**best.values), tx, ty):.1%} are wrong."
    )
    page.check(
        "the best beats the middle one by far",
        (random.best.score or 9.0) < 0.8 * float(np.median([t.score for t in random.ranked()])),
    )
    page.picture(
        "random",
        viz.trials(random, "Random search: validation loss by hyperparameter", "validation loss", log=True),
    )
    page.next(
        "Which hyperparameter matters most? (Look at the panels: where is the lower edge bent?)",
        'Give the study `file="study.jsonl"`, stop it in the middle, and start it again.',
        "Fix activation and depth to the best and search the rate alone, finer.",
    )
