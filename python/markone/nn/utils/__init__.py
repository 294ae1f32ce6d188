"""What is done to all parameters at once (names of `torch.nn.utils`)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

from ...autograd import no_grad
from ...ops import cat, stack
from ...tensor import Tensor
from . import fusion, parametrizations, parametrize, rnn, stateless
from .fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights
from .normed import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "fusion",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "stateless",
    "vector_to_parameters",
    "weight_norm",
]

Tensors = Tensor | Iterable[Tensor]


def _gradients(parameters: Tensors) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in given if p.grad is not None]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements together: (Σ |x|^p)^(1/p), for p = inf the largest |x|.

    Raises:
        RuntimeError: the norm is NaN or infinite, where `error_if_nonfinite`.
    """
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    p = float(norm_type)
    with no_grad():
        if not given:
            from ...ops import tensor

            return tensor(0.0)
        each = [_norm(t, p) for t in given]
        if len({n.dtype for n in each}) > 1:
            each = [n.to(each[0].dtype) for n in each]
        total = _norm(stack(each), p)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"clip_grad_norm_: the total norm of order {p} is {total.item()}; with "
            f"error_if_nonfinite=False such "
            "gradients are scaled all the same"
        )
    return total


def _norm(t: Tensor, p: float) -> Tensor:
    t = t.detach()
    if t.numel() == 0:
        return t.sum()
    if p == math.inf:
        return t.abs().amax()
    if p == -math.inf:
        return t.abs().amin()
    if p == 0:
        return (t != 0).sum().to(t.dtype)
    if p == 1:
        return t.abs().sum()
    if p == 2:
        return t.norm()
    return (t.abs() ** p).sum() ** (1.0 / p)


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiplies the gradients in place by min(1, max_norm / (total_norm + 1e-6)), not reading the norm."""
    with no_grad():
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in _gradients(parameters):
            grad.mul_(factor.to(grad.dtype))


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales the gradients in place so that their common norm is at most `max_norm` (Pascanu et al. 2013).

    Args:
        parameters: whose `grad` counts; those without one are left out.
        max_norm: the largest norm.
        norm_type: p of the norm; may be inf.
        error_if_nonfinite: raise where the norm is NaN or infinite.

    Returns:
        The norm before.
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(given), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(given, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of `clip_grad_norm_`; warns."""
    warnings.warn("clip_grad_norm: deprecated, use clip_grad_norm_", FutureWarning, stacklevel=2)
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Keeps every element of the gradients within ±clip_value, in place."""
    value = float(clip_value)
    with no_grad():
        for grad in _gradients(parameters):
            grad.clamp_(-value, value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters as one vector [total]."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copies the parts of a vector into the parameters.

    Raises:
        TypeError: `vec` is not a Tensor.
        ValueError: the sizes do not sum to the vector's.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: wants a Tensor, got {type(vec).__name__}")
    given = list(parameters)
    wanted = sum(p.numel() for p in given)
    if vec.ndim != 1 or vec.numel() != wanted:
        raise ValueError(
            f"vector_to_parameters: the vector has shape {list(vec.shape)}, the parameters {wanted} elements"
        )
    start = 0
    with no_grad():
        for p in given:
            p.copy_(vec[start : start + p.numel()].reshape(p.shape))
            start += p.numel()
