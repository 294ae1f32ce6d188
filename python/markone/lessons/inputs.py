"""What goes in and what comes out (row B9).

Three things to do before any training, each free:

    normalise     x ← (x − mean) / deviation, of the training data: the loss becomes a rounder bowl
    encode        a category is one-hot or binary digits, never a number; a real target is scaled
    augment       a digit turned, moved, scaled, bent a little is a digit still (Simard et al. 2003)
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import optim, transforms, viz
from markone.datasets import Digits
from markone.datasets.toy import one_hot_codes
from markone.lessons.loop import error, fit, mlp
from markone.lessons.page import Page
from markone.nn import functional as F


def lesson(page: Page) -> None:
    """Normalisation by speed; encodings by error; augmentation pictured and by error."""
    normalise(page)
    encode(page)
    augment(page)
    page.next(
        "Normalise the test data by its own mean: why is that wrong?",
        "Flip digits too: which of them suffer?",
        "Give the hour of the day as sin and cos of its angle: which distance between 23 h and 0 h is that?",
    )


def normalise(page: Page) -> None:
    """Gradient descent on two inputs of different size."""
    page.title("Normalise")
    x = mo.stack([10 + mo.randn(100), 0.1 * mo.randn(100)], 1).double()
    y = (0.3 * x[:, :1] - 4 * x[:, 1:] + 1).detach()
    mean, deviation = x.mean(0), x.std(0)
    curves, condition = {}, {}
    for name, inputs in {"as they come": x, "normalised": (x - mean) / deviation}.items():
        with_one = np.c_[np.ones(100), inputs.numpy()]
        curvature = np.linalg.eigvalsh(2 * with_one.T @ with_one / 100)
        net = mlp(2, 1).double()
        # The largest rate that surely descends: one over the largest curvature.
        step = optim.SGD(net.parameters(), lr=float(1 / curvature[-1]))
        curves[name] = fit(net, inputs, y, 200, F.mse_loss, step=step)
        condition[name] = float(curvature[-1] / curvature[0])
    page.table(
        ("inputs", "largest / smallest curvature", "loss after 200 steps"),
        [(name, f"{condition[name]:.3g}", f"{curves[name][-1]:.1e}") for name in curves],
    )
    page.check(
        "normalised inputs learn a thousand times better",
        curves["normalised"][-1] < 1e-3 * curves["as they come"][-1],
    )
    page.picture(
        "normalise",
        viz.lines(curves, "step", "mean squared error", "The same step rule, the same data", log=True),
    )


def encode(page: Page) -> None:
    """A category in and out in three codes: y = an arbitrary number for each of eight categories."""
    page.title("Encode")
    one_hot, number = one_hot_codes(8)
    value = mo.tensor([[3.0], [-1.0], [2.0], [-2.0], [0.0], [1.0], [-3.0], [0.5]])
    binary = mo.tensor([[float(c) for c in f"{i:03b}"] for i in range(8)])
    codes = {"scaled number": number.float().unsqueeze(1) / 7, "binary": binary, "one-hot": one_hot}
    losses = {
        name: fit(mlp(code.shape[1], 1), code, value, 500, F.mse_loss, lr=0.05)[-1]
        for name, code in codes.items()
    }
    page.table(
        ("code of the category", "inputs", "loss of one linear unit"),
        [(n, codes[n].shape[1], v) for n, v in losses.items()],
    )
    page.check(
        "only one-hot needs no hidden units",
        losses["one-hot"] < 1e-3 < min(losses["binary"], losses["scaled number"]),
    )
    hidden = {
        name: fit(mlp(code.shape[1], 16, 1), code, value, 800, F.mse_loss, lr=0.03)[-1]
        for name, code in codes.items()
    }
    page.text("With 16 hidden units: " + ", ".join(f"{name} {v:.2g}" for name, v in hidden.items()) + ".")
    page.text(
        "Outputs: one-hot and softmax say how sure the network is; binary codes need fewer, "
        "but similar codes make similar mistakes; a real target is scaled to mean 0, deviation 1, and back."
    )


def augment(page: Page) -> None:
    """Transforms pictured; the error with and without."""
    page.title("Augment")
    digits = Digits(size=28)
    image = digits[11][0]
    ways = {
        "the digit": transforms.Identity(),
        "turned": transforms.RandomRotation((20, 20)),
        "moved": transforms.RandomAffine(0, translate=(0.2, 0.2)),
        "scaled": transforms.RandomAffine(0, scale=(0.7, 0.7)),
        "sheared": transforms.RandomAffine(0, shear=(20, 20)),
        "bent": transforms.ElasticTransform(34, 4),
        "flipped": transforms.RandomHorizontalFlip(1.0),
    }
    made = {name: way(image).numpy()[0] for name, way in ways.items()}
    page.picture(
        "augmented",
        viz.images(list(made.values()), list(made), "One digit, seven times", columns=7, side=1.4),
    )
    page.check(
        "each is another picture",
        all((m != made["the digit"]).any() for n, m in made.items() if n != "the digit"),
    )

    train, test = Digits(True, size=16), Digits(False, size=16)
    count = 200
    images, labels = mo.stack([train[i][0] for i in range(count)]), train.targets[:count]
    new, truth = mo.stack([test[i][0] for i in range(len(test))]), test.targets
    turn = transforms.RandomRotation(30)
    turned = mo.stack([turn(image) for image in new])
    rows = []
    for name, copies in (("as they are", 0), ("and 8 turned copies of each", 8)):
        x = mo.cat([images, *(mo.stack([turn(image) for image in images]) for _ in range(copies))]).flatten(1)
        y = labels.repeat(copies + 1)
        net = mlp(256, 128, 10)
        steps = 600 if page.short else 4000
        fit(net, x, y, steps * 50 // len(x), lr=2e-3, batch=50, cosine=True, seed=page.seed)
        rows.append((name, error(net, new.flatten(1), truth), error(net, turned.flatten(1), truth)))
    page.table(
        (f"{count} digits", "test error", "on turned test digits"),
        [(n, f"{a:.1%}", f"{b:.1%}") for n, a, b in rows],
    )
    page.check("turned copies teach what turning is", rows[1][2] < 0.8 * rows[0][2])
    page.text(
        "These digits come upright and of one size: on them as they are there is nothing to win by turning."
    )
