"""What stands in front of an operation: autocast's types, `out=`, and NumPy's names of two arguments, `axis`
and `keepdims`, which operations take too, as PyTorch's do.

Such an operation is a native callable that looks whether any is asked for, and else calls the function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from .. import _C
from . import out as _out
from .autocast import POLICIES, casting

_NAMES = {"axis": "dim", "keepdims": "keepdim"}
# One an operation, whatever names and namespaces it has.
_MADE: dict[Any, Any] = {}


def _renaming(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> Any:
        named = {_NAMES.get(name, name): value for name, value in options.items()}
        if len(named) < len(options):
            name = function.__name__
            raise TypeError(f"{name}() got one argument under two names: {', '.join(options)}")
        return function(*args, **named)

    return wrapped


def _fronted(name: str, function: Any) -> Any:
    code = inspect.unwrap(function).__code__
    policy = POLICIES.get(name)
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    renames, writes = "dim" in parameters, name in _out.NAMES | _out.CREATION and "out" not in parameters
    if policy is None and not renames and not writes:
        return function
    careful = function if policy is None else casting(function, policy)
    if renames or writes:
        # Called by such names outside autocast it is the function itself again.
        careful = careful if policy is None else _C.guarded(function, careful, True, False)
        careful = _renaming(careful) if renames else careful
        careful = _out.writing(careful, name) if writes else careful
    out = _C.guarded(function, careful, policy is not None, renames or writes)
    out._autocast, out._writes = policy, writes
    return out


def install(namespace: dict[str, Any], names: Iterable[str] | None = None) -> None:
    """Puts in front of a namespace's functions (or of those named) what their names and arguments ask for."""
    for name in list(namespace) if names is None else names:
        function = namespace.get(name)
        if name.startswith("_") or not isinstance(function, FunctionType | _C.Operation):
            continue
        if function not in _MADE:
            _MADE[function] = _fronted(name, function)
            _MADE[_MADE[function]] = _MADE[function]
        namespace[name] = _MADE[function]
