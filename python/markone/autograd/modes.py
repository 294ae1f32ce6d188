"""Whether operations are remembered: no_grad, enable_grad, set_grad_enabled, for one thread."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .. import _C

F = TypeVar("F", bound=Callable[..., Any])


# This thread's: `grad` (operations are remembered) and `autocast` (its type where operations look at its
# rules, else False; see ops/autocast.py).
modes = _C.modes


def is_grad_enabled() -> bool:
    """Operations of this thread are remembered for backward."""
    return modes.grad


class _GradMode:
    """A context manager and decorator that sets the mode and puts the old one back."""

    _mode = True
    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = modes.grad
        modes.grad = self._mode

    def __exit__(self, *exception: object) -> None:
        modes.grad = self._before

    def _fresh(self) -> _GradMode:
        return type(self)()

    def __call__(self, function: F) -> F:
        return _decorate(function, self._fresh)


class no_grad(_GradMode):
    """Operations inside are not remembered; their results require no gradient."""

    _mode = False
    __slots__ = ()

    def __new__(cls, function: Any = None) -> Any:
        # `@no_grad` without parentheses.
        return super().__new__(cls) if function is None else super().__new__(cls)(function)


class enable_grad(_GradMode):
    """Operations inside are remembered, also inside no_grad."""

    _mode = True
    __slots__ = ()

    def __new__(cls, function: Any = None) -> Any:
        return super().__new__(cls) if function is None else super().__new__(cls)(function)


class inference_mode(_GradMode):
    """As no_grad. `inference_mode(False)` changes nothing inside."""

    __slots__ = ("_on",)

    def __new__(cls, mode: Any = True) -> Any:
        return super().__new__(cls) if isinstance(mode, bool) else super().__new__(cls)._with(True)(mode)

    def __init__(self, mode: bool = True) -> None:
        self._on = mode

    def _with(self, mode: bool) -> inference_mode:
        self._on = mode
        return self

    def __enter__(self) -> None:
        self._before = modes.grad
        if self._on:
            modes.grad = False

    def _fresh(self) -> _GradMode:
        mode: _GradMode = type(self)(self._on)
        return mode


class set_grad_enabled(_GradMode):
    """Sets the mode at once; as a context manager puts the old one back at the end."""

    __slots__ = ("_on",)

    def __init__(self, mode: bool) -> None:
        self._before = modes.grad
        self._on = bool(mode)
        modes.grad = self._on

    def __enter__(self) -> None:
        modes.grad = self._on

    def __call__(self, function: F) -> F:
        modes.grad = self._before
        on = self._on
        return _decorate(function, lambda: set_grad_enabled(on))


def _decorate(function: F, mode: Callable[[], Any]) -> F:
    if inspect.isgeneratorfunction(function):
        return _decorate_generator(function, mode)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with mode():
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def _decorate_generator(function: Any, mode: Callable[[], Any]) -> Any:
    """The mode holds while the generator's own code runs, not in its consumer."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        send: Any = generator.send
        value: Any = None
        try:
            while True:
                with mode():
                    out = send(value)
                send = generator.send
                try:
                    value = yield out
                except GeneratorExit:
                    with mode():
                        generator.close()
                    raise
                except BaseException as error:
                    send, value = generator.throw, error
        except StopIteration as stop:
            return stop.value

    return wrapped
