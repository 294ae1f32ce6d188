"""Skip connections (row D7).

A residual block adds its input to what it computes, y = relu(x + f(x)): it starts near the identity, and
gradients reach the first layers along the sums. Without the skips a deeper network trains worse, not
because it overfits (its training loss is worse too) but because it is hard to train (He et al. 2015,
section 4.2, where a plain network of 56 layers loses to one of 20). The networks are those of that
section, the pictures CIFAR-10's at half their size. The skips have no parameters here: both kinds are
equally large.
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import models, viz
from markone.datasets import CIFAR10
from markone.lessons.loop import fit
from markone.lessons.page import Page
from markone.nn import functional as F


def lesson(page: Page) -> None:
    """Depth 20 and 56, with and without skips: training loss, and how large gradients are layer by layer."""
    count, epochs = (64, 2) if page.short else (2000, 5)
    data = CIFAR10(size=16, synthetic=page.short)
    x = (mo.stack([data[i][0] for i in range(count)]) - 0.47) / 0.25
    y = data.targets[:count]
    losses, gradients = {}, {}
    for depth in (8, 20) if page.short else (20, 56):
        for skip in (True, False):
            name = f"{depth} layers, {'skips' if skip else 'plain'}"
            mo.manual_seed(page.seed)
            net = models.ResNetCIFAR(depth, skip=skip)
            F.cross_entropy(net(x[:64]), y[:64]).backward()
            gradients[name] = [
                float(np.linalg.norm(p.grad.numpy()))
                for p in net.parameters()
                if p.ndim == 4 and p.grad is not None
            ]
            losses[name] = fit(net, x, y, epochs, lr=2e-3, batch=64, seed=page.seed)
    page.table(
        ("network", "training loss", "first layer's gradient at the start"),
        [(name, losses[name][-1], gradients[name][0]) for name in losses],
    )
    last = {name: values[-1] for name, values in losses.items()}
    if page.short:
        page.check("every loss is a number", all(np.isfinite(list(last.values()))))
    else:
        page.check(
            "of 56 layers the one with skips learns faster",
            last["56 layers, skips"] < last["56 layers, plain"],
        )
        page.check(
            "without skips 56 layers are worse than 20", last["56 layers, plain"] > last["20 layers, plain"]
        )
    page.picture("loss", viz.lines(losses, y="training loss", title="With and without skips", points=True))
    page.picture(
        "gradients", viz.lines(gradients, "convolution", "gradient's length", "At the start", log=True)
    )
    page.next(
        "`markone train resnet56 --data cifar10` and `plain56`: the same on whole pictures.",
        "Leave the normalisation out of the plain network: what becomes of its gradients?",
    )
