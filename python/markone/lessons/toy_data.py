"""Two classes in the plane: what a hidden layer is for (row B6).

Logistic regression cuts the plane by one line. Hidden units each draw a line of their own, and the output
adds them up to a region. The more units, the more bent the border may be: enough of them bend it round every
single point, noise too, and then the error on new points grows while that on the old ones goes to 0.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import markone as mo
from markone import nn, viz
from markone.classic import LogisticRegression
from markone.datasets import toy
from markone.lessons.loop import error, fit, mlp
from markone.lessons.page import Page

# Each by its seed: 200 points to learn from, as many new ones to test.
DATA: dict[str, Any] = {
    "moons": lambda seed: toy.moons(200, 0.15, seed),
    "circles": lambda seed: toy.circles(200, 0.08, seed=seed),
    "spirals": lambda seed: toy.spirals(200, 0.02, turns=1.0, seed=seed),
    "XOR": lambda seed: toy.xor(200, seed=seed),
}


def labels(net: nn.Module, points: np.ndarray) -> np.ndarray:
    """The class of each point."""
    with mo.no_grad():
        return net(mo.tensor(points.astype(np.float32))).argmax(1).numpy()


def lesson(page: Page) -> None:
    """Four data sets by a line and by a hidden layer; then one that is too big."""
    rows = []
    regions: dict[str, dict[str, Any]] = {}
    for name, data in DATA.items():
        (x, y), (new, truth) = data(page.seed), data(page.seed + 1000)
        line = LogisticRegression(l2=1e-3).fit(x.numpy(), y.numpy())
        net = mlp(2, 16, 16, 2, activation=nn.Tanh)
        fit(net, x, y, 300 if page.short else 1000, lr=0.03)
        scores = line.score(new.numpy(), truth.numpy()), 1 - error(net, new, truth)
        rows.append((name, *(f"{s:.1%}" for s in scores)))
        page.check(f"{name}: the hidden layer beats the line", scores[1] > max(scores[0], 0.93))
        regions[name] = {
            "logistic regression": line.predict,
            "16 + 16 tanh": partial(labels, net),
        }
    page.table(("new points right", "logistic regression", "16 + 16 hidden units"), rows)
    for name, predict in regions.items():
        x, y = DATA[name](page.seed)
        page.picture(name.lower(), viz.decision_boundary(predict, x, y.numpy(), name, dots=150))

    page.title("Bigger is not always better")
    (x, y), (new, truth) = toy.moons(80, 0.5, page.seed), toy.moons(2000, 0.5, page.seed + 1000)
    found, borders = {}, {}
    for hidden in ((3,), (200, 200)):
        net = mlp(2, *hidden, 2, activation=nn.ReLU if len(hidden) > 1 else nn.Tanh)
        fit(net, x, y, 300 if page.short else 1000, lr=0.01)
        found[hidden] = error(net, x, y), error(net, new, truth)
        borders[" + ".join(map(str, hidden)) + " hidden units"] = partial(labels, net)
    page.table(
        ("hidden units", "wrong of the 80 learned from", "wrong of 2000 new ones"),
        [(str(h), f"{a:.1%}", f"{b:.1%}") for h, (a, b) in found.items()],
    )
    (small_old, small_new), (big_old, big_new) = found.values()
    page.check("the bigger one knows its points by heart", big_old < small_old)
    page.check("and does worse on new ones", big_new > small_new)
    page.picture("overfit", viz.decision_boundary(borders, x, y.numpy(), "80 noisy points", dots=200))
    page.next(
        "How few tanh units in one layer are enough for the circles? (A triangle is a border too.)",
        "Give logistic regression x1², x2² and x1·x2 as further inputs: which data sets can it do now?",
        "`markone lesson regularisation`: keeping the bigger one from learning noise.",
    )
