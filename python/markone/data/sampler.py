"""Samplers: in which order a loader takes the samples. Random ones are keyed by (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from .._C import default_generator
from .random import KeyedRandom

__all__ = [
    "BatchSampler",
    "BucketBatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T = TypeVar("T", covariant=True)


def seed_of(generator: Any | None) -> int:
    """The seed of a generator, of the library's default one where None."""
    if generator is None:
        generator = default_generator
    seed = getattr(generator, "initial_seed", None)
    if seed is None:
        raise TypeError(f"generator: wants a markone.Generator, got {type(generator).__name__}")
    return int(seed())


class Sampler(Generic[T]):
    """Gives indices or, as a batch sampler, lists of them.

    A subclass writes `__iter__` and, if it can, `__len__`.

    A loader calls `set_epoch(epoch)` before each epoch, where a sampler has it.
    """

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__}: a Sampler has to write __iter__()")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... len - 1."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class _KeyedSampler(Sampler[T]):
    """The base of random samplers: epoch e of a seed always has the same order."""

    generator: Any | None = None
    seed: int | None = None
    epoch = 0
    _given = False

    def set_epoch(self, epoch: int, seed: int | None = None) -> None:
        """The next iteration is this epoch's; `seed` counts where the sampler has no generator of its own."""
        self.epoch, self._given = epoch, True
        if seed is not None and self.generator is None:
            self.seed = seed

    def _random(self) -> KeyedRandom:
        if self.seed is None:
            self.seed = seed_of(self.generator)
        stream = KeyedRandom(self.seed, self.epoch)
        # Without a loader that counts, each iteration is an epoch of its own.
        self.epoch, self._given = self.epoch + 1, False
        return stream


class RandomSampler(_KeyedSampler[int]):
    """All samples in random order; or, with replacement, `num_samples` independent draws.

    Args:
        data_source: whose length counts.
        replacement: draw with replacement.
        num_samples: how many to draw; the length where None. Without replacement, more than the length means
            several random orders one after the other.
        generator: whose seed is the key; the loader's or the library's where None.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any | None = None,
    ) -> None:
        if num_samples is not None and num_samples < 1:
            raise ValueError(f"RandomSampler: num_samples is {num_samples}, wants at least 1")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, wanted, stream = len(self.data_source), self.num_samples, self._random()
        if n == 0:
            return iter(())
        if self.replacement:
            picked = (stream.random(wanted) * n).astype(np.int64)
        else:
            rounds = [stream.permutation(n) for _ in range(-(-wanted // n))]
            picked = np.concatenate(rounds)[:wanted]
        return iter(picked.tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(_KeyedSampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Any | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = self._random().permutation(len(self.indices)).tolist()
        return iter([self.indices[i] for i in order])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_KeyedSampler[int]):
    """`num_samples` draws of 0 .. len(weights) - 1 with these weights (they need not sum to 1).

    Without replacement, by the exponential keys of Efraimidis and Spirakis (2006): the `num_samples` indices
    with the smallest -log(u) / weight.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any | None = None,
    ) -> None:
        self.weights = np.asarray(weights, dtype=np.float64)
        if self.weights.ndim != 1 or not np.all(np.isfinite(self.weights)) or np.any(self.weights < 0):
            raise ValueError(
                "WeightedRandomSampler: weights have to be a list of finite numbers, none negative"
            )
        usable = int(np.count_nonzero(self.weights))
        if num_samples < 1 or usable == 0 or (not replacement and num_samples > usable):
            raise ValueError(
                f"WeightedRandomSampler: num_samples is {num_samples}, with {usable} weights above zero and "
                f"replacement={replacement}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        stream = self._random()
        if self.replacement:
            total = np.cumsum(self.weights)
            drawn = stream.random(self.num_samples) * total[-1]
            picked = np.searchsorted(total, drawn, side="right")
        else:
            with np.errstate(divide="ignore"):
                keys = -np.log1p(-stream.random(len(self.weights))) / self.weights
            keys[self.weights == 0] = np.inf
            picked = np.argsort(keys, kind="stable")[: self.num_samples]
        return iter(picked.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices from another sampler; the last may be shorter unless `drop_last`."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"BatchSampler: batch_size is {batch_size!r}, wants an integer of at least 1")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def set_epoch(self, epoch: int, seed: int | None = None) -> None:
        set_epoch(self.sampler, epoch, seed)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


class BucketBatchSampler(_KeyedSampler[list[int]]):
    """Batches of samples of like length, so that padding wastes little.

    Each epoch the samples are shuffled and cut into pools of `pool` batches; a pool is sorted by length and
    cut into batches, and the batches come in random order. Without shuffling all are sorted by length.

    Args:
        lengths: of every sample.
        batch_size: samples a batch.
        drop_last: leave out batches that are not full.
        shuffle: a new random order each epoch.
        pool: how many batches are sorted together; more means less padding and less mixing.
        generator: whose seed is the key; the loader's or the library's where None.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        drop_last: bool = False,
        *,
        shuffle: bool = True,
        pool: int = 100,
        generator: Any | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("pool", pool)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"BucketBatchSampler: {name} is {value!r}, wants an integer of at least 1")
        self.lengths = np.asarray(lengths, dtype=np.int64)
        if self.lengths.ndim != 1 or np.any(self.lengths < 0):
            raise ValueError("BucketBatchSampler: lengths have to be a list of numbers, none negative")
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.pool = pool
        self.generator = generator

    def __iter__(self) -> Iterator[list[int]]:
        n, size = len(self.lengths), self.batch_size
        if not self.shuffle:
            order, stream = np.arange(n), None
        else:
            stream = self._random()
            order = stream.permutation(n)
        step = size * self.pool if self.shuffle else max(n, 1)
        batches: list[list[int]] = []
        for start in range(0, n, step):
            part = order[start : start + step]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[i : i + size].tolist() for i in range(0, len(part), size)]
        if self.drop_last:
            batches = [batch for batch in batches if len(batch) == size]
        if stream is not None:
            batches = [batches[i] for i in stream.permutation(len(batches)).tolist()]
        return iter(batches)

    def __len__(self) -> int:
        n = len(self.lengths)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def set_epoch(sampler: Any, epoch: int, seed: int | None) -> None:
    """Tells a sampler its epoch, where it wants to know; the seed only to our own."""
    method = getattr(sampler, "set_epoch", None)
    if method is None:
        return
    if isinstance(sampler, (_KeyedSampler, BatchSampler)):
        method(epoch, seed)
    else:
        method(epoch)
