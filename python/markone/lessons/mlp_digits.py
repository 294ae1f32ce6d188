"""Handwriting with a multilayer perceptron (row B14).

A picture is a row of pixel values, the network three full layers with ReLU, its ten outputs are scores that
softmax makes probabilities:

    p = softmax(W₃ relu(W₂ relu(W₁ x + b₁) + b₂) + b₃),   loss = −ln p[label]

It knows nothing of neighbouring pixels: with every picture's pixels shuffled in one and the same way it
would do as well. Dropout keeps it from learning the training pictures by heart. The full form trains on
MNIST's 60,000 digits of 28×28; the short form on the 1,437 of 8×8 that come with markone.
"""

from __future__ import annotations

import numpy as np

from markone import viz
from markone.datasets import MNIST, Digits
from markone.lessons.loop import error, fit, mlp
from markone.lessons.page import Page
from markone.nn import functional as F


def lesson(page: Page) -> None:
    """Trains, tests, and shows which digits are taken for which."""
    train, test = (Digits(part) if page.short else MNIST(train=part) for part in (True, False))
    x, tx = (part.data.float().flatten(1) / part.largest for part in (train, test))
    y, ty = train.targets, test.targets
    pixels, hidden, epochs, batch, most = (64, 128, 20, 64, 5.0) if page.short else (784, 512, 25, 128, 1.6)
    net = mlp(pixels, hidden, hidden, 10, dropout=(0.1, 0.3))
    page.text(
        f"{len(x)} digits to train, {len(tx)} to test; {sum(p.numel() for p in net.parameters()):,} weights."
    )

    history: list[dict[str, float]] = []

    def each(epoch: int) -> None:
        history.append({"epoch": epoch + 1, "val_error": 100 * error(net, tx, ty)})

    losses = fit(net, x, y, epochs, lr=2e-3, batch=batch, cosine=True, seed=page.seed, each=each)
    wrong = error(net, tx, ty)
    page.text(f"Test error {100 * wrong:.2f} % after {epochs} epochs.")
    page.check(f"test error under {most} %", 100 * wrong < most)

    probability = F.softmax(net(tx), 1).detach().numpy()
    truth, taken = ty.numpy(), probability.argmax(1)
    table = np.zeros((10, 10), dtype=int)
    np.add.at(table, (truth, taken), 1)
    page.picture(
        "error",
        viz.lines({"test error": [row["val_error"] for row in history]}, y="test error, %", title="By epoch"),
    )
    page.picture("loss", viz.lines({"loss": losses}, y="cross-entropy", title="Training loss", log=True))
    page.picture("confusion", viz.confusion_table(table, title="Digits"))
    missed = np.flatnonzero(truth != taken)
    missed = missed[np.argsort(-probability[missed, taken[missed]])][:24]
    titles = [f"{truth[i]} taken for {taken[i]}, {probability[i, taken[i]]:.0%}" for i in missed]
    page.picture("mistakes", viz.images(test.data.numpy()[missed], titles, "Its surest mistakes"))
    page.next(
        "Shuffle the pixels of all pictures by one permutation: the error stays. A convolutional network's "
        "would not.",
        "Train without dropout: which epoch is the best now?",
        "`markone lesson lenet`: the same digits with a third of the mistakes.",
    )
