"""What every family uses: operands, gradients of broadcasting, derivatives from text."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from .. import _C
from ..autograd.graph import Node, Op, edge_of, recording
from ..tensor import Tensor

P = ParamSpec("P")
R = TypeVar("R")

Number = bool | int | float
_NUMBERS = (float, int, bool)
_INT = {int}


def operand(op: str, value: Any) -> Any:
    """The Array of a Tensor, or a Python number; TypeError for anything else."""
    if isinstance(value, Tensor):
        return value._array
    if isinstance(value, _NUMBERS):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    raise TypeError(f"{op}: wants a Tensor or a number, got {type(value).__name__}")


def side(op: str, value: Any) -> Any:
    """A Tensor as it is, else the Python number; TypeError for anything else."""
    return value if isinstance(value, Tensor) else operand(op, value)


def tensor_arg(op: str, value: Any, name: str = "input") -> Any:
    """The Array of a Tensor; TypeError for anything else."""
    if isinstance(value, Tensor):
        return value._array
    raise TypeError(f"{op}: {name} must be a Tensor, got {type(value).__name__}")


def as_tensor(value: Any, like: Tensor) -> Tensor:
    """A Tensor as it is, a number as a 0-d Tensor of `like`'s type."""
    if isinstance(value, Tensor):
        return value
    out = _C.empty((), like._array.dtype, like._array.device)
    _C.fill(out, value)
    return Tensor(out)


def numbers(op: str, name: str, value: Any, count: int) -> tuple[int, ...]:
    """One int for each of `count` axes: from one for all, or a sequence of one or of as many."""
    given = value if isinstance(value, list | tuple) else (value,)
    try:
        out = tuple(v.__index__() for v in given)
    except (AttributeError, TypeError):
        raise TypeError(f"{op}: {name} must be integers, got {value!r}") from None
    if len(out) not in (1, count):
        wanted = "1" if count == 1 else f"1 or {count}"
        raise RuntimeError(f"{op}: {name} {value!r} has {len(out)} entries, wants {wanted}")
    return out if len(out) == count else out * count


def sizes(op: str, size: Any) -> tuple[int, ...]:
    """A shape given as separate integers or as one sequence."""
    if len(size) == 1 and isinstance(size[0], list | tuple):
        size = size[0]
    if set(map(type, size)) == _INT:
        return tuple(size)
    out = []
    for n in size:
        try:
            out.append(n.__index__())
        except (AttributeError, TypeError):
            raise TypeError(f"{op}: sizes must be integers, got {n!r}") from None
    return tuple(out)


def spread(op: str, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Separate arguments, or the one sequence that the keyword `name` gave in their place."""
    if given or set(named) != {name}:
        wrong = name if name in named else next(iter(named))
        raise TypeError(f"{op}() got an unexpected keyword argument {wrong!r}")
    value = named[name]
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def dims_of(op: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Dimensions as a sorted tuple of non-negative ints; None is an empty tuple (all)."""
    if dim is None:
        return ()
    given = dim if isinstance(dim, list | tuple) else (dim,)
    out = [wrap_dim(op, d, ndim) for d in given]
    if len(set(out)) != len(out):
        raise RuntimeError(f"{op}: a dimension appears twice in {tuple(given)}")
    return tuple(sorted(out))


def wrap_dim(op: str, dim: Any, ndim: int) -> int:
    """A dimension counted from the front; IndexError outside. A 0-d tensor takes 0 and -1."""
    try:
        d: int = dim.__index__()
    except AttributeError:
        raise TypeError(f"{op}: a dimension must be an integer, got {dim!r}") from None
    n = max(ndim, 1)
    if not -n <= d < n:
        raise IndexError(f"{op}: dimension {d} is outside [{-n}, {n - 1}]")
    return d % n


def broadcast_dims(shape: Sequence[int], small: Sequence[int]) -> tuple[int, ...]:
    """The dimensions of `shape` over which an operand of shape `small` was repeated."""
    added = len(shape) - len(small)
    return (*range(added), *(i + added for i, n in enumerate(small) if n == 1 and shape[i + added] != 1))


def shrink(g: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """The gradient of an operand of `shape` and `dtype` from that of the broadcast result: native."""
    if g.shape != shape:
        g = _C.sum(g, broadcast_dims(g.shape, shape), False)
        if g.shape != shape:
            g = g.reshape_view(shape)
    return g if g.dtype is dtype else _C.cast(g, dtype)


def sum_to_shape(g: Tensor, shape: tuple[int, ...], dtype: Any) -> Tensor:
    """`shrink` on Tensors."""
    from .cast import to
    from .reduce import sum as sum_
    from .shape import reshape

    if g._array.shape != shape:
        g = reshape(sum_(g, broadcast_dims(g._array.shape, shape)), shape)
    return g if g._array.dtype is dtype else to(g, dtype)


def named(op: str, native: Any, *args: Any) -> Any:
    """A native call whose errors start with the name that the user called."""
    try:
        return native(*args)
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        text = str(error)
        if text.startswith(f"{op}:"):
            raise
        raise type(error)(f"{op}: {text.split(': ', 1)[-1]}") from None


def used_in(text: str, name: str) -> bool:
    """A variable occurs in a formula."""
    return re.search(rf"\b{name}\b", text) is not None


def formula(text: str) -> Callable[..., Any]:
    """A derivative's text as a function of its variables, on Tensors. Compiled on first use."""
    code: Any = None

    def evaluate(**variables: Any) -> Any:
        nonlocal code
        if code is None:
            code = compile(text, f"<derivative {text}>", "eval")
        from .elementwise import functions, where

        def ndtr(x: Any) -> Any:
            return 0.5 * (1.0 + functions["erf"](x * 0.7071067811865476))

        names = {**functions, "where": where, "ndtr": ndtr}
        names |= {"exp_low": functions["exp"], "log1p_unit": functions["log1p"]}
        return eval(code, names, variables)

    return evaluate


class Linear:
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
        y = named(self.op.name, self.forward, input._array, *ctx)
        return Tensor(y, True, Node(self.op, (edge_of(input),), (), ctx)) if recording(input) else Tensor(y)

    def transposed(self, g: Tensor, ctx: Any) -> Tensor:
        """The gradient of the input from that of the result."""
        y = self.backward(g._array, *ctx)
        return (
            Tensor(y, True, Node(self.transposed_op, (edge_of(g),), (), ctx)) if recording(g) else Tensor(y)
        )


def over_axes(name: str, function: Callable[Concatenate[int, P], R]) -> tuple[Callable[P, R], ...]:
    """`function` of one, of two and of three axes, as "conv{}d" names them.

    {n}, {sizes} and {kernel} in its docstring become 2; h, w; kh, kw.
    """
    signature = inspect.signature(function)
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    code, scope, defaults = function.__code__, function.__globals__, function.__defaults__

    def of(axes: int) -> Callable[P, R]:
        # A copy with the public name, which Python's own errors about arguments use.
        named: Callable[Concatenate[int, P], R] = FunctionType(code, scope, name.format(axes), defaults)

        def operation(*args: P.args, **kwargs: P.kwargs) -> R:
            return named(axes, *args, **kwargs)

        named.__qualname__ = operation.__qualname__ = operation.__name__ = named.__name__
        operation.__module__ = function.__module__
        operation.__annotations__ = {k: v for k, v in function.__annotations__.items() if k != "axes"}
        operation.__signature__ = signature  # type: ignore[attr-defined]
        own = ("d", "h", "w")[3 - axes :]
        texts = {"n": axes, "sizes": ", ".join(own), "kernel": ", ".join(f"k{size}" for size in own)}
        operation.__doc__ = (function.__doc__ or "").format(**texts)
        return operation

    return tuple(of(axes) for axes in (1, 2, 3))
