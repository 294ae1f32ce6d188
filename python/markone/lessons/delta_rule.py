"""The delta rule: Adaline, LMS, Madaline (row A4).

Widrow and Hoff (1960) train the unit before its threshold, o = w · x, by gradient descent on the squared
error:

    E(w) = ½ Σ (t − o)²,   ∂E/∂w_i = Σ (t − o)(−x_i),   w_i ← w_i + η Σ (t − o) x_i

Applied after each example instead of after all of them it is the stochastic rule, the least mean squares
(LMS) algorithm. Both end at the least-squares fit, separable or not. MADALINE, many ADALINEs, was the first
network used in earnest: it removed echoes from telephone lines.
"""

from __future__ import annotations

import numpy as np

from markone import viz
from markone.classic import LMS, Adaline, AdaptiveFilter, Madaline
from markone.datasets.toy import thirteen_points, truth_table
from markone.lessons.page import Page


def lesson(page: Page) -> None:
    """Both rules against the closed form; Adaline on the points; an echo removed; XOR by Madaline."""
    points, target = (t.numpy() for t in thirteen_points())
    closed = np.linalg.lstsq(np.c_[np.ones(13), points], target.astype(float), rcond=None)[0]
    batch = LMS("batch", max_iter=2000, tol=0, random_state=page.seed).fit(points, target)
    page.compare(
        [("batch: w0, w1, w2", [batch.intercept_, *batch.coef_], closed, "least squares")],
        against="closed form",
    )
    rate = 2e-4  # small, since one by one the rule keeps circling round the fit at a distance of about η
    single = LMS("stochastic", eta=rate, max_iter=3000, tol=0, random_state=page.seed).fit(points, target)
    page.compare(
        [("stochastic, η small", [single.intercept_, *single.coef_], closed, "within η")],
        digits=2,
        against="closed form",
    )
    adaline = Adaline(random_state=page.seed).fit(points, target)
    page.check("Adaline separates the thirteen points", adaline.score(points, target) == 1)
    page.picture(
        "error",
        viz.lines(
            {"batch": batch.history_[:60], "stochastic, η small": single.history_[:60]},
            y="E = ½ Σ (t − o)²",
            title="The error falls to the least-squares fit's",
            log=True,
        ),
    )

    page.title("An echo on the line")
    random = np.random.default_rng(page.seed)
    time = np.arange(6000)
    far = random.normal(size=len(time)) * (1 + np.sin(time / 300))  # the other speaker, loud and soft
    path = 0.7 ** np.arange(20) * np.cos(0.9 * np.arange(20))  # how the line answers a click
    near = 0.3 * np.sin(time / 12)  # who speaks here
    echo = np.convolve(far, path)[: len(time)]
    removed, left = AdaptiveFilter(taps=24, eta=0.05)(far, echo + near)
    before = 10 * np.log10(np.mean(echo[-2000:] ** 2) / np.mean(near[-2000:] ** 2))
    after = 10 * np.log10(np.mean((echo - removed)[-2000:] ** 2) / np.mean(near[-2000:] ** 2))
    page.text(f"Echo against the near speaker: {before:.1f} dB before, {after:.1f} dB after.")
    page.check("the echo is 20 dB weaker", before - after > 20)
    shown = slice(0, 1500)
    page.picture(
        "echo",
        viz.lines(
            {"what comes in": (echo + near)[shown], "echo removed": left[shown]},
            x="sample",
            title="The adaptive filter learns the line while it works",
        ),
    )

    page.title("Madaline learns XOR")
    table = truth_table(2).numpy()
    madaline = Madaline(random_state=page.seed).fit(table, [0, 1, 1, 0])
    page.compare([("XOR", madaline.predict(table), [0, 1, 1, 0])], against="wanted")
    page.picture(
        "madaline", viz.decision_boundary(madaline.predict, table, np.array([0, 1, 1, 0]), "Madaline: XOR")
    )
    page.next(
        "Give LMS an η of 0.1: the message says in which epoch the error left the numbers.",
        "Add noise to `near`: how does the best η change?",
    )
