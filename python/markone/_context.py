"""What every room may read: which modules this thread runs, whether it records, how often parameters were
replaced.

It knows no other file but the native module, so that the graph, the recorder and error messages can name a
layer without importing nn.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from . import _C

__all__ = [
    "add_note",
    "host_action",
    "host_branch",
    "module_path",
    "note_gradient",
    "note_module",
    "parameters_changed",
    "parameters_version",
    "recording",
    "recording_scopes",
    "running",
    "unrecorded",
]

F = TypeVar("F", bound=Callable[..., Any])


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


# Some module got, lost, replaced or moved a parameter: what was recorded before may be stale.
parameters_changed = _C.bump_state_generation
# How often `parameters_changed` was called; a replay compares it.
parameters_version = _C.state_generation


class _Recording(threading.local):
    """What notes the state that a step touches, while this thread records one."""

    recorder: Any = None


recording = _Recording()
# How many threads record: while it is 0 nobody asks for the recorder of this thread.
recorders = 0
# Context managers around every recording, for what a room keeps from one call to the next.
recording_scopes: list[Callable[[], Any]] = []


def note_gradient(tensor: Any) -> None:
    """This tensor's .grad is about to be read or written."""
    recorder = recording.recorder
    if recorder is not None:
        recorder.note_gradient(tensor)


def note_module(module: Any) -> None:
    """This module is called, so its mode counts."""
    recorder = recording.recorder
    if recorder is not None:
        recorder.note_module(module)


@contextmanager
def unrecorded() -> Iterator[None]:
    """What is computed inside is no part of a recording, and its memory lives on."""
    paused = _C.pause_recording()
    try:
        yield
    finally:
        if paused:
            _C.resume_recording()


def host_action(function: F) -> F:
    """A method that changes Python state and one-element arrays, as a scheduler's step: a recording keeps the
    call itself, and a replay calls it again at its place."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if recorders == 0 or recording.recorder is None or not _C.is_recording():
            return function(*args, **kwargs)
        recording.recorder.note_action(functools.partial(function, *args, **kwargs))
        with unrecorded():
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def host_branch(condition: Callable[[], bool], body: Callable[[], Any]) -> Any:
    """`body()` where `condition()` holds, else None. A recording keeps the condition, and a replay asks it at
    its place and leaves out the body's kernels where it does not hold; of a run in which it does not there is
    nothing to record, so the next one is.

    The condition may read values of tensors that exist before; the body returns nothing that is made in it.
    """
    if recorders == 0 or recording.recorder is None or not _C.is_recording():
        return body() if condition() else None
    with unrecorded():
        holds = condition()
    if not holds:
        recording.recorder.discard = True
        return None
    recording.recorder.begin_branch(condition)
    try:
        return body()
    finally:
        recording.recorder.end_branch()


def add_note(error: BaseException, note: str) -> None:
    """A line under the error's message: Python's `add_note`, which 3.10 lacks (kept, unprinted)."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        try:
            error.__notes__ = [*getattr(error, "__notes__", ()), note]  # type: ignore[attr-defined]
        except AttributeError:
            pass
