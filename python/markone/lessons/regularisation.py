"""Keeping a network from learning noise (row B9).

A network with more weights than examples can learn them by heart. Four remedies:

    weight decay     J = loss + λ/2m ‖w‖²:  dw = backprop + (λ/m) w,  w ← (1 − αλ/m) w − α · backprop
    dropout          leave each hidden unit out with probability ½, inputs with 0.2 (Srivastava et al. 2014)
    early stopping   keep the weights of the epoch with the least validation error
    k folds          choose by the mean error over k parts, each kept aside once

(The slide lost the + in dw.)
"""

from __future__ import annotations

import copy

import numpy as np

import markone as mo
from markone import nn, optim, viz
from markone.datasets import MNIST, Digits
from markone.datasets.toy import moons
from markone.lessons.loop import error, fit, mlp
from markone.lessons.page import Page
from markone.nn import functional as F


def lesson(page: Page) -> None:
    """Each remedy: its formula or its curve."""
    weight_decay(page)
    dropout(page)
    early_stopping(page)
    folds(page)
    page.next(
        "Put L1 in place of L2 (λ Σ |w|): how many weights of the first layer end at 0?",
        "Dropout with 0.9 at the hidden units: where does it stop to help?",
        "`markone lesson inputs`: more data from the same data.",
    )


def weight_decay(page: Page) -> None:
    """The formula against the optimiser, and against a penalty in the loss."""
    page.title("Weight decay")
    rate, strength, m = 0.1, 3.0, 20
    x, y = mo.randn(m, 3, dtype=mo.float64), mo.randn(m, 1, dtype=mo.float64)
    start = mo.randn(1, 3, dtype=mo.float64)

    def step(decay: float, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        w = nn.Parameter(start.clone())
        loss = ((x.matmul(w.t()) - y) ** 2).mean() + penalty / (2 * m) * (w * w).sum()
        loss.backward()
        assert w.grad is not None
        gradient = w.grad.numpy().copy()
        optim.SGD([w], lr=rate, weight_decay=decay).step()
        return w.detach().numpy()[0], gradient[0]

    plain, gradient = step(0, 0)
    formula = (1 - rate * strength / m) * start.numpy()[0] - rate * gradient
    page.compare(
        [
            (
                "optimiser's weight_decay λ/m",
                step(strength / m, 0)[0],
                formula,
                "(1 − αλ/m) w − α · backprop",
            ),
            ("penalty λ/2m ‖w‖² in the loss", step(0, strength)[0], formula, "the slide's sign lost"),
            ("without", plain, start.numpy()[0] - rate * gradient),
        ],
        digits=6,
        against="formula",
    )
    points, classes = moons(60, 0.4, page.seed)
    new, truth = moons(1000, 0.4, page.seed + 1000)
    rows = []
    for decay in (0.0, 0.3, 3.0):
        net = mlp(2, 100, 100, 2)
        fit(net, points, classes, 300, step=optim.AdamW(net.parameters(), lr=0.01, weight_decay=decay))
        norm = sum(float((p * p).sum().item()) for p in net.parameters()) ** 0.5
        rows.append(
            (
                f"{decay:g}",
                f"{norm:.1f}",
                f"{error(net, points, classes):.1%}",
                f"{error(net, new, truth):.1%}",
            )
        )
    page.table(("decay", "‖w‖", "wrong of the 60", "wrong of new ones"), rows)
    norms = [float(row[1]) for row in rows]
    page.check("with decay the weights are smaller", norms[-1] < 0.7 * norms[0])


def dropout(page: Page) -> None:
    """What it does to values; the error by the size of the training set."""
    page.title("Dropout")
    ones = mo.ones(100_000)
    for keep in (0.5, 0.8):
        out = F.dropout(ones, 1 - keep).numpy()
        page.compare(
            [
                (f"kept with {keep}", round(float((out > 0).mean()), 1), keep),
                ("a kept one becomes", float(out.max()), 1 / keep, "1 / keep"),
                ("the mean stays", round(float(out.mean()), 1), 1.0, "so nothing changes in evaluation"),
            ],
            against="formula",
        )
    # Srivastava et al. 2014, section 7.4: MNIST by the number of digits to learn from.
    train, test = (Digits(part) if page.short else MNIST(train=part) for part in (True, False))
    x, tx = (part.data.float().flatten(1) / part.largest for part in (train, test))
    sizes = (50, 200) if page.short else (100, 500, 1000, 5000, 10000, 50000)
    steps, hidden = (1200, 256) if page.short else (1500, 512)
    curves: dict[str, list[float]] = {"without": [], "with dropout": []}
    order = np.random.default_rng(page.seed).permutation(len(x))
    for size in sizes:
        for name, drop in (("without", (0.0, 0.0)), ("with dropout", (0.2, 0.5))):
            mo.manual_seed(page.seed)
            rows = mo.from_numpy(order[:size])
            net = mlp(x.shape[1], hidden, hidden, 10, dropout=drop)
            batch = min(100, size // 2)
            epochs = max(8, steps * batch // size)
            fit(net, x[rows], train.targets[rows], epochs, lr=1e-3, batch=batch, cosine=True, seed=page.seed)
            curves[name].append(100 * error(net, tx, test.targets))
    page.table(
        ("digits to learn from", *curves),
        [(n, *(f"{c[i]:.2f} %" for c in curves.values())) for i, n in enumerate(sizes)],
    )
    if page.short:  # one run of each says little
        page.check("both learn", max(map(max, curves.values())) < 40)
    else:
        page.check("dropout helps at some size", any(a > b for a, b in zip(*curves.values())))
    page.picture(
        "dropout",
        viz.lines(
            {name: (sizes, values) for name, values in curves.items()},
            "digits to learn from",
            "test error, %",
            "Dropout by the size of the training set",
            points=True,
            log_x=True,
        ),
    )


def early_stopping(page: Page) -> None:
    """Training and validation loss part; the best epoch is kept."""
    page.title("Early stopping")
    (x, y), (vx, vy), (tx, ty) = (moons(n, 0.45, page.seed + s) for n, s in ((60, 0), (300, 1), (2000, 2)))
    net, kept = mlp(2, 100, 100, 2), {}
    history: list[dict[str, float]] = []

    def each(epoch: int) -> None:
        with mo.no_grad():
            loss, valid = F.cross_entropy(net(x), y).item(), F.cross_entropy(net(vx), vy).item()
        if not history or valid < min(row["val_loss"] for row in history):
            kept.update(copy.deepcopy(net.state_dict()))
        history.append({"epoch": epoch + 1, "train_loss": loss, "val_loss": valid})

    fit(net, x, y, 200 if page.short else 600, lr=3e-3, each=each)
    best = 1 + int(np.argmin([row["val_loss"] for row in history]))
    last = error(net, tx, ty), F.cross_entropy(net(tx), ty).item()
    net.load_state_dict(kept)
    early = error(net, tx, ty), F.cross_entropy(net(tx), ty).item()
    page.table(
        ("weights of", "test error", "test loss"),
        [
            (f"epoch {best}", f"{early[0]:.1%}", early[1]),
            (f"epoch {len(history)}", f"{last[0]:.1%}", last[1]),
        ],
    )
    page.check(
        "the training loss goes on falling", history[-1]["train_loss"] < history[best - 1]["train_loss"]
    )
    page.check("the validation loss does not", history[-1]["val_loss"] > history[best - 1]["val_loss"])
    page.check("the kept weights have the lower test loss", early[1] < last[1])
    page.picture("early", viz.learning_curve(history, "Where the two part", best_epoch=best))


def folds(page: Page) -> None:
    """Chooses a width by five parts."""
    page.title("k-fold cross-validation")
    x, y = moons(100, 0.35, page.seed)
    parts = np.array_split(np.random.default_rng(page.seed).permutation(len(x)), 5)
    rows, used = [], np.zeros(len(x), dtype=int)
    for width in (1, 5, 50):
        wrong = []
        for i, held in enumerate(parts):
            rest = mo.from_numpy(np.concatenate([p for j, p in enumerate(parts) if j != i]))
            net = mlp(2, width, 2, activation=nn.Tanh)
            fit(net, x[rest], y[rest], 100 if page.short else 300, lr=0.05)
            wrong.append(error(net, x[mo.from_numpy(held)], y[mo.from_numpy(held)]))
            used[held] += 1
        rows.append(
            (width, *(f"{w:.0%}" for w in wrong), f"{np.mean(wrong):.1%} ± {np.std(wrong) / 5**0.5:.1%}")
        )
    page.table(("hidden units", *(f"fold {i + 1}" for i in range(5)), "mean"), rows)
    page.check("each point was kept aside once for each width", bool((used == 3).all()))
