"""Random numbers of the data pipeline: a pure function of a key, whichever thread asks.

Shuffles are keyed by (seed, epoch), augmentations by (seed, epoch, index): the number of workers, the order
in which they finish and a resumed run change nothing. The stream is the raw output of Philox4x64-10 (Salmon
et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), which NumPy promises never to change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["KeyedRandom", "permutation", "sample_key", "sample_random"]

_MASK = (1 << 64) - 1


class KeyedRandom:
    """Random numbers fixed by a key of up to six integers; equal keys give equal numbers.

    Args:
        key: the key's words, each taken modulo 2^64.
    """

    __slots__ = ("_bits",)

    def __init__(self, *key: int) -> None:
        if not 1 <= len(key) <= 6:
            raise ValueError(f"KeyedRandom: a key has 1 to 6 words, got {len(key)}")
        words = [int(k) & _MASK for k in key] + [0] * (6 - len(key))
        # Two words are Philox's key, three the high part of its counter; the last is folded into the key.
        from numpy.random import Philox

        first = (words[0] ^ (words[5] * 0x9E3779B97F4A7C15)) & _MASK
        self._bits = Philox(
            counter=np.array([0, words[2], words[3], words[4]], dtype=np.uint64),
            key=np.array([first, words[1]], dtype=np.uint64),
        )

    def raw(self, count: int) -> np.ndarray:
        """`count` words of 64 random bits (uint64)."""
        return self._bits.random_raw(count)

    def random(self, count: int) -> np.ndarray:
        """`count` float64 numbers, uniform in [0, 1), multiples of 2^-53."""
        return (self.raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number, uniform in [low, high)."""
        return low + (high - low) * float(self.random(1)[0])

    def integer(self, low: int, high: int) -> int:
        """One integer, uniform in low .. high - 1."""
        if high <= low:
            raise ValueError(f"integer: low {low} is not below high {high}")
        # The product of 64 random bits and the width: its bias is below width / 2^64.
        return low + ((int(self.raw(1)[0]) * (high - low)) >> 64)

    def normal(self, mean: float = 0.0, std: float = 1.0) -> float:
        """One number from the normal distribution (Box and Muller 1958)."""
        u, v = self.random(2)
        return float(mean + std * np.sqrt(-2.0 * np.log1p(-u)) * np.cos(2.0 * np.pi * v))

    def permutation(self, n: int) -> np.ndarray:
        """A random order of 0 .. n - 1 (int64 [n])."""
        return np.argsort(self.raw(n), kind="stable").astype(np.int64, copy=False)


def permutation(n: int, *key: int) -> np.ndarray:
    """The order of 0 .. n - 1 that belongs to the key (int64 [n])."""
    return KeyedRandom(*key).permutation(n)


class _Current(threading.local):
    def __init__(self) -> None:
        self.key: tuple[int, ...] | None = None
        self.random: KeyedRandom | None = None
        self.lone = 0


_current = _Current()


@contextmanager
def sample_key(*key: int) -> Iterator[None]:
    """Inside, `sample_random()` of this thread is the stream of the key (seed, epoch, index)."""
    before = _current.key, _current.random
    _current.key, _current.random = key, None
    try:
        yield
    finally:
        _current.key, _current.random = before


def sample_random() -> KeyedRandom:
    """The random numbers of the sample that this thread is fetching.

    Called by random transforms and by a dataset's `__getitem__`. Inside a DataLoader the stream is keyed by
    (seed, epoch, index). Outside one, each call gives a stream of its own, keyed by the library's seed
    (`markone.manual_seed`) and how many were asked for before by this thread.
    """
    if _current.key is not None:
        if _current.random is None:
            _current.random = KeyedRandom(*_current.key, 1)
        return _current.random
    from .sampler import seed_of

    _current.lone += 1
    return KeyedRandom(seed_of(None), _current.lone, 0, 2)
