"""How a list of samples becomes a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..ops import from_numpy, stack, tensor
from ..tensor import Tensor

__all__ = ["default_collate"]


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
                raise ValueError(
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
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, Sequence):
        lengths = {len(item) for item in batch}
        if len(lengths) != 1:
            raise ValueError(
                f"default_collate: the sequences of one batch have different lengths: {sorted(lengths)}"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        "default_collate: wants tensors, NumPy arrays, numbers, strings, dicts or sequences of these, got "
        f"{type(first).__name__}"
    )
