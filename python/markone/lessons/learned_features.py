"""From hand-made to learned features (row D0).

One classifier, softmax of a full layer, on five kinds of input: the pixels; the pixels' answers to one
fixed edge kernel (Sobel); to one kernel that is learned with the classifier; to sixteen learned ones; to
learned layers of them. The last is the pattern of all convolutional networks,

    INPUT → [[CONV → RELU]·K → POOL?]·L → [FC → RELU]·M → FC

and `mo.models.conv_pattern` builds it. What a hand-made kernel keeps somebody has decided; what a learned
one keeps the task decides.
"""

from __future__ import annotations

import markone as mo
from markone import models, viz
from markone.datasets import MNIST, Digits
from markone.lessons.loop import error, fit
from markone.lessons.page import Page

nn = mo.nn


def lesson(page: Page) -> None:
    """The same training for each, accuracies side by side."""
    train, test = (Digits(part, size=28) if page.short else MNIST(train=part) for part in (True, False))
    count, asked = (600, 300) if page.short else (5000, 2000)
    x, tx = (mo.stack([data[i][0] for i in range(n)]) * 3 - 1 for data, n in ((train, count), (test, asked)))
    y, ty = train.targets[:count], test.targets[:asked]
    sobel = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    with mo.no_grad():
        sobel.weight.copy_(mo.tensor([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]]]) / 8)
    sobel.weight.requires_grad_(False)

    def on_kernels(kernels: nn.Conv2d) -> nn.Sequential:
        side = 14
        return nn.Sequential(
            kernels, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(kernels.out_channels * side**2, 10)
        )

    one, many = nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 16, 5, padding=2)
    size = (1, 28, 28)
    nets = {
        "pixels": models.conv_pattern(size, 10, blocks=0, hidden=0),
        "a fixed edge kernel": on_kernels(sobel),
        "one learned kernel": on_kernels(one),
        "16 learned kernels": on_kernels(many),
        "layers: K = 1, L = 2, M = 1": models.conv_pattern(size, 10, convs=1, blocks=2, hidden=1, maps=16),
    }
    right = {}
    for name, net in nets.items():
        fit(net, x, y, 6 if page.short else 8, lr=2e-3, batch=32, cosine=True, seed=page.seed)
        right[name] = 100 * (1 - error(net, tx, ty))
    page.text(f"{count} digits to learn from, {asked} to test.")
    page.table(
        ("features", "parameters", "right"),
        [
            (name, sum(p.numel() for p in net.parameters() if p.requires_grad), f"{right[name]:.1f} %")
            for name, net in nets.items()
        ],
    )
    values = list(right.values())
    if page.short:
        page.check("every one has learnt something", min(values) > 50)
    else:
        page.check("many learned kernels beat the fixed one", values[3] > values[1])
        page.check("layers beat one layer of them", values[4] > values[3])
    page.picture(
        "kernels", viz.images(many.weight.detach()[:, 0], title="16 learned kernels", symmetric=True)
    )
    page.picture(
        "right",
        viz.bars(right, "right, %", "Features"),
    )
    page.next(
        "Replace Sobel's kernel by another: is any hand-made one better?",
        "Build deeper patterns: `conv_pattern(size, 10, convs=2, blocks=3)`.",
    )
