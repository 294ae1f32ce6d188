"""Matrix products."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edges_of, recording
from ..tensor import Tensor
from ._common import shrink, sum_to_shape, tensor_arg
from .elementwise import add, mul
from .reduce import sum as sum_
from .shape import reshape, transpose

# Functions that are Tensor methods too.
METHODS = "matmul mm bmm mv dot outer addmm baddbmm addmv"
# For other families, not for users.
HELPERS = "rmatmul"


def _rows_shape(shape: Any) -> tuple[int, int]:
    count = 1
    for n in shape[:-1]:
        count *= n
    return count, shape[-1]


def _rows(x: Any) -> Any:
    """All leading dimensions as one: native."""
    shape = _rows_shape(x.shape)
    out = x.try_reshape(shape)
    return _C.clone(x).reshape_view(shape) if out is None else out


def _rows_tensor(x: Tensor) -> Tensor:
    return reshape(x, _rows_shape(x.shape))


def _matmul_gradients(node: Node, g: Any, a: Any, b: Any, product: Any, fit: Any, rows: Any) -> Any:
    """Written once for Arrays and Tensors: what differs is passed in."""
    a_shape, b_shape, a_type, b_type = node.ctx
    # The dimensions that vectors left out come back: a row on the left, a column on the right.
    if len(b_shape) == 1:
        g = g.unsqueeze(-1)
    if len(a_shape) == 1:
        g = g.unsqueeze(-2)
    ga = gb = None
    if node.edges[0] is not None:
        wide = b.unsqueeze(1) if len(b_shape) == 1 else b
        ga = fit(product(g, wide.transpose(-2, -1)), a_shape, a_type)
    if node.edges[1] is not None:
        wide = a.unsqueeze(0) if len(a_shape) == 1 else a
        if len(b_shape) <= 2 and len(a_shape) > 2:
            # One matrix for the whole batch: its gradient is one product of all rows.
            gb = product(rows(wide).transpose(0, 1), rows(g))
        else:
            gb = product(wide.transpose(-2, -1), g)
        gb = fit(gb.squeeze(-1) if len(b_shape) == 1 else gb, b_shape, b_type)
    return ga, gb


def _matmul_native(node: Node, g: Any) -> Any:
    a, b = node.saved
    return _matmul_gradients(node, g, a, b, _C.matmul, shrink, _rows)


def _matmul_differentiable(node: Node, g: Tensor) -> Any:
    a, b = node.tensors()
    return _matmul_gradients(node, g, a, b, matmul, sum_to_shape, _rows_tensor)


_MATMUL = Op("matmul", _matmul_native, _matmul_differentiable, (0, 1))


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of matrices [..., n, k] @ [..., k, m], with broadcasting; vectors are rows or columns.

    Both must have one dtype and at least one dimension.
    """
    a, b = tensor_arg("matmul", input), tensor_arg("matmul", other, "other")
    out = _C.matmul(a, b)
    if not recording(input, other):
        return Tensor(out)
    edges = edges_of(input, other)
    saved = (None if edges[1] is None else a, None if edges[0] is None else b)
    return Tensor(out, True, Node(_MATMUL, edges, saved, (a.shape, b.shape, a.dtype, b.dtype)))


def rmatmul(input: Tensor, other: Tensor) -> Tensor:
    """other @ input."""
    return matmul(other, input)


def _fixed(op: str, ndims: tuple[int, ...], *tensors: Tensor) -> None:
    for tensor, ndim in zip(tensors, ndims, strict=True):
        if tensor_arg(op, tensor).ndim != ndim:
            raise RuntimeError(f"{op}: wants {ndim} dimensions, got shape {list(tensor.shape)}")


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, without broadcasting."""
    _fixed("mm", (2, 2), input, mat2)
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches [b, n, k] and [b, k, m]."""
    _fixed("bmm", (3, 3), input, mat2)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: the batches {list(input.shape)} and {list(mat2.shape)} differ")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Matrix times vector."""
    _fixed("mv", (2, 1), input, vec)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of products of two vectors."""
    _fixed("dot", (1, 1), input, tensor)
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements [n, m]."""
    _fixed("outer", (1, 1), input, vec2)
    return mul(reshape(input, (-1, 1)), vec2)


def _scaled_add(op: str, input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    if _C.broadcast_shapes(input._array.shape, product._array.shape) != product._array.shape:
        raise RuntimeError(
            f"{op}: input {list(input.shape)} does not broadcast to the product's {list(product.shape)}"
        )
    product = product if alpha == 1 else mul(product, alpha)
    if beta == 0:  # the input's NaN does not count
        return product
    return add(input if beta == 1 else mul(input, beta), product)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * mat1 @ mat2."""
    return _scaled_add("addmm", input, mm(mat1, mat2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * batch1 @ batch2."""
    return _scaled_add("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * mat @ vec."""
    return _scaled_add("addmv", input, mv(mat, vec), beta, alpha)


# -- linear


def _linear_gradients(
    node: Node, g: Any, x: Any, w: Any, product: Any, total: Any, rows: Any, shaped: Any
) -> Any:
    edges = node.edges
    gx = gw = gb = None
    g2 = rows(g) if g.ndim > 1 else g.unsqueeze(0)
    if edges[0] is not None:
        gx = shaped(product(g2, w), node.ctx)
    if edges[1] is not None:
        gw = product(g2.transpose(0, 1), rows(x) if x.ndim > 1 else x.unsqueeze(0))
    if edges[2] is not None:
        gb = total(g2, (0,), False)
    return gx, gw, gb


def _linear_native(node: Node, g: Any) -> Any:
    x, w = node.saved
    return _linear_gradients(node, g, x, w, _C.matmul, _C.sum, _rows, lambda a, shape: a.reshape_view(shape))


def _linear_differentiable(node: Node, g: Tensor) -> Any:
    x, w = node.tensors()
    return _linear_gradients(node, g, x, w, matmul, sum_, _rows_tensor, reshape)


_LINEAR = Op("linear", _linear_native, _linear_differentiable, (0, 1))


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input [..., in] @ weight [out, in].T + bias [out]."""
    x, w = tensor_arg("linear", input), tensor_arg("linear", weight, "weight")
    b = None if bias is None else tensor_arg("linear", bias, "bias")
    if w.ndim == 1:  # one output without its dimension
        out = matmul(input, weight)
        return out if bias is None else add(out, bias)
    y = _C.linear(x, w, b)
    if not recording(input, weight, bias):
        return Tensor(y)
    edges = edges_of(input, weight, bias)
    saved = (None if edges[1] is None else x, None if edges[0] is None else w)
    return Tensor(y, True, Node(_LINEAR, edges, saved, x.shape))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1 [n, a], weight [o, a, b], input2 [n, b] give [n, o]."""
    inner = matmul(input1.unsqueeze(-2).unsqueeze(-3), weight)
    out = reshape(matmul(inner, input2.unsqueeze(-1).unsqueeze(-3)), (*input1.shape[:-1], weight.shape[0]))
    return out if bias is None else add(out, bias)


__all__ = ["linear", "matmul", "transpose"]
