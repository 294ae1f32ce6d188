"""`mo.compile`: a step is recorded once for each kind of call and then replayed as one native call.

The step runs in Python twice, and the kernel calls of both runs are compared. From the third call on nothing
of Python runs: the native callable finds the recording whose key fits, points it at the arguments' memory,
runs its kernels and makes the tensors that it returns.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import _C
from .controller import Controller
from .recorder import CompileError, Recorded

__all__ = ["CompileError", "Recorded", "compile"]

_C.watch_sites(str(Path(__file__).parents[1]) + "/")


def compile(
    function: Callable[..., Any] | None = None,
    *,
    drop: bool = True,
    copies: bool = True,
    fuse: bool = True,
    pack: bool = True,
) -> Any:
    """A callable with the results of `function`, bit for bit, that replays its kernels after two calls.

    Each kind of call is recorded once: shapes, strides, dtypes, requires_grad and shared memory of the tensor
    arguments (in nested tuples, lists and dicts too), the values of plain Python arguments, the modes of the
    modules that are called, and whether gradients are remembered. What the step changes in place a replay
    changes too: parameters and buffers, .grad, optimiser state, random state, tensors passed as arguments.
    Returned tensors are new ones outside every graph. Everything else that the step reads is a constant.

    Args:
        function: a function of tensors; without it a decorator is returned.
        drop: leave out kernels whose results nobody reads.
        copies: leave out copies where the source can be read instead.
        fuse: run neighbouring elementwise kernels block by block, so that a block stays in the cache.
        pack: bring weights that several products share, or that the step does not change, into the order in
            which the products read them once.

    Raises:
        CompileError: at a call, where the step reads a tensor's value in Python, keeps a tensor that it made
            without returning it, or does not do the same in both runs. The message has the file and line.
    """
    if function is None:
        return functools.partial(compile, drop=drop, copies=copies, fuse=fuse, pack=pack)
    kind: Any = type(function)
    if kind is _C.CompiledStep:
        function = getattr(function, "__wrapped__")  # noqa: B009
    if not callable(function):
        raise TypeError(f"compile: wants a function, got {type(function).__name__}")
    controller = Controller(function, {"drop": drop, "copies": copies, "fuse": fuse, "pack": pack})
    step = _C.make_step(function, controller)
    controller.step = step
    for name in functools.WRAPPER_ASSIGNMENTS:
        if hasattr(function, name):
            try:
                setattr(step, name, getattr(function, name))
            except (AttributeError, TypeError):
                pass
    return step
