"""Pooling."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...ops.pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from ...tensor import Tensor

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "max_pool2d",
]


def _windows(op: str, input: Tensor, output_size: Any) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The rows and the columns that each output takes: ⌊i·n/m⌋ .. ⌈(i+1)·n/m⌉."""
    sizes = (output_size, output_size) if output_size is None or isinstance(output_size, int) else output_size
    if len(sizes) != 2:
        raise ValueError(f"{op}: output_size is {output_size}, wants one or two numbers")
    spans = []
    for have, want in zip(input.shape[-2:], sizes, strict=True):
        want = have if want is None else want
        if want < 0 or (want > 0 and have == 0):
            raise ValueError(
                f"{op}: cannot make {want} windows of {have} elements (input {list(input.shape)})"
            )
        spans.append([(i * have // want, -(-(i + 1) * have // want)) for i in range(want)])
    return spans[0], spans[1]


def _even(spans: list[tuple[int, int]]) -> bool:
    """Whether the windows are alike and do not overlap: an ordinary pooling."""
    return len(spans) > 0 and all(
        span == (i * spans[0][1], (i + 1) * spans[0][1]) for i, span in enumerate(spans)
    )


def adaptive_max_pool2d(input: Tensor, output_size: int | tuple[int | None, int | None] | None) -> Tensor:
    """Largest elements of windows that give the wanted output size."""
    if input.ndim not in (3, 4):
        raise ValueError(
            f"adaptive_max_pool2d: wants [N, C, H, W] or [C, H, W], got shape {list(input.shape)}"
        )
    rows, columns = _windows("adaptive_max_pool2d", input, output_size)
    if _even(rows) and _even(columns):
        return max_pool2d(input, (rows[0][1], columns[0][1]))
    input = _join(input, rows, -2, lambda part: part.amax(-2, keepdim=True))
    return _join(input, columns, -1, lambda part: part.amax(-1, keepdim=True))


def _join(input: Tensor, spans: list[tuple[int, int]], dim: int, reduce: Any) -> Tensor:
    if not spans:
        return input.narrow(dim, 0, 0)
    return ops.cat([reduce(input.narrow(dim, start, stop - start)) for start, stop in spans], dim)
