"""Elementwise operations: made from the native list, with gradients from its derivatives."""

from __future__ import annotations

import builtins
from typing import Any

from .. import _C
from ..autograd.graph import OUTPUT, Node, Op, edges_of, recording
from ..autograd.inplace import stored, write_recorded
from ..tensor import Tensor
from ._common import as_tensor, formula, operand, shrink, side, sum_to_shape, tensor_arg, used_in

# Functions that are Tensor methods too.
METHODS = "clamp clamp_"
# For other families, not for users.
HELPERS = "div_rounded add_scaled sub_scaled where_of"

_number = (float, int, bool)


# -- one input


def _make_unary(name: str, text: str) -> tuple[Any, Any]:
    native_grad = getattr(_C, f"{name}_grad")
    needs_x, needs_y = used_in(text, "x"), used_in(text, "y")
    derivative = formula(text)

    def backward(node: Node, g: Any) -> Any:
        x, y = node.saved
        return (native_grad(g, x, y),)

    def differentiable(node: Node, g: Tensor) -> Any:
        x, y = node.tensors()
        return (_full(derivative(g=g, x=x, y=y), g),)

    op = Op(name, backward, differentiable, (0, OUTPUT))

    def function(input: Any) -> Tensor:
        tensor_arg(name, input)
        return operation(input)  # it came by name

    def function_(input: Tensor) -> Tensor:
        if recording(input):
            return write_recorded(input, f"{name}_", operation)
        _in_place(name, input)
        getattr(_C, f"{name}_into")(input._array, input._array)
        return input

    function.__doc__ = f"{name} of every element. Shape as the input; integers become float32 where needed."
    function_.__doc__ = f"{name} in place."
    uses = (needs_x, False, needs_y)
    operation = _C.elementwise_operation(_named(function, name), name, op, (uses, uses))
    return operation, _named(function_, f"{name}_")


def _named(function: Any, name: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "markone.ops.elementwise"
    return function


def _full(gradient: Any, g: Tensor) -> Tensor:
    """A derivative that is a number or misses the gradient's shape (a constant one) takes g's shape."""
    if not isinstance(gradient, Tensor):
        return mul(g, 0.0) if gradient == 0 else add(mul(g, 0.0), gradient)
    return gradient


def _in_place(op: str, value: Any) -> None:
    tensor_arg(f"{op}_", value)


# -- two inputs


def _shrunk(node: Node, ga: Any, gb: Any) -> tuple[Any, Any]:
    ctx = node.ctx
    if ctx is None:
        return ga, gb
    (_, sa, da), (_, sb, db) = ctx
    return (
        None if ga is None or sa is None else shrink(ga, sa, da),
        None if gb is None or sb is None else shrink(gb, sb, db),
    )


def _add_backward(node: Node, g: Any) -> Any:
    return (g, g) if node.ctx is None else _shrunk(node, g, g)


def _sub_backward(node: Node, g: Any) -> Any:
    edges = node.edges
    return _shrunk(node, g, None if edges[1] is None else _C.neg(g))


def _mul_backward(node: Node, g: Any) -> Any:
    a, b, _ = node.saved
    edges = node.edges
    ga = None if edges[0] is None else _C.mul(g, b)
    gb = None if edges[1] is None else _C.mul(g, a)
    return (ga, gb) if node.ctx is None else _shrunk(node, ga, gb)


def _div_backward(node: Node, g: Any) -> Any:
    _, b, y = node.saved
    ga = _C.div(g, b)
    return _shrunk(node, ga, None if node.edges[1] is None else _C.neg(_C.mul(ga, y)))


_BINARY_BACKWARD = {"add": _add_backward, "sub": _sub_backward, "mul": _mul_backward, "div": _div_backward}


def _make_binary(name: str, texts: tuple[str, str]) -> tuple[Any, Any]:
    derivatives, native_grad = (formula(texts[0]), formula(texts[1])), getattr(_C, f"{name}_grad")
    # What the gradient of a needs, and what that of b needs: (a, b, y) each.
    used = [[used_in(text, v) for v in "aby"] for text in texts]
    # The native gradient makes the result again; a graph of it takes the saved one.
    uses = tuple((a or y, b or y, y) for a, b, y in used)
    # A formula takes log(b), which wants a Tensor.
    b_alone = any("(b)" in text for text in texts)
    if name in ("add", "sub"):
        uses = ((False,) * 3, (False,) * 3)

    def differentiable(node: Node, g: Tensor) -> Any:
        a, b, y = node.tensors() if saves else (None, None, None)
        if a is not None and not isinstance(a, Tensor):  # 2 ** x: the formula takes log(a)
            a = as_tensor(a, g)
        if b_alone and not isinstance(b, Tensor):
            b = as_tensor(b, g)
        out: list[Any] = [None, None]
        for i in (0, 1):
            if node.edges[i] is None:
                continue
            out[i] = _full(derivatives[i](g=g, a=a, b=b, y=y), g)
            if node.ctx is not None:
                _, shape, dtype = node.ctx[i]
                out[i] = sum_to_shape(out[i], shape, dtype)
        return out

    def backward(node: Node, g: Any) -> Any:
        a, b, _ = node.saved if saves else (None, None, None)
        a, b = 0 if a is None else a, 0 if b is None else b
        ga, gb = (None if node.edges[i] is None else native_grad(i, g, a, b) for i in (0, 1))
        return (ga, gb) if node.ctx is None else _shrunk(node, ga, gb)

    op = Op(name, _BINARY_BACKWARD.get(name, backward), differentiable, (0, 1, OUTPUT))
    saves = any(uses[0] + uses[1])

    def function(input: Any, other: Any) -> Tensor:
        return operation(side(name, input), side(name, other))

    def function_(input: Tensor, other: Any) -> Tensor:
        if recording(input, other):
            return write_recorded(input, f"{name}_", operation, other)
        _in_place(name, input)
        getattr(_C, f"{name}_into")(input._array, input._array, operand(f"{name}_", other))
        return input

    def reversed_(input: Tensor, other: Any) -> Tensor:
        return operation(other, input)

    function.__doc__ = (
        f"{name} of two tensors or a tensor and a number, with broadcasting and type promotion."
    )
    function_.__doc__ = f"{name} in place: the result must have the tensor's shape and fit its type."
    operation = _C.elementwise_operation(_named(function, name), name, op, uses)
    reversed_forms[name] = _named(reversed_, f"r{name}")
    return operation, _named(function_, f"{name}_")


reversed_forms: dict[str, Any] = {}


def _make_test(name: str, count: int) -> Any:
    def one(input: Tensor) -> Tensor:
        tensor_arg(name, input)
        return operation(input)

    def two(input: Any, other: Any) -> Tensor:
        return operation(side(name, input), side(name, other))

    function = one if count == 1 else two
    function.__doc__ = f"{name} of every element, as bool."
    operation: Any = _C.elementwise_operation(_named(function, name), name, None, ((False,) * 3,) * 2)
    return operation


unary: dict[str, Any] = {}
binary: dict[str, Any] = {}
unary_in_place: dict[str, Any] = {}
binary_in_place: dict[str, Any] = {}
for _name, _text in _C.unary_derivatives.items():
    unary[_name], unary_in_place[f"{_name}_"] = _make_unary(_name, _text)
for _name, _texts in _C.binary_derivatives.items():
    binary[_name], binary_in_place[f"{_name}_"] = _make_binary(_name, _texts)
_COMPARES = ("lt", "le", "gt", "ge", "eq", "ne", "logical_and", "logical_or", "logical_xor")
compares = {name: _make_test(name, 2) for name in _COMPARES}
_TESTS = ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit", "logical_not")
tests = {name: _make_test(name, 1) for name in _TESTS}
add, sub, mul = binary["add"], binary["sub"], binary["mul"]
functions: dict[str, Any] = {**unary, **unary_in_place, **binary, **binary_in_place, **compares, **tests}


def __getattr__(name: str) -> Any:
    try:
        return functions[name]
    except KeyError:
        raise AttributeError(f"module 'markone.ops.elementwise' has no attribute {name!r}") from None


# -- choice between two


def _where_backward(node: Node, g: Any) -> Any:
    (condition,) = node.saved
    ga = None if node.edges[0] is None else _C.where(condition, g, 0)
    gb = None if node.edges[1] is None else _C.where(condition, 0, g)
    (_, sa, da), (_, sb, db) = node.ctx
    return (
        None if ga is None else shrink(ga, sa, da),
        None if gb is None else shrink(gb, sb, db),
    )


def _where_differentiable(node: Node, g: Tensor) -> Any:
    (condition,) = node.tensors()
    out: list[Any] = [None, None]
    for i in (0, 1):
        if node.edges[i] is not None:
            _, shape, dtype = node.ctx[i]
            out[i] = sum_to_shape(where(condition, g, 0) if i == 0 else where(condition, 0, g), shape, dtype)
    return out


_WHERE = Op("where", _where_backward, _where_differentiable, (None,))


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where the condition (bool) holds, else other; with broadcasting.

    With the condition alone: the indices of its true elements, one int64 tensor a dimension.
    """
    if (input is None) is not (other is None):
        raise TypeError("where: wants the condition alone, or input and other too")
    if input is None:
        return tuple(Tensor(i) for i in _columns(_C.nonzero(tensor_arg("where", condition, "condition"))))
    if isinstance(condition, builtins.bool):
        from .creation import tensor

        condition = tensor(condition)
    c = tensor_arg("where", condition, "condition")
    a, b = operand("where", input), operand("where", other)
    out = _C.where(c, a, b)
    if not recording(input, other):
        return Tensor(out)
    spec = tuple((None, x.shape, x.dtype) if x.__class__ is _C.Array else (None, None, None) for x in (a, b))
    return Tensor(out, True, Node(_WHERE, edges_of(input, other), (c,), spec))


def where_of(input: Tensor, condition: Tensor, other: Any) -> Tensor:
    """The tensor where the condition (bool) holds, else other; with broadcasting."""
    out: Tensor = where(condition, input, other)
    return out


where_of.__name__ = where_of.__qualname__ = "where"


def _columns(indices: Any) -> list[Any]:
    return [_C.contiguous(indices.select(1, i)) for i in range(indices.shape[1])]


def _clamp_differentiable(node: Node, g: Tensor) -> Any:
    (x,) = node.tensors()
    low, high = node.ctx
    # Comparisons are false for NaN: no gradient passes there.
    inside = compares["eq"](x, x)
    if low is not None:
        inside = compares["logical_and"](inside, compares["ge"](x, low))
    if high is not None:
        inside = compares["logical_and"](inside, compares["le"](x, high))
    return (where(inside, g, 0),)


_CLAMP = Op("clamp", None, _clamp_differentiable, (0,))


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Every element limited to [min, max]; each limit a number, a Tensor or None. NaN stays NaN.

    An element on a limit passes its gradient. Where min > max the result is max.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: wants min, max or both")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        out = input
        if min is not None:
            out = where(compares["lt"](out, min), min, out)
        return out if max is None else where(compares["gt"](out, max), max, out)
    x = tensor_arg("clamp", input)
    low, high = (None if limit is None else operand("clamp", limit) for limit in (min, max))
    # A NaN for a limit makes all NaN.
    if low is not None and low == low and high is not None and high == high and x.dtype is not _C.bool_:
        y = _C.clamp(x, low, high)
    else:
        y = x if low is None else _C.maximum(x, low)
        y = y if high is None else _C.minimum(y, high)
    if not recording(input):
        return Tensor(y)
    return Tensor(y, True, Node(_CLAMP, edges_of(input), (x,), (min, max)))


def clamp_(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """clamp in place."""
    if recording(input, min, max):
        return write_recorded(input, "clamp_", clamp, min, max)
    return stored(input, "clamp_", clamp(input, min, max)._array)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """To the nearest number with so many digits after the point (before it where negative), ties to even;
    the gradient is zero."""
    if decimals == 0:
        return unary["round"](input)
    factor = 10.0 ** abs(decimals)
    if not tensor_arg("round", input).dtype.is_floating_point:
        raise RuntimeError(f"round: decimals wants a floating type, got {input.dtype}")
    if decimals > 0:
        return binary["div"](unary["round"](mul(input, factor)), factor)
    return mul(unary["round"](binary["div"](input, factor)), factor)


def div_rounded(input: Any, other: Any, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounding_mode "floor" or "trunc" rounds the quotient (its gradient is zero)."""
    if rounding_mode is None:
        return binary["div"](input, other)
    if rounding_mode == "floor":
        return binary["floor_divide"](input, other)
    if rounding_mode == "trunc":
        quotient = binary["div"](input, other)
        out = unary["trunc"](quotient)
        kinds = [t.dtype for t in (input, other) if isinstance(t, Tensor)]
        whole = not any(k.is_floating_point for k in kinds) and not isinstance(input, float | None.__class__)
        if whole and not isinstance(other, float):
            dtype = kinds[0] if len(kinds) == 1 else _C.promote_types(*kinds)
            return Tensor(_C.cast(out._array, dtype))
        return out
    raise ValueError(f"div: rounding_mode {rounding_mode!r}, wants None, 'floor' or 'trunc'")


def add_scaled(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    return add(input, other if alpha == 1 else mul(other, alpha))


def sub_scaled(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other."""
    return sub(input, other if alpha == 1 else mul(other, alpha))
