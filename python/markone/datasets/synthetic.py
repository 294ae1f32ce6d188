"""Stand-ins that look like the real data, made by rule: every example runs without a file or a network.

Each is a function of a key alone, so a run repeats. Numbers measured on them say nothing about the real sets.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..data.random import KeyedRandom

__all__ = ["Scene", "cells", "class_images", "random_of", "scene", "sentence"]

# Red, green, blue, yellow, purple, cyan, orange, white, brown, pink, grey.
COLOURS = np.array(
    [
        (200, 40, 40), (40, 160, 60), (50, 70, 200), (220, 200, 50), (140, 60, 160), (60, 180, 190),
        (230, 130, 40), (240, 240, 240), (120, 80, 40), (240, 150, 180), (110, 110, 110),
    ],
    dtype=np.float64,
)  # fmt: skip
COLOUR_NAMES = (
    "red", "green", "blue", "yellow", "purple", "cyan", "orange", "white", "brown", "pink", "grey",
)  # fmt: skip
SHAPES = ("disc", "square", "triangle")


def random_of(name: str, *key: int) -> KeyedRandom:
    """The stream that belongs to a data set's name, its part, a sample."""
    return KeyedRandom(zlib.crc32(name.encode()), 11, *key)


def class_images(
    name: str, part: int, count: int, classes: int, channels: int, size: int
) -> tuple[np.ndarray, ...]:
    """Gratings uint8 [N, C, H, W] whose direction and colour tell the class, int64 labels [N]."""
    random = random_of(name, part)
    labels = np.arange(count, dtype=np.int64) % classes
    phase, level = random.random(2 * count).reshape(2, count)
    noise = random.random(count * size * size).reshape(count, size, size)
    angle = np.pi * labels / classes
    y, x = np.mgrid[0:size, 0:size] / size
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    waves = 0.5 + 0.4 * np.sin(2 * np.pi * (3 * along + phase[:, None, None]))
    grey = np.clip((0.5 + 0.5 * level[:, None, None]) * waves + 0.2 * (noise - 0.5), 0, 1)
    tint = COLOURS[labels % len(COLOURS)] / 255 if channels == 3 else np.ones((count, channels))
    images = grey[:, None] * (0.4 + 0.6 * tint[:, :, None, None])
    return np.rint(images * 255).astype(np.uint8), labels


@dataclass(frozen=True)
class Scene:
    """Coloured shapes on a pale ground: image uint8 [3, H, W]; boxes float64 [N, 4]; kinds int64 [N];
    plane uint8 [H, W], 0 ground, 1 + kind; what each one is called."""

    image: np.ndarray
    boxes: np.ndarray
    kinds: np.ndarray
    plane: np.ndarray
    names: tuple[str, ...]


def scene(random: KeyedRandom, size: tuple[int, int], kinds: int, most: int = 5) -> Scene:
    """One to `most` shapes; the kind tells the colour, and modulo three the shape."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width] + 0.5
    image = np.full((height, width, 3), 225.0)
    plane = np.zeros(size, dtype=np.uint8)
    found: list[tuple[list[float], int]] = []
    for _ in range(random.integer(1, most + 1)):
        kind = random.integer(0, kinds)
        half = random.uniform(0.08, 0.2) * min(size)
        cy, cx = random.uniform(half, height - half), random.uniform(half, width - half)
        dy, dx = (y - cy) / half, (x - cx) / half
        inside = (
            dx**2 + dy**2 <= 1,
            np.maximum(abs(dx), abs(dy)) <= 1,
            (dy <= 1) & (abs(dx) <= (dy + 1) / 2),
        )[kind % 3]
        rows, columns = np.nonzero(inside)
        if len(rows) == 0:
            continue
        image[inside] = COLOURS[kind % len(COLOURS)]
        plane[inside] = 1 + kind
        found.append(([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], kind))
    image += 20 * (random.random(image.size).reshape(image.shape) - 0.5)
    return Scene(
        np.rint(np.clip(image, 0, 255)).astype(np.uint8).transpose(2, 0, 1),
        np.array([box for box, _ in found], dtype=np.float64).reshape(-1, 4),
        np.array([kind for _, kind in found], dtype=np.int64),
        plane,
        tuple(f"{COLOUR_NAMES[k % len(COLOUR_NAMES)]} {SHAPES[k % 3]}" for _, k in found),
    )


def cells(random: KeyedRandom, size: int, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Cells with dark membranes: image uint8 [1, H, W], and uint8 [H, W], 0 membrane, 1 cell."""
    places = random.random(2 * count).reshape(2, count, 1, 1) * size
    y, x = np.mgrid[0:size, 0:size]
    away = np.sort(np.hypot(y - places[0], x - places[1]), axis=0)
    inside = away[1] - away[0] > 3
    shade = np.where(inside, 180.0, 70.0) + 60 * (random.random(size * size).reshape(size, size) - 0.5)
    return np.rint(np.clip(shade, 0, 255)).astype(np.uint8)[None], inside.astype(np.uint8)


# A little language: (tag, English, German, French); sentences are determiner adjective noun verb ...
_WORDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "DET": (("a", "ein", "un"), ("the", "das", "le"), ("one", "jenes", "ce")),
    "ADJ": (
        ("small", "kleine", "petit"), ("red", "rote", "rouge"), ("old", "alte", "vieux"),
        ("quiet", "stille", "calme"), ("young", "junge", "jeune"),
    ),
    "NOUN": (
        ("dog", "Hund", "chien"), ("child", "Kind", "enfant"), ("boat", "Boot", "bateau"),
        ("house", "Haus", "maison"), ("horse", "Pferd", "cheval"), ("garden", "Garten", "jardin"),
    ),
    "VERB": (
        ("sees", "sieht", "voit"), ("finds", "findet", "trouve"), ("likes", "mag", "aime"),
        ("follows", "begleitet", "suit"),
    ),
    "ADV": (("today", "heute", "aujourd'hui"), ("again", "wieder", "encore"), ("here", "hier", "ici")),
    "PUNCT": ((".", ".", "."),),
}  # fmt: skip
_PATTERNS = (
    ("DET", "NOUN", "VERB", "DET", "ADJ", "NOUN", "PUNCT"),
    ("DET", "ADJ", "NOUN", "VERB", "DET", "NOUN", "ADV", "PUNCT"),
    ("DET", "ADJ", "NOUN", "VERB", "DET", "ADJ", "NOUN", "PUNCT"),
    ("ADV", "DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"),
)


def sentence(random: KeyedRandom) -> list[tuple[str, str, str, str]]:
    """The words of a sentence: (tag, English, German, French)."""
    tags = _PATTERNS[random.integer(0, len(_PATTERNS))]
    return [(tag, *_WORDS[tag][random.integer(0, len(_WORDS[tag]))]) for tag in tags]
