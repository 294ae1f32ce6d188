"""The 8-3-8 network: a code found by learning (row B5).

Eight patterns, each a single 1 among zeros, must come out as they went in, through three hidden units. Three
values near 0 or 1 can tell eight patterns apart, and backpropagation finds such a code by itself: nobody
says what the hidden units should do (Mitchell, Machine Learning, 1997, section 4.6.4).

    h = σ(W₁ x + b₁),  o = σ(W₂ h + b₂),  E = ½ Σ (t − o)²,  small start weights, gradient descent

Nothing pushes the hidden values to 0 or 1, so some may stay between, and rounded codes may coincide although
all is learned. A little noise on the hidden values makes what stands near ½ unsafe: then every code goes to
a corner of its own.
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import optim, viz
from markone.lessons.page import Page


def learn(
    networks: int, epochs: int, noise: float, seed: int, every: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trains many networks at once: the first dimension of every tensor is the network.

    Returns the hidden values on the way [epochs / every, networks, 8, 3], the outputs at the end
    [networks, 8, 8], and E by epoch [epochs, networks].
    """
    mo.manual_seed(seed)
    shapes = [(networks, 8, 3), (networks, 1, 3), (networks, 3, 8), (networks, 1, 8)]
    w1, b1, w2, b2 = weights = [(0.2 * mo.rand(*shape) - 0.1).requires_grad_() for shape in shapes]
    target, step = mo.eye(8), optim.SGD(weights, lr=0.3, momentum=0.9)
    history, errors = [], []
    for epoch in range(epochs):
        hidden = mo.sigmoid(w1 + b1)  # a one-hot input picks its row of W
        output = mo.sigmoid((hidden + noise * mo.randn(networks, 8, 3)).matmul(w2) + b2)
        error = 0.5 * ((output - target) ** 2).sum((1, 2))
        step.zero_grad()
        error.sum().backward()
        step.step()
        errors.append(error.detach().numpy())
        if epoch % every == 0 or epoch == epochs - 1:
            history.append(hidden.detach().numpy())
    with mo.no_grad():
        output = mo.sigmoid(mo.sigmoid(w1 + b1).matmul(w2) + b2)
    return np.stack(history), output.numpy(), np.stack(errors)


def codes(hidden: np.ndarray) -> list[str]:
    """Each pattern's hidden values, rounded."""
    return ["".join(str(int(v)) for v in row.round()) for row in hidden]


def lesson(page: Page) -> None:
    """Many networks without and with noise; the codes of one."""
    networks, epochs = (10, 1500) if page.short else (100, 3000)
    results = {}
    for name, noise in (("plain", 0.0), ("noise 0.1 on the hidden values", 0.1)):
        history, output, _ = results[name] = learn(networks, epochs, noise, page.seed)
        learned = int((output.argmax(2) == np.arange(8)).all(1).sum())
        distinct = sum(len(set(codes(one))) == 8 for one in history[-1])
        page.text(
            f"{name}: {learned} of {networks} networks learn all eight, {distinct} have 8 different codes."
        )
        page.check("nine in ten learn all eight", learned >= 0.9 * networks)
        if noise:
            page.check("nine in ten have 8 different codes", distinct >= 0.9 * networks)

    page.title("One network, trained with noise")
    ours = history[:, 0]
    found = codes(ours[-1])
    names = [f"{1 << (7 - i):08b}" for i in range(8)]
    page.table(
        ("pattern", "hidden values", "rounded", "its output"),
        [
            (names[i], " ".join(f"{v:.2f}" for v in ours[-1][i]), found[i], f"{output[0, i, i]:.2f}")
            for i in range(8)
        ],
    )
    page.compare(
        [
            ("the largest output is at", output[0].argmax(1), np.arange(8)),
            ("rounded outputs", output[0].round().astype(int).sum(1), np.ones(8, dtype=int), "one 1 each"),
            ("different codes", len(set(found)), 8),
        ],
        against="wanted",
    )
    page.picture("hidden", viz.code_history(ours, names, "Hidden values by epoch, with noise", every=10))
    page.picture(
        "plain",
        viz.code_history(results["plain"][0][:, 0], names, "Hidden values by epoch, without", every=10),
    )
    page.picture(
        "error",
        viz.lines(
            {name: run[2].mean(1) for name, run in results.items()},
            y="½ Σ (t − o)²",
            title=f"The error stands still, then falls (mean of {networks})",
        ),
    )
    page.next(
        "Two hidden units: can they still tell eight patterns apart? (Look at their values, not rounded.)",
        "Start all weights at 0 and look at the hidden units; `markone lesson initialisation` says why.",
        "Take cross-entropy in place of E: how much sooner does it learn?",
    )
