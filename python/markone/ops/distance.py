"""Distances between vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _C
from ..tensor import Tensor
from ._common import tensor_arg
from .cast import to
from .elementwise import add, binary, clamp, compares, mul, sub, unary, where
from .gather import index_select
from .matmul import matmul
from .reduce import amax, norm
from .reduce import sum as sum_
from .shape import broadcast_tensors, transpose, unsqueeze

# For other families, not for users.
HELPERS = "length floating"


def floating(op: str, *tensors: Any) -> None:
    """Every argument is a tensor of a floating type."""
    for tensor in tensors:
        if not tensor_arg(op, tensor).dtype.is_floating_point:
            raise RuntimeError(f"{op}: wants a floating type, got {tensor.dtype}")


def _root(total: Tensor, p: float) -> Tensor:
    """total^(1/p), with no slope at 0 (where there is no finite one)."""
    zero = total.detach() == 0
    safe = where(zero, 1.0, total)
    return where(zero, 0.0, unary["sqrt"](safe) if p == 2 else binary["pow"](safe, 1.0 / p))


def length(op: str, x: Tensor, p: float, dim: int, keepdim: bool = False) -> Tensor:
    """The p-norm over one dimension, p >= 0; a zero vector has a zero gradient."""
    if not p >= 0:
        raise RuntimeError(f"{op}: p is {p}, wants at least 0")
    if p == 2:
        return norm(x, 2, dim, keepdim)
    size = unary["abs"](x)
    if p == 0:
        return sum_(to(compares["ne"](size, 0), x.dtype), dim, keepdim)
    if p == 1:
        return sum_(size, dim, keepdim)
    if p == math.inf:
        return amax(size, dim, keepdim)
    # |x|^(p-2) is infinite at 0 where p < 2, though its product with 0 is 0.
    zero = size.detach() == 0
    powers = where(zero, 0.0, binary["pow"](where(zero, 1.0, size), p))
    return _root(sum_(powers, dim, keepdim), p)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)) along `dim` of the common shape."""
    floating("cosine_similarity", x1, x2)
    x1, x2 = broadcast_tensors(x1, x2)
    n1 = clamp(norm(x1, 2, dim, True), min=eps)
    n2 = clamp(norm(x2, 2, dim, True), min=eps)
    return sum_(mul(binary["div"](x1, n1), binary["div"](x2, n2)), dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """‖x1 - x2 + eps‖_p along the last dimension."""
    floating("pairwise_distance", x1, x2)
    return length("pairwise_distance", add(sub(x1, x2), eps), p, -1, keepdim)


def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The p-norm distance of every two rows i < j of [n, m], in row order: [n (n - 1) / 2]."""
    floating("pdist", input)
    if input.ndim != 2:
        raise RuntimeError(f"pdist: wants [n, m], got shape {list(input.shape)}")
    rows = [Tensor(_C.from_numpy(i.astype(np.int64))) for i in np.triu_indices(input.shape[0], 1)]
    return length("pdist", sub(index_select(input, 0, rows[0]), index_select(input, 0, rows[1])), p, -1)


_MODES = {
    "use_mm_for_euclid_dist_if_necessary": None,
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}


def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """The p-norm distance of every row of x1 [..., n, m] from every row of x2 [..., k, m]: [..., n, k].

    For p = 2 it may be had from one matrix product, √(‖a‖² + ‖b‖² - 2 a · b): less memory, less exact for
    near rows. compute_mode says when: 'use_mm_for_euclid_dist', 'donot_use_mm_for_euclid_dist', or (the
    default, 'use_mm_for_euclid_dist_if_necessary') where n or k is above 25.
    """
    floating("cdist", x1, x2)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"cdist: wants [..., n, m] and [..., k, m], got {list(x1.shape)} and {list(x2.shape)}"
        )
    if compute_mode not in _MODES:
        raise ValueError(f"cdist: compute_mode is {compute_mode!r}, wants one of {', '.join(_MODES)}")
    product = _MODES[compute_mode]
    if product is None:
        product = x1.shape[-2] > 25 or x2.shape[-2] > 25
    if p != 2 or not product:
        return length("cdist", sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)
    squares = [sum_(unary["square"](x), -1, True) for x in (x1, x2)]
    inner = mul(matmul(x1, transpose(x2, -1, -2)), -2.0)
    total = add(add(inner, squares[0]), transpose(squares[1], -1, -2))
    return _root(clamp(total, min=0.0), 2)
