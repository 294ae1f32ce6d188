"""How a list of samples becomes a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from .. import _C
from ..ops import from_numpy, stack, tensor
from ..tensor import Tensor

__all__ = ["PaddedBatch", "default_collate", "default_convert", "pad_collate"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Puts samples together along a new first dimension, inside whatever holds them.

    Tensors and NumPy arrays of one shape are stacked; numbers become a tensor (int64, float64, bool);
    strings and bytes stay a list; of dicts, named tuples and sequences each field is collated on its own.

    Raises:
        ValueError: an empty batch; sequences or arrays that differ in length or shape.
        TypeError: samples of a type that cannot be collated.
    """
    if len(batch) == 0:
        raise ValueError("default_collate: the batch is empty")
    first = batch[0]
    if isinstance(first, Tensor):
        for i, item in enumerate(batch):
            if item.shape != first.shape:
                raise _C.ArgumentError(
                    f"default_collate: sample {i} has shape {list(item.shape)} but sample 0 has "
                    f"{list(first.shape)}; samples of one batch need one shape, or a collate_fn of yours"
                )
        return stack(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        if first.dtype.kind in "OSU":
            raise TypeError(f"default_collate: cannot make a tensor of NumPy dtype {first.dtype}")
        shapes = {np.shape(item) for item in batch}
        if len(shapes) != 1:
            raise ValueError(
                f"default_collate: the arrays of one batch have different shapes: {sorted(shapes)}"
            )
        return from_numpy(np.stack(batch))
    if isinstance(first, float):
        return from_numpy(np.array(batch, dtype=np.float64))
    if isinstance(first, (bool, int)):
        return tensor(list(batch))
    if isinstance(first, (Mapping, Sequence)):
        return _by_field("default_collate", batch, default_collate)
    raise TypeError(
        "default_collate: wants tensors, NumPy arrays, numbers, strings, dicts or sequences of these, got "
        f"{type(first).__name__}"
    )


def _by_field(name: str, batch: Sequence[Any], collate: Callable[[Sequence[Any]], Any]) -> Any:
    """Each field of dicts, named tuples or sequences on its own."""
    first = batch[0]
    if isinstance(first, Mapping):
        for i, item in enumerate(batch):
            if item.keys() != first.keys():
                raise ValueError(
                    f"{name}: sample {i} has the keys {sorted(item)} but sample 0 has {sorted(first)}"
                )
        return {key: collate([item[key] for item in batch]) for key in first}
    lengths = {len(item) for item in batch}
    if len(lengths) != 1:
        raise ValueError(f"{name}: the sequences of one batch have different lengths: {sorted(lengths)}")
    columns = [collate(column) for column in zip(*batch, strict=True)]
    return type(first)(*columns) if hasattr(first, "_fields") else columns


def default_convert(data: Any) -> Any:
    """NumPy arrays inside dicts, tuples and lists as tensors; everything else as it is."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "OSU":
        return from_numpy(np.asarray(data))
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return [default_convert(value) for value in data]
    return data


class PaddedBatch(NamedTuple):
    """Sequences of different lengths in one tensor.

    Attributes:
        data: [B, T, ...], or [T, B, ...] where time comes first; T is the longest length.
        lengths: int64 [B].
    """

    data: Tensor
    lengths: Tensor


def pad_collate(batch: Sequence[Any], padding_value: float = 0, batch_first: bool = True) -> Any:
    """`default_collate` for sequences: what differs in length is padded, with the true lengths beside it.

    A tensor or array [T, ...], or a list of numbers, is a sequence: those of a batch become a
    `PaddedBatch(data, lengths)`. Tuples and dicts are taken field by field; numbers, 0-d tensors and strings
    are collated as by `default_collate`. For other arguments pass
    `functools.partial(pad_collate, padding_value=...)` as the loader's collate_fn.

    Args:
        batch: the samples.
        padding_value: what stands behind the end of a sequence.
        batch_first: [B, T, ...], else [T, B, ...].

    Raises:
        ValueError: an empty batch; sequences that differ in more than their length.
    """
    if len(batch) == 0:
        raise ValueError("pad_collate: the batch is empty")
    first = batch[0]
    if isinstance(first, (Mapping, tuple)):
        return _by_field(
            "pad_collate", batch, partial(pad_collate, padding_value=padding_value, batch_first=batch_first)
        )
    if isinstance(first, list):
        if not all(isinstance(value, Number) for item in batch for value in item):
            raise TypeError("pad_collate: a list is one sequence, of numbers; use a tuple for several fields")
        # An empty list says nothing about its type: the others do.
        kind = np.result_type(*(np.asarray(item) for item in batch if item)) if any(batch) else np.int64
        arrays = [np.asarray(item, dtype=kind) for item in batch]
    elif isinstance(first, (Tensor, np.ndarray)) and first.ndim > 0:
        arrays = [item.detach().numpy() if isinstance(item, Tensor) else item for item in batch]
    else:
        return default_collate(batch)
    for i, item in enumerate(arrays):
        if item.shape[1:] != arrays[0].shape[1:] or item.ndim == 0 or item.dtype != arrays[0].dtype:
            raise ValueError(
                f"pad_collate: sample {i} is {item.dtype} {list(item.shape)} but sample 0 is "
                f"{arrays[0].dtype} {list(arrays[0].shape)}; only the first dimension may differ"
            )
    lengths = np.array([len(item) for item in arrays], dtype=np.int64)
    longest = int(lengths.max())
    padded = np.full((len(arrays), longest, *arrays[0].shape[1:]), padding_value, dtype=arrays[0].dtype)
    for row, item in zip(padded, arrays, strict=True):
        row[: len(item)] = item
    if not batch_first:
        padded = np.ascontiguousarray(padded.swapaxes(0, 1))
    return PaddedBatch(from_numpy(padded), from_numpy(lengths))
