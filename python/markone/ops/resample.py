"""Resampling, and sampling at the places of a grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _C
from ..autograd.graph import Node, Op, edges_of, recording
from ..tensor import Tensor
from ._common import Linear, named, numbers, tensor_arg
from .gather import index_select
from .matmul import matmul
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .shape import reshape, transpose, unsqueeze

# For functional, not for `markone.*`, as in PyTorch.
HELPERS = "interpolate grid_sample affine_grid"

_RESAMPLE = Linear(
    "interpolate",
    lambda x, shape, size, *how: _C.resample(x, size, *how),
    lambda g, shape, size, *how: _C.resample_grad(g, shape, *how),
)
# What each mode is called natively, and for how many dimensions it is (0: any).
_MODES = {
    "nearest": ("nearest", 0),
    "nearest-exact": ("nearest-exact", 0),
    "linear": ("linear", 1),
    "bilinear": ("linear", 2),
    "trilinear": ("linear", 3),
    "bicubic": ("cubic", 2),
}


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resizes signals [n, c, l], images [n, c, h, w] or volumes [n, c, d, h, w].

    Args:
        size: the new l, (h, w) or (d, h, w), or one number for all.
        scale_factor: instead of a size: ⌊size · factor⌋.
        mode: 'nearest' (as old OpenCV), 'nearest-exact' (as Pillow), 'linear' (l), 'bilinear' (h, w),
            'trilinear' (d, h, w), 'bicubic' (h, w), 'area' (the mean of equal shares).
        align_corners: of the linear and cubic ones: the corners' centres keep their place, else the
            corners themselves.
        recompute_scale_factor: the places follow from the sizes, not from scale_factor.
        antialias: of 'bilinear' and 'bicubic': smooths over what one place of a smaller result covers.
    """
    op = "interpolate"
    x = tensor_arg(op, input)
    spatial = x.ndim - 2
    if not 1 <= spatial <= 3:
        raise NotImplementedError(
            f"{op}: wants [n, c, l], [n, c, h, w] or [n, c, d, h, w], got {list(input.shape)}"
        )
    if mode != "area" and (mode not in _MODES or _MODES[mode][1] not in (0, spatial)):
        raise NotImplementedError(f"{op}: mode {mode!r} is not there for an input of shape {list(x.shape)}")
    smooth = mode not in ("nearest", "nearest-exact", "area")
    if align_corners is not None and not smooth:
        raise ValueError(f"{op}: align_corners is an option of the linear and cubic modes, not of {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{op}: wants either size or scale_factor")
    if recompute_scale_factor and size is not None:
        raise ValueError(f"{op}: recompute_scale_factor has no meaning with a size")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"{op}: antialias is an option of 'bilinear' and 'bicubic', not of {mode!r}")
    factors: list[float] = []
    if size is None:
        factors = _factors(op, scale_factor, spatial)
        size = tuple(math.floor(n * f) for n, f in zip(x.shape[2:], factors, strict=True))
        if recompute_scale_factor or mode == "area":
            factors = []
    elif isinstance(size, list | tuple) and len(size) != spatial:
        raise ValueError(f"{op}: size {size!r} for {spatial} dimensions of {list(x.shape)}")
    size = numbers(op, "size", size, spatial)
    if min(size) < 1 or min(x.shape[2:]) < 1:
        raise ValueError(f"{op}: cannot make {list(size)} of {list(input.shape)}, sizes have to be above 0")
    if max(size) >= 2**31:
        raise _C.ArgumentError(f"{op}: size {list(size)} is too large, wants less than 2^31")
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[spatial - 1](input, size)
    if not x.dtype.is_floating_point:
        if mode != "nearest":
            raise NotImplementedError(f"{op}: mode {mode!r} wants a floating type, got {x.dtype}")
        return _nearest(input, size, factors)
    how = (tuple(factors), _MODES[mode][0], bool(align_corners), bool(antialias))
    return _RESAMPLE(input, (x.shape, size, *how))


def _factors(op: str, scale_factor: Any, spatial: int) -> list[float]:
    given = scale_factor if isinstance(scale_factor, list | tuple) else (scale_factor,) * spatial
    if len(given) != spatial:
        raise ValueError(f"{op}: scale_factor {scale_factor!r} for {spatial} dimensions")
    factors = [float(f) for f in given]
    if not all(0 < f <= 2**31 for f in factors):
        raise ValueError(f"{op}: scale_factor is {scale_factor}, wants numbers above 0 (and below 2^31)")
    return factors


def _nearest(input: Tensor, size: tuple[int, ...], factors: list[float]) -> Tensor:
    """Of integers: the places by NumPy."""
    for i, want in enumerate(size):
        have = input.shape[2 + i]
        step = 1.0 / factors[i] if factors else have / want
        places = np.minimum((np.arange(want) * np.float32(step)).astype(np.int64), have - 1)
        input = index_select(input, 2 + i, Tensor(_C.from_numpy(places)))
    return input


def resize_bilinear(input: Tensor, size: Any, align_corners: bool = False) -> Tensor:
    """[n, c, h, w] or [c, h, w] interpolated to size (h, w). Pixel centres are at half-integers unless
    align_corners."""
    op = "resize_bilinear"
    ndim = tensor_arg(op, input).ndim
    if ndim not in (3, 4):
        raise RuntimeError(f"{op}: wants [n, c, h, w] or [c, h, w], got shape {list(input.shape)}")
    batch = unsqueeze(input, 0) if ndim == 3 else input
    size = numbers(op, "size", size, 2)
    out = named(op, interpolate, batch, size, None, "bilinear", align_corners)
    return reshape(out, out.shape[1:]) if ndim == 3 else out


# -- grids


def _grid_native(node: Node, g: Any) -> Any:
    x, grid = node.saved
    shape, how = node.ctx
    return (
        None if node.edges[0] is None else _C.grid_sample_input_grad(g, grid, shape, *how),
        None if node.edges[1] is None else _C.grid_sample_grid_grad(g, x, grid, *how),
    )


def _grid_differentiable(node: Node, g: Tensor) -> Any:
    if node.edges[1] is not None:
        raise NotImplementedError(
            "grid_sample: the gradient by the grid has no gradient of its own; detach the grid, or leave out "
            "create_graph"
        )
    _, grid = node.saved
    shape, how = node.ctx
    return _SAMPLE.transposed(g, (grid, shape, how)), None


# By the input alone it is linear.
_SAMPLE = Linear(
    "grid_sample",
    lambda x, grid, shape, how: _C.grid_sample(x, grid, *how),
    lambda g, grid, shape, how: _C.grid_sample_input_grad(g, grid, shape, *how),
)
_GRID_SAMPLE = Op("grid_sample", _grid_native, _grid_differentiable, (0, 1))


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """input [n, c, h, w] (or [n, c, d, h, w]) at the places of grid [n, oh, ow, 2] ([n, od, oh, ow, 3]).

    A place is (x, y) or (x, y, z), -1 and 1 are the borders: the corners' centres with align_corners, else
    their outer edges. mode: 'bilinear', 'nearest', 'bicubic' (images alone). padding_mode, outside: 'zeros',
    'border', 'reflection'. Jaderberg et al., "Spatial transformer networks", 2015. The gradient by the grid
    has no gradient of its own: it raises.
    """
    op = "grid_sample"
    x, places = tensor_arg(op, input), tensor_arg(op, grid, "grid")
    how = (mode, padding_mode, bool(align_corners))
    y = named(op, _C.grid_sample, x, places, *how)
    if not recording(input, grid):
        return Tensor(y)
    edges = edges_of(input, grid)
    saved = (x if edges[1] is not None else None, places)
    return Tensor(y, True, Node(_GRID_SAMPLE, edges, saved, (x.shape, how)))


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid of `grid_sample` for affine maps theta [n, 2, 3] of a result of size [n, c, h, w], or
    [n, 3, 4] and [n, c, d, h, w]: the map of each place's own coordinates."""
    op = "affine_grid"
    shape = tensor_arg(op, theta, "theta").shape
    size = tuple(int(n) for n in size)
    if not theta.is_floating_point():
        raise ValueError(f"{op}: theta must be floating, got {theta.dtype}")
    if len(size) not in (4, 5) or min(size) < 1:
        raise NotImplementedError(f"{op}: size is {list(size)}, wants 4 or 5 numbers above 0")
    dims = len(size) - 2
    if tuple(shape) != (size[0], dims, dims + 1):
        raise ValueError(
            f"{op}: for size {list(size)} theta must be {[size[0], dims, dims + 1]}, got {list(shape)}"
        )
    axes = []
    for n in size[2:]:
        at = np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1)
        axes.append(at if align_corners else at * (n - 1) / n)
    places = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(size[2:])], -1)
    base = Tensor(_C.cast(_C.from_numpy(places.reshape(1, -1, dims + 1)), theta.dtype))
    return reshape(matmul(base, transpose(theta, 1, 2)), (size[0], *size[2:], dims))
