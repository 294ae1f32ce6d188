"""Arithmetic of boxes, and non-maximum suppression."""

from __future__ import annotations

import numpy as np

from .. import _C
from ..ops import cat, clamp, from_numpy, maximum, minimum, stack
from ..ops._common import named
from ..tensor import Tensor


def _boxes(op: str, boxes: Tensor, name: str = "boxes") -> Tensor:
    if not isinstance(boxes, Tensor):
        raise TypeError(f"{op}: {name} must be a Tensor, got {type(boxes).__name__}")
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ValueError(f"{op}: {name} must be [..., 4], got shape {list(boxes.shape)}")
    return boxes


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: from the highest score down, drops each box that overlaps a kept one by more
    than iou_threshold (intersection over union).

    Args:
        boxes: [n, 4] with x1 ≤ x2, y1 ≤ y2; floating.
        scores: [n]; equal ones in the order given.

    Returns:
        int64 [kept], the kept boxes by falling score.
    """
    return _suppress("nms", boxes, scores, None, iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` among the boxes of the same class or level: idxs, int64 [n]."""
    if not isinstance(idxs, Tensor) or tuple(idxs.shape) != tuple(boxes.shape[:1]):
        raise ValueError("batched_nms: idxs must be a Tensor with a number for each box")
    return _suppress("batched_nms", boxes, scores, idxs, iou_threshold)


def _suppress(op: str, boxes: Tensor, scores: Tensor, groups: Tensor | None, iou_threshold: float) -> Tensor:
    if _boxes(op, boxes).ndim != 2:
        raise ValueError(f"{op}: boxes must be [n, 4], got shape {list(boxes.shape)}")
    if not isinstance(scores, Tensor) or tuple(scores.shape) != (boxes.shape[0],):
        raise ValueError(f"{op}: scores must be a Tensor [{boxes.shape[0]}], one for each box")
    order = np.argsort(-scores.detach().double().numpy(), kind="stable")
    kinds = None if groups is None else _C.cast(groups._array, _C.int64)
    keep = named(op, _C.nms, boxes._array, _C.from_numpy(order), kinds, float(iou_threshold))
    return from_numpy(order[_C.to_numpy(keep)])


def box_area(boxes: Tensor) -> Tensor:
    """(x2 - x1) · (y2 - y1): [..., 4] → [...]."""
    _boxes("box_area", boxes)
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _overlaps(op: str, boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Intersections and unions of every pair."""
    first, second = _boxes(op, boxes1, "boxes1"), _boxes(op, boxes2, "boxes2")
    low = maximum(first[..., None, :2], second[..., None, :, :2])
    high = minimum(first[..., None, 2:], second[..., None, :, 2:])
    size = clamp(high - low, min=0)
    both = size[..., 0] * size[..., 1]
    return both, box_area(first)[..., None] + box_area(second)[..., None, :] - both


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of every pair: [..., n, 4], [..., m, 4] → [..., n, m]."""
    both, union = _overlaps("box_iou", boxes1, boxes2)
    return both / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou` minus the share of the pair's hull that neither covers (Rezatofighi et al., "Generalized
    intersection over union", 2019): in (-1, 1]."""
    both, union = _overlaps("generalized_box_iou", boxes1, boxes2)
    low = minimum(boxes1[..., None, :2], boxes2[..., None, :, :2])
    high = maximum(boxes1[..., None, 2:], boxes2[..., None, :, 2:])
    size = clamp(high - low, min=0)
    hull = size[..., 0] * size[..., 1]
    return both / union - (hull - union) / hull


def _to_corners(boxes: Tensor, form: str) -> list[Tensor]:
    a, b, c, d = (boxes[..., i] for i in range(4))
    if form == "xyxy":
        return [a, b, c, d]
    if form == "xywh":
        return [a, b, a + c, b + d]
    return [a - 0.5 * c, b - 0.5 * d, a + 0.5 * c, b + 0.5 * d]


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes [..., 4] from one form to another: 'xyxy' corners, 'xywh' corner and size, 'cxcywh' centre and
    size."""
    _boxes("box_convert", boxes)
    for form in (in_fmt, out_fmt):
        if form not in ("xyxy", "xywh", "cxcywh"):
            raise ValueError(f"box_convert: form {form!r}, wants 'xyxy', 'xywh' or 'cxcywh'")
    if in_fmt == out_fmt:
        return boxes.clone()
    x1, y1, x2, y2 = _to_corners(boxes, in_fmt)
    if out_fmt == "xyxy":
        return stack((x1, y1, x2, y2), -1)
    if out_fmt == "xywh":
        return stack((x1, y1, x2 - x1, y2 - y1), -1)
    return stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), -1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes [..., 4] cut to an image of (height, width)."""
    _boxes("clip_boxes_to_image", boxes)
    height, width = size
    x = clamp(boxes[..., 0::2], min=0, max=width)
    y = clamp(boxes[..., 1::2], min=0, max=height)
    return cat((x[..., :1], y[..., :1], x[..., 1:], y[..., 1:]), -1)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Which boxes [n, 4] have both sides at least min_size: int64 [kept]."""
    if _boxes("remove_small_boxes", boxes).ndim != 2:
        raise ValueError(f"remove_small_boxes: boxes must be [n, 4], got shape {list(boxes.shape)}")
    corners = boxes.detach()
    sides = corners[:, 2:] - corners[:, :2]
    return ((sides[:, 0] >= min_size) & (sides[:, 1] >= min_size)).nonzero().reshape(-1)
