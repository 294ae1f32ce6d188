"""Transfer: what one task has learnt serves another (row D8).

The first layers of a network that has seen many pictures know edges, colours and textures, which any task
about pictures needs; only the last ones know the task. So a new task with few examples keeps the layers,
gets a new last one, and trains

    the head alone      models.new_head(net, 5); models.freeze(net, until="15")
    the last layers     models.freeze(net, until="13")
    all, more slowly    fine-tuning: a small rate, so that what is known is changed but not lost

The old task here is five of CIFAR-10's classes (airplane, bird, deer, frog, ship); the new one the five
others, of which the network has seen no picture. How much to freeze depends on how many examples there are:
with few, every weight that is trained can be fitted to chance.
"""

from __future__ import annotations

import copy

import numpy as np

import markone as mo
from markone import models, nn, optim, viz
from markone.datasets import CIFAR10
from markone.lessons.loop import error, fit
from markone.lessons.page import Page

# Name → the module before which everything is frozen, and the rate.
WAYS = {
    "the head alone": ("15", 2e-3),
    "both full layers": ("13", 1e-3),
    "the last convolution too": ("8", 5e-4),
    "all, fine-tuned": ("0", 5e-4),
}


def lesson(page: Page) -> None:
    """An old task, a new one by size and by way, and how many layers to freeze."""
    data = CIFAR10(synthetic=page.short)
    x = mo.stack([data[i][0] for i in range(len(data))]) * 4 - 2
    old_rows, new_rows = (np.flatnonzero(data.targets.numpy() % 2 == odd) for odd in (0, 1))
    labels = data.targets // 2  # 0 .. 4 in both tasks
    old, new = mo.from_numpy(old_rows), mo.from_numpy(new_rows)
    held = len(old) // 10
    net = network(page)
    fit(net, x[old[held:]], labels[old[held:]], 2 if page.short else 8, lr=2e-3, batch=64, cosine=True)
    page.text(
        f"The old task: {len(old) - held} pictures to learn from, "
        f"{100 * error(net, x[old[:held]], labels[old[:held]]):.1f} % of {held} others are wrong."
    )

    page.title("A new task by the number of its examples")
    nx, ny = x[new], labels[new]
    most = 30 if page.short else 400
    order = np.concatenate([np.flatnonzero(ny.numpy() == c)[:most] for c in range(5)])
    known = set(order.tolist())
    rest = mo.from_numpy(np.array([i for i in range(len(ny)) if i not in known][:2000]))

    def train(way: str | None, count: int) -> float:
        rows = mo.from_numpy(np.concatenate([np.flatnonzero(ny.numpy() == c)[:count] for c in range(5)]))
        mo.manual_seed(page.seed + count)
        mine = network(page) if way is None else adapted(net, way)
        rate = 2e-3 if way is None else WAYS[way][1]
        step = optim.Adam([p for p in mine.parameters() if p.requires_grad], lr=rate)
        epochs = max(3, (600 if page.short else 6000) // len(rows))
        fit(mine, nx[rows], ny[rows], epochs, step=step, batch=32, cosine=True, seed=page.seed)
        return 100 * error(mine, nx[rest], ny[rest])

    counts = (5, most) if page.short else (5, 20, 100, most)
    wrong: dict[str, list[float]] = {
        way or "all, from the start": [train(way, count) for count in counts] for way in (None, *WAYS)
    }
    page.table(
        ("trained", *(f"{count} a class" for count in counts)),
        [(name, *(f"{value:.1f} %" for value in values)) for name, values in wrong.items()],
    )
    page.text(f"Error on {len(rest)} pictures of the new task; chance is 80 %.")
    scratch, *others = wrong.values()
    if page.short:
        page.check("every error is a share", all(0 <= v <= 100 for values in wrong.values() for v in values))
    else:
        page.check(
            "from 5 examples a class every way of transfer beats the start",
            max(v[0] for v in others) < scratch[0],
        )
        page.check("with 400 a class fine-tuning beats the head alone", others[-1][-1] < others[0][-1])
    page.picture(
        "examples",
        viz.lines(
            {name: (counts, values) for name, values in wrong.items()},
            "examples of each class",
            "test error, %",
            "Transfer by the size of the new task",
            points=True,
            log_x=True,
        ),
    )
    kept = network(page)
    frozen = models.freeze(kept, until="8")
    page.text(f"`freeze(net, until='8')` froze {', '.join(frozen)}.")
    page.next(
        "Train on the vehicles, transfer to the animals: does the choice of the old task matter?",
        "Your own pictures: `markone train resnet18 --data imagenet-folder --images DIR`, then "
        "`mo.models.resnet18(2, weights='runs/.../best.safetensors')`, `new_head`, `freeze`.",
    )


def network(page: Page) -> nn.Sequential:
    """Three blocks of a convolution, two full layers, at fresh weights."""
    size = 8 if page.short else 32
    return models.conv_pattern((3, 32, 32), 5, convs=1, blocks=3, maps=size, batch_norm=True, units=64)


def adapted(net: nn.Sequential, way: str) -> nn.Sequential:
    """A copy with a new head, frozen before the place that the way says."""
    mine = copy.deepcopy(net)
    models.new_head(mine, 5)
    models.freeze(mine, until=WAYS[way][0])
    return mine
