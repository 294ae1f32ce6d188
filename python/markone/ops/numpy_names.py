"""NumPy's names of two arguments, which operations take too, as PyTorch's do: `axis` and `keepdims`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

_NAMES = {"axis": "dim", "keepdims": "keepdim"}
# One wrapper an operation, whatever names and namespaces it has.
_WRAPPED: dict[Callable[..., Any], Callable[..., Any]] = {}


def _renamed(op: str, options: dict[str, Any]) -> dict[str, Any]:
    out = {_NAMES.get(name, name): value for name, value in options.items()}
    if len(out) < len(options):
        raise TypeError(f"{op}() got one argument under two names: {', '.join(options)}")
    return out


def _taking(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> Any:
        if options and ("axis" in options or "keepdims" in options):
            options = _renamed(function.__name__, options)
        return function(*args, **options)

    return wrapped


def install(namespace: dict[str, Any]) -> None:
    """Wraps the operations of a namespace that take `dim`."""
    for name, function in list(namespace.items()):
        if not isinstance(function, FunctionType) or name.startswith("_"):
            continue
        code = getattr(function, "__wrapped__", function).__code__
        if "dim" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            if function not in _WRAPPED:
                _WRAPPED[function] = _taking(function)
            namespace[name] = _WRAPPED[function]
