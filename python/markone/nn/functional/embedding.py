"""Embeddings: rows of a table by their numbers, alone or in bags."""

from __future__ import annotations

from ... import _C, ops
from ..._dtypes import int32, int64
from ...autograd.graph import Node, Op, edge_of, recording
from ...autograd.modes import no_grad
from ...tensor import Tensor
from ..errors import AssertedError

__all__ = ["embedding", "embedding_bag"]

# The rows as they are; their gradients times a factor for each.
_SCALED = Op(
    "embedding",
    lambda node, g: (_C.mul(g, node.saved[0]),),
    lambda node, g: (g * node.tensors()[0],),
    (None,),
)


def _check(op: str, input: Tensor, weight: Tensor, padding_idx: int | None, sparse: bool) -> int | None:
    """Bad arguments raise; the padding's row counted from the front."""
    if input.dtype not in (int32, int64):
        raise RuntimeError(f"{op}: input must be int64 or int32 rows, got {input.dtype}")
    if weight.ndim != 2:
        raise RuntimeError(f"{op}: weight must be [rows, features], got shape {list(weight.shape)}")
    if sparse:
        raise NotImplementedError(f"{op}: sparse=True is left out, there are no sparse arrays")
    rows = weight.shape[0]
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertedError(f"{op}: padding_idx is {padding_idx}, weight has {rows} rows")
    return padding_idx % rows


def _picked(
    op: str,
    flat: Tensor,
    weight: Tensor,
    padding: int | None,
    max_norm: float | None,
    p: float,
    by_count: bool,
) -> Tensor:
    """The rows at 1-d places, and what changes them or their gradients."""
    rows = weight.shape[0]
    # Indexing counts negative places from the end; here they are as wrong as those past it.
    flat = ops.where(flat < 0, rows, flat.to(int64))
    try:
        if max_norm is not None:
            with no_grad():
                met = ops.index_select(weight.detach(), 0, flat)
                weight.index_copy_(0, flat, ops.renorm(met, p, 0, max_norm))
        out = ops.index_select(weight, 0, flat)
    except IndexError as error:
        raise IndexError(f"{op}: a row is outside [0, {rows}), the table's") from error
    if not recording(out) or (padding is None and not by_count):
        return out
    factor = ops.ones(flat.shape, dtype=weight.dtype)
    if by_count:
        counts = ops.zeros(rows, dtype=weight.dtype).index_add_(0, flat, factor)
        factor = factor / ops.index_select(counts, 0, flat)
    if padding is not None:
        factor = ops.where(flat == padding, 0.0, factor)
    column = factor._array.unsqueeze(1)
    return Tensor(out._array, True, Node(_SCALED, (edge_of(out),), (column,)))


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]: int rows [...] of a table [rows, d] give [..., d].

    padding_idx's row gets no gradient. With max_norm the rows met are first scaled down, in the table
    itself, to that p-norm (p is norm_type). scale_grad_by_freq divides a row's gradient by how often it was
    met. sparse=True is left out. IndexError for a row outside the table.
    """
    padding = _check("embedding", input, weight, padding_idx, sparse)
    out = _picked("embedding", input.reshape(-1), weight, padding, max_norm, norm_type, scale_grad_by_freq)
    return out.reshape(*input.shape, weight.shape[1])


def _bags(count: int, offsets: Tensor, include_last: bool) -> tuple[Tensor, int]:
    """The bag of each of `count` places in a row, by operations alone, and the number of bags. What stands
    after the last end has the bag behind the last."""
    if offsets.ndim != 1 or offsets.dtype not in (int32, int64):
        raise ValueError(
            f"embedding_bag: offsets must be 1-d integers, got {offsets.dtype} {list(offsets.shape)}"
        )
    total = offsets.shape[0]
    if include_last and not total:
        raise ValueError("embedding_bag: include_last_offset wants at least one offset")
    starts = offsets.to(int64)
    before = ops.cat([ops.zeros(1, dtype=int64), starts])[:total]
    # The first is 0 and none is below the one before: what is wrong becomes a place past the end.
    wrong = ops.where(ops.arange(total) == 0, starts != 0, starts < before)
    begun = ops.zeros(count + 1, dtype=int64)
    try:
        begun.index_add_(0, ops.where(wrong, count + 1, starts), ops.ones(total, dtype=int64))
    except IndexError as error:
        raise ValueError(
            f"embedding_bag: offsets must rise from 0 to at most {count}, got {offsets.tolist()}"
        ) from error
    return begun.cumsum(0)[:count] - 1, total - include_last


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of each bag's rows of a table [rows, d]: [bags, d].

    input [bags, n], or 1-d with the places where its bags begin in offsets (include_last_offset: the last is
    where they end). per_sample_weights, of the input's shape, multiply the rows (mode 'sum' alone). The row
    padding_idx counts nothing; a bag of none is 0. The rest as in `embedding`.
    """
    op = "embedding_bag"
    padding = _check(op, input, weight, padding_idx, sparse)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{op}: mode is {mode!r}, wants 'sum', 'mean' or 'max'")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError(f"{op}: scale_grad_by_freq does not go with mode 'max'")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"{op}: per_sample_weights want mode 'sum', not {mode!r}")
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(
            f"{op}: per_sample_weights has shape {list(per_sample_weights.shape)}, input {list(input.shape)}"
        )
    if input.ndim not in (1, 2) or (input.ndim == 2) != (offsets is None):
        raise ValueError(f"{op}: wants input [bags, n], or 1-d with offsets, got shape {list(input.shape)}")
    flat = input.reshape(-1)
    if offsets is None:
        bags = input.shape[0]
        place = ops.arange(bags).repeat_interleave(input.shape[1])
    else:
        place, bags = _bags(input.shape[0], offsets, include_last_offset)
    samples = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    if bags == 0:
        flat, place, samples = flat[:0], place[:0], None if samples is None else samples[:0]
    rows = _picked(op, flat, weight, None, max_norm, norm_type, scale_grad_by_freq)
    kept = None if padding is None else (flat != padding).unsqueeze(1)
    # One more row for what stands after the last bag.
    shape = (bags + 1, weight.shape[1])
    if mode == "max":
        lowest = float("-inf")
        rows = rows if kept is None else ops.where(kept, rows, lowest)
        best = ops.full(shape, lowest, dtype=weight.dtype).index_reduce(0, place, rows, "amax")
        return ops.where(best == lowest, 0.0, best)[:bags]
    if samples is not None:
        rows = rows * samples.unsqueeze(1)
    if kept is not None:
        rows = ops.where(kept, rows, 0.0)
    total = ops.zeros(shape, dtype=weight.dtype).index_add(0, place, rows)[:bags]
    if mode == "sum":
        return total
    ones = ops.ones(flat.shape, dtype=weight.dtype)
    ones = ones if kept is None else ops.where(kept.squeeze(1), ones, 0.0)
    counts = ops.zeros(bags + 1, dtype=weight.dtype).index_add(0, place, ones)[:bags]
    return total / ops.clamp(counts, min=1.0).unsqueeze(1)
