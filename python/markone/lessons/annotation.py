"""Annotation, retrieval and transfer (row D8).

Annotation gives a picture keywords. The baseline of Makadia, Pavlovic and Kumar (2008) takes them from
the nearest pictures: distances of colour and texture histograms, each scaled to 0..1, averaged; the
nearest neighbour's keywords first, those of the next ones after. Precision and recall are means over the
keywords. Pictures are then found again by keyword, or by the distance of features, and judged by mean
average precision:

    AP = mean over the relevant places k of (relevant among the first k) / k

Transfer keeps the first layers of a network that has learnt one task and trains the rest for another,
from few examples.
"""

from __future__ import annotations

import numpy as np

import markone as mo
from markone import models, viz
from markone.datasets import MNIST, Digits, Flickr8k
from markone.lessons.loop import fit
from markone.lessons.page import Page
from markone.vision import annotation, retrieval


def lesson(page: Page) -> None:
    """Keywords of photographs, photographs of keywords, digits by likeness, new digits from few examples."""
    _annotate(page)
    _retrieve_and_transfer(page)
    page.next(
        "Use one feature alone: `joint_distances({'gabor': ...}, {'gabor': ...})`. Which is best?",
        "Retrieve by the activations of another layer: `mo.models.activations(net, x, ['features.s4'])`.",
        "Freeze less: `models.freeze(net, until='features.c3')`.",
    )


def _annotate(page: Page) -> None:
    page.title("Keywords of photographs")
    known, asked = (Flickr8k(split=split, synthetic=page.short) for split in ("train", "test"))
    captions = [data[i][1] for data in (known, asked) for i in range(len(data))]
    words = annotation.caption_keywords(captions, least=3 if page.short else 8)
    stored, wanted = words[: len(known)], words[len(known) :]
    database, queries = (
        annotation.image_features(mo.stack([data[i][0] for i in range(len(data))])) for data in (known, asked)
    )
    far = annotation.joint_distances(queries, database)
    transfer = annotation.KeywordTransfer(5, neighbours=5).fit(stored)
    predicted = transfer.predict(far)
    chance = transfer.predict(np.random.default_rng(page.seed).random(far.shape))
    scores = {"nearest neighbours": predicted, "pictures drawn by lot": chance}
    rows, precision = [], []
    for name, given in scores.items():
        score = annotation.annotation_score(given, wanted)
        mean, _ = retrieval.keyword_average_precision(given, wanted)
        precision.append(score.precision)
        rows.append(
            (
                name,
                f"{100 * score.precision:.1f} %",
                f"{100 * score.recall:.1f} %",
                f"{score.found} of {score.keywords}",
                f"{100 * mean:.1f} %",
            )
        )
    page.text(f"{len(known)} photographs to learn from, {len(asked)} to annotate with five keywords each.")
    page.table(("keywords from", "precision", "recall", "keywords found", "mAP by keyword"), rows)
    page.check("neighbours know more than chance", precision[0] > precision[1])
    best = sorted(range(len(asked)), key=lambda i: -len(set(predicted[i]) & wanted[i]))[:8]
    page.picture(
        "keywords",
        viz.images(
            [asked[i][0] for i in best],
            [f"{', '.join(predicted[i][:3])}\n({', '.join(sorted(wanted[i])[:3])})" for i in best],
            "Predicted (and human) keywords, the luckiest eight",
            columns=4,
        ),
    )


def _retrieve_and_transfer(page: Page) -> None:
    """A network learns the digits 0 to 4; what of it serves for 5 to 9?"""
    x, y = _digits(page, True)
    tx, ty = _digits(page, False)
    first = mo.from_numpy(np.flatnonzero(y.numpy() < 5))
    net = models.lenet5(5)
    fit(net, x[first], y[first], 8 if page.short else 4, lr=2e-3, batch=32, seed=page.seed)
    later, asked = (mo.from_numpy(np.flatnonzero(labels.numpy() >= 5)[:2000]) for labels in (y, ty))

    page.title("Pictures by likeness")
    relevant = ty[asked].numpy()[:, None] == y[later].numpy()
    layers = ["features.s2", "features.s4", "classifier.relu5", "classifier.relu6"]
    inside = [models.activations(net, images, layers) for images in (tx[asked], x[later])]
    pairs = {"pixels": (tx[asked], x[later])} | {name: (inside[0][name], inside[1][name]) for name in layers}
    found = {}
    for name, pair in pairs.items():
        queries, stored = (features.flatten(1) for features in pair)
        far = retrieval.distances(queries, stored, "cosine")
        found[name] = 100 * retrieval.mean_average_precision(far, relevant)
    page.text(
        "LeNet-5 learns the digits 0 to 4. Then 5 to 9 are looked for by example, by the cosine of features; "
        "relevant is the same digit. The last layers know the old classes only."
    )
    page.table(("features", "mAP"), [(name, f"{value:.1f} %") for name, value in found.items()])
    page.check("the second convolution's features beat the last layer's", found[layers[1]] > found[layers[3]])
    if not page.short:
        page.check("and the pixels", found[layers[1]] > found["pixels"])
    page.picture(
        "layers",
        viz.bars(dict(zip(("pixels", "S2", "S4", "C5", "F6"), found.values())), "mAP, %", "Which layer"),
    )

    page.title("A new task from few examples")
    few = 3 if page.short else 5
    rows = np.concatenate([np.flatnonzero(y.numpy() == digit)[:few] for digit in range(5, 10)])
    px, py = x[mo.from_numpy(rows)], y[mo.from_numpy(rows)] - 5
    qx, qy = tx[asked], ty[asked] - 5
    fresh = models.lenet5(5)
    fit(fresh, px, py, 40, lr=2e-3, seed=page.seed)
    models.new_head(net, 5)
    models.freeze(net, ["features"])
    rest = [p for p in net.parameters() if p.requires_grad]
    fit(net, px, py, 40, step=mo.optim.Adam(rest, lr=2e-3), seed=page.seed)
    page.text(f"{few} examples of each of 5 to 9 to learn from, {len(qx)} to test.")
    scores = {"all layers from the start": fresh(qx), "convolutions of 0 to 4, frozen": net(qx)}
    errors = {name: [100 * retrieval.top_k_error(s, qy, k) for k in (1, 2, 3)] for name, s in scores.items()}
    page.table(
        ("trained", "error", "top-2 error", "top-3 error"),
        [(name, *(f"{value:.1f} %" for value in three)) for name, three in errors.items()],
    )
    if not page.short:
        fresh_error, kept_error = (three[0] for three in errors.values())
        page.check("transfer helps", kept_error < fresh_error - 5)


def _digits(page: Page, train: bool) -> tuple[mo.Tensor, mo.Tensor]:
    """Images in -1..2, as many as the lesson needs, and labels."""
    data = Digits(train, size=28) if page.short else MNIST(train=train)
    count = min(len(data), 12_000 if train else 6_000)
    return mo.stack([data[i][0] for i in range(count)]) * 3 - 1, data.targets[:count]
