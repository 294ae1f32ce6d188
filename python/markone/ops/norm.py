"""Normalisation: batch, layer, group, instance, RMS and local response norm; unit length."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import _C
from ..autograd.graph import Node, Op, edges_of, recording
from ..autograd.modes import modes, no_grad
from ..tensor import Tensor
from ._common import tensor_arg
from .cast import to
from .elementwise import add, binary, clamp, mul, sub, unary, where
from .reduce import mean, norm, var
from .reduce import sum as sum_
from .shape import reshape

# The names with PyTorch's arguments are those of nn.functional.
HELPERS = (
    "batch_norm batch_norm_tracked layer_norm group_norm instance_norm rms_norm local_response_norm normalize"
)

Composition = Callable[..., Tensor]


def _second_order(compose: Composition) -> Callable[[Node, Tensor], Any]:
    """A differentiable backward of (input, weight, bias) through a composition of simple operations, whose
    own gradient is recorded."""

    def differentiable(node: Node, g: Tensor) -> Any:
        from ..autograd.engine import grad
        from ..autograd.modes import enable_grad

        x, weight, bias, *rest = node.tensors()
        with enable_grad():
            # Copies in the graph, so that only this operation's own part is differentiated.
            inner = [
                t if t is None else mul(t, 1.0) if t.requires_grad else t.detach().requires_grad_()
                for t in (x, weight, bias)
            ]
            wanted = [i for i, edge in enumerate(node.edges) if edge is not None]
            y = compose(node.ctx, *inner, *rest)
            grads = iter(grad(y, [inner[i] for i in wanted], g, create_graph=True))
        return tuple(next(grads) if i in wanted else None for i in range(3))

    return differentiable


def _optional(op: str, value: Any, name: str) -> Any:
    return None if value is None else tensor_arg(op, value, name)


def _typed(grads: Sequence[Any], node: Node) -> Any:
    """Each gradient in the type of its input."""
    return tuple(
        g if g is None or g.dtype is x.dtype else _C.cast(g, x.dtype)
        for g, x in zip(grads, node.saved, strict=False)
    )


def _wanted(node: Node) -> tuple[bool, bool, bool]:
    a, b, c = node.edges
    return a is not None, b is not None, c is not None


# -- norms of rows: layer, group, instance, RMS


def _row_native(node: Node, g: Any) -> Any:
    x, weight, _, mean_, scale = node.saved
    kind, size, _ = node.ctx
    return _typed(_C.row_norm_grad(kind, g, x, size, weight, mean_, scale, *_wanted(node)), node)


def _row_composed(ctx: Any, x: Tensor, weight: Any, bias: Any, *_: Any) -> Tensor:
    kind, size, eps = ctx
    if kind in ("layer_norm", "rms_norm"):
        dims = tuple(range(x.ndim - len(size), x.ndim))
        away = x if kind == "rms_norm" else sub(x, mean(x, dims, True))
        y = mul(away, unary["rsqrt"](add(mean(unary["square"](away), dims, True), eps)))
        y = y if weight is None else mul(y, weight)
        return y if bias is None else add(y, bias)
    rows = reshape(x, (x.shape[0], size[0], math.prod(x.shape[1:]) // size[0]))
    away = sub(rows, mean(rows, 2, True))
    y = reshape(mul(away, unary["rsqrt"](add(mean(unary["square"](away), 2, True), eps))), x.shape)
    return _affine(y, weight, bias)


def _affine(y: Tensor, weight: Any, bias: Any) -> Tensor:
    shape = (-1,) + (1,) * (y.ndim - 2)
    y = y if weight is None else mul(y, reshape(weight, shape))
    return y if bias is None else add(y, reshape(bias, shape))


def _row_op(name: str) -> Op:
    return Op(name, _row_native, _second_order(_row_composed), (0, 1, 2, None, None))


_ROW_OPS = {name: _row_op(name) for name in ("layer_norm", "rms_norm", "group_norm", "instance_norm")}


def _row_norm(kind: str, input: Tensor, size: tuple[int, ...], weight: Any, bias: Any, eps: float) -> Tensor:
    x = tensor_arg(kind, input)
    w, b = _optional(kind, weight, "weight"), _optional(kind, bias, "bias")
    y, mean_, scale = _C.row_norm(kind, x, size, w, b, eps)
    if not recording(input, weight, bias):
        return Tensor(y)
    node = Node(_ROW_OPS[kind], edges_of(input, weight, bias), (x, w, b, mean_, scale), (kind, size, eps))
    return Tensor(y, True, node)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias over the trailing dimensions `normalized_shape`, which
    is the shape of weight and bias (Ba, Kiros and Hinton 2016)."""
    return _row_norm("layer_norm", input, _shape("layer_norm", normalized_shape), weight, bias, eps)


def _shape(op: str, size: Any) -> tuple[int, ...]:
    given = (size,) if isinstance(size, int) else tuple(size)
    if not given:
        raise RuntimeError(f"{op}: normalized_shape must have at least one dimension, got {list(given)}")
    return given


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / √(mean(x²) + eps) · weight over the trailing dimensions `normalized_shape` (Zhang and Sennrich
    2019); eps None is the machine epsilon of the type that is computed in."""
    x = tensor_arg("rms_norm", input)
    if eps is None:
        eps = 2.0**-52 if x.dtype.name == "float64" else 2.0**-23
    return _row_norm("rms_norm", input, _shape("rms_norm", normalized_shape), weight, None, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) of each sample's groups of channels, x [N, C, *]; weight and bias [C]
    (Wu and He 2018)."""
    x = tensor_arg("group_norm", input)
    if x.ndim < 2:
        raise RuntimeError(f"group_norm: wants [n, c, ...], got shape {list(x.shape)}")
    if num_groups <= 0 or x.shape[1] % num_groups:
        raise RuntimeError(f"group_norm: cannot split {x.shape[1]} channels into {num_groups} groups")
    _check_batch("group_norm", x.shape, num_groups)
    return _row_norm("group_norm", input, (num_groups,), weight, bias, eps)


def _check_batch(op: str, shape: Sequence[int], statistics: int) -> None:
    if math.prod(shape) == statistics and statistics > 0:
        raise ValueError(
            f"{op}: expected more than 1 value per channel when training, got input shape {list(shape)}"
        )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) of each sample's channels, x [N, C, *]; weight and bias [C] (Ulyanov,
    Vedaldi and Lempitsky 2016). Running statistics are moved by `momentum`, or are what counts where
    `use_input_stats` is False."""
    x = tensor_arg("instance_norm", input)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if x.ndim < 3:
        raise RuntimeError(f"instance_norm: wants [n, c, ...], got shape {list(x.shape)}")
    if math.prod(x.shape[2:]) == 1:
        raise ValueError(
            "instance_norm: expected more than 1 spatial element when training, got input shape "
            f"{list(x.shape)}"
        )
    if running_mean is not None or running_var is not None:
        with no_grad():
            dims = tuple(range(2, x.ndim))
            wide = to(input.detach(), running_mean.dtype if running_mean is not None else running_var.dtype)  # type: ignore[union-attr]
            if running_mean is not None:
                _mix(running_mean, mean(mean(wide, dims), 0), momentum)
            if running_var is not None:
                _mix(running_var, mean(var(wide, dims), 0), momentum)
    return _row_norm("instance_norm", input, (x.shape[1],), weight, bias, eps)


def _mix(running: Tensor, now: Tensor, momentum: float) -> None:
    running.copy_(add(mul(running, 1 - momentum), mul(now, momentum)))


# -- batch norm


def _batch_native(node: Node, g: Any) -> Any:
    x, weight, _, mean_, scale = node.saved
    return _typed(_C.batch_norm_grad(g, x, weight, mean_, scale, node.ctx[0], *_wanted(node)), node)


def _batch_composed(ctx: Any, x: Tensor, weight: Any, bias: Any, mean_: Tensor, scale: Tensor) -> Tensor:
    training, eps = ctx
    shape = (1, -1) + (1,) * (x.ndim - 2)
    if not training:
        y = mul(sub(x, to(reshape(mean_, shape), x.dtype)), to(reshape(scale, shape), x.dtype))
        return _affine(y, weight, bias)
    dims = (0, *range(2, x.ndim))
    away = sub(x, mean(x, dims, True))
    y = mul(away, unary["rsqrt"](add(mean(unary["square"](away), dims, True), eps)))
    return _affine(y, weight, bias)


_BATCH_NORM = Op("batch_norm", _batch_native, _second_order(_batch_composed), (0, 1, 2, None, None))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias of each channel, x [N, C, *]; all others [C] (Ioffe and
    Szegedy 2015).

    Training takes mean and variance from the batch and moves the running ones in place, r = (1 - momentum)
    · r + momentum · now, with the unbiased variance; else the running ones are used.

    Raises:
        ValueError: training with one value a channel.
    """
    return batch_norm_tracked(input, running_mean, running_var, weight, bias, training, momentum, eps, None)


def batch_norm_tracked(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    tracked: Tensor | None,
) -> Tensor:
    """batch_norm whose running statistics are, where the int64 count `tracked` is given, the mean over all
    batches: it is read by the kernel, so that a recorded step follows it."""
    x = tensor_arg("batch_norm", input)
    if training and x.ndim >= 2:
        _check_batch("batch_norm", x.shape, x.shape[1])
    w, b = _optional("batch_norm", weight, "weight"), _optional("batch_norm", bias, "bias")
    rm = _optional("batch_norm", running_mean, "running_mean")
    rv = _optional("batch_norm", running_var, "running_var")
    if not training and (rm is None or rv is None):
        raise RuntimeError("batch_norm: without training, running_mean and running_var are needed")
    count = None if tracked is None else tracked._array
    y, mean_, scale = _C.batch_norm(x, w, b, rm, rv, training, momentum, eps, count)
    if not (modes.grad and recording(input, weight, bias)):
        return Tensor(y)
    node = Node(_BATCH_NORM, edges_of(input, weight, bias), (x, w, b, mean_, scale), (training, eps))
    return Tensor(y, True, node)


# -- local response


def _local_composed(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """The windows' sums by a matrix of ones on a band."""
    import numpy as np

    from .creation import from_numpy
    from .matmul import matmul

    c = x.shape[1]
    distance = np.arange(c)[None, :] - np.arange(c)[:, None]
    band = from_numpy((distance >= -(size // 2)) & (distance <= (size - 1) // 2))
    flat = reshape(unary["square"](x), (x.shape[0], c, math.prod(x.shape[2:])))
    sums = reshape(matmul(to(band, x.dtype), flat), x.shape)
    return mul(x, binary["pow"](add(mul(sums, alpha / size), k), -beta))


def _local_differentiable(node: Node, g: Tensor) -> Any:
    from ..autograd.engine import grad
    from ..autograd.modes import enable_grad

    (x,) = node.tensors()
    with enable_grad():
        inner = mul(x, 1.0) if x.requires_grad else x.detach().requires_grad_()
        return grad(_local_composed(inner, *node.ctx), (inner,), g, create_graph=True)


_LOCAL_NORM = Op(
    "local_response_norm",
    lambda node, g: (_C.local_response_norm_grad(g, node.saved[0], *node.ctx),),
    _local_differentiable,
    (0,),
)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha · mean of x² over `size` neighbouring channels, zeros outside)^beta, x [N, C, *, ...]
    (Krizhevsky, Sutskever and Hinton 2012, section 3.3, with alpha divided by size)."""
    x = tensor_arg("local_response_norm", input)
    if x.ndim < 3:
        raise ValueError(f"local_response_norm: wants [n, c, l, ...], got shape {list(x.shape)}")
    ctx = (size, alpha, beta, k)
    y = _C.local_response_norm(x, *ctx)
    if not recording(input):
        return Tensor(y)
    return Tensor(y, True, Node(_LOCAL_NORM, edges_of(input), (x,), ctx))


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int | tuple[int, ...] = 1,
    eps: float = 1e-12,
    out: Tensor | None = None,
) -> Tensor:
    """x / max(‖x‖_p, eps) along dim. Below eps no gradient passes the norm."""
    x = tensor_arg("normalize", input)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"normalize: wants a floating type, got {x.dtype}")
    y = binary["div"](input, _length(input, float(p), dim, eps))
    return y if out is None else out.copy_(y)


def _length(x: Tensor, p: float, dim: Any, eps: float) -> Tensor:
    if p in (1, 2, math.inf):
        return clamp(norm(x, p, dim, True), eps)
    total = sum_(binary["pow"](unary["abs"](x), p), dim, True)
    # A root of zero has no finite slope, so what is below eps is put aside before it is taken.
    small = total.detach() == 0
    root = binary["pow"](where(small, 1.0, total), 1.0 / p)
    return clamp(where(small, 0.0, root), eps)
