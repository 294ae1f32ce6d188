"""What a convolutional network sees (rows D4 and D9).

ZFNet (Zeiler and Fergus 2013) was found by looking into AlexNet. To see what makes a unit answer, take the
images that excite its map most, set all other activations to 0, and undo the layers one by one:

    unpool      put each value back where the largest input was (the switch that pooling kept)
    rectify     max(0, value)
    filter      convolve with the layer's filters transposed

down to the pixels. The parts of the image that made the unit answer appear; they grow and become more
special from layer to layer. The other question is whether the network looks at the thing or at what is
around it: cover a square of the image with grey, move it over the image, and see where the probability of
the right class falls.

The slide's ZFNet has slips: the first layer has 96 filters of 7×7 with stride 2, the second stride 2, not
69, 4 and 1. The network here is narrower, and sees CIFAR-10's pictures at twice their size.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

import markone as mo
from markone import models, nn, viz
from markone.datasets import CIFAR10
from markone.lessons.loop import error, fit
from markone.lessons.page import Page

LAYERS = {"conv1": "zfnet.features.relu1", "conv2": "zfnet.features.relu2", "conv3": "zfnet.features.relu3"}
LAYERS |= {"conv5": "zfnet.features.relu5"}


def lesson(page: Page) -> None:
    """Trains a small ZFNet, reconstructs what its maps answer to, and covers parts of images."""
    train, test = (CIFAR10(train=part, synthetic=page.short) for part in (True, False))
    x, tx = (mo.stack([data[i][0] for i in range(len(data))]) * 4 - 2 for data in (train, test))
    zfnet = models.zfnet(10, width=0.1 if page.short else 0.35, grid=1, hidden=64 if page.short else 256)
    larger = nn.Upsample(scale_factor=2, mode="bilinear")
    net = nn.Sequential(OrderedDict(larger=larger, zfnet=zfnet))
    fit(net, x, train.targets, 3 if page.short else 12, lr=1e-3, batch=64, cosine=True, seed=page.seed)
    wrong = 100 * error(net, tx, test.targets)
    page.text(f"{len(x)} pictures to learn from; {wrong:.1f} % of {len(tx)} others are wrong.")
    page.check("it has learnt", wrong < (80 if page.short else 50))
    filters = zfnet.features.conv1.weight.detach()
    page.picture("filters", viz.images(filters, title="The first layer's 7×7 filters", columns=12))
    reconstruct(page, net, tx)
    occlude(page, net, tx, test)
    page.next(
        "`rule='guided'` lets only pass what is positive both ways: sharper, but does it tell classes apart?",
        "Cover with another colour (`fill`), or record a map's activity (`layer=`, `channel=`).",
        "`markone.models.deconvolve` takes any network with ReLU modules: try `resnet20`.",
    )


def reconstruct(page: Page, net: nn.Sequential, images: mo.Tensor) -> None:
    """The images that excite a map most, and what in them does."""
    page.title("What excites a map")
    inside = models.activations(net, images, LAYERS.values())
    sides = {}
    for name, layer in LAYERS.items():
        peaks = inside[layer].amax((2, 3)).numpy()  # [N, K]
        # Maps that answer strongly to a few images and weakly to most.
        special = np.argsort(-(np.sort(peaks, 0)[-4:].mean(0) - peaks.mean(0)))[: 2 if page.short else 6]
        cells = []
        sides[name] = 0
        for k in special:
            top = mo.from_numpy(np.argsort(-peaks[:, k])[:4])
            found = models.deconvolve(net, images[top], layer, int(k))
            windows = [found.crop(n) for n in range(len(top))]
            sides[name] = max(sides[name], *(w[0].stop - w[0].start for w in windows))
            cells += [images[top][n][:, rows, columns] for n, (rows, columns) in enumerate(windows)]
            cells += [found.images[n][:, rows, columns] for n, (rows, columns) in enumerate(windows)]
        title = f"{name}: of each map four images, and what in them excites it"
        page.picture(name, viz.images(cells, title=title, columns=8))
    page.table(("layer", "side of what a unit sees, of 32 pixels"), list(sides.items()))
    ordered = list(sides.values())
    page.check("units of later layers see more", ordered == sorted(ordered) and ordered[0] < ordered[-1])
    one = images[:4]
    rules = {
        rule: models.deconvolve(net, one, LAYERS["conv5"], rule=rule).images
        for rule in ("deconvnet", "guided", "gradient")
    }
    cells = [one[n] for n in range(4)] + [plane for made in rules.values() for plane in made]
    titles = ["image"] * 4 + [rule for rule in rules for _ in range(4)]
    page.picture(
        "rules", viz.images(cells, titles, "Three ways down, from conv5's strongest unit", columns=4)
    )


def occlude(page: Page, net: nn.Sequential, images: mo.Tensor, data: CIFAR10) -> None:
    """Where a grey square costs most."""
    page.title("What the class depends on")
    with mo.no_grad():
        chances = mo.softmax(net(images), 1).numpy()
    truth = data.targets.numpy()
    sure = chances[np.arange(len(truth)), truth]
    # The surest image of each of a few classes.
    chosen = [
        int(np.argmax(np.where(truth == c, sure, -1))) for c in ((0, 1) if page.short else (1, 3, 5, 7, 8))
    ]
    rows, cells, titles = [], [], []
    for n in chosen:
        seen = models.occlusion_map(net, images[n], int(truth[n]), size=9, stride=3 if page.short else 1)
        name = data.classes[truth[n]]
        at = np.unravel_index(seen.probability.argmin(), seen.probability.shape)
        other = data.classes[seen.label[at]]
        rows.append((name, f"{seen.whole:.3f}", f"{seen.probability[at]:.3f}", other))
        cells += [images[n], seen.probability]
        titles += [name, f"p({name}), covered there"]
    page.table(("picture", "p, whole", "least p, covered", "then taken for"), rows)
    drops = [float(row[1]) - float(row[2]) for row in rows]
    page.check("covering the right place costs probability", min(drops) >= 0 and max(drops) > 0.01)
    page.picture(
        "occlusion",
        viz.images(cells, titles, "Bright: covering this place does no harm", columns=4, colours="magma"),
    )
