"""LeNet-5, and looking into it (rows D2 and D9).

LeNet-5 (1998) reads digits with two convolutions, each followed by sub-sampling, and full layers:

    1×32×32 → C1 6×28×28 → S2 6×14×14 → C3 16×10×10 → S4 16×5×5 → C5 120 → F6 84 → 10

In its original form S2 and S4 have a trainable coefficient and bias a map, C3 sees only some of S2's maps
(table I), and the output is the squared distance of F6 to a picture of each digit, 7×12 pixels of ±1.
Today one takes ReLU, max pooling, all maps, and softmax. Kernels and activations show the hierarchy:
strokes' edges first, then their combinations, then digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import markone as mo
from markone import models, viz
from markone.datasets import MNIST, Digits
from markone.lessons.loop import error, fit
from markone.lessons.page import Page
from markone.nn import functional as F
from markone.transforms import RandomAffine


def digits(page: Page, train: bool) -> tuple[mo.Tensor, mo.Tensor]:
    """Images in 0..1, float32 [N, 1, 28, 28], and labels."""
    data = Digits(train, size=28) if page.short else MNIST(train=train)
    images = mo.stack([data[i][0] for i in range(len(data))])
    return images, data.targets


def lesson(page: Page) -> None:
    """Both forms on the same digits, what they do with odd ones, and pictures of the inside."""
    (x, y), (tx, ty) = digits(page, True), digits(page, False)
    original, modern = models.lenet5_1998(), models.lenet5()
    own = {
        name: sum(p.numel() for p in part.parameters()) for name, part in original.features.named_children()
    }
    page.compare(
        [
            (
                "C1, S2, C3, S4, C5",
                [own[name] for name in ("c1", "s2", "c3", "s4", "c5")],
                [156, 12, 1516, 32, 48120],
            ),
            ("parameters, original", sum(p.numel() for p in original.parameters()), 60000),
            ("parameters, modern", sum(p.numel() for p in modern.parameters()), 61706),
        ],
        against="paper",
    )
    epochs, batch = (4, 32) if page.short else (6, 128)
    ink = x * 1.275 - 0.1  # the paper's background is -0.1, its ink 1.175
    tried: dict[str, Any] = {
        "original": (original, ink, tx * 1.275 - 0.1, models.lenet5_loss),
        "modern": (modern, (x - 0.1307) / 0.3081, (tx - 0.1307) / 0.3081, F.cross_entropy),
    }
    wrong: dict[str, float] = {}
    losses = {}
    for name, (net, images, tests, loss) in tried.items():
        losses[name] = fit(net, images, y, epochs, loss, lr=2e-3, batch=batch, cosine=True, seed=page.seed)
        wrong[name] = 100 * error(net, tests, ty)
    page.table(("form", "test error"), [(name, f"{value:.2f} %") for name, value in wrong.items()])
    page.check(f"both below {25 if page.short else 2} %", max(wrong.values()) < (25 if page.short else 2))
    page.picture("loss", viz.lines(losses, y="loss", title="Training", log=True))

    page.title("Odd digits")
    chosen = [int(np.flatnonzero(ty.numpy() == digit)[0]) for digit in (2, 3, 5, 8)]
    rng = np.random.default_rng(page.seed)
    changes: dict[str, Callable[[mo.Tensor], mo.Tensor]] = {
        "as it is": lambda x: x,
        "shifted": lambda x: F.pad(x, (3, 0, 3, 0))[:, :28, :28],
        "smaller": lambda x: _warped(x, scale=0.7),
        "rotated": lambda x: _warped(x, degrees=25),
        "sheared": lambda x: _warped(x, shear=25),
        "noisy": lambda x: (x + mo.from_numpy(0.3 * rng.standard_normal(x.shape).astype(np.float32))).clamp(
            0, 1
        ),
        "inverted": lambda x: 1 - x,
    }
    cells, titles, right = [], [], []
    for name, change in changes.items():
        for i in chosen:
            odd = change(tx[i])
            (said, sure), *_ = mo.vision.retrieval.top_k(modern(((odd - 0.1307) / 0.3081).unsqueeze(0)), 1)[0]
            cells.append(odd[0])
            titles.append(f"{name}: {said}, {sure:.0%}")
            right.append((name, said == ty[i].item()))
    page.table(
        ("", "right of 4"),
        [(name, sum(hit for other, hit in right if other == name)) for name in changes],
    )
    page.picture("odd", viz.images(cells, titles, "What LeNet-5 takes them for", columns=4, side=2.0))

    page.title("Inside")
    page.picture(
        "c1", viz.images(modern.features.c1.weight.detach()[:, 0], title="C1's kernels", symmetric=True)
    )
    page.picture(
        "c3",
        viz.images(modern.features.c3.weight.detach()[:, 0], title="C3's, of C1's first map", symmetric=True),
    )
    i = chosen[0]
    inside = models.activations(
        modern,
        ((tx[i : i + 1] - 0.1307) / 0.3081),
        ["features.relu1", "features.s2", "features.relu3", "features.s4"],
    )
    maps = [
        (name.split(".")[1], k, plane)
        for name, answer in inside.items()
        for k, plane in enumerate(answer[0][:8])
    ]
    page.picture(
        "maps",
        viz.images(
            [m for *_, m in maps], [f"{name} {k}" for name, k, _ in maps], "A digit's way through the layers"
        ),
    )
    page.next(
        "`markone train lenet5 --data mnist` keeps the best; `lenet5_1998` is the original.",
        "Train on digits moved by `RandomAffine`: which of the odd ones come right?",
    )


def _warped(x: mo.Tensor, degrees: float = 0.0, scale: float = 1.0, shear: float = 0.0) -> mo.Tensor:
    moved: mo.Tensor = RandomAffine((degrees, degrees), scale=(scale, scale), shear=(shear, shear))(x)
    return moved
