"""Jacobians, Hessians and their products with vectors, by PyTorch's names in torch.autograd.functional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..tensor import Tensor
from .engine import grad
from .modes import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(op: str, what: str, value: Any) -> tuple[Tensor, ...]:
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    for item in items:
        if not isinstance(item, Tensor):
            raise TypeError(f"{op}: {what} must be Tensors, got {type(item).__name__}")
    return items


def _leaves(inputs: Sequence[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    """What the function is called with: of the caller's graph where that is to be differentiated again."""
    return tuple(x * 1 if create_graph and x.requires_grad else x.detach().requires_grad_() for x in inputs)


def _vectors(op: str, v: Any, like: Sequence[Tensor], what: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{op}: v may be left out only where {what} is one number")
        return (like[0].detach() * 0 + 1,)
    vectors = _tuple(op, "v", v)
    if [t.shape for t in vectors] != [t.shape for t in like]:
        raise RuntimeError(
            f"{op}: v has shapes {[list(t.shape) for t in vectors]}, {what} {[list(t.shape) for t in like]}"
        )
    return vectors


def _grads(
    op: str,
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor],
    create_graph: bool,
    strict: bool,
    retain: bool = False,
) -> tuple[Tensor, ...]:
    """Σ vᵀ ∂output/∂input for each input, zeros (strict: an error) where no output depends on it."""
    pairs = [(out, v) for out, v in zip(outputs, vectors, strict=True) if out.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(inputs)
    if pairs:
        found = grad(
            [out for out, _ in pairs],
            list(inputs),
            [v for _, v in pairs],
            retain_graph=retain or create_graph,
            create_graph=create_graph,
            allow_unused=True,
        )
    if strict and any(g is None for g in found):
        raise RuntimeError(
            f"{op}: the outputs do not depend on input {[g is None for g in found].index(True)}"
        )
    return tuple(x.detach() * 0 if g is None else g for g, x in zip(found, inputs, strict=True))


def _like(given: Any, result: tuple[Any, ...]) -> Any:
    return result if isinstance(given, tuple | list) else result[0]


def _done(results: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    return results if create_graph else tuple(r.detach() for r in results)


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """∂ output / ∂ input of func(*inputs), of shape output.shape + input.shape; of several outputs or inputs
    tuples, the outputs outside. One backward pass for each element of the outputs, also with `vectorize`."""
    from ..ops import stack

    if strategy != "reverse-mode":
        raise NotImplementedError(f"jacobian: strategy is {strategy!r}, there is 'reverse-mode'")
    with enable_grad():
        leaves = _leaves(_tuple("jacobian", "inputs", inputs), create_graph)
        value = func(*leaves)
        rows = []
        for out in _tuple("jacobian", "outputs", value):
            flat = out.reshape(-1)
            each = []
            for i in range(flat.shape[0]):
                one = flat[i]
                each.append(
                    _grads("jacobian", [one], leaves, [one.detach() * 0 + 1], create_graph, strict, True)
                )
            columns = tuple(
                stack([g[k] for g in each]).reshape(tuple(out.shape) + tuple(x.shape))
                if each
                else x.new_zeros(tuple(out.shape) + tuple(x.shape))
                for k, x in enumerate(leaves)
            )
            rows.append(_like(inputs, _done(columns, create_graph)))
    return _like(value, tuple(rows))


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of func(*inputs), which is one number: of shape input.shape + input.shape, or a
    tuple of tuples."""

    def first(*leaves: Tensor) -> Any:
        out = func(*leaves)
        if not isinstance(out, Tensor) or out.numel() != 1:
            raise RuntimeError("hessian: the function must return one number in a Tensor")
        return _like(inputs, _grads("hessian", [out.reshape(())], leaves, [out.detach().reshape(()) * 0 + 1],
                                    True, strict))  # fmt: skip

    return jacobian(first, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """func(*inputs), and vᵀ times its Jacobian; v has the outputs' shapes."""
    with enable_grad():
        leaves = _leaves(_tuple("vjp", "inputs", inputs), create_graph)
        value = func(*leaves)
        outputs = _tuple("vjp", "outputs", value)
        product = _grads(
            "vjp", outputs, leaves, _vectors("vjp", v, outputs, "the output"), create_graph, strict
        )
    return _like(value, _done(outputs, create_graph)), _like(inputs, _done(product, create_graph))


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """func(*inputs), and its Jacobian times v, by two backward passes; v has the inputs' shapes."""
    with enable_grad():
        leaves = _leaves(_tuple("jvp", "inputs", inputs), create_graph)
        vectors = _vectors("jvp", v, leaves, "the input")
        value = func(*leaves)
        outputs = _tuple("jvp", "outputs", value)
        weights = tuple((out.detach() * 0).requires_grad_() for out in outputs)
        back = _grads("jvp", outputs, leaves, weights, True, strict)
        product = _grads("jvp", back, weights, vectors, create_graph, strict)
    return _like(value, _done(outputs, create_graph)), _like(value, _done(product, create_graph))


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """func(*inputs), one number, and its Hessian times v; v has the inputs' shapes."""
    with enable_grad():
        leaves = _leaves(_tuple("hvp", "inputs", inputs), create_graph)
        vectors = _vectors("hvp", v, leaves, "the input")
        out = func(*leaves)
        if not isinstance(out, Tensor) or out.numel() != 1:
            raise RuntimeError("hvp: the function must return one number in a Tensor")
        first = _grads("hvp", [out], leaves, [out.detach() * 0 + 1], True, strict)
        product = _grads("hvp", first, leaves, vectors, create_graph, strict)
    (shown,) = _done((out,), create_graph)
    return shown, _like(inputs, _done(product, create_graph))


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """As `hvp`: the Hessian is symmetric."""
    return hvp(func, inputs, v, create_graph, strict)
