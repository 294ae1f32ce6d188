"""Small made data: points in the plane, codes, sequences. All are functions of their arguments and a seed."""

from __future__ import annotations

import numpy as np

from ..data.random import KeyedRandom
from ..ops import from_numpy
from ..tensor import Tensor

__all__ = [
    "aeroplane_positions",
    "circles",
    "four_classes",
    "gaussians",
    "linear",
    "long_lag",
    "moons",
    "one_hot_codes",
    "ring_of_gaussians",
    "spirals",
    "thirteen_points",
    "truth_table",
    "xor",
]

Points = tuple[Tensor, Tensor]


def _points(x: np.ndarray, y: np.ndarray) -> Points:
    return from_numpy(np.ascontiguousarray(x, dtype=np.float32)), from_numpy(y.astype(np.int64))


def _normal(random: KeyedRandom, *shape: int) -> np.ndarray:
    """Standard normal numbers (Box and Muller 1958)."""
    u, v = random.random(2 * int(np.prod(shape))).reshape(2, *shape)
    return np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)


def _shuffled(random: KeyedRandom, x: np.ndarray, y: np.ndarray) -> Points:
    order = random.permutation(len(y))
    return _points(x[order], y[order])


def _check(name: str, n_samples: int, noise: float = 0.0) -> None:
    if n_samples < 1 or noise < 0:
        raise ValueError(f"{name}: n_samples {n_samples}, noise {noise}, want at least 1 and 0")


def thirteen_points() -> Points:
    """The course's two classes that a line divides: points float32 [13, 2], targets int64 [13], green 1,
    red -1."""
    x = [
        (1, 9),
        (10, 9),
        (4, 7),
        (4, 5),
        (5, 3),
        (8, 9),
        (4, 2),
        (2, 5),
        (7, 1),
        (2, 10),
        (8, 5),
        (1, 2),
        (8, 2),
    ]
    return _points(np.array(x), np.array([1 if c == "G" else -1 for c in "GGGRRGRRRGGRR"]))


def four_classes() -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Eight points of four classes for two threshold units: float32 [8, 2]; codes int64 [8, 2]; the names
    of the codes 00, 01, 10, 11."""
    x = np.array([(1, 1), (1, 4), (2, 5), (1, 2), (4, 2), (4, 5), (5, 4), (5, 2)])
    codes = [(0, 0), (0, 1), (0, 1), (0, 0), (1, 0), (1, 1), (1, 1), (1, 0)]
    return *_points(x, np.array(codes)), ("bus", "car", "plane", "bicycle")


def truth_table(inputs: int) -> Tensor:
    """All rows of 0 and 1, counting upwards: float32 [2^inputs, inputs]."""
    if not 0 <= inputs <= 20:
        raise ValueError(f"truth_table: inputs is {inputs}, wants 0 .. 20")
    rows = (np.arange(2**inputs)[:, None] >> np.arange(inputs - 1, -1, -1)) & 1
    return from_numpy(rows.astype(np.float32))


def one_hot_codes(n: int = 8) -> Points:
    """The n-3-n identity problem: one-hot rows float32 [n, n], and their numbers."""
    _check("one_hot_codes", n)
    return _points(np.eye(n), np.arange(n))


def moons(n_samples: int = 200, noise: float = 0.1, seed: int = 0) -> Points:
    """Two half circles that reach into each other: float32 [N, 2], 0 or 1."""
    _check("moons", n_samples, noise)
    random = KeyedRandom(seed, 21)
    y = np.arange(n_samples) % 2
    t = np.pi * random.random(n_samples)
    x = np.where(
        y[:, None] == 0, np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1)
    )
    return _shuffled(random, x + noise * _normal(random, n_samples, 2), y)


def circles(n_samples: int = 200, noise: float = 0.05, factor: float = 0.5, seed: int = 0) -> Points:
    """A circle of radius 1 (class 0) around one of radius `factor` (class 1)."""
    _check("circles", n_samples, noise)
    random = KeyedRandom(seed, 22)
    y = np.arange(n_samples) % 2
    t = 2 * np.pi * random.random(n_samples)
    x = np.stack([np.cos(t), np.sin(t)], 1) * np.where(y == 0, 1.0, factor)[:, None]
    return _shuffled(random, x + noise * _normal(random, n_samples, 2), y)


def spirals(
    n_samples: int = 200, noise: float = 0.02, classes: int = 2, turns: float = 1.5, seed: int = 0
) -> Points:
    """One arm a class, from near the middle out to radius 1."""
    _check("spirals", n_samples, noise)
    if classes < 1:
        raise ValueError(f"spirals: classes is {classes}, wants at least 1")
    random = KeyedRandom(seed, 23)
    y = np.arange(n_samples) % classes
    r = 0.05 + 0.95 * random.random(n_samples)
    t = 2 * np.pi * (turns * r + y / classes)
    x = r[:, None] * np.stack([np.cos(t), np.sin(t)], 1)
    return _shuffled(random, x + noise * _normal(random, n_samples, 2), y)


def xor(n_samples: int | None = None, noise: float = 0.0, seed: int = 0) -> Points:
    """The four rows of exclusive or; or `n_samples` points of [-1, 1]², class 1 where the signs differ."""
    if n_samples is None:
        return _points(np.array([(0, 0), (0, 1), (1, 0), (1, 1)]), np.array([0, 1, 1, 0]))
    _check("xor", n_samples, noise)
    random = KeyedRandom(seed, 24)
    x = 2 * random.random(2 * n_samples).reshape(n_samples, 2) - 1
    y = (x[:, 0] < 0) != (x[:, 1] < 0)
    return _points(x + noise * _normal(random, n_samples, 2), y)


def gaussians(
    n_samples: int = 200, distance: float = 4.0, std: float = 1.0, classes: int = 2, seed: int = 0
) -> Points:
    """Round clouds, their middles on a circle, neighbours `distance` apart."""
    _check("gaussians", n_samples, std)
    if classes < 2:
        raise ValueError(f"gaussians: classes is {classes}, wants at least 2")
    random = KeyedRandom(seed, 25)
    y = np.arange(n_samples) % classes
    t, radius = 2 * np.pi * y / classes, distance / (2 * np.sin(np.pi / classes))
    middles = radius * np.stack([np.cos(t), np.sin(t)], 1)
    return _shuffled(random, middles + std * _normal(random, n_samples, 2), y)


def ring_of_gaussians(
    n_samples: int = 1000, modes: int = 8, radius: float = 2.0, std: float = 0.02, seed: int = 0
) -> Points:
    """Narrow clouds evenly on a circle, to count which of them a generator finds: points, and the cloud of
    each."""
    if modes < 2:
        raise ValueError(f"ring_of_gaussians: modes is {modes}, wants at least 2")
    return gaussians(n_samples, 2 * radius * float(np.sin(np.pi / modes)), std, modes, seed)


def linear(
    n_samples: int = 100,
    weights: tuple[float, ...] = (2.0, -1.0),
    bias: float = 0.5,
    noise: float = 0.1,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Regression: x float32 [N, D] in ±1, y float32 [N] = x·weights + bias + noise."""
    _check("linear", n_samples, noise)
    random = KeyedRandom(seed, 26)
    x = 2 * random.random(n_samples * len(weights)).reshape(n_samples, -1) - 1
    y = x @ np.array(weights) + bias + noise * _normal(random, n_samples)
    return from_numpy(x.astype(np.float32)), from_numpy(y.astype(np.float32))


def long_lag(n_samples: int = 100, lag: int = 20, symbols: int = 4, seed: int = 0) -> Points:
    """Recall over a lag: sequences int64 [N, lag + 2] that begin with the symbol to keep, then hold
    distractors, numbered symbols .. 2·symbols - 1, and end with the question, 2·symbols; and the kept
    symbols int64 [N]."""
    _check("long_lag", n_samples)
    if lag < 0 or symbols < 1:
        raise ValueError(f"long_lag: lag {lag}, symbols {symbols}, want at least 0 and 1")
    random = KeyedRandom(seed, 27)
    kept = (random.random(n_samples) * symbols).astype(np.int64)
    between = symbols + (random.random(n_samples * lag) * symbols).astype(np.int64).reshape(n_samples, lag)
    asked = np.full((n_samples, 1), 2 * symbols, dtype=np.int64)
    return from_numpy(np.concatenate([kept[:, None], between, asked], 1)), from_numpy(kept)


def aeroplane_positions(
    steps: int = 50, speed: float = 1.0, noise: float = 2.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """A laser's noisy readings of where an aeroplane is, and where it is: float32 [steps] each. A weighted
    mean of the last readings, a convolution, comes nearer to the truth."""
    _check("aeroplane_positions", steps, noise)
    random = KeyedRandom(seed, 28)
    true = speed * np.arange(steps) + 3 * speed * np.sin(np.arange(steps) / 8)
    seen = true + noise * _normal(random, steps)
    return from_numpy(seen.astype(np.float32)), from_numpy(true.astype(np.float32))
