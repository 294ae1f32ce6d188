"""What all running figures share."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Metric", "as_numpy", "classes_of", "ratio"]


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
        raise NotImplementedError(f"{type(self).__name__}: a Metric has to write reset()")

    def update(self, output: Any, target: Any) -> None:
        """Adds one batch."""
        raise NotImplementedError(f"{type(self).__name__}: a Metric has to write update(output, target)")

    def compute(self) -> float:
        """The figure over all batches since `reset`; NaN when there were none."""
        raise NotImplementedError(f"{type(self).__name__}: a Metric has to write compute()")

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that an epoch cut in two counts as one."""
        return dict(self.__dict__)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""
        self.__dict__.update(state)


def ratio(above: Any, below: Any) -> Any:
    """above / below, 0 where below is 0 (scikit-learn's zero_division=0)."""
    below = np.asarray(below, np.float64)
    return np.divide(above, below, out=np.zeros_like(below), where=below != 0)


def classes_of(op: str, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Classes chosen and classes true, flat: scores [N, C, ...] beside labels [N, ...], or labels twice."""
    scores, labels = as_numpy(output), as_numpy(target)
    if scores.ndim == labels.ndim + 1:
        scores = scores.argmax(axis=1)
    if scores.shape != labels.shape:
        raise ValueError(
            f"{op}: got an output of shape {list(as_numpy(output).shape)} for labels of shape "
            f"{list(labels.shape)}, wants [N, C, ...] for [N, ...] or the labels' shape"
        )
    return scores.ravel(), labels.ravel()
