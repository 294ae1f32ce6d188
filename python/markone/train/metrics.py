"""Running figures over an epoch: accuracy, confusion table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Accuracy", "ConfusionMatrix", "Metric"]


def as_numpy(value: Any) -> np.ndarray:
    """The values of a Tensor or array-like as a NumPy array, outside the graph."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


class Metric:
    """Something that is updated batch by batch; `name` is its column."""

    name = "metric"

    def reset(self) -> None:
        """Forgets everything seen."""
        raise NotImplementedError

    def update(self, output: Any, target: Any) -> None:
        """Adds one batch."""
        raise NotImplementedError

    def compute(self) -> float:
        """The figure over all batches since `reset`; NaN when there were none."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that an epoch cut in two counts as one."""
        return dict(self.__dict__)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.__dict__.update(state)


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


class ConfusionMatrix(Metric):
    """`table[i, j]`: how many rows of class i were taken for class j. Scores [N, C], labels [N] (int64)."""

    def __init__(self, num_classes: int, name: str = "accuracy") -> None:
        self.name = name
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        self.table = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, output: Any, target: Any) -> None:
        labels = as_numpy(target).ravel()
        guesses = as_numpy(output).argmax(axis=1).ravel()
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
