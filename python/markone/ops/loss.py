"""Losses of each element of an input and a target: an entry of kernels/common/loss.def each, one pass over
memory forward and one backward, also with the mean or the sum; and what all losses share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from .. import _C
from .._dtypes import bool_
from ..autograd.graph import Node, Op, edges_of, recording
from ..tensor import Tensor
from ._common import formula, tensor_arg
from .cast import to
from .creation import full_like
from .elementwise import binary, mul, where
from .reduce import mean
from .reduce import sum as sum_
from .shape import expand, unsqueeze

# For other families, or named in nn.functional alone.
HELPERS = """
    check_reduction reduced same_shapes warn_of_broadcast weighted
    gaussian_nll_loss hinge_embedding_loss kl_div margin_ranking_loss multilabel_soft_margin_loss
    poisson_nll_loss smooth_l1_loss soft_margin_loss
"""


def check_reduction(
    op: str,
    reduction: str,
    size_average: bool | None = None,
    reduce: bool | None = None,
    also: tuple[str, ...] = (),
    stacklevel: int = 3,
) -> str:
    """none, mean or sum. size_average and reduce are how it was once said: where either is given both
    (True where None) decide, with a warning."""
    if size_average is not None or reduce is not None:
        for name, value in (("size_average", size_average), ("reduce", reduce)):
            if isinstance(value, str):
                raise TypeError(f"{op}: {name} is {value!r}, wants a bool; name the other one, reduction=...")
        reduction = "none" if reduce is not None and not reduce else "sum"
        if reduction == "sum" and (size_average is None or size_average):
            reduction = "mean"
        told = f"{op}: size_average and reduce are deprecated, write reduction={reduction!r}"
        warnings.warn(told, UserWarning, stacklevel=stacklevel)
    if reduction not in ("none", "mean", "sum", *also):
        wanted = "".join(f"{r!r}, " for r in also)
        raise ValueError(f"{op}: reduction {reduction!r}, wants {wanted}'none', 'mean' or 'sum'")
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """A loss for each element summed, averaged or as it is."""
    return loss if reduction == "none" else mean(loss) if reduction == "mean" else sum_(loss)


def same_shapes(op: str, input: Tensor, target: Tensor) -> None:
    """A loss between tensors of one shape."""
    a, b = tensor_arg(op, input), tensor_arg(op, target, "target")
    if a.shape != b.shape:
        raise ValueError(f"{op}: input has shape {list(a.shape)} but target {list(b.shape)}")


def warn_of_broadcast(op: str, input: Tensor, target: Tensor, stacklevel: int = 3) -> None:
    """A loss of the elements' difference takes tensors of two shapes, which is seldom what was meant."""
    a, b = tensor_arg(op, input), tensor_arg(op, target, "target")
    if a.shape != b.shape:
        _C.broadcast_shapes(a.shape, b.shape)
        told = f"{op}: input has shape {list(a.shape)} but target {list(b.shape)}: they are broadcast"
        warnings.warn(told, UserWarning, stacklevel=stacklevel)


# -- the list's entries


def _make(name: str, texts: tuple[str, ...]) -> Callable[..., Tensor]:
    native, native_grad = getattr(_C, name), getattr(_C, f"{name}_grad")
    value, *derivatives = (formula(text) for text in texts)
    flows = [text != "0" for text in texts[1:]]

    def backward(node: Node, g: Any) -> Any:
        x, y, w = node.saved
        return native_grad(g, x, y, w, *node.ctx, [edge is not None for edge in node.edges])

    def differentiable(node: Node, g: Tensor) -> Any:
        x, y, w = node.tensors()
        p, reduction = node.ctx
        if reduction != "none":
            if reduction == "mean":
                g = binary["div"](g, float(x.numel()))
            g = expand(g, x.shape)
        return [
            None if edge is None else derivative(g=g, x=x, y=y, w=w, p=p)
            for edge, derivative in zip(node.edges, derivatives)
        ]

    op = Op(name, backward, differentiable, (0, 1, 2))

    def loss(x: Tensor, y: Tensor, w: Tensor | None, p: float, reduction: str) -> Tensor:
        a, b = tensor_arg(name, x), tensor_arg(name, y, "target")
        c = None if w is None else tensor_arg(name, w)
        if not _alike(a, b) or not (c is None or _alike(a, c)):
            x, y, w = _aligned(x, y, w)
            a, b, c = x._array, y._array, None if w is None else w._array
        if not a.dtype.is_floating_point:
            return reduced(value(x=x, y=y, w=w, p=p), reduction)
        out = native(a, b, c, p, reduction)
        if not recording(x, y, w):
            return Tensor(out)
        edges = tuple(e if flow else None for e, flow in zip(edges_of(x, y, w), flows))
        return Tensor(out, True, Node(op, edges, (a, b, c), (p, reduction)))

    return loss


def _alike(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype is b.dtype


def _aligned(*operands: Tensor | None) -> tuple[Any, ...]:
    """The operands in one type and shape."""
    given = [t for t in operands if t is not None]
    dtype, shape = given[0].dtype, tuple(given[0].shape)
    for t in given[1:]:
        kinds = (_C.empty((0,) if n else (), d) for n, d in ((len(shape), dtype), (t.ndim, t.dtype)))
        dtype = _C.where(_C.empty((0,), bool_), *kinds).dtype
        shape = _C.broadcast_shapes(shape, t.shape)
    return tuple(None if t is None else expand(to(t, dtype), shape) for t in operands)


pointwise: dict[str, Callable[..., Tensor]] = {
    name: _make(name, texts) for name, texts in _C.loss_formulas.items()
}


def weighted(op: str, x: Tensor, y: Tensor, weight: Tensor | None, p: float, reduction: str) -> Tensor:
    """A loss with a weight for each element, or none; mean divides by how many there are."""
    if weight is None:
        return pointwise[op](x, y, None, p, reduction)
    return reduced(mul(pointwise[op](x, y, None, p, "none"), weight), reduction)


def _weight_like(op: str, weight: Tensor | None, input: Tensor) -> None:
    if weight is not None and tensor_arg(op, weight, "weight").shape != tensor_arg(op, input).shape:
        wanted = list(input.shape)
        raise ValueError(f"{op}: weight has shape {list(weight.shape)}, wants the input's {wanted}")


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared difference; weight, of the input's shape, makes it a weighted mean. Shapes that differ are
    broadcast with a UserWarning."""
    return _difference("mse_loss", input, target, size_average, reduce, reduction, weight)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The absolute difference; weight, of the input's shape, makes it a weighted mean. Shapes that differ are
    broadcast with a UserWarning."""
    return _difference("l1_loss", input, target, size_average, reduce, reduction, weight)


def _difference(
    op: str,
    input: Tensor,
    target: Tensor,
    size_average: bool | None,
    reduce: bool | None,
    reduction: str,
    weight: Tensor | None,
) -> Tensor:
    reduction = check_reduction(op, reduction, size_average, reduce, stacklevel=4)
    warn_of_broadcast(op, input, target, stacklevel=4)
    _weight_like(op, weight, input)
    if weight is None or reduction != "mean":
        return weighted(op, input, target, weight, 0.0, reduction)
    return binary["div"](weighted(op, input, target, weight, 0.0, "sum"), sum_(weight))


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """(x - y)² / (2 beta) where |x - y| < beta, else |x - y| - beta / 2."""
    op = "smooth_l1_loss"
    reduction = check_reduction(op, reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError(f"{op}: beta is {beta}, wants at least 0")
    warn_of_broadcast(op, input, target)
    return pointwise[op if beta else "l1_loss"](input, target, None, beta, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """(x - y)² / 2 where |x - y| < delta, else delta · (|x - y| - delta / 2); weight, of the
    input's shape, multiplies it and leaves the mean's divisor alone."""
    op = "huber_loss"
    if not delta > 0:
        raise RuntimeError(f"{op}: delta is {delta}, wants above 0")
    warn_of_broadcast(op, input, target)
    _weight_like(op, weight, input)
    return weighted(op, input, target, weight, delta, check_reduction(op, reduction))


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-(target log s(input) + (1 - target) log s(-input)) with s the sigmoid, without overflow."""
    op = "binary_cross_entropy_with_logits"
    reduction = check_reduction(op, reduction, size_average, reduce)
    same_shapes(op, input, target)
    if pos_weight is None:
        return weighted(op, input, target, weight, 0.0, reduction)
    one_by_one = reduction if weight is None else "none"
    loss = pointwise["binary_cross_entropy_with_pos_weight"](input, target, pos_weight, 0.0, one_by_one)
    return loss if weight is None else reduced(mul(loss, weight), reduction)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target log input + (1 - target) log(1 - input)); each logarithm is at least -100, as in PyTorch."""
    op = "binary_cross_entropy"
    reduction = check_reduction(op, reduction, size_average, reduce)
    same_shapes(op, input, target)
    for name, value in (("input", input), ("target", target)):
        _C.check_range(op, f"wants {name} in [0, 1]", value._array, 0.0, 1.0, True)
    return weighted(op, input, target, weight, 0.0, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """y · (log y - x) of log-probabilities x; reduction may be 'batchmean': the sum over the batch's size."""
    reduction = check_reduction("kl_div", reduction, size_average, reduce, ("batchmean",))
    loss = pointwise["kl_div_of_logs" if log_target else "kl_div"]
    if reduction == "batchmean":
        return binary["div"](loss(input, target, None, 0.0, "sum"), input.shape[0])
    return loss(input, target, None, 0.0, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - y · x, or x - y · log(x + eps); `full` adds Stirling's y log y - y + log(2πy)/2 for y > 1."""
    reduction = check_reduction("poisson_nll_loss", reduction, size_average, reduce)
    loss = pointwise["poisson_nll_loss" if log_input else "poisson_nll_of_rates"]
    if not full:
        return loss(input, target, None, eps, reduction)
    large = target > 1
    safe = where(large, target, 1.0)
    stirling = safe * safe.log() - safe + 0.5 * (safe * (2 * math.pi)).log()
    return reduced(loss(input, target, None, eps, "none") + where(large, stirling, 0.0), reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (x - y)² / v) / 2 with v = max(var, eps), through which no gradient of the limit passes."""
    op = "gaussian_nll_loss"
    spread = var if isinstance(var, Tensor) else full_like(input, var)
    if spread.ndim == input.ndim - 1 and spread.shape == input.shape[:-1]:
        spread = unsqueeze(spread, -1)
    elif spread.ndim != input.ndim or any(v not in (1, n) for v, n in zip(spread.shape, input.shape)):
        raise ValueError(
            f"{op}: var has shape {list(spread.shape)}, wants the input's {list(input.shape)}, "
            "or without its last dimension or with sizes of 1"
        )
    _C.check_range(op, "wants var not negative", spread._array, 0.0, math.inf, False)
    reduction = check_reduction(op, reduction)
    loss = pointwise[op](input, target, spread, eps, "none" if full else reduction)
    return reduced(loss + 0.5 * math.log(2 * math.pi), reduction) if full else loss


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-y · x))."""
    reduction = check_reduction("soft_margin_loss", reduction, size_average, reduce)
    same_shapes("soft_margin_loss", input, target)
    return pointwise["soft_margin_loss"](input, target, None, 0.0, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where y = 1, max(0, margin - x) where y = -1."""
    reduction = check_reduction("hinge_embedding_loss", reduction, size_average, reduce)
    return pointwise["hinge_embedding_loss"](input, target, None, margin, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -y · (x1 - x2) + margin)."""
    op = "margin_ranking_loss"
    reduction = check_reduction(op, reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            f"{op}: wants as many dimensions in all, got {list(input1.shape)}, "
            f"{list(input2.shape)} and {list(target.shape)}"
        )
    return pointwise[op](input1, input2, target, margin, reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(y log s(x) + (1 - y) log s(-x)), s the sigmoid, times weight, averaged over the classes (the last
    dimension)."""
    reduction = check_reduction("multilabel_soft_margin_loss", reduction, size_average, reduce)
    loss = weighted("binary_cross_entropy_with_logits", input, target, weight, 0.0, "none")
    return reduced(binary["div"](sum_(loss, -1), input.shape[-1]), reduction)
