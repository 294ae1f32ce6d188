"""Datasets: anything with `__getitem__` and `__len__`, plus a batch in one call where that is possible."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ..ops import from_numpy
from ..tensor import Tensor
from .random import permutation
from .sampler import seed_of

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """A map from 0 .. len - 1 to samples.

    A subclass writes `__getitem__(index)` and `__len__()`. It may also write `get_batch(indices)`: the batch
    that the loader's default collation would make of these samples, in one call; or return None where it
    cannot.
    """

    def __getitem__(self, index: int) -> T:
        raise NotImplementedError(f"{type(self).__name__}: a Dataset has to write __getitem__(index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: a Dataset has to write __len__()")

    def get_batch(self, indices: Sequence[int]) -> Any | None:
        """The collated batch of these samples, or None where there is no faster way than one by one."""
        return None

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Samples in the order that they come in, without a length; a subclass writes `__iter__()`."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__}: an IterableDataset has to write __iter__()")

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class ChainDataset(IterableDataset[Any]):
    """The samples of several iterable datasets, one dataset after the other."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for i, dataset in enumerate(self.datasets):
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset: dataset {i} is a {type(dataset).__name__}, wants an IterableDataset"
                )
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is `tuple(t[i] for t in tensors)`.

    Args:
        tensors: tensors whose first dimension is the same, the number of samples.

    A batch is one gather a tensor.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset: wants at least one tensor")
        for i, t in enumerate(tensors):
            if not isinstance(t, Tensor):
                raise TypeError(f"TensorDataset: argument {i} is a {type(t).__name__}, wants a Tensor")
            if t.ndim == 0:
                raise ValueError(f"TensorDataset: tensor {i} has no dimension to take samples from")
            if t.shape[0] != tensors[0].shape[0]:
                raise ValueError(
                    f"TensorDataset: tensor {i} has {t.shape[0]} samples (shape {list(t.shape)}) but "
                    f"tensor 0 has {tensors[0].shape[0]}"
                )
        self.tensors = tensors

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def get_batch(self, indices: Sequence[int]) -> list[Tensor]:
        picked = from_numpy(np.asarray(indices, dtype=np.int64))
        return [t[picked] for t in self.tensors]


class StackDataset(Dataset[Any]):
    """Sample i is the tuple of sample i of each dataset; or, of datasets given by name, a dict of them."""

    datasets: tuple[Dataset[Any], ...] | dict[str, Dataset[Any]]

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: wants datasets either by position or by name, at least one")
        parts = list(args or kwargs.values())
        sizes = [len(d) for d in parts]
        if len(set(sizes)) != 1:
            raise ValueError(f"StackDataset: the datasets have different lengths: {sizes}")
        self.datasets = args or kwargs
        self._length = sizes[0]

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """The samples of several datasets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: wants at least one dataset")
        self.cumulative_sizes = [int(n) for n in np.cumsum([len(d) for d in self.datasets])]

    def __getitem__(self, index: int) -> Any:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is outside the {size} samples")
        index %= size
        part = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[part][index - (self.cumulative_sizes[part - 1] if part else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class Subset(Dataset[T]):
    """The samples of `dataset` at `indices`, in that order."""

    def __init__(self, dataset: Dataset[T], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> T:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def get_batch(self, indices: Sequence[int]) -> Any | None:
        get_batch = getattr(self.dataset, "get_batch", None)
        return None if get_batch is None else get_batch([self.indices[i] for i in indices])


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Any | None = None
) -> list[Subset[T]]:
    """Splits a dataset at random into parts that do not overlap.

    Args:
        dataset: what to split.
        lengths: how many samples each part gets; or fractions that sum to 1 (what is left over by rounding
            down goes to the first parts, one each).
        generator: whose seed the order is keyed by; the library's own where None.

    Raises:
        ValueError: the lengths do not sum to `len(dataset)`, or the fractions not to 1.
    """
    total = len(dataset)
    counts: list[int]
    if all(0 <= x <= 1 for x in lengths) and abs(sum(lengths) - 1) < 1e-9 and sum(lengths) != total:
        counts = [int(np.floor(total * x)) for x in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        if any(x < 0 or x != int(x) for x in lengths) or sum(lengths) != total:
            raise ValueError(
                f"random_split: lengths {list(lengths)} sum to {sum(lengths)}, want the {total} samples of "
                "the dataset, or fractions that sum to 1"
            )
        counts = [int(x) for x in lengths]
    order = permutation(total, seed_of(generator), 0, 0, 3).tolist()
    ends = np.cumsum(counts).tolist()
    return [Subset(dataset, order[end - n : end]) for end, n in zip(ends, counts, strict=True)]
