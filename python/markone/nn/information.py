"""Information of distributions (Shannon 1948; Kullback and Leibler 1951), in nats or in bits.

A distribution is a tensor of probabilities whose sum along `dim` is 1; 0 · log 0 is 0. `base` is the
logarithm's: None gives nats, 2 bits. Every function is differentiable.
"""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..tensor import Tensor

__all__ = ["cross_entropy", "entropy", "kl_divergence", "kl_gaussian", "self_information"]


def _probabilities(op: str, value: Any) -> Tensor:
    p = ops.as_tensor(value)
    if not p.is_floating_point():
        raise RuntimeError(f"{op}: wants probabilities of a floating type, got {p.dtype}")
    if ops.any(ops.logical_or(ops.lt(p, 0), ops.gt(p, 1 + 1e-4))).item():
        raise ValueError(f"{op}: probabilities must be in [0, 1], got {p.min().item()} .. {p.max().item()}")
    return p


def _in_base(op: str, nats: Tensor, base: float | None) -> Tensor:
    if base is None:
        return nats
    if base <= 0 or base == 1:
        raise ValueError(f"{op}: base is {base}, wants a positive number other than 1")
    return nats / math.log(base)


def self_information(p: Any, base: float | None = None) -> Tensor:
    """-log p, the surprise of an event of probability p: 0 for a certain one, 4.605 nats (6.64 bits) at
    1/100.

    A tensor or numbers → the same shape.
    """
    return _in_base("self_information", 0 - ops.log(_probabilities("self_information", p)), base)


def _expected(weights: Tensor, p: Tensor, dim: int) -> Tensor:
    """-Σ weights · log p; what has no weight counts nothing."""
    counts = weights > 0
    return ops.where(counts, weights * (0 - ops.log(ops.where(counts, p, 1.0))), 0.0).sum(dim)


def entropy(p: Any, dim: int = -1, base: float | None = None) -> Tensor:
    """H(p) = -Σ p log p along `dim`, the expected surprise."""
    p = _probabilities("entropy", p)
    return _in_base("entropy", _expected(p, p, dim), base)


def _pair(op: str, p: Any, q: Any) -> tuple[Tensor, Tensor]:
    first, second = ops.broadcast_tensors(_probabilities(op, p), _probabilities(op, q))
    return first, second


def cross_entropy(p: Any, q: Any, dim: int = -1, base: float | None = None) -> Tensor:
    """H(p, q) = -Σ p log q along `dim`, the expected surprise of p's events for one who believes q.

    Infinite where q rules out what p allows. For scores and classes there is `functional.cross_entropy`.
    """
    p, q = _pair("cross_entropy", p, q)
    return _in_base("cross_entropy", _expected(p, q, dim), base)


def kl_divergence(p: Any, q: Any, dim: int = -1, base: float | None = None) -> Tensor:
    """KL(p ‖ q) = Σ p log(p / q) = H(p, q) - H(p) along `dim`: at least 0, and 0 for q = p alone."""
    p, q = _pair("kl_divergence", p, q)
    counts = p > 0
    ratio = ops.log(ops.where(counts, p, 1.0)) - ops.log(ops.where(counts, q, 1.0))
    return _in_base("kl_divergence", ops.where(counts, p * ratio, 0.0).sum(dim), base)


def kl_gaussian(
    mean1: Any, std1: Any, mean2: Any = 0.0, std2: Any = 1.0, base: float | None = None
) -> Tensor:
    """KL(N(mean1, std1²) ‖ N(mean2, std2²)) = log(std2 / std1) + (std1² + (mean1 - mean2)²) / (2 std2²) -
    1/2.

    Numbers or tensors, broadcast; for independent dimensions sum the result. ValueError where a standard
    deviation is not positive.
    """
    given = (mean1, std1, mean2, std2)
    like = next((x for x in given if isinstance(x, Tensor)), ops.zeros(()))
    m1, s1, m2, s2 = (x if isinstance(x, Tensor) else ops.tensor(float(x), dtype=like.dtype) for x in given)
    for name, std in (("std1", s1), ("std2", s2)):
        if not ops.all(ops.gt(std, 0)).item():
            raise ValueError(f"kl_gaussian: {name} must be positive, got {std.min().item()}")
    nats = ops.log(s2 / s1) + (s1 * s1 + (m1 - m2) * (m1 - m2)) / (2 * s2 * s2) - 0.5
    return _in_base("kl_gaussian", nats, base)
