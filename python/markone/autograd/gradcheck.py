"""Gradients against finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _C
from ..tensor import Tensor
from .engine import grad
from .modes import no_grad


class GradcheckError(RuntimeError):
    """A gradient that differs from the finite differences."""


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _differentiable(inputs: Sequence[Any]) -> list[int]:
    out = []
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor) and x.requires_grad:
            if x.dtype is not _C.float64:
                raise ValueError(f"gradcheck: input {i} is {x.dtype}, finite differences want float64")
            out.append(i)
    if not out:
        raise ValueError("gradcheck: no input requires a gradient")
    return out


def _outputs(function: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    found = [y for y in _tuple(function(*inputs)) if isinstance(y, Tensor) and y.dtype.is_floating_point]
    if not found:
        raise ValueError("gradcheck: the function returned no floating tensor")
    return found


def _numeric(function: Callable[..., Any], inputs: Sequence[Any], which: int, eps: float) -> list[Any]:
    """d output / d input[which] by central differences: for each output [elements of input, elements of
    output]."""
    x = inputs[which]
    values = x.detach().clone()
    flat = values.numpy().reshape(-1)  # on the same memory
    trial = [values if i == which else y for i, y in enumerate(inputs)]
    columns: list[list[Any]] = []
    with no_grad():
        for k in range(flat.size):
            kept = flat[k]
            flat[k] = kept + eps
            above = [
                y.detach().numpy().astype(np.float64).reshape(-1).copy() for y in _outputs(function, trial)
            ]
            flat[k] = kept - eps
            below = [
                y.detach().numpy().astype(np.float64).reshape(-1).copy() for y in _outputs(function, trial)
            ]
            flat[k] = kept
            columns.append([(a - b) / (2 * eps) for a, b in zip(above, below, strict=True)])
    if not columns:
        sizes = [y.numel() for y in _outputs(function, trial)]
        return [np.zeros((0, n)) for n in sizes]
    return [np.stack([c[o] for c in columns]) for o in range(len(columns[0]))]


def _analytic(output: Tensor, inputs: list[Any], create_graph: bool) -> list[Any]:
    """d output / d input for each input: [elements of input, elements of output], one backward a column."""
    count = output.numel()
    out = [np.zeros((x.numel(), count)) for x in inputs]
    if not output.requires_grad:
        return out
    for k in range(count):
        seed = Tensor(np.zeros(output.shape))
        seed.numpy().reshape(-1)[k] = 1.0
        found = grad(output, inputs, seed, retain_graph=True, create_graph=create_graph, allow_unused=True)
        for matrix, g in zip(out, found, strict=True):
            if g is not None:
                matrix[:, k] = g.detach().numpy().reshape(-1)
    return out


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compares the gradients of `func(*inputs)` with central differences of step eps.

    Inputs that require a gradient must be float64. Raises GradcheckError that names the worst element, its
    index and
    both values; with raise_exception=False returns False.
    """
    given = _tuple(inputs)
    chosen = _differentiable(given)
    outputs = _outputs(func, given)
    numeric = {i: _numeric(func, given, i, eps) for i in chosen}
    for o, output in enumerate(outputs):
        if output.dtype is not _C.float64:
            raise ValueError(f"gradcheck: output {o} is {output.dtype}, wants float64")
        analytic = _analytic(output, [given[i] for i in chosen], False)
        for i, have in zip(chosen, analytic, strict=True):
            want = numeric[i][o]
            message = _worst(have, want, atol, rtol, i, o, given[i].shape, output.shape)
            if message is not None:
                if raise_exception:
                    raise GradcheckError(message)
                return False
    return True


def _worst(
    have: Any, want: Any, atol: float, rtol: float, i: int, o: int, x_shape: Any, y_shape: Any
) -> str | None:
    excess = np.abs(have - want) - (atol + rtol * np.abs(want))
    both_nan = np.isnan(have) & np.isnan(want)
    excess = np.where(both_nan, -np.inf, np.where(np.isnan(excess), np.inf, excess))
    if excess.size == 0 or excess.max() <= 0:
        return None
    row, column = np.unravel_index(int(excess.argmax()), excess.shape)
    x_at = tuple(int(n) for n in np.unravel_index(int(row), x_shape)) if len(x_shape) else ()
    y_at = tuple(int(n) for n in np.unravel_index(int(column), y_shape)) if len(y_shape) else ()
    return (
        f"gradcheck: d output {o}{list(y_at)} / d input {i}{list(x_at)} is {have[row, column]:.9g}, finite "
        f"differences "
        f"give {want[row, column]:.9g} ({int((excess > 0).sum())} of {excess.size} elements differ)"
    )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """gradcheck of the gradients of `func` by its inputs and by the gradients of its outputs (random by
    default)."""
    given = _tuple(inputs)
    chosen = _differentiable(given)
    outputs = [y for y in _outputs(func, given) if y.requires_grad]
    if grad_outputs is None:
        source = np.random.default_rng(0)
        seeds = [Tensor(source.standard_normal(y.shape), True) for y in outputs]
    else:
        seeds = list(_tuple(grad_outputs))

    def gradients(*args: Any) -> Any:
        xs, gs = args[: len(given)], args[len(given) :]
        wanted = []
        from .modes import enable_grad

        with enable_grad():
            xs = tuple(
                x.detach().requires_grad_() if i in chosen and not x.requires_grad else x
                for i, x in enumerate(xs)
            )
            wanted = [xs[i] for i in chosen]
            ys = [y for y in _outputs(func, xs) if y.requires_grad]
            return grad(ys, wanted, list(gs), create_graph=True, materialize_grads=True)

    return gradcheck(
        gradients, (*given, *seeds), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )
