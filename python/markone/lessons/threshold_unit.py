"""The threshold unit (row A1).

McCulloch and Pitts (1943) described a nerve cell as a unit that adds its inputs and fires when the sum
reaches a threshold:

    output = 1 where w0 + w1 x1 + … + wn xn ≥ 0, else 0

With weights of equal size it computes every m-of-n function: at least m of the n inputs are 1. OR is
1-of-n, AND is n-of-n. What a unit cannot compute is XOR: no line has (0,1) and (1,0) on one side and (0,0)
and (1,1) on the other.
"""

from __future__ import annotations

import warnings

from markone import viz
from markone.classic import NotSeparableWarning, ThresholdUnit
from markone.datasets.toy import truth_table
from markone.lessons.page import Page


def lesson(page: Page) -> None:
    """Units by hand, then units that learn, then the one that cannot."""
    rows = truth_table(2).numpy()
    AND = ThresholdUnit.by_hand(-30, [20, 20])
    OR = ThresholdUnit.by_hand(-10, [20, 20])
    NOT = ThresholdUnit.by_hand(10, [-20])
    only_first = ThresholdUnit.by_hand(-1, [1.5, -1])
    page.compare(
        [
            ("AND (−30, 20, 20)", AND.predict(rows), [0, 0, 0, 1]),
            ("OR (−10, 20, 20)", OR.predict(rows), [0, 1, 1, 1]),
            ("NOT (10, −20)", NOT.predict([[0], [1]]), [1, 0]),
            ("x1 ∧ ¬x2 (−1, 1.5, −1)", only_first.predict(rows), [0, 0, 1, 0], "slide swaps w1 and w2"),
        ]
    )
    page.title("Every m-of-n function of four inputs")
    four = truth_table(4).numpy()
    for m in range(1, 5):
        unit = ThresholdUnit.m_of_n(m, 4)
        page.check(
            f"{m}-of-4: bias {unit.intercept_[0]:.0f}, weights 20",
            bool((unit.predict(four) == (four.sum(axis=1) >= m)).all()),
        )
    page.title("XOR")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", NotSeparableWarning)
        xor = ThresholdUnit(start=(0, 0, 0)).fit(rows, [0, 1, 1, 0])
    page.text(str(said[0].message))
    page.check("XOR is not learned, and training ends", not xor.separable_ and xor.n_iter_ < 1000)
    wanted = {
        "AND": (AND, [0, 0, 0, 1]),
        "OR": (OR, [0, 1, 1, 1]),
        "x1 ∧ ¬x2": (only_first, [0, 0, 1, 0]),
        "XOR: not learned": (xor, [0, 1, 1, 0]),
    }
    cuts = {name: unit.predict for name, (unit, _) in wanted.items()}
    labels = {name: y for name, (_, y) in wanted.items()}
    page.picture("units", viz.decision_boundary(cuts, rows, labels, "What a line cuts off, and what not"))
    page.next(
        "Make NAND by hand: which bias and weights?",
        "Build XOR from three units (lesson two_perceptrons does it for any truth table).",
    )
