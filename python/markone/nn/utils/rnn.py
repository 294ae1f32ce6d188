"""Sequences of different lengths in one batch (names of `torch.nn.utils.rnn`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...ops import empty_like, from_numpy, stack
from ...ops.recurrent import pack_rows, pad_rows
from ...ops.shape import pad_constant
from ...tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences sorted by length, their steps one after the other: first all first elements, and so on.

    Made by pack_sequence and pack_padded_sequence.

    Attributes:
        data: [sum of lengths, ...].
        batch_sizes: int64 [steps], how many sequences have each step.
        sorted_indices, unsorted_indices: the order of the sequences and its inverse, or None.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With data as Tensor.to gives them."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def double(self) -> PackedSequence:
        """With float64 data."""
        return self._with(self.data.double())

    def float(self) -> PackedSequence:
        """With float32 data."""
        return self._with(self.data.float())

    def half(self) -> PackedSequence:
        """With float16 data."""
        return self._with(self.data.half())

    def long(self) -> PackedSequence:
        """With int64 data."""
        return self._with(self.data.long())

    def int(self) -> PackedSequence:
        """With int32 data."""
        return self._with(self.data.int())

    def cpu(self) -> PackedSequence:
        """Itself: data are there."""
        return self

    def _with(self, data: Tensor) -> PackedSequence:
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """p⁻¹ with p⁻¹[p[i]] = i."""
    if permutation is None:
        return None
    out = empty_like(permutation)
    return out.scatter_(0, permutation, from_numpy(np.arange(permutation.numel())))


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs a padded batch.

    Args:
        input: [steps, batch, ...], with batch_first [batch, steps, ...].
        lengths: the length of each sequence, all positive.
        enforce_sorted: the lengths must not grow; otherwise the sequences are sorted here.

    Raises:
        RuntimeError: a length is not positive or longer than the batch, or they are not sorted.
    """
    given = lengths.numpy() if isinstance(lengths, Tensor) else np.asarray(lengths)
    long = given.astype(np.int64)
    if input.ndim < 2:
        raise RuntimeError(f"pack_padded_sequence: input wants 2 dimensions or more, got {list(input.shape)}")
    batch, steps = input.shape[:2] if batch_first else input.shape[1::-1]
    if long.shape != (batch,):
        raise RuntimeError(f"pack_padded_sequence: wants {batch} lengths, got shape {list(long.shape)}")
    if batch == 0 or long.min() <= 0:
        raise RuntimeError(
            f"pack_padded_sequence: the length of every sequence must be greater than 0, got {long.tolist()}"
        )
    order = None
    if enforce_sorted:
        if (np.diff(long) > 0).any():
            raise RuntimeError(
                "pack_padded_sequence: lengths must be sorted in decreasing order with enforce_sorted, "
                f"got {long.tolist()}"
            )
    else:
        places = np.argsort(-long, kind="stable")
        long, order = long[places], from_numpy(places)
        input = input.index_select(0 if batch_first else 1, order)
    if long[0] > steps:
        raise RuntimeError(f"pack_padded_sequence: a length is {long[0]}, the input has {steps} steps")
    sizes = (long[:, None] > np.arange(long[0])).sum(0).astype(np.int64)
    rows = input.transpose(0, 1) if batch_first else input
    data = pack_rows(rows[: len(sizes)], sizes)
    return PackedSequence(data, from_numpy(sizes), order, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The inverse of pack_padded_sequence: [steps, batch, ...] (batch_first: [batch, steps, ...]) in the
    order of before packing, and the lengths.

    total_length: how many steps the result has, at least the longest length.
    """
    sizes = sequence.batch_sizes.numpy()
    if total_length is not None and total_length < len(sizes):
        raise ValueError(
            f"pad_packed_sequence: total_length is {total_length}, the longest has {len(sizes)} steps"
        )
    padded, long = pad_rows("pad_packed_sequence", sequence.data, sizes, total_length or 0, padding_value)
    lengths = from_numpy(long)
    out = padded.transpose(0, 1) if batch_first else padded
    back = sequence.unsorted_indices
    if back is not None:
        return out.index_select(0 if batch_first else 1, back), lengths[back]
    return out, lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Stacks tensors [length, ...] to [longest, batch, ...] (batch_first: [batch, longest, ...]), filled up
    with padding_value on the right or left."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: wants tensors, got {type(sequences).__name__}")
    given = list(sequences)
    if not given:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side should be 'right' or 'left', got {padding_side!r}")
    longest = max(s.shape[0] for s in given)
    rows = []
    for s in given:
        missing = longest - s.shape[0]
        ends = (missing, 0) if padding_side == "left" else (0, missing)
        around = [0, 0] * (s.ndim - 1) + list(ends)
        rows.append(pad_constant(s, around, padding_value) if missing else s)
    return stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, each of its own length."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    long = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    if len(long) != rows.shape[0]:
        raise ValueError(f"unpad_sequence: {len(long)} lengths for {rows.shape[0]} sequences")
    return [row[:n] for row, n in zip(rows, long, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs tensors [length, ...]."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The tensors that pack_sequence was given."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
