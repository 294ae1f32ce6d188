"""Two perceptrons, four classes; any Boolean function (row A3).

Each unit cuts the plane in two, so two units tell up to four classes: their outputs (y1, y2) are a code.

Two levels compute any Boolean function: a hidden unit for each true row of the truth table, which is on for
that row alone, and an OR behind them (the sum of products).
"""

from __future__ import annotations

import numpy as np

from markone import viz
from markone.classic import BooleanNetwork, ThresholdUnit
from markone.datasets.toy import four_classes, truth_table
from markone.lessons.page import Page


def lesson(page: Page) -> None:
    """The slide's vehicles, then green or not, then XOR."""
    x, codes, names = four_classes()
    y1 = ThresholdUnit.by_hand(-3, [1, 0])  # weights (w11, w21) = (1, 0), threshold 3
    y2 = ThresholdUnit.by_hand(-3, [0, 1])

    def predict(points: np.ndarray) -> np.ndarray:
        return np.array(names)[2 * y1.predict(points) + y2.predict(points)]

    labels = np.array(names)[(2 * codes[:, 0] + codes[:, 1]).numpy()]
    page.table(
        ("x1", "x2", "class", "y1", "y2", "taken for"),
        [
            (
                f"{a:g}",
                f"{b:g}",
                label,
                y1.predict_one(a, b),
                y2.predict_one(a, b),
                predict(np.array([[a, b]]))[0],
            )
            for (a, b), label in zip(x.numpy(), labels)
        ],
    )
    page.check("all eight are right", bool((predict(x.numpy()) == labels).all()))
    page.compare(
        [
            ("(2.1, 4.5): y1, y2", [y1.predict_one(2.1, 4.5), y2.predict_one(2.1, 4.5)], [0, 1]),
            ("(2.1, 4.5) is", predict(np.array([[2.1, 4.5]]))[0], "car"),
            ("weights w12, w21", [0, 0], [0, 0], "slide once prints w12 = 0 for w21"),
        ]
    )

    page.title("Is it green?")
    rows = truth_table(3).numpy().astype(int)
    green = [1, 0, 1, 1, 1, 1, 1, 1]
    network = BooleanNetwork().fit(rows, green)
    page.compare([("green for red, blue, black = 000 … 111", network.predict(rows), green)])
    page.text(f"{len(network.hidden_)} hidden units, one for each true row, and an OR.")

    page.title("XOR with three units")
    table = truth_table(2).numpy()
    xor = BooleanNetwork().fit(table, [0, 1, 1, 0])
    for i, unit in enumerate(xor.hidden_):
        page.print(
            f"hidden {i + 1}: {unit.intercept_[0]:+g} {unit.coef_[0][0]:+g}·x1 {unit.coef_[0][1]:+g}·x2"
        )
    page.compare([("XOR", xor.predict(table), [0, 1, 1, 0])], against="wanted")
    every = [BooleanNetwork().fit(rows, [f >> i & 1 for i in range(8)]) for f in range(256)]
    page.check(
        "all 256 functions of three inputs come out right",
        all(net.predict(rows).tolist() == [f >> i & 1 for i in range(8)] for f, net in enumerate(every)),
    )
    page.picture("vehicles", viz.decision_boundary(predict, x.numpy(), labels, "Two units, four classes"))
    page.picture(
        "xor",
        viz.decision_boundary(xor.predict, table, np.array([0, 1, 1, 0]), "XOR with two levels of units"),
    )
    page.next(
        "How many hidden units does the parity of four inputs need this way? And with m-of-n units?",
        "Move the vehicle (2.1, 4.5) across each threshold and look at its code.",
    )
