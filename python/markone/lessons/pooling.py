"""Pooling and its variants (row C4).

Pooling makes one number of each window: the largest, the mean, or something between (Lp):

    y = (Σ x^p)^(1/p)

It makes a layer smaller and its output less sensitive to a shift of the input. Windows may overlap; the
output's size may be given instead of the window's (adaptive); places of the largest values let a later layer
undo the pooling (unpooling).
"""

from __future__ import annotations

import markone as mo
from markone import nn, viz
from markone.lessons.page import Page
from markone.nn import functional as F

INPUT = [[1, 4, 2, 1], [5, 8, 3, 4], [7, 6, 4, 5], [1, 3, 1, 2]]


def lesson(page: Page) -> None:
    """The course's figures, every variant on one input, and the shift by one pixel."""
    x = mo.tensor([[INPUT]], dtype=mo.float32)
    page.print(
        "input (supplied here, the slides keep only the output): "
        + "; ".join(" ".join(map(str, row)) for row in INPUT)
    )
    page.compare(
        [
            ("max 2×2, stride 1", F.max_pool2d(x, 2, 1)[0, 0], [[8, 8, 4], [8, 8, 5], [7, 6, 5]]),
            ("max 2×2, stride 2", F.max_pool2d(x, 2)[0, 0], [[8, 4], [7, 5]]),
            ("average 2×2, stride 2", F.avg_pool2d(x, 2)[0, 0], [[4.5, 2.5], [4.25, 3]]),
        ],
        digits=2,
    )
    mo.manual_seed(page.seed)
    values, places = F.max_pool2d(x, 2, return_indices=True)
    variants = {
        "overlapping: max 3×3, stride 1": F.max_pool2d(x, 3, 1),
        "global average": F.adaptive_avg_pool2d(x, 1),
        "global max": F.adaptive_max_pool2d(x, 1),
        "L2 2×2": F.lp_pool2d(x, 2, 2),
        "adaptive average to 3×3": F.adaptive_avg_pool2d(x, 3),
        "fractional max to 3×3": F.fractional_max_pool2d(x, 2, output_size=3),
        "stochastic 2×2": nn.StochasticPool2d(2)(x),
        "unpooled by the places": F.max_unpool2d(values, places, 2),
    }
    for name, out in variants.items():
        page.print(f"{name:<34} " + "; ".join(" ".join(f"{float(v):g}" for v in row) for row in out[0, 0]))
    back = variants["unpooled by the places"]
    page.check("unpooling puts the largest back where they were", bool(((back == 0) | (back == x)).all()))
    near = [float((F.lp_pool2d(x, p, 2) - F.max_pool2d(x, 2)).abs().max()) for p in (2, 8, 32)]
    page.check("Lp comes near the maximum as p grows", near[0] > near[1] > near[2])

    page.title("A shift by one pixel")
    from markone.datasets import Digits

    digits = Digits(train=False, size=28)
    images = mo.stack([digits[i][0] for i in range(100 if page.short else 360)])
    kernels = mo.randn(8, 1, 5, 5, generator=mo.Generator().manual_seed(page.seed))

    def features(moved: mo.Tensor) -> dict[str, mo.Tensor]:
        maps = F.relu(F.conv2d(moved, kernels, padding=2))
        return {
            "no pooling": maps,
            "max 2×2": F.max_pool2d(maps, 2),
            "max 4×4": F.max_pool2d(maps, 4),
            "average 4×4": F.avg_pool2d(maps, 4),
            "global max": F.adaptive_max_pool2d(maps, 1),
        }

    before, after = features(images), features(mo.roll(images, 1, -1))
    change = {name: float((after[name] - before[name]).norm() / before[name].norm()) for name in before}
    page.table(
        ("features", "change under a shift by one pixel"), [(n, f"{c:.1%}") for n, c in change.items()]
    )
    page.check(
        "pooling makes the change smaller", change["no pooling"] > change["max 2×2"] > change["max 4×4"]
    )
    page.picture(
        "shift", viz.bars(change, y="relative change", title="Output change under a shift by one pixel")
    )
    shown = before["no pooling"][0, :1].detach(), before["max 4×4"][0, :1].detach()
    page.picture(
        "maps",
        viz.images(
            {
                "digit": images[0],
                "one feature map": shown[0],
                "max 2×2": before["max 2×2"][0, :1],
                "max 4×4": shown[1],
            },
            title="Pooling makes maps smaller",
        ),
    )
    page.next(
        "Shift by two and three pixels: when does 4×4 pooling stop helping?",
        "Train LeNet-5 with average instead of max pooling (`markone train lenet5`, `mo.models`).",
    )
