"""Keywords for images from their nearest neighbours.

A. Makadia, V. Pavlovic, S. Kumar: "A new baseline for image annotation", ECCV 2008.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..nn import functional as F
from ..ops import from_numpy
from ..tensor import Tensor
from .retrieval import distances

__all__ = [
    "AnnotationScore",
    "KeywordTransfer",
    "annotation_score",
    "caption_keywords",
    "image_features",
    "joint_distances",
]

BINS = 16  # a channel, as in the paper
SCALES = 3

# What the words of a caption are never about.
STOP_WORDS = frozenset(
    """
    a about above across after against along among an and another are around as at away back be
    behind being beside between both by can down each five for four from front has have he her him
    his holding in inside into is it its large little looking looks near next not of off on one onto
    other others out outside over several she side sitting six small some something standing that
    the their them there they three through to together top toward towards two under up using very
    walking wearing what while who with
    """.split()
)


# -- Features of images


def image_features(images: Tensor) -> dict[str, np.ndarray]:
    """The paper's global features of images [N, 3, H, W] in 0..1, a row an image, each summing to 1.

    Histograms of 16 bins a channel in three colour spaces (`rgb`, `hsv`, `lab`); `gabor`, histograms of the
    magnitudes of Gabor filters in 4 directions at 3 scales; `haar`, the same of the 3 Haar wavelets.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"image_features: images have shape {list(images.shape)}, wants [N, 3, H, W]")
    arrays = images.detach().numpy()
    parts = [_features(arrays[i : i + 8]) for i in range(0, len(arrays), 8)] or [_features(arrays)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _features(images: np.ndarray) -> dict[str, np.ndarray]:
    pixels = np.clip(images.astype(np.float32), 0, 1)
    grey = pixels.mean(1, keepdims=True)
    return {
        "rgb": _histograms(pixels),
        "hsv": _histograms(_hsv(pixels)),
        "lab": _histograms(_lab(pixels)),
        "gabor": _textures(grey, _gabor_bank()),
        "haar": _textures(grey, _haar_bank()),
    }


def _histograms(planes: np.ndarray) -> np.ndarray:
    """[N, C * 16] of planes [N, C, H, W] in 0..1; a row sums to 1."""
    n, channels = planes.shape[:2]
    bins = np.minimum((np.clip(planes, 0, 1) * BINS).astype(np.int64), BINS - 1)
    bins = bins.reshape(n, channels, planes.shape[2] * planes.shape[3])
    places = (np.arange(n * channels).reshape(n, channels, 1) * BINS + bins).ravel()
    counts = np.bincount(places, minlength=n * channels * BINS).reshape(n, channels * BINS)
    return counts / max(1, bins.shape[2] * channels)


def _hsv(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]
    value, low = rgb.max(1), rgb.min(1)
    spread = value - low
    safe = np.where(spread > 0, spread, 1)
    hue = np.where(
        value == red,
        (green - blue) / safe % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = np.where(spread > 0, hue / 6, 0)
    return np.stack([hue, np.where(value > 0, spread / np.where(value > 0, value, 1), 0), value], 1)


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of sRGB, scaled to 0..1: L / 100, (a + 110) / 220, (b + 110) / 220."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    white = to_xyz.sum(1, keepdims=True)
    xyz = np.einsum("ij,njhw->nihw", (to_xyz / white).astype(np.float32), linear)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness, a, b = 116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])
    return np.stack([lightness / 100, (a + 110) / 220, (b + 110) / 220], 1)


def _textures(grey: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """How strongly a bank [filters, k, k] of filters answers to images [N, 1, H, W], and these at half and a
    quarter of the size: histograms even in the root; a row sums to 1."""
    size = bank.shape[1]
    before, after = (size - 1) // 2, size // 2
    kernels = from_numpy(bank[:, None])
    found = []
    with no_grad():
        x = from_numpy(grey)
        for scale in range(SCALES):
            if scale and min(x.shape[2:]) > 1:
                x = F.avg_pool2d(x, 2)
            padded = F.pad(x, (before, after, before, after), mode="replicate")
            found.append(_histograms(np.sqrt(np.abs(F.conv2d(padded, kernels).numpy()))))
    return np.concatenate(found, 1) / SCALES


def _gabor_bank() -> np.ndarray:
    """Waves of 4 pixels in four directions under a Gaussian, without answer to flat grey."""
    y, x = np.mgrid[-4:5, -4:5]
    bell = np.exp(-(x**2 + y**2) / (2 * 2.0**2))
    bank = []
    for turn in range(4):
        angle = turn * np.pi / 4
        kernel = bell * np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 4)
        kernel -= bell * (kernel.sum() / bell.sum())
        bank.append(2 * kernel / np.abs(kernel).sum())
    return np.stack(bank).astype(np.float32)


def _haar_bank() -> np.ndarray:
    """Left against right, top against bottom, and the diagonals, in squares of 2 pixels."""
    flat, step = np.array([1.0, 1.0]), np.array([1.0, -1.0])
    pairs = ((flat, step), (step, flat), (step, step))
    return np.stack([np.outer(*pair) / 2 for pair in pairs]).astype(np.float32)


def joint_distances(
    queries: dict[str, np.ndarray], database: dict[str, np.ndarray], metrics: dict[str, str] | None = None
) -> np.ndarray:
    """Joint equal contribution: each feature's distances [Q, D] scaled to 0..1, then averaged.

    Args:
        queries, database: features by name, as `image_features` gives them.
        metrics: of each feature (see `retrieval.distances`); by default 'kl' for `lab` and 'l1' for the
            others, as in the paper.

    Raises:
        ValueError: the two do not have the same features.
    """
    if set(queries) != set(database) or not queries:
        raise ValueError(f"joint_distances: got the features {sorted(queries)} and {sorted(database)}")
    total: Any = 0.0
    for name in queries:
        metric = (metrics or {}).get(name, "kl" if name == "lab" else "l1")
        found = distances(queries[name], database[name], metric)
        largest = found.max() if found.size else 0.0
        total = total + (found / largest if largest > 0 else found)
    return np.asarray(total / len(queries))


# -- Keywords


def caption_keywords(captions: Sequence[Sequence[str]], votes: int = 2, least: int = 5) -> list[set[str]]:
    """The keywords of images from their captions: words that at least `votes` of an image's captions have.

    Stop words do not count, nor words that fewer than `least` of the images would get.
    """
    found = []
    for texts in captions:
        said = Counter(word for text in texts for word in set(re.findall(r"[a-z]+", text.lower())))
        found.append({w for w, n in said.items() if n >= votes and len(w) > 2 and w not in STOP_WORDS})
    images = Counter(word for words in found for word in words)
    return [{word for word in words if images[word] >= least} for words in found]


class KeywordTransfer:
    """The greedy transfer of the paper's section 4.

    The nearest neighbour gives its keywords, the most frequent in the training set first. Where it has too
    few, the other neighbours give theirs, by the product of how often they stand beside the keywords that the
    first gave (over the training set) and how many of the neighbours have them.

    Args:
        count: n, keywords an image.
        neighbours: K.
    """

    def __init__(self, count: int = 5, neighbours: int = 5) -> None:
        if count < 1 or neighbours < 1:
            raise ValueError(
                f"KeywordTransfer: got count={count}, neighbours={neighbours}, wants 1 or more of each"
            )
        self.count, self.neighbours = count, neighbours

    def fit(self, keywords: Sequence[Iterable[str]]) -> KeywordTransfer:
        """Keeps the training images' keywords; their order is the distances' columns'."""
        self.keywords = [frozenset(words) for words in keywords]
        self.frequency = Counter(word for words in self.keywords for word in words)
        self.beside: dict[str, Counter[str]] = {word: Counter() for word in self.frequency}
        for words in self.keywords:
            for word in words:
                self.beside[word].update(words - {word})
        return self

    def predict(self, found: np.ndarray) -> list[list[str]]:
        """The keywords of each query, the surest first, from its distances [Q, D] to the training images."""
        found = np.asarray(found)
        if found.ndim != 2 or found.shape[1] != len(self.keywords):
            raise ValueError(
                f"KeywordTransfer: distances have shape {list(found.shape)}, wants "
                f"[queries, {len(self.keywords)}]"
            )
        order = np.argsort(found, axis=1, kind="stable")[:, : self.neighbours]
        return [self._one([self.keywords[i] for i in row]) for row in order]

    def _one(self, near: list[frozenset[str]]) -> list[str]:
        first = sorted(near[0], key=lambda word: (-self.frequency[word], word))[: self.count]
        if len(first) == self.count:
            return first
        local = Counter(word for words in near[1:] for word in words if word not in first)
        beside = {word: sum(self.beside[word][given] for given in first) for word in local}

        def rank(word: str) -> tuple[float, int, str]:
            return -beside[word] * local[word], -local[word], word

        return first + sorted(local, key=rank)[: self.count - len(first)]


@dataclass(frozen=True)
class AnnotationScore:
    """Means over the vocabulary: `precision`, `recall`; `found`: how many keywords were ever right (N+)."""

    precision: float
    recall: float
    found: int
    keywords: int

    def __str__(self) -> str:
        return (
            f"precision {100 * self.precision:.1f} %, recall {100 * self.recall:.1f} %, "
            f"{self.found} of {self.keywords} keywords found"
        )


def annotation_score(predicted: Sequence[Iterable[str]], wanted: Sequence[Iterable[str]]) -> AnnotationScore:
    """Precision and recall of each keyword that the wanted annotations have, averaged over these.

    A keyword that is never predicted has precision 0.
    """
    if len(predicted) != len(wanted):
        raise ValueError(f"annotation_score: {len(predicted)} predictions for {len(wanted)} images")
    given = [set(words) for words in predicted]
    right = [set(words) for words in wanted]
    vocabulary = sorted(set().union(*right)) if right else []
    precisions, recalls = [], []
    for word in vocabulary:
        hits = sum(word in a and word in b for a, b in zip(given, right, strict=True))
        said = sum(word in a for a in given)
        precisions.append(hits / said if said else 0.0)
        recalls.append(hits / sum(word in b for b in right))
    return AnnotationScore(
        float(np.mean(precisions)) if vocabulary else float("nan"),
        float(np.mean(recalls)) if vocabulary else float("nan"),
        sum(recall > 0 for recall in recalls),
        len(vocabulary),
    )
