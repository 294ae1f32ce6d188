"""Finding images: by the distance of their features, or by the keywords predicted for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = [
    "average_precision",
    "distances",
    "keyword_average_precision",
    "mean_average_precision",
    "top_k",
    "top_k_error",
]


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().numpy() if isinstance(value, Tensor) else value)


def distances(queries: Any, database: Any, metric: str = "l2") -> np.ndarray:
    """How far each query's features are from each database image's: float64 [Q, D] of rows [Q, F] and [D, F].

    Args:
        metric: 'l2'; 'l1'; 'cosine' (1 - cosine, of a row of zeros 1); or 'kl', of rows that are
            distributions, the mean of both directions with 1e-6 added everywhere (bins may be empty).

    Raises:
        ValueError: another metric, or rows of different length.
    """
    a, b = _array(queries).astype(np.float64), _array(database).astype(np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"distances: got features {list(a.shape)} and {list(b.shape)}, wants [Q, F] and [D, F]"
        )
    if metric == "l1":
        return np.stack([np.abs(b - row).sum(1) for row in a]) if len(a) else np.zeros((0, len(b)))
    if metric == "l2":
        squares = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T
        return np.sqrt(np.maximum(squares, 0))
    if metric == "cosine":
        lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        return 1 - np.divide(a @ b.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    if metric == "kl":
        p, q = a + 1e-6, b + 1e-6
        p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
        own_p, own_q = (p * np.log(p)).sum(1)[:, None], (q * np.log(q)).sum(1)
        return np.asarray(0.5 * (own_p + own_q - p @ np.log(q).T - np.log(p) @ q.T))
    raise ValueError(f"distances: got metric '{metric}', wants 'l1', 'l2', 'cosine' or 'kl'")


def average_precision(relevant: Any) -> float:
    """The mean of the precisions at each relevant place of a ranking: `relevant` [D] in ranked order, the
    nearest first. NaN where nothing is relevant."""
    right = _array(relevant).astype(bool)
    if right.ndim != 1:
        raise ValueError(f"average_precision: got shape {list(right.shape)}, wants a ranking [D]")
    places = np.flatnonzero(right)
    return float(np.mean(np.arange(1, len(places) + 1) / (places + 1))) if len(places) else float("nan")


def mean_average_precision(found: Any, relevant: Any) -> float:
    """The mean of the queries' average precisions: `found` distances [Q, D], `relevant` [Q, D] bool.

    Equal distances keep the database's order; queries without a relevant image are passed over.
    """
    far, right = _array(found), _array(relevant).astype(bool)
    if far.shape != right.shape or far.ndim != 2:
        raise ValueError(
            f"mean_average_precision: got {list(far.shape)} and {list(right.shape)}, wants both [Q, D]"
        )
    order = np.argsort(far, axis=1, kind="stable")
    each = [average_precision(row[ranks]) for row, ranks in zip(right, order, strict=True)]
    kept = [value for value in each if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")


def keyword_average_precision(
    predicted: Sequence[Sequence[str]], wanted: Sequence[set[str]]
) -> tuple[float, dict[str, float]]:
    """Images found by keyword: the mean over the keywords of `wanted`, and each keyword's average precision.

    An image ranks by the place of the keyword among its `predicted` ones (the surest first); images without
    it come last, in order.
    """
    if len(predicted) != len(wanted):
        raise ValueError(f"keyword_average_precision: {len(predicted)} predictions for {len(wanted)} images")
    each: dict[str, float] = {}
    for word in sorted(set().union(*wanted)) if wanted else []:
        place = np.array(
            [list(words).index(word) if word in words else len(words) + 1e6 for words in predicted]
        )
        order = np.argsort(place, kind="stable")
        each[word] = average_precision(np.array([word in words for words in wanted])[order])
    return (float(np.mean(list(each.values()))) if each else float("nan")), each


def top_k(scores: Any, k: int = 5, names: Sequence[str] | None = None) -> list[list[tuple[Any, float]]]:
    """The k likeliest classes of each row of scores [N, C], before softmax: (name or number, probability)."""
    values = _array(scores).astype(np.float64)
    if values.ndim != 2 or not 1 <= k <= values.shape[1]:
        raise ValueError(f"top_k: got scores {list(values.shape)} and k={k}, wants [N, C] and k in 1..C")
    if names is not None and len(names) != values.shape[1]:
        raise ValueError(f"top_k: got {len(names)} names for {values.shape[1]} classes")
    values = np.exp(values - values.max(1, keepdims=True))
    values /= values.sum(1, keepdims=True)
    best = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return [
        [(int(c) if names is None else names[c], float(row[c])) for c in classes]
        for row, classes in zip(values, best, strict=True)
    ]


def top_k_error(scores: Any, labels: Any, k: int = 5) -> float:
    """The share of rows of scores [N, C] whose label [N] is not among the k largest; of equal ones the first
    count.

    Raises:
        ValueError: a label outside 0..C-1, or k outside 1..C.
    """
    values, wanted = _array(scores), _array(labels)
    if values.ndim != 2 or wanted.shape != values.shape[:1] or not 1 <= k <= values.shape[1]:
        raise ValueError(
            f"top_k_error: got scores {list(values.shape)}, labels {list(wanted.shape)} and k={k}, wants "
            "[N, C], [N] and k in 1..C"
        )
    if wanted.size and not (wanted.min() >= 0 and wanted.max() < values.shape[1]):
        raise ValueError(
            f"top_k_error: labels are {wanted.min()}..{wanted.max()}, wants 0..{values.shape[1] - 1}"
        )
    best = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return float(np.mean(~(best == wanted[:, None]).any(1))) if len(values) else float("nan")
