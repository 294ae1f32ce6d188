"""The perceptron training rule (row A2, A5).

Rosenblatt's rule (1958) goes through the examples one at a time and changes the weights where the output o
is not the target t (both −1 or +1):

    w_i ← w_i + η (t − o) x_i,   o = +1 where w · x ≥ 0, else −1,   x_0 = 1

If a line separates the classes the rule finds one after finitely many changes (Novikoff 1962). The number
of errors does not fall evenly on the way; and when no line separates them the rule goes round for ever, so
markone notices that old weights come back, says so, and keeps the best.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np

from markone import viz
from markone.classic import NotSeparableWarning, Perceptron
from markone.datasets.toy import thirteen_points
from markone.lessons.page import Page

# Weights to three decimals and errors at the row's start, as the slide prints them.
SLIDE = {
    0: ((0.500, 0.500, 0.500), 7),
    1: ((0.360, -0.120, 0.100), 6),
    2: ((0.300, -0.180, 0.060), 5),
    15: ((-0.420, -0.080, 0.140), 2),
    31: ((-0.900, -0.020, 0.180), 1),
    34: ((-0.960, -0.020, 0.220), 3),
    37: ((-1.040, 0.020, 0.180), 0),
}


def lesson(page: Page) -> None:
    """The slide's thirteen points, its trace, and what the dtype has to do with it."""
    points, target = (t.numpy() for t in thirteen_points())
    unit = Perceptron(eta=0.01, start=(0.5, 0.5, 0.5), dtype="float32").fit(points, target)
    for row in unit.history_:
        page.print(f"{row.epoch:>3}  {row}")
    page.title("Beside the slide")
    page.compare(
        [
            (f"row {epoch}", [*unit.history_[epoch].weights, unit.history_[epoch].errors], [*weights, errors])
            for epoch, (weights, errors) in SLIDE.items()
        ]
    )
    page.compare([("rows", len(unit.history_), 38)])
    errors = [row.errors for row in unit.history_]
    page.check("the errors do not fall evenly", any(b > a for a, b in itertools.pairwise(errors)))
    valid = (points @ [2, 3] - 25 > 0) == (target > 0)
    page.check("2 x1 + 3 x2 − 25 = 0 is a boundary too", bool(valid.all()))

    page.title("The dtype is part of the result")
    double = Perceptron(eta=0.01, start=(0.5, 0.5, 0.5), dtype="float64").fit(points, target)
    page.text(
        "At (4,7) and (8,5) the net input is exactly 0 in some rows. In float64 these ties are rounded to "
        "the other side, and the trace ends one row earlier."
    )
    page.compare(
        [
            ("last row, float64", double.history_[-1].epoch, 36),
            ("its weights", double.history_[-1].weights, (-1.02, 0.02, 0.18)),
        ]
    )

    page.title("A class that no line cuts off")
    bent = np.where(np.arange(13) == 1, -target, target)  # (10,9), among the green, becomes red
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", NotSeparableWarning)
        best = Perceptron(eta=0.01, start=(0.5, 0.5, 0.5), max_iter=300).fit(points, bent)
    page.text(str(said[0].message))
    page.check(
        "the kept weights make the fewest errors seen",
        round(13 * (1 - best.score(points, bent))) == min(row.errors for row in best.history_),
    )

    page.picture(
        "errors",
        viz.lines(
            {"float32": errors, "float64": [r.errors for r in double.history_]},
            y="misclassified of 13",
            title="Errors by epoch",
            points=True,
        ),
    )
    rows = unit.history_[:: 4 if page.short else 1]
    rows = rows if rows[-1] is unit.history_[-1] else [*rows, unit.history_[-1]]
    colour = np.where(target > 0, "green", "red")
    cuts = [lambda x, w=row.weights: np.where(w[0] + x @ w[1:] >= 0, "green", "red") for row in rows]
    page.picture("boundary", viz.decision_boundary(cuts[-1], points, colour, "The boundary at the end"))
    page.picture(
        "history", viz.decision_history(cuts, points, colour, [f"epoch {r.epoch}: {r}" for r in rows], 160)
    )
    page.next(
        "Change η to 0.1, or the start to zeros: does the number of rows change? (With a zero start η only "
        "scales the weights.)",
        "Give `targets=(0, 1)`: half the change at each error.",
        "`mo.classic.Perceptron` has scikit-learn's fit, predict and score: put it into a Pipeline.",
    )
