"""The neocognitron (row D1).

Fukushima's network of 1980 has what convolutional networks have today: planes of cells that look for one
feature everywhere, in turn with cells that let it lie a little elsewhere. It learns without gradients and
without labels. A simple (S) cell answers

    u_S = r max(0, (1 + Σ a u) / (1 + 2r/(1+r) b v) − 1),   v = √Σ c u²

that is, where the input is like what it has learnt: their weighted cosine is above r / (1 + r). A complex
(C) cell answers where any S-cell of its plane does in its area. In each part of a picture the S-cell that
answers most strengthens the inputs that made it answer, by q c u, and its inhibition; where none answers,
a new plane begins.

What it is for: patterns that are shifted. The nearest of the stored pictures, compared pixel by pixel, is
lost there.
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import viz
from markone.datasets import MNIST, Digits
from markone.lessons.page import Page
from markone.models import Neocognitron


def pictures(page: Page, train: bool, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits in the middle of 36 × 36."""
    data = Digits(train, size=28) if page.short else MNIST(train=train)
    images = np.concatenate([data[i][0].numpy()[None] for i in range(count)])
    images = (images > 0.5).astype(np.float32) if page.short else images  # 8 × 8 enlarged has no edges
    return np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4))), data.targets.numpy()[:count]


def nearest_template(templates: np.ndarray, labels: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The class of the stored picture with the least squared distance."""
    flat, stored = images.reshape(len(images), -1), templates.reshape(len(templates), -1)
    return labels[((stored**2).sum(1) - 2 * flat @ stored.T).argmin(1)]


def lesson(page: Page) -> None:
    """Shows digits in their place, then asks about shifted ones."""
    shown, asked = (250, 120) if page.short else (4000, 2000)
    images, labels = pictures(page, True, shown)
    centred, truth = pictures(page, False, asked)
    net = Neocognitron().fit(mo.from_numpy(images), labels)
    planes = [layer.learnt for layer in (net.s1, net.s2, net.s3)]
    page.text(f"After {shown} digits S1, S2 and S3 have {planes[0]}, {planes[1]} and {planes[2]} planes.")

    rng = np.random.default_rng(page.seed)
    rows, ours, theirs = [], [], []
    reach = (0, 5) if page.short else (0, 1, 2, 3, 4)
    for most in reach:
        shifts = rng.integers(-most, most + 1, (asked, 2))
        shifted = np.stack([np.roll(x, shift, (1, 2)) for x, shift in zip(centred, shifts)])
        right = (net.predict(mo.from_numpy(shifted)).numpy() == truth).mean()
        near = (nearest_template(images, labels, shifted) == truth).mean()
        rows.append((most, f"{100 * right:.1f} %", f"{100 * near:.1f} %"))
        ours.append(100 * right)
        theirs.append(100 * near)
    page.table(("shifted by up to", "neocognitron", "nearest template"), rows)
    page.check(
        "above the nearest template on shifted digits", ours[-1] > theirs[-1] + (3 if page.short else 20)
    )
    page.picture(
        "shift",
        viz.lines(
            {"neocognitron": (list(reach), ours), "nearest template": (list(reach), theirs)},
            "shifted by up to, pixels",
            "right, %",
            "Shifted digits",
            points=True,
        ),
    )
    page.picture("s1", viz.images(net.s1.a.numpy()[: net.s1.learnt, 0], title="What S1 has learnt"))
    stages = net.stages(mo.from_numpy(shifted[:1]))
    pieces = [("U0", stages["u0"][0, 0])]
    for name in ("s1", "c1", "s2", "c2"):
        answers = stages[name][0].numpy()
        strongest = np.argsort(-answers.sum((1, 2)))[:4]
        pieces += [(f"{name.upper()}, plane {k}", answers[k]) for k in strongest]
    page.picture(
        "answers",
        viz.images(
            [p for _, p in pieces], [name for name, _ in pieces], "One digit, layer by layer", columns=6
        ),
    )
    page.next(
        "Give S1 the published selectivity 4: `Neocognitron(selectivity=(4, 1.5, 3))`. How like its feature "
        "must an input then be?",
        "Show fewer digits, or digits of one hand only.",
    )
