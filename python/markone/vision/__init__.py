"""Boxes and regions of images, with the names of `torchvision.ops`. Boxes are x1, y1, x2, y2 in pixels.

`vision.annotation` finds keywords for images, `vision.retrieval` finds images.
"""

from . import annotation, retrieval
from .boxes import (
    batched_nms,
    box_area,
    box_convert,
    box_iou,
    clip_boxes_to_image,
    generalized_box_iou,
    nms,
    remove_small_boxes,
)
from .regions import RoIAlign, RoIPool, roi_align, roi_pool

__all__ = [
    "RoIAlign",
    "RoIPool",
    "annotation",
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "generalized_box_iou",
    "nms",
    "remove_small_boxes",
    "retrieval",
    "roi_align",
    "roi_pool",
]
