"""Which operation made the first NaN, or the first infinity.

While some thread is inside detect_anomaly, Tensor's constructor looks at every new floating tensor of that
thread.
Outside it costs nothing.
"""

from __future__ import annotations

import functools
import math
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from .. import _C
from .._context import module_path
from ..tensor import Tensor
from . import engine
from .graph import Node


class AnomalyError(RuntimeError):
    """An operation gave NaN or infinity.

    `op` is its name, `layer` the path of the module that ran (or ""), `node` that of the graph if in
    backward.
    """

    def __init__(self, message: str, op: str, layer: str, node: Any = None) -> None:
        super().__init__(message)
        self.op = op
        self.layer = layer
        self.node = node


class _State(threading.local):
    depth = 0
    busy = False
    infinity = 0  # how many of the contexts look for infinity too


_state = _State()
_lock = threading.Lock()
_users = 0
_plain_init = Tensor.__init__


def is_anomaly_enabled() -> bool:
    """This thread is inside detect_anomaly."""
    return _state.depth > 0


def _bad(array: Any) -> str | None:
    """ "NaN" or, where it is looked for, "infinity" if the array holds some."""
    if not array.dtype.is_floating_point or not array.numel:
        return None
    values = _C.to_numpy(_C.cast(array, _C.float64) if array.dtype.itemsize == 2 else array)
    if bool((values != values).any()):
        return "NaN"
    return "infinity" if _state.infinity and bool((abs(values) == math.inf).any()) else None


# These bring values in from outside.
_SOURCES = {
    "tensor",
    "from_numpy",
    "as_tensor",
    "full",
    "full_like",
    "fill_",
    "detach",
    "data",
    "empty",
    "empty_like",
}


# These write infinity because they were told to.
_MASKS = {"masked_fill", "masked_fill_", "where", "constant_pad", "pad"}


def _checking_init(self: Tensor, data: Any, requires_grad: bool = False, grad_fn: Any = None) -> None:
    _plain_init(self, data, requires_grad, grad_fn)
    _checked(self, functools.partial(_forward_bad, grad_fn, sys._getframe(1)))


def _checked(result: Tensor, judge: Callable[[str], None]) -> None:
    if not _state.depth or _state.busy:
        return
    _state.busy = True
    try:
        what = _bad(result._array)
        if what is not None:
            judge(what)
    finally:
        _state.busy = False


def _forward_bad(grad_fn: Any, frame: Any, what: str) -> None:
    names = []
    inputs: list[Any] = []
    depth = 0
    while frame is not None and depth < 8:
        if "/markone/ops/" not in frame.f_code.co_filename.replace("\\", "/"):
            break
        # The elementwise functions share one body; the closure knows which it is.
        names.append(frame.f_locals.get("name", frame.f_code.co_name))
        inputs += [v for v in frame.f_locals.values() if isinstance(v, Tensor)]
        frame = frame.f_back
        depth += 1
    if names:
        _judge(what, grad_fn, names, inputs)


def _judge(what: str, grad_fn: Any, names: list[str], inputs: Iterable[Any]) -> None:
    if names[-1] in _SOURCES or names[0] in _SOURCES:
        return
    op = grad_fn.op.name if isinstance(grad_fn, Node) else _public(names)
    already = any(hasattr(x, "_array") and _bad(x._array) == what for x in inputs)
    if what == "infinity" and (already or not _MASKS.isdisjoint(names)):
        return  # a mask of -inf is meant, and what it passes through too
    _raise(op, f"{op}: gave {what}" + (f" from an input that holds {what}" if already else ""))


def _check_native(result: Tensor, name: str, inputs: tuple[Any, ...]) -> None:
    """What an operation gave that ran without a Python frame."""
    _checked(result, lambda what: _judge(what, result._grad_fn, [name], inputs))


def _public(names: list[str]) -> str:
    for name in names:
        if not name.startswith("_") and name not in ("function", "function_", "<lambda>"):
            return name
    return names[0]


def _raise(op: str, message: str, node: Any = None) -> None:
    layer = module_path()
    where = f" in {layer}" if layer else ""
    raise AnomalyError(message + where, op, layer, node)


def _check_backward(node: Any, grads: Any) -> None:
    if not _state.depth or _state.busy:
        return
    _state.busy = True
    try:
        for i, g in enumerate(grads):
            what = None if g is None else _bad(g._array if isinstance(g, Tensor) else g)
            if what is not None:
                _raise(node.op.name, f"{node.op.name}: its backward gave {what} for input {i}", node)
    finally:
        _state.busy = False


class detect_anomaly:
    """Inside, the first operation of this thread that gives NaN, forward or backward, raises by its name.

    With `check_inf` infinity counts too, but not from a mask or from an input that holds it.
    NaN that comes in as data is not an error; the first operation that passes it on is, and says so.
    """

    def __init__(self, enabled: bool = True, check_inf: bool = False) -> None:
        self._enabled = enabled
        self._check_inf = check_inf

    def __enter__(self) -> None:
        global _users
        if not self._enabled:
            return
        with _lock:
            _users += 1
            Tensor.__init__ = _checking_init  # type: ignore[method-assign]
            _C.set_tracer(_check_native)
            engine.check_backward = _check_backward
        _state.depth += 1
        _C.disable_replay(1)
        _state.infinity += self._check_inf

    def __exit__(self, *exception: object) -> None:
        global _users
        if not self._enabled:
            return
        _state.depth -= 1
        _C.disable_replay(-1)
        _state.infinity -= self._check_inf
        with _lock:
            _users -= 1
            if _users == 0:
                Tensor.__init__ = _plain_init  # type: ignore[method-assign]
                _C.set_tracer(None)
                engine.check_backward = None
