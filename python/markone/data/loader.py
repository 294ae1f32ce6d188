"""DataLoader: batches in a fixed order, made ahead of time by threads, resumable between any two of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .prefetch import ordered_prefetch
from .random import sample_key
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, seed_of, set_epoch
from .worker import WorkerInfo, enter_worker

__all__ = ["DataLoader"]

T = TypeVar("T")


def _fetch(dataset: Any, collate_fn: Callable[[Any], Any], key: tuple[int, int], indices: Any) -> Any:
    """One batch, or one sample where there is no batching."""
    if not isinstance(indices, (list, tuple)):
        with sample_key(*key, indices if isinstance(indices, int) else 0):
            sample = dataset[indices]
        return collate_fn(sample)
    if collate_fn is default_collate:
        get_batch = getattr(dataset, "get_batch", None)
        if get_batch is not None:
            batch = get_batch(indices)
            if batch is not None:
                return batch
    samples = []
    for index in indices:
        with sample_key(*key, index if isinstance(index, int) else 0):
            samples.append(dataset[index])
    return collate_fn(samples)


def _chunks(dataset: Iterable[Any], size: int | None, drop_last: bool) -> Iterator[Any]:
    """The samples of an iterable dataset, `size` at a time."""
    batch: list[Any] = []
    for sample in dataset:
        if size is None:
            yield sample
            continue
        batch.append(sample)
        if len(batch) == size:
            yield batch
            batch = []
    if batch and not drop_last:
        yield batch


class DataLoader(Generic[T]):
    """Iterates over a dataset in batches.

    Args:
        dataset: with `__getitem__` and `__len__`, or an `IterableDataset`.
        batch_size: samples a batch; None: single samples, not collated.
        shuffle: a new random order each epoch, a function of (seed, epoch) alone.
        sampler: gives the indices instead (not with `shuffle`).
        batch_sampler: gives lists of indices (not with `batch_size`, `shuffle`, `sampler`, `drop_last`).
        num_workers: threads that make batches ahead; 0: the consumer's own thread. No number of them changes
            a result: order, shuffle and augmentation (`markone.data.sample_random`) are keyed by (seed,
            epoch, index). An `IterableDataset` is read by the consumer's thread alone, once, in its order;
            the threads collate.
        collate_fn: makes a batch of a list of samples; `default_collate` where None. With the default, a
            dataset's `get_batch` makes the batch in one call.
        pin_memory: accepted for compatibility; there is nothing to pin on the CPU.
        drop_last: leave out a last batch that is not full.
        timeout: seconds that a batch may take; 0 means for ever.
        worker_init_fn: called with the worker's number in each thread before its first batch.
        multiprocessing_context: None; the workers are threads.
        generator: whose seed is the key; the library's (`markone.manual_seed`) at the first iteration where
            None.
        prefetch_factor: batches ahead a worker; 2 where None. Wants num_workers above 0, as does
        persistent_workers: accepted for compatibility, like pin_memory_device; threads start in microseconds.
        in_order: True; batches never come in another order.

    An exception in a worker is raised at the place of its batch, with the worker's traceback. Leaving the
    loop early ends the threads. `state_dict()` between two batches and `load_state_dict()` on an equal loader
    continue with the next batch, bit for bit.
    """

    dataset: Any

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[Sequence[Any]] | Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: None = None,
        generator: Any | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if multiprocessing_context is not None:
            raise ValueError("DataLoader: the workers are threads, multiprocessing_context has to be None")
        if not in_order:
            raise ValueError("DataLoader: batches come in order always, in_order has to be True")
        if not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"DataLoader: num_workers is {num_workers!r}, wants an integer of at least 0")
        if timeout < 0:
            raise ValueError(f"DataLoader: timeout is {timeout}, wants at least 0")
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"DataLoader: prefetch_factor is {prefetch_factor}, wants at least 1")
        if num_workers == 0 and (prefetch_factor is not None or persistent_workers):
            raise ValueError("DataLoader: prefetch_factor and persistent_workers want num_workers above 0")
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise ValueError(
                f"DataLoader: batch_size is {batch_size!r}, wants an integer of at least 1, or None"
            )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: give shuffle or a sampler, not both")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: drop_last needs a batch_size")
        iterable = isinstance(dataset, IterableDataset)
        if iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: an IterableDataset has its own order: no shuffle, sampler, batch_sampler"
            )

        if batch_sampler is not None:
            batch_size = None
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = None
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = True
        self.generator = generator
        self._iterable = iterable
        if sampler is None and not iterable:
            sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_size is not None and not iterable:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
        self.batch_sampler = batch_sampler
        batched = batch_sampler is not None or (iterable and batch_size is not None)
        default = default_collate if batched else default_convert
        self.collate_fn: Callable[[Any], Any] = default if collate_fn is None else collate_fn

        self._seed: int | None = None
        self._epoch = 0  # of the iteration under way, or of the next one
        self._position = 0  # batches that it has given
        self._begun = False
        self._current: Any = None  # weak reference to the iteration whose position counts

    def __len__(self) -> int:
        """Batches an epoch; of an `IterableDataset` by its own length, where it has one."""
        if self._iterable:
            if type(self.dataset).__len__ is Dataset.__len__:
                raise TypeError("DataLoader: this IterableDataset has no length")
            count, size = len(self.dataset), self.batch_size or 1
            return count // size if self.drop_last else -(-count // size)
        source = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(source)  # type: ignore[arg-type]

    @property
    def epoch(self) -> int:
        """The epoch under way; after its last batch, the next one."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch's, from its first batch."""
        self._epoch, self._position, self._begun = int(epoch), 0, False

    def state_dict(self) -> dict[str, int]:
        """Where the loader stands: the seed, the epoch, and how many of its batches it has given."""
        return {"seed": self._the_seed(), "epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """The next iteration continues where the other loader stood.

        Raises:
            KeyError: a key is missing.
            ValueError: a number is negative.
        """
        values = {}
        for name in ("seed", "epoch", "position"):
            if name not in state_dict:
                raise KeyError(f"DataLoader.load_state_dict: '{name}' is missing, got {sorted(state_dict)}")
            values[name] = int(state_dict[name])
            if values[name] < 0 and name != "seed":
                raise ValueError(f"DataLoader.load_state_dict: {name} is {values[name]}, wants at least 0")
        self._seed, self._epoch, self._position = values["seed"], values["epoch"], values["position"]
        self._begun = False
        self._current = None

    def _the_seed(self) -> int:
        if self._seed is None:
            self._seed = seed_of(self.generator)
        return self._seed

    def __iter__(self) -> Iterator[Any]:
        if self._begun:  # the iteration before was left early: this is a new epoch
            self._epoch, self._position = self._epoch + 1, 0
        self._begun = True
        return _Iteration(self)


class _Iteration(Iterator[Any]):
    """One pass over the loader."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self._epoch = loader._epoch
        loader._current = weakref.ref(self)
        key = (loader._the_seed(), self._epoch)
        skip = loader._position
        workers = loader.num_workers
        fetch: Callable[[Any], Any]
        if loader._iterable:
            tasks = _chunks(loader.dataset, loader.batch_size, loader.drop_last)
            fetch = loader.collate_fn
        else:
            source = loader.sampler if loader.batch_sampler is None else loader.batch_sampler
            set_epoch(source, self._epoch, key[0])
            tasks = iter(source)  # type: ignore[arg-type]
            fetch = partial(_fetch, loader.dataset, loader.collate_fn, key)
        for _ in range(skip):
            if next(tasks, _END) is _END:
                break
        if workers == 0:
            self._batches: Iterator[Any] = map(fetch, tasks)
        else:
            self._batches = ordered_prefetch(
                fetch,
                tasks,
                workers=workers,
                ahead=workers * (loader.prefetch_factor or 2),
                timeout=loader.timeout,
                worker_init=partial(_start, loader.dataset, key[0], workers, loader.worker_init_fn),
            )

    def __iter__(self) -> _Iteration:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def _counts(self) -> bool:
        current = self._loader._current
        return current is not None and current() is self

    def __next__(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            if self._counts():
                loader = self._loader
                loader._epoch, loader._position, loader._begun = self._epoch + 1, 0, False
                loader._current = None
            raise
        if self._counts():
            self._loader._position += 1
        return batch

    def close(self) -> None:
        """Ends the worker threads."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()


_END = object()


def _start(dataset: Any, seed: int, workers: int, init: Callable[[int], None] | None, worker: int) -> None:
    """What a worker thread does first."""
    enter_worker(WorkerInfo(id=worker, num_workers=workers, seed=seed + worker, dataset=dataset))
    if init is not None:
        init(worker)
