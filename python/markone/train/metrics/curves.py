"""Figures of a score that separates two classes: the curves and the areas under them."""

from __future__ import annotations

from typing import Any

import numpy as np

from markone.train.metrics.base import Metric, as_numpy

__all__ = ["AUROC", "AveragePrecision", "precision_recall_curve", "roc_curve"]


def _counts(op: str, target: Any, score: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True and false positives at each distinct score as threshold, from the highest down."""
    labels, scores = as_numpy(target).ravel(), as_numpy(score).ravel().astype(np.float64)
    if labels.shape != scores.shape:
        raise ValueError(f"{op}: got {labels.size} labels and {scores.size} scores, wants as many")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{op}: wants labels 0 and 1")
    order = np.argsort(-scores, kind="stable")
    labels, scores = labels[order].astype(np.int64), scores[order]
    last = (
        np.append(np.flatnonzero(np.diff(scores)), labels.size - 1) if labels.size else np.empty(0, np.int64)
    )
    true = np.cumsum(labels)[last]
    return true, 1 + last - true, scores[last]


def roc_curve(target: Any, score: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False positive rate, true positive rate and threshold of each point, from (0, 0) to (1, 1).

    Args:
        target: labels 0 and 1.
        score: the higher, the surer of class 1.
    """
    true, false, thresholds = _counts("roc_curve", target, score)
    with np.errstate(invalid="ignore"):
        tpr = np.append(0.0, true) / np.float64(true[-1] if true.size else 0)
        fpr = np.append(0.0, false) / np.float64(false[-1] if false.size else 0)
    return fpr, tpr, np.append(np.inf, thresholds)


def precision_recall_curve(target: Any, score: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and threshold of each point, recall falling; the last point is (1, 0)."""
    true, false, thresholds = _counts("precision_recall_curve", target, score)
    with np.errstate(invalid="ignore"):
        precision, recall = true / (true + false), true / np.float64(true[-1] if true.size else 0)
    return np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), thresholds[::-1]


class _OfScores(Metric):
    """Keeps all scores [N] and labels [N] of 0 and 1."""

    def __init__(self, name: str | None = None) -> None:
        self.name = type(self).name if name is None else name
        self.reset()

    def reset(self) -> None:
        self.scores = np.empty(0)
        self.labels = np.empty(0, np.int64)

    def update(self, output: Any, target: Any) -> None:
        scores, labels = as_numpy(output).ravel(), as_numpy(target).ravel()
        _counts(type(self).__name__, labels, scores)
        self.scores = np.append(self.scores, scores.astype(np.float64))
        self.labels = np.append(self.labels, labels.astype(np.int64))


class AUROC(_OfScores):
    """The area under the ROC curve: how likely a 1 scores above a 0, equal scores counting half."""

    name = "auroc"

    def compute(self) -> float:
        if not 0 < self.labels.sum() < self.labels.size:
            return float("nan")
        fpr, tpr, _ = roc_curve(self.labels, self.scores)
        return float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum())


class AveragePrecision(_OfScores):
    """The area under the precision-recall curve as Σ (Rₙ − Rₙ₋₁) Pₙ."""

    name = "average_precision"

    def compute(self) -> float:
        if not self.labels.sum():
            return float("nan")
        precision, recall, _ = precision_recall_curve(self.labels, self.scores)
        return float(-(np.diff(recall) * precision[:-1]).sum())
