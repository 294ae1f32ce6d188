"""Pooling of regions of interest. The gradient is by the features; boxes have none and say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..nn.module import Module
from ..ops import cat, from_numpy, full, scatter_add, where
from ..ops._common import Linear, named, numbers
from ..tensor import Tensor

Boxes = Tensor | Sequence[Tensor]


def _regions(op: str, input: Tensor, boxes: Boxes) -> Tensor:
    """[K, 5] with the image first."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{op}: input must be a Tensor, got {type(input).__name__}")
    if not isinstance(boxes, Tensor):
        if not all(isinstance(b, Tensor) and b.ndim == 2 and b.shape[1] == 4 for b in boxes):
            raise ValueError(f"{op}: boxes must be a Tensor [K, 5] or Tensors [L, 4], one an image")
        if len(boxes) != input.shape[0]:
            raise ValueError(f"{op}: {len(boxes)} lists of boxes for {input.shape[0]} images")
        parts = [cat((full((b.shape[0], 1), float(i), dtype=b.dtype), b), 1) for i, b in enumerate(boxes)]
        if not parts:
            raise ValueError(f"{op}: an empty list of boxes")
        regions = cat(parts, 0)
    else:
        regions = boxes
    if recording(regions):
        raise NotImplementedError(f"{op}: there is no gradient by the boxes; pass boxes.detach()")
    return regions


_ALIGN = Linear(
    "roi_align",
    lambda x, shape, boxes, *how: _C.roi_align(x, boxes, *how),
    lambda g, shape, boxes, *how: _C.roi_align_grad(g, boxes, shape, *how),
)


def roi_align(
    input: Tensor,
    boxes: Boxes,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The mean of bilinear samples in each of output_size bins of each box (He et al., "Mask R-CNN", 2017).

    Args:
        input: [N, C, H, W].
        boxes: [K, 5] (image, x1, y1, x2, y2) or N Tensors [L, 4]; input's type.
        spatial_scale: from box coordinates to places of input.
        sampling_ratio: samples a bin each way; ⌈bin size⌉ where ≤ 0.
        aligned: shifts by half a place, so that pixel centres agree.

    Returns:
        [K, C, OH, OW].
    """
    regions = _regions("roi_align", input, boxes)
    size = numbers("roi_align", "output_size", output_size, 2)
    how = (size, float(spatial_scale), int(sampling_ratio), bool(aligned))
    return _ALIGN(input, (input._array.shape, regions._array, *how))


def _pool_differentiable(node: Node, g: Tensor) -> Any:
    boxes, indices = (Tensor(a) for a in node.saved)
    shape = node.ctx
    _, c, h, w = shape
    # The flat place in the whole input of each maximum; empty bins add nothing, to place 0.
    image = boxes[:, 0].long().reshape(-1, 1, 1, 1)
    channel = from_numpy(_channels(c))
    some = indices >= 0
    flat = where(some, (image * c + channel) * (h * w) + indices, 0).reshape(-1)
    zeros = full((math.prod(shape),), 0.0, dtype=g.dtype)
    return (scatter_add(zeros, 0, flat, where(some, g, 0.0).reshape(-1)).reshape(*shape),)


def _channels(count: int) -> Any:
    import numpy as np

    return np.arange(count, dtype=np.int64).reshape(1, count, 1, 1)


_POOL = Op(
    "roi_pool",
    lambda node, g: (_C.roi_pool_grad(g, node.saved[0], node.saved[1], node.ctx),),
    _pool_differentiable,
    (None, None),
)


def roi_pool(
    input: Tensor, boxes: Boxes, output_size: int | tuple[int, int], spatial_scale: float = 1.0
) -> Tensor:
    """The maximum of whole places in each of output_size bins of each box (Girshick, "Fast R-CNN", 2015);
    arguments and result as `roi_align`. Empty bins are 0."""
    regions = _regions("roi_pool", input, boxes)
    size = numbers("roi_pool", "output_size", output_size, 2)
    y, indices = named("roi_pool", _C.roi_pool, input._array, regions._array, size, float(spatial_scale))
    if not recording(input):
        return Tensor(y)
    saved = (regions._array, indices)
    return Tensor(y, True, Node(_POOL, (edge_of(input),), saved, input._array.shape))


class RoIAlign(Module):
    """`roi_align` with fixed options."""

    def __init__(
        self,
        output_size: int | tuple[int, int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned}"
        )


class RoIPool(Module):
    """`roi_pool` with fixed options."""

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"
