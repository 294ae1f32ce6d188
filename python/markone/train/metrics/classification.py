"""Figures of classifiers, from scores [N, C, ...] (or classes [N, ...]) and labels [N, ...] (int64)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from markone.train.metrics.base import Metric, as_numpy, classes_of, ratio

__all__ = [
    "Accuracy",
    "ConfusionMatrix",
    "F1Score",
    "MeanIoU",
    "Perplexity",
    "PixelAccuracy",
    "Precision",
    "Recall",
    "TopKAccuracy",
]


class Accuracy(Metric):
    """The share of rows whose largest of scores [N, C] (first when equal) is the label [N] (int64)."""

    def __init__(self, name: str = "accuracy") -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        self.right = 0
        self.seen = 0

    def update(self, output: Any, target: Any) -> None:
        labels = as_numpy(target)
        self.right += int(np.count_nonzero(as_numpy(output).argmax(axis=1) == labels))
        self.seen += labels.size

    def compute(self) -> float:
        return self.right / self.seen if self.seen else float("nan")


class TopKAccuracy(Metric):
    """The share of rows whose label is among the k largest scores; of equal ones the first count."""

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        if k < 1:
            raise ValueError(f"TopKAccuracy: got k={k}, wants 1 or more")
        self.k = k
        self.name = f"top{k}_accuracy" if name is None else name
        self.reset()

    def reset(self) -> None:
        self.right = 0
        self.seen = 0

    def update(self, output: Any, target: Any) -> None:
        scores, labels = as_numpy(output), as_numpy(target)
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self.k]
        self.right += int((best == labels[:, None]).any(axis=1).sum())
        self.seen += labels.size

    def compute(self) -> float:
        return self.right / self.seen if self.seen else float("nan")


class ConfusionMatrix(Metric):
    """`table[i, j]`: how many rows of class i were taken for class j. Scores [N, C], labels [N] (int64)."""

    def __init__(self, num_classes: int, name: str = "accuracy") -> None:
        self.name = name
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        self.table = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, output: Any, target: Any) -> None:
        guesses, labels = classes_of("ConfusionMatrix", output, target)
        size = self.num_classes
        for what, values in (("label", labels), ("class", guesses)):
            if values.size and (values.min() < 0 or values.max() >= size):
                bad = values[(values < 0) | (values >= size)][0]
                raise ValueError(f"ConfusionMatrix: got the {what} {bad}, wants 0 to {size - 1}")
        counts = np.bincount(labels * size + guesses, minlength=size * size)
        self.table += counts.reshape(size, size)

    def compute(self) -> float:
        """The accuracy, which is the diagonal's share."""
        total = int(self.table.sum())
        return int(self.table.trace()) / total if total else float("nan")

    def text(self, classes: Sequence[str] | None = None) -> str:
        """The table to print: a row a true class, a column a guess, dots for 0, each row's right share."""
        names = (
            [str(i) for i in range(self.num_classes)] if classes is None else [str(name) for name in classes]
        )
        width = max(len(str(int(self.table.max()))), *map(len, names), 3)
        side = max(*map(len, names), 4)
        lines = [f"{'true':<{side}} |" + "".join(f" {name:>{width}}" for name in names) + " |  right"]
        lines.append("-" * (side + 1) + "+" + "-" * ((width + 1) * len(names) + 1) + "+-------")
        for i, (name, row) in enumerate(zip(names, self.table)):
            cells = "".join(f" {int(count) if count else '.':>{width}}" for count in row)
            right = f"{100 * row[i] / row.sum():5.1f} %" if row.sum() else "      -"
            lines.append(f"{name:<{side}} |{cells} | {right}")
        return "\n".join(lines)


class _FromTable(Metric):
    """A figure of each class from the confusion table, and its mean.

    Args:
        num_classes: how many.
        average: "micro": of all decisions together; "macro": the mean over the classes; "weighted": that mean
            weighted by how often a class is true.
        ignore_index: rows of this label count nowhere.
    """

    def __init__(
        self,
        num_classes: int,
        average: str = "macro",
        name: str | None = None,
        ignore_index: int | None = None,
    ) -> None:
        if average not in ("micro", "macro", "weighted"):
            raise ValueError(
                f"{type(self).__name__}: got average='{average}', wants 'micro', 'macro' or 'weighted'"
            )
        self.name = type(self).name if name is None else name
        self.num_classes, self.average, self.ignore_index = num_classes, average, ignore_index
        self.reset()

    def reset(self) -> None:
        self.table = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, output: Any, target: Any) -> None:
        guesses, labels = classes_of(type(self).__name__, output, target)
        if self.ignore_index is not None:
            kept = labels != self.ignore_index
            guesses, labels = guesses[kept], labels[kept]
        table = ConfusionMatrix(self.num_classes)
        table.update(guesses, labels)
        self.table += table.table

    def _figure(self, true: Any, guessed: Any, right: Any) -> Any:
        """From how often each class was true, was chosen, and both."""
        raise NotImplementedError(f"{type(self).__name__}: has to write _figure(true, guessed, right)")

    def per_class(self) -> np.ndarray:
        """The figure of each class (float64), 0 where it is 0 / 0."""
        table = self.table.astype(np.float64)
        return np.asarray(self._figure(table.sum(1), table.sum(0), table.diagonal()))

    def compute(self) -> float:
        total = self.table.sum()
        if total == 0:
            return float("nan")
        if self.average == "micro":
            return float(self._figure(total, total, float(self.table.trace())))
        true = self.table.sum(1)
        if self.average == "weighted":
            return float((self.per_class() * true).sum() / total)
        met = (true + self.table.sum(0)) > 0  # a class that is neither true nor chosen has no figure
        return float(self.per_class()[met].mean())


class Precision(_FromTable):
    """How many of those chosen are right: TP / (TP + FP)."""

    name = "precision"

    def _figure(self, true: Any, guessed: Any, right: Any) -> Any:
        return ratio(right, guessed)


class Recall(_FromTable):
    """How many of those true are found: TP / (TP + FN)."""

    name = "recall"

    def _figure(self, true: Any, guessed: Any, right: Any) -> Any:
        return ratio(right, true)


class F1Score(_FromTable):
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""

    name = "f1"

    def _figure(self, true: Any, guessed: Any, right: Any) -> Any:
        return ratio(2.0 * right, true + guessed)


class MeanIoU(_FromTable):
    """Intersection over union of each class's pixels, TP / (TP + FP + FN), averaged over the classes met."""

    name = "miou"

    def _figure(self, true: Any, guessed: Any, right: Any) -> Any:
        return ratio(right, true + guessed - right)


class PixelAccuracy(Metric):
    """The share of pixels given their class; those labelled `ignore_index` do not count."""

    def __init__(self, ignore_index: int | None = None, name: str = "pixel_accuracy") -> None:
        self.name, self.ignore_index = name, ignore_index
        self.reset()

    def reset(self) -> None:
        self.right = 0
        self.seen = 0

    def update(self, output: Any, target: Any) -> None:
        guesses, labels = classes_of("PixelAccuracy", output, target)
        kept = np.ones(labels.shape, bool) if self.ignore_index is None else labels != self.ignore_index
        self.right += int(((guesses == labels) & kept).sum())
        self.seen += int(kept.sum())

    def compute(self) -> float:
        return self.right / self.seen if self.seen else float("nan")


class Perplexity(Metric):
    """exp of the mean negative log-likelihood: scores (logits) [..., C], labels [...]."""

    def __init__(self, ignore_index: int | None = None, name: str = "perplexity") -> None:
        self.name, self.ignore_index = name, ignore_index
        self.reset()

    def reset(self) -> None:
        self.nats = 0.0
        self.seen = 0

    def update(self, output: Any, target: Any) -> None:
        scores, labels = as_numpy(output).astype(np.float64), as_numpy(target)
        if scores.shape[:-1] != labels.shape:
            raise ValueError(
                f"Perplexity: got scores of shape {list(scores.shape)} for labels of shape "
                f"{list(labels.shape)}, wants [..., C] for [...]"
            )
        scores, labels = scores.reshape(-1, scores.shape[-1]), labels.ravel()
        if self.ignore_index is not None:
            scores, labels = scores[labels != self.ignore_index], labels[labels != self.ignore_index]
        if labels.size and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
            raise ValueError(f"Perplexity: got a label outside 0 to {scores.shape[1] - 1}")
        top = scores.max(axis=1, keepdims=True, initial=-np.inf)
        logs = (scores - top) - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
        self.nats -= float(logs[np.arange(labels.size), labels].sum())
        self.seen += labels.size

    def compute(self) -> float:
        return float(np.exp(self.nats / self.seen)) if self.seen else float("nan")
