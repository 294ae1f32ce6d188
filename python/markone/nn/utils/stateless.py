"""A module's computation with other parameters than its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._context import parameters_changed
from ...tensor import Tensor
from ..module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with tensors in the place of the parameters and buffers of these dotted names.

    The module is as before afterwards, and gradients flow to the tensors given.

    Args:
        module: what is called.
        parameters_and_buffers: tensors by dotted name.
        args: a tuple, or the one argument.
        kwargs: further arguments.
        tie_weights: a tensor that the module holds under several names is replaced under all of them.
        strict: every parameter and buffer must be given.

    Raises:
        RuntimeError: a name that the module has not; with strict, one that is missing.
    """
    if not isinstance(args, tuple):
        args = () if args is None else (args,)
    places: dict[str, tuple[dict[str, Any], str, Any]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        start = f"{path}." if path else ""
        tables: tuple[dict[str, Any], ...] = (part._parameters, part._buffers)
        for table in tables:
            for name, own in table.items():
                places[start + name] = (table, name, own)
    unknown = [name for name in parameters_and_buffers if name not in places]
    if unknown:
        kind = type(module).__name__
        raise RuntimeError(f"functional_call: {kind} has no parameter or buffer '{unknown[0]}'")
    given = dict(parameters_and_buffers)
    if tie_weights:
        tied = {id(places[n][2]): value for n, value in given.items() if places[n][2] is not None}
        for name, (_, _, own) in places.items():
            if id(own) in tied:
                given.setdefault(name, tied[id(own)])
    if strict:
        missing = [name for name, (_, _, own) in places.items() if own is not None and name not in given]
        if missing:
            raise RuntimeError(f"functional_call: '{missing[0]}' is missing")
    try:
        for name, value in given.items():
            table, key, _ = places[name]
            table[key] = value
        parameters_changed()
        return module(*args, **(kwargs or {}))
    finally:
        for name in given:
            table, key, own = places[name]
            table[key] = own
        parameters_changed()
