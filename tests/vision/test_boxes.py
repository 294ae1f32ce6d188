"""Boxes and regions against plain NumPy: torchvision is not needed."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from markone import vision
from reference_vision import aligned_regions, area, kept, overlap, pooled_regions
from surface import Op, distinct, normal

NO_TORCH = "torchvision's"


def made(count: int, seed: int = 0, size: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, size, (count, 2))
    return np.concatenate([low, low + rng.uniform(1, size / 2, (count, 2))], 1)


def pairs(first: np.ndarray, second: np.ndarray, one: Any) -> np.ndarray:
    return np.array([[one(*overlap(a, b)) for b in second] for a in first]).reshape(len(first), len(second))


A, B = made(5, 1), made(4, 2)
OPS: list[Op] = []


def add(name: str, call: Any, reference: Any, *inputs: Any, **kwargs: Any) -> None:
    OPS.append(Op(f"vision.{name}", call, reference, list(inputs), no_torch=NO_TORCH, **kwargs))


add("box_area", lambda lib, b: vision.box_area(b), lambda b: np.array([area(x) for x in b]), A)
add("box_area", lambda lib, b: vision.box_area(b), lambda b: np.zeros(0), np.zeros((0, 4)), label="empty")
for name, one in (
    ("box_iou", lambda both, union, hull: both / union),
    ("generalized_box_iou", lambda both, union, hull: both / union - (hull - union) / hull),
):
    add(
        name,
        lambda lib, a, b, name=name: getattr(vision, name)(a, b),
        lambda a, b, one=one: pairs(a, b, one),
        A,
        B,
    )
    add(
        name,
        lambda lib, a, b, name=name: getattr(vision, name)(a, b),
        lambda a, b: np.zeros((0, len(b))),
        np.zeros((0, 4)),
        B,
        label="empty",
    )
FORMS = {
    "xyxy": lambda b: b,
    "xywh": lambda b: np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1),
    "cxcywh": lambda b: np.concatenate([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1),
}
for before, after in itertools.product(FORMS, FORMS):
    add(
        "box_convert",
        lambda lib, b, f=(before, after): vision.box_convert(b, *f),
        lambda b, after=after: FORMS[after](A.astype(np.float32).astype(float)),
        FORMS[before](A),
        label=f"{before}-{after}",
        tolerance=32.0,
        dtypes=("float32",),
    )
add(
    "clip_boxes_to_image",
    lambda lib, b: vision.clip_boxes_to_image(b, (12, 15)),
    lambda b: np.clip(b, 0, np.array([15, 12, 15, 12])),
    A - 3,
)
add(
    "remove_small_boxes",
    lambda lib, b: vision.remove_small_boxes(b, 4.0),
    lambda b: np.array([i for i, x in enumerate(b) if min(x[2] - x[0], x[3] - x[1]) >= 4]),
    A,
    no_grad="indices",
)
for count, threshold in ((0, 0.5), (1, 0.5), (40, 0.3), (150, 0.1)):
    boxes = made(count, count)
    scores = distinct(count, step=0.01)
    groups = np.random.default_rng(count).integers(0, 3, count)
    add(
        "nms",
        lambda lib, b, s, t=threshold: vision.nms(b, s, t),
        lambda b, s, t=threshold: kept(b, s, t),
        boxes,
        scores,
        label=f"{count}",
        no_grad="indices",
    )
    add(
        "batched_nms",
        lambda lib, b, s, g, t=threshold: vision.batched_nms(b, s, g, t),
        lambda b, s, g, t=threshold: kept(b, s, t, g),
        boxes,
        scores,
        groups,
        label=f"{count}",
        no_grad="indices",
    )

ROIS = np.array(
    [[0, 1.3, 2.1, 9.7, 8.2], [1, 0.0, 0.0, 4.4, 4.9], [1, -3.2, 5.1, 30.3, 11.8], [0, 7.2, 7.1, 7.3, 7.2]]
)
for scale, ratio, shifted in ((1.0, -1, False), (0.5, 2, True), (0.5, 0, True), (0.6, 3, False)):
    add(
        "roi_align",
        lambda lib, x, how=(scale, ratio, shifted): vision.roi_align(
            x, mo.tensor(ROIS, dtype=x.dtype), (2, 3), *how
        ),
        lambda x, how=(scale, ratio, shifted): aligned_regions(x, ROIS, (2, 3), *how),
        normal(2, 2, 6, 7),
        label=f"{scale}-{ratio}-{shifted}",
        tolerance=128.0,
    )
for scale in (1.0, 0.5):
    add(
        "roi_pool",
        lambda lib, x, s=scale: vision.roi_pool(x, mo.tensor(ROIS, dtype=x.dtype), (2, 3), s),
        lambda x, s=scale: pooled_regions(x, ROIS, (2, 3), s),
        distinct(2, 2, 6, 7),
        label=f"{scale}",
    )
for name in ("roi_align", "roi_pool"):
    add(
        name,
        lambda lib, x, name=name: getattr(vision, name)(x, mo.zeros(0, 5, dtype=x.dtype), 2),
        lambda x: np.zeros((0, 2, 2, 2)),
        normal(2, 2, 3, 3),
        label="empty",
    )

test_all = surface.make_tests(OPS)


def test_lists_of_boxes_and_layers() -> None:
    x = mo.randn(2, 3, 8, 9)
    boxes = [mo.tensor(made(3, 3, 6.0), dtype=mo.float32), mo.tensor(made(2, 4, 6.0), dtype=mo.float32)]
    joined = mo.cat([mo.cat([mo.full((len(b), 1), float(i)), b], 1) for i, b in enumerate(boxes)])
    for layer, function, args in (
        (vision.RoIAlign((2, 2), 0.5, 2, True), vision.roi_align, ((2, 2), 0.5, 2, True)),
        (vision.RoIPool(2, 0.5), vision.roi_pool, (2, 0.5)),
    ):
        want = function(x, joined, *args)
        assert (function(x, boxes, *args) == want).all() and (layer(x, boxes) == want).all()
        assert "output_size" in repr(layer)


def test_equal_scores_keep_their_order() -> None:
    boxes = mo.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [5, 5, 6, 6]])
    assert vision.nms(boxes, mo.ones(3), 0.5).tolist() == [0, 2]
    assert vision.batched_nms(boxes, mo.ones(3), mo.tensor([0, 1, 0]), 0.5).tolist() == [0, 1, 2]


def test_boxes_have_no_gradient() -> None:
    rois = mo.tensor([[0.0, 0, 0, 2, 2]]).requires_grad_()
    for name in ("roi_align", "roi_pool"):
        with pytest.raises(NotImplementedError, match=f"^{name}: there is no gradient by the boxes"):
            getattr(vision, name)(mo.ones(1, 1, 4, 4), rois, 2)


def test_enormous_boxes_end() -> None:
    x = mo.ones(1, 1, 4, 4)
    for box in ([0, -1e30, -1e30, 1e30, 1e30], [0, 0, 0, np.nan, np.inf], [0, 0, 0, 1e8, 1e8]):
        rois = mo.tensor([[float(v) for v in box]])
        assert vision.roi_align(x, rois, 2).shape == (1, 1, 2, 2)
        assert vision.roi_pool(x, rois, 2).shape == (1, 1, 2, 2)


X, R = mo.ones(1, 1, 4, 4), mo.zeros(1, 5)


@pytest.mark.parametrize(
    "name, call",
    [
        ("nms", lambda: vision.nms(mo.ones(3, 5), mo.ones(3), 0.5)),
        ("nms", lambda: vision.nms(mo.ones(3, 4), mo.ones(2), 0.5)),
        ("nms", lambda: vision.nms(mo.ones(3, 4, dtype=mo.int64), mo.ones(3), 0.5)),
        ("batched_nms", lambda: vision.batched_nms(mo.ones(3, 4), mo.ones(3), mo.ones(2).long(), 0.5)),
        ("box_iou", lambda: vision.box_iou(mo.ones(3, 4), mo.ones(3))),
        ("box_convert", lambda: vision.box_convert(mo.ones(3, 4), "xyxy", "yxyx")),
        ("remove_small_boxes", lambda: vision.remove_small_boxes(mo.ones(4), 1)),
        ("roi_align", lambda: vision.roi_align(mo.ones(4, 4), R, 2)),
        ("roi_align", lambda: vision.roi_align(X, mo.zeros(1, 4), 2)),
        ("roi_align", lambda: vision.roi_align(X, R, 0)),
        ("roi_align", lambda: vision.roi_align(X, R.double(), 2)),
        ("roi_align", lambda: vision.roi_align(X, R + 1, 2)),
        ("roi_align", lambda: vision.roi_align(X, [mo.zeros(1, 4)] * 2, 2)),
        ("roi_pool", lambda: vision.roi_pool(X, R - 1, 2)),
        ("roi_pool", lambda: vision.roi_pool(X, [mo.zeros(1, 5)], 2)),
    ],
)
def test_bad_input(name: str, call: Any) -> None:
    with pytest.raises((ValueError, RuntimeError, TypeError, IndexError), match=f"^{name}: "):
        call()
