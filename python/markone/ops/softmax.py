"""Softmax and the losses that belong to it."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._dtypes import int64
from ..autograd.graph import OUTPUT, Node, Op, edge_of, recording
from ..tensor import Tensor
from ._common import tensor_arg, wrap_dim
from .cast import to
from .elementwise import add, binary, compares, mul, sub, unary, where
from .gather import gather
from .loss import check_reduction, reduced
from .reduce import sum as sum_
from .shape import reshape, unsqueeze

# Functions that are Tensor methods too.
METHODS = "softmax log_softmax"


def _softmax_differentiable(node: Node, g: Tensor) -> Any:
    (y,) = node.tensors()
    gy = mul(g, y)
    return (sub(gy, mul(y, sum_(gy, node.ctx, True))),)


def _log_softmax_differentiable(node: Node, g: Tensor) -> Any:
    (y,) = node.tensors()
    return (sub(g, mul(unary["exp"](y), sum_(g, node.ctx, True))),)


_SOFTMAX = Op(
    "softmax",
    lambda node, g: (_C.softmax_grad(g, node.saved[0], node.ctx),),
    _softmax_differentiable,
    (OUTPUT,),
)
_LOG_SOFTMAX = Op(
    "log_softmax",
    lambda node, g: (_C.log_softmax_grad(g, node.saved[0], node.ctx),),
    _log_softmax_differentiable,
    (OUTPUT,),
)


def _normalised(op: Op, native: Any, input: Tensor, dim: int, dtype: Any) -> Tensor:
    if dtype is not None:
        input = to(input, dtype)
    x = tensor_arg(op.name, input)
    if not x.dtype.is_floating_point:
        raise NotImplementedError(f"{op.name}: wants a floating type, got {x.dtype}")
    d = wrap_dim(op.name, dim, x.ndim)
    y = native(x, d)
    return Tensor(y, True, Node(op, (edge_of(input),), (y,), d)) if recording(input) else Tensor(y)


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(input) divided by its sum along dim, computed without overflow."""
    return _normalised(_SOFTMAX, _C.softmax, input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """The logarithm of softmax, computed as input - logsumexp(input)."""
    return _normalised(_LOG_SOFTMAX, _C.log_softmax, input, dim, dtype)


def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """softmax of -input."""
    return softmax(unary["neg"](input), dim, dtype)


# -- cross-entropy with class indices: one native call each way


def _cross_entropy_native(node: Node, g: Any) -> Any:
    x, target, weight, lse = node.saved
    ignore_index, smoothing, reduction = node.ctx
    return (_C.cross_entropy_grad(g, x, target, weight, ignore_index, smoothing, reduction, lse),)


def _cross_entropy_differentiable(node: Node, g: Tensor) -> Any:
    """Through the composition, whose own gradient is recorded."""
    from ..autograd.engine import grad
    from ..autograd.modes import enable_grad

    x, target, weight, _ = node.tensors()
    ignore_index, smoothing, reduction = node.ctx
    with enable_grad():
        # A copy in the graph, so that only the loss's own part is differentiated.
        inner = mul(x, 1.0) if x.requires_grad else x.detach().requires_grad_()
        loss = _composed_cross_entropy(inner, target, weight, ignore_index, smoothing, reduction)
        (out,) = grad(loss, inner, g, create_graph=True)
    return (out,)


_CROSS_ENTROPY = Op(
    "cross_entropy", _cross_entropy_native, _cross_entropy_differentiable, (0, None, None, None)
)


def _composed_cross_entropy(
    x: Tensor, target: Tensor, weight: Any, ignore_index: int, smoothing: float, reduction: str
) -> Tensor:
    log_p = log_softmax(x, 1 if x.ndim > 1 else 0)
    hard = nll_loss(log_p, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not smoothing:
        return hard
    dim = 1 if x.ndim > 1 else 0
    classes = x.shape[dim]
    weights = None if weight is None else reshape(weight, (-1,) + (1,) * (x.ndim - dim - 1))
    smooth = unary["neg"](sum_(log_p if weights is None else mul(log_p, weights), dim))
    kept = compares["ne"](target, ignore_index)
    smooth = where(kept, smooth, 0)
    if reduction == "none":
        soft = smooth
    elif reduction == "sum":
        soft = sum_(smooth)
    else:
        soft = binary["div"](sum_(smooth), _weight_sum(target, weight, kept, x.dtype))
    return add(mul(hard, 1 - smoothing), mul(soft, smoothing / classes))


def _weight_sum(target: Tensor, weight: Any, kept: Tensor, dtype: Any) -> Tensor:
    if weight is None:
        return sum_(to(kept, dtype))
    safe = where(kept, target, 0)
    picked = reshape(gather(weight, 0, reshape(safe, (-1,))), target.shape)
    return sum_(where(kept, picked, 0))


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target]: input [n, c, ...] (or [c]) logits, target int64 [n, ...] classes, or
    probabilities of the input's shape.

    mean divides by the sum of the targets' weights. IndexError for a class outside [0, c) that is not
    ignore_index.
    """
    reduction = check_reduction("cross_entropy", reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"cross_entropy: label_smoothing must be in [0, 1], got {label_smoothing}")
    x, labels = tensor_arg("cross_entropy", input), tensor_arg("cross_entropy", target, "target")
    if labels.dtype.is_floating_point:
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if labels.dtype is not int64:
        raise RuntimeError(
            f"cross_entropy: target must be int64 classes or probabilities, got {labels.dtype}"
        )
    if x.ndim == 0:
        raise RuntimeError("cross_entropy: input must have at least one dimension")
    if x.ndim == 1:
        if labels.ndim:
            raise ValueError(
                f"cross_entropy: input [{x.shape[0]}] wants a 0-d target, got {list(labels.shape)}"
            )
        loss = cross_entropy(
            unsqueeze(input, 0),
            unsqueeze(target, 0),
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
        return reshape(loss, ()) if reduction == "none" else loss
    w = None if weight is None else tensor_arg("cross_entropy", weight, "weight")
    value, lse = _C.cross_entropy(x, labels, w, ignore_index, label_smoothing, reduction)
    if not recording(input):
        return Tensor(value)
    ctx = (ignore_index, label_smoothing, reduction)
    return Tensor(value, True, Node(_CROSS_ENTROPY, (edge_of(input),), (x, labels, w, lse), ctx))


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    if target.shape != input.shape:
        raise _C.ArgumentError(
            f"cross_entropy: probabilities of shape {list(target.shape)} for input {list(input.shape)}"
        )
    dim = 1 if input.ndim > 1 else 0
    if smoothing:
        target = add(mul(target, 1 - smoothing), smoothing / input.shape[dim])
    terms = mul(log_softmax(input, dim), target)
    if weight is not None:
        terms = mul(terms, reshape(weight, (-1,) + (1,) * (input.ndim - dim - 1)))
    loss = unary["neg"](sum_(terms, dim))
    if reduction == "mean":
        return binary["div"](sum_(loss), float(max(loss.numel(), 1)))
    return reduced(loss, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[target]: input [n, c, ...] (or [c]) log-probabilities, target int64 [n, ...] classes.

    mean divides by the sum of the targets' weights. IndexError for a class outside [0, c) that is not
    ignore_index.
    """
    reduction = check_reduction("nll_loss", reduction, size_average, reduce)
    labels = tensor_arg("nll_loss", target, "target")
    if labels.dtype is not int64:
        raise RuntimeError(f"nll_loss: target must be int64 classes, got {labels.dtype}")
    if input.ndim == 1:
        loss = nll_loss(
            unsqueeze(input, 0), unsqueeze(target, 0), weight, ignore_index=ignore_index, reduction=reduction
        )
        return reshape(loss, ()) if reduction == "none" else loss
    if target.shape != (input.shape[0], *input.shape[2:]):
        raise ValueError(f"nll_loss: target of shape {list(target.shape)} for input {list(input.shape)}")
    x = tensor_arg("nll_loss", input)
    w: Any = None if weight is None else tensor_arg("nll_loss", weight, "weight")
    if not x.dtype.is_floating_point or (weight is not None and recording(weight)):
        return _composed_nll(input, target, weight, ignore_index, reduction)
    value, saved = _C.nll(x, labels, w, ignore_index, reduction)
    if not recording(input):
        return Tensor(value)
    ctx = (ignore_index, reduction)
    return Tensor(value, True, Node(_NLL, (edge_of(input),), (x, labels, w, saved), ctx))


def _composed_nll(input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str) -> Tensor:
    kept = compares["ne"](target, ignore_index)
    safe = where(kept, target, 0)
    picked = gather(input, 1, unsqueeze(safe, 1))
    loss = unary["neg"](reshape(picked, target.shape))
    if weight is not None:
        loss = mul(loss, reshape(gather(weight, 0, reshape(safe, (-1,))), target.shape))
    loss = where(kept, loss, 0)
    if reduction == "mean":
        return binary["div"](sum_(loss), _weight_sum(target, weight, kept, input.dtype))
    return reduced(loss, reduction)


def _nll_native(node: Node, g: Any) -> Any:
    x, target, weight, saved = node.saved
    ignore_index, reduction = node.ctx
    return (_C.nll_grad(g, x, target, weight, ignore_index, reduction, saved),)


def _nll_differentiable(node: Node, g: Tensor) -> Any:
    """Through the composition, whose own gradient is recorded."""
    from ..autograd.engine import grad
    from ..autograd.modes import enable_grad

    x, target, weight, _ = node.tensors()
    with enable_grad():
        inner = mul(x, 1.0) if x.requires_grad else x.detach().requires_grad_()
        return grad(_composed_nll(inner, target, weight, *node.ctx), inner, g, create_graph=True)


_NLL = Op("nll_loss", _nll_native, _nll_differentiable, (0, None, None, None))
