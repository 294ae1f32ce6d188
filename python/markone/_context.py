"""What every room may read: which modules this thread runs, and how often parameters were replaced.

It knows no other file, so that the graph, the recorder and error messages can name a layer without importing
nn.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

__all__ = ["add_note", "module_path", "parameters_changed", "parameters_version", "running"]


class _Running(threading.local):
    """The modules whose forward this thread is inside, outermost first."""

    def __init__(self) -> None:
        self.modules: list[Any] = []


running = _Running()


def _name_below(parent: Any, child: Any) -> str | None:
    """The dotted name of a module below another, None where it is not there."""
    pending = [("", parent)]
    while pending:
        prefix, module = pending.pop(0)
        for name, below in module._modules.items():
            if below is child:
                return f"{prefix}{name}"
            if below is not None:
                pending.append((f"{prefix}{name}.", below))
    return None


def module_path() -> str:
    """Where this thread is: 'LeNet5.features.0 (Conv2d)'; empty outside every module."""
    modules = running.modules
    if not modules:
        return ""
    parts = [type(modules[0]).__name__]
    for parent, child in itertools.pairwise(modules):
        parts.append(_name_below(parent, child) or type(child).__name__)
    if len(modules) == 1:
        return parts[0]
    return f"{'.'.join(parts)} ({type(modules[-1]).__name__})"


_parameter_changes = 0


def parameters_changed() -> None:
    """Some module got, lost, replaced or moved a parameter: what was recorded before may be stale."""
    global _parameter_changes
    _parameter_changes += 1


def parameters_version() -> int:
    """How often `parameters_changed` was called; a replay compares it."""
    return _parameter_changes


def add_note(error: BaseException, note: str) -> None:
    """A line under the error's message: Python's `add_note`, which 3.10 lacks (kept, unprinted)."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        try:
            error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]
        except AttributeError:
            pass
