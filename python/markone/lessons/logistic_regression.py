"""Logistic regression (row A6).

A unit with a smooth output, read as a probability:

    p = σ(w · x),  σ(z) = 1 / (1 + e^(−z)),  loss = − Σ [t ln p + (1 − t) ln(1 − p)]

With more classes each has its net input, and softmax makes them probabilities. It is a network of one
layer: the same numbers come out of `nn.Linear` with `F.cross_entropy`.
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import nn, viz
from markone.classic import LogisticRegression
from markone.datasets.toy import gaussians, thirteen_points
from markone.lessons.page import Page
from markone.nn import functional as F


def lesson(page: Page) -> None:
    """Two classes, the slide's points; three classes; the same as a network of one layer."""
    points, target = (t.numpy() for t in thirteen_points())
    two = LogisticRegression(l2=1e-3).fit(points, target)
    page.check("the thirteen points are all right", two.score(points, target) == 1)
    page.table(
        ("x1", "x2", "colour", "p(green)"),
        [
            (f"{a:g}", f"{b:g}", "green" if t > 0 else "red", f"{p:.3f}")
            for (a, b), t, p in zip(points, target, two.predict_proba(points)[:, 1])
        ],
    )

    x, y = (t.numpy() for t in gaussians(90, distance=3, classes=3, seed=page.seed))
    three = LogisticRegression(l2=1e-3).fit(x, y)
    page.text(f"Three clouds: {three.score(x, y):.1%} right, {three.n_iter_} steps.")

    page.title("The same as a network of one layer")
    inputs, labels = mo.tensor((x - x.mean(0)) / x.std(0), dtype=mo.float64), mo.tensor(y)
    layer = nn.Linear(2, 3, dtype=mo.float64)
    descent = mo.optim.SGD(layer.parameters(), lr=1.0, momentum=0.9)
    for _ in range(500):
        loss = F.cross_entropy(layer(inputs), labels) + 0.5e-3 * (layer.weight**2).sum()
        descent.zero_grad()
        loss.backward()
        descent.step()
    probabilities = F.softmax(layer(inputs), 1).detach().numpy()
    difference = float(np.abs(probabilities - three.predict_proba(x)).max())
    page.text(f"Largest difference of a probability: {difference:.1e}.")
    page.check("network and estimator agree", difference < 1e-3)
    green = np.where(target > 0, "green", "red")
    page.picture(
        "two",
        viz.decision_boundary(
            lambda p: np.where(two.predict(p) > 0, "green", "red"), points, green, "Two classes"
        ),
    )
    page.picture("three", viz.decision_boundary(three.predict, x, y, "Three classes"))
    page.picture(
        "loss", viz.lines({"loss": three.loss_curve_}, x="step", y="cross-entropy", title="Gradient descent")
    )
    page.next(
        "Set l2 to 0: on separable data the weights grow without end; why?",
        "Where is p = ½ on the picture of two classes?",
    )
