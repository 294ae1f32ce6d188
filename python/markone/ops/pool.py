"""Pooling and bilinear resize of [n, c, h, w] or [c, h, w]."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import tensor_arg
from .conv import pair
from .index import scatter_add
from .shape import reshape, unsqueeze


def _batched(op: str, input: Tensor) -> tuple[Tensor, bool]:
    ndim = tensor_arg(op, input).ndim
    if ndim not in (3, 4):
        raise RuntimeError(f"{op}: wants [n, c, h, w] or [c, h, w], got shape {list(input.shape)}")
    return (input, False) if ndim == 4 else (unsqueeze(input, 0), True)


def _unbatched(output: Tensor, single: bool) -> Tensor:
    return reshape(output, output.shape[1:]) if single else output


def _planes(x: Tensor) -> Tensor:
    return reshape(x, (*x.shape[:2], x.shape[2] * x.shape[3]))


def _max_pool_differentiable(node: Node, g: Tensor) -> Any:
    (indices,) = node.tensors()
    shape = node.ctx
    zeros = _C.empty((*shape[:2], shape[2] * shape[3]), g.dtype)
    _C.fill(zeros, 0)
    return (reshape(scatter_add(Tensor(zeros), 2, _planes(indices), _planes(g)), shape),)


_MAX_POOL = Op(
    "max_pool2d",
    lambda node, g: (_C.max_pool2d_grad(g, node.saved[0], node.ctx),),
    _max_pool_differentiable,
    (None,),
)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window (NaN wins). With return_indices also where it was in its plane
    (int64)."""
    input, single = _batched("max_pool2d", input)
    kernel = pair("max_pool2d", "kernel_size", kernel_size)
    step = kernel if stride is None or stride == [] else pair("max_pool2d", "stride", stride)
    args = (
        kernel,
        step,
        pair("max_pool2d", "padding", padding),
        pair("max_pool2d", "dilation", dilation),
        ceil_mode,
    )
    x = input._array
    remember = recording(input)
    if not remember and not return_indices:
        return _unbatched(Tensor(_C.max_pool2d_values(x, *args)), single)
    y, indices = _C.max_pool2d(x, *args)
    out = Tensor(y, True, Node(_MAX_POOL, (edge_of(input),), (indices,), x.shape)) if remember else Tensor(y)
    out = _unbatched(out, single)
    return (out, _unbatched(Tensor(indices), single)) if return_indices else out


# Average pooling and resizing are linear: the gradient of the gradient is the operation itself.


class _Linear:
    """A linear operation and its transpose, each the other's gradient."""

    def __init__(self, name: str, forward: Any, backward: Any) -> None:
        self.forward, self.backward = forward, backward
        self.op = Op(
            name,
            lambda node, g: (backward(g, *node.ctx),),
            lambda node, g: (self.transposed(g, node.ctx),),
        )
        self.transposed_op = Op(
            f"{name}_grad",
            lambda node, g: (forward(g, *node.ctx),),
            lambda node, g: (self(g, node.ctx),),
        )

    def __call__(self, input: Tensor, ctx: Any) -> Tensor:
        y = self.forward(input._array, *ctx)
        return Tensor(y, True, Node(self.op, (edge_of(input),), (), ctx)) if recording(input) else Tensor(y)

    def transposed(self, g: Tensor, ctx: Any) -> Tensor:
        y = self.backward(g._array, *ctx)
        return (
            Tensor(y, True, Node(self.transposed_op, (edge_of(g),), (), ctx)) if recording(g) else Tensor(y)
        )


_AVERAGE = _Linear(
    "avg_pool2d",
    lambda x, shape, *args: _C.avg_pool2d(x, *args),
    lambda g, shape, *args: _C.avg_pool2d_grad(g, shape, *args),
)
_RESIZE = _Linear(
    "resize_bilinear",
    lambda x, shape, size, align: _C.resize_bilinear(x, size, align),
    lambda g, shape, size, align: _C.resize_bilinear_grad(g, shape, align),
)


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; padding counts unless count_include_pad=False."""
    input, single = _batched("avg_pool2d", input)
    kernel = pair("avg_pool2d", "kernel_size", kernel_size)
    step = kernel if stride is None or stride == [] else pair("avg_pool2d", "stride", stride)
    padding = pair("avg_pool2d", "padding", padding)
    ctx = (input._array.shape, kernel, step, padding, ceil_mode, count_include_pad, divisor_override)
    return _unbatched(_AVERAGE(input, ctx), single)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of windows chosen so that the result has output_size (None keeps a size)."""
    input, single = _batched("adaptive_avg_pool2d", input)
    h, w = input.shape[2:]
    given = output_size if isinstance(output_size, list | tuple) else (output_size, output_size)
    oh, ow = (size if want is None else want for want, size in zip(given, (h, w), strict=True))
    if oh and ow and h % oh == 0 and w % ow == 0:
        kernel = (h // oh, w // ow)
        ctx = (input._array.shape, kernel, kernel, (0, 0), False, True, None)
        return _unbatched(_AVERAGE(input, ctx), single)
    from .matmul import matmul

    # Unequal windows: a matrix of means on each side.
    rows, columns = _means(h, oh, input.dtype), _means(w, ow, input.dtype)
    return _unbatched(matmul(matmul(rows, input), columns.transpose(0, 1)), single)


def _means(size: int, out: int, dtype: Any) -> Tensor:
    import numpy as np

    matrix = np.zeros((out, size))
    for i in range(out):
        first, last = i * size // out, -(-(i + 1) * size // out)
        matrix[i, first:last] = 1 / (last - first)
    return Tensor(_C.cast(_C.from_numpy(matrix), dtype))


def resize_bilinear(input: Tensor, size: Any, align_corners: bool = False) -> Tensor:
    """[n, c, h, w] interpolated to size (h, w). Pixel centres are at half-integers unless align_corners."""
    input, single = _batched("resize_bilinear", input)
    ctx = (input._array.shape, pair("resize_bilinear", "size", size), align_corners)
    return _unbatched(_RESIZE(input, ctx), single)


__all__ = ["avg_pool2d", "max_pool2d", "resize_bilinear"]
