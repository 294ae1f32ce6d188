"""Average precision of detections as PASCAL VOC counts it (Everingham et al. 2010)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from markone.train.metrics.base import Metric, as_numpy

__all__ = ["MeanAveragePrecision", "box_ious", "voc_ap"]


def box_ious(a: Any, b: Any) -> np.ndarray:
    """Intersection over union of boxes [n, 4] and [m, 4] (x1, y1, x2, y2), as [n, m]; 0 for empty boxes."""
    a, b = as_numpy(a).astype(np.float64).reshape(-1, 4), as_numpy(b).astype(np.float64).reshape(-1, 4)
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def voc_ap(recall: Any, precision: Any, eleven_point: bool = False) -> float:
    """The average precision of points of rising recall.

    Args:
        eleven_point: VOC 2007: the mean over recalls 0, 0.1, ..., 1 of the best precision at or beyond each.
            Otherwise (VOC 2010 on): the area under the precision made to fall monotonically.
    """
    recall, precision = np.asarray(recall, np.float64), np.asarray(precision, np.float64)
    if eleven_point:
        steps = np.arange(11) / 10.0
        # A recall such as 3/10 is meant to reach the step 0.3 whatever its last bit is.
        return float(np.mean([precision[recall >= t - 1e-12].max(initial=0.0) for t in steps]))
    recall = np.concatenate([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(np.concatenate([[0.0], precision, [0.0]])[::-1])[::-1]
    return float((np.diff(recall) * envelope[1:]).sum())


class MeanAveragePrecision(Metric):
    """The mean over the classes of each one's average precision.

    `update(outputs, targets)` takes for each image a dict: outputs with `boxes` [n, 4] (x1, y1, x2, y2),
    `scores` [n] and `labels` [n]; targets with `boxes`, `labels` and, as VOC has it, `difficult` [m] (neither
    found nor missed). A box is found by the surest detection whose best overlap reaches `iou_threshold`;
    later ones of the same box are wrong.
    """

    def __init__(
        self, num_classes: int, iou_threshold: float = 0.5, eleven_point: bool = False, name: str = "map"
    ) -> None:
        self.name, self.num_classes = name, num_classes
        self.iou_threshold, self.eleven_point = iou_threshold, eleven_point
        self.reset()

    def reset(self) -> None:
        self.images = 0
        # A row a detection: class, score, 1 right, 0 wrong, -1 not counted.
        self.rows = np.empty((0, 3))
        self.wanted = np.zeros(self.num_classes, np.int64)

    def update(self, output: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]]) -> None:
        if len(output) != len(target):
            raise ValueError(
                f"MeanAveragePrecision: got {len(output)} outputs and {len(target)} targets, wants as many"
            )
        for found, true in zip(output, target, strict=True):
            self._image({k: as_numpy(v) for k, v in found.items()}, {k: as_numpy(v) for k, v in true.items()})
        self.images += len(target)

    def _image(self, found: dict[str, np.ndarray], true: dict[str, np.ndarray]) -> None:
        difficult = np.asarray(true.get("difficult", np.zeros(len(true["labels"]))), bool)
        for what, labels in (("an output", found["labels"]), ("a target", true["labels"])):
            if labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes:
                raise ValueError(
                    f"MeanAveragePrecision: {what} has a label outside 0 to {self.num_classes - 1}"
                )
        self.wanted += np.bincount(true["labels"][~difficult], minlength=self.num_classes).astype(np.int64)
        for c in np.unique(found["labels"]):
            mine, theirs = np.flatnonzero(found["labels"] == c), np.flatnonzero(true["labels"] == c)
            mine = mine[np.argsort(-found["scores"][mine], kind="stable")]
            ious = box_ious(found["boxes"][mine], true["boxes"].reshape(-1, 4)[theirs])
            taken = np.zeros(theirs.size, bool)
            for i, overlap in zip(mine, ious, strict=True):
                at = int(overlap.argmax()) if theirs.size else -1
                verdict = 0.0
                if at >= 0 and overlap[at] >= self.iou_threshold:
                    verdict = -1.0 if difficult[theirs[at]] else 0.0 if taken[at] else 1.0
                    taken[at] = True
                self.rows = np.vstack([self.rows, [[float(c), float(found["scores"][i]), verdict]]])

    def per_class(self) -> np.ndarray:
        """The average precision of each class, NaN where it has no box to find."""
        out = np.full(self.num_classes, np.nan)
        for c in np.flatnonzero(self.wanted):
            rows = self.rows[(self.rows[:, 0] == c) & (self.rows[:, 2] >= 0)]
            right = rows[np.argsort(-rows[:, 1], kind="stable"), 2]
            true = np.cumsum(right)
            out[c] = voc_ap(true / self.wanted[c], true / np.arange(1, right.size + 1), self.eleven_point)
        return out

    def compute(self) -> float:
        figures = self.per_class()
        return float(np.nanmean(figures)) if (self.wanted > 0).any() else float("nan")
