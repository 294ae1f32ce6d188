"""Published networks by name: `mo.models.lenet5()` or `mo.models.get("lenet5")()`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from markone.models.lenet import LeNet5, lenet5

__all__ = ["LeNet5", "get", "lenet5", "names", "unknown_name"]

_BUILDERS: dict[str, Callable[..., Any]] = {"lenet5": lenet5}


def names() -> list[str]:
    """The models that `get` knows."""
    return sorted(_BUILDERS)


def get(name: str) -> Callable[..., Any]:
    """The function that builds the model `name`.

    Raises:
        ValueError: there is none of this name; the nearest is suggested.
    """
    if name not in _BUILDERS:
        raise ValueError(unknown_name("model", name, names()))
    return _BUILDERS[name]


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """`'lenet' is not a model; did you mean lenet5? Known: lenet5`."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]}? " if near else ""
    return f"'{name}' is not a {what}; {suggestion}Known: {', '.join(known)}"
