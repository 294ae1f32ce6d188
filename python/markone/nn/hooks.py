"""Hooks of modules: handles that remove them, and the two graph nodes that call backward hooks."""

from __future__ import annotations

import contextlib
import itertools
import weakref
from typing import TYPE_CHECKING, Any

from .. import _C, _context
from ..autograd.function import Function
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

__all__ = ["HookDict", "RemovableHandle"]

_numbers = itertools.count()


class HookDict(dict[int, Any]):
    """The hooks of one kind, in the order in which they are called."""

    __slots__ = ("__weakref__",)

    def register(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        handle = RemovableHandle(self)
        others = list(self.items()) if prepend else []
        if prepend:
            self.clear()
        self[handle.id] = hook
        _context.parameters_changed()  # what was recorded without the hook is stale
        self.update(others)
        return handle


class RemovableHandle:
    """What `register_..._hook` returns: `remove()` takes the hook away. Also a context manager."""

    def __init__(self, hooks: HookDict) -> None:
        self.id = next(_numbers)
        self._hooks = weakref.ref(hooks)

    def remove(self) -> None:
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _refuse_recording(module: Module) -> None:
    """A recorded step may only meet the package's own hooks, which compute with tensors alone."""
    kinds = (
        module._forward_pre_hooks,
        module._forward_hooks,
        module._backward_pre_hooks,
        module._backward_hooks,
    )
    for kind in kinds:
        for entry in kind.values():
            hook = entry[0] if isinstance(entry, tuple) else entry
            if not str(getattr(hook, "__module__", "")).startswith("markone.nn."):
                _C.refuse_recording("hook", f"a replay would not call the hook of a {type(module).__name__}")


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward` between its forward pre-hooks, backward hooks and forward hooks."""
    if _context.recorders:
        _refuse_recording(module)
    for hook, with_kwargs in list(module._forward_pre_hooks.values()):
        result = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if result is None:
            continue
        if with_kwargs:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError(
                    "forward pre-hook: wants None or (args, kwargs) back, got " + type(result).__name__
                )
            args, kwargs = result
        else:
            args = result if isinstance(result, tuple) else (result,)
    backward = None
    if module._backward_hooks or module._backward_pre_hooks:
        backward = _BackwardHooks(module)
        args = backward.watch_inputs(args)
    after = list(module._forward_hooks.values())
    called = 0
    try:
        output = module.forward(*args, **kwargs)
        for hook, with_kwargs, _ in after:
            called += 1
            result = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
            if result is not None:
                output = result
    except Exception:
        for hook, with_kwargs, always in after[called:]:
            if always:  # what it raises or returns does not replace the error
                with contextlib.suppress(Exception):
                    hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        raise
    return output if backward is None else backward.watch_outputs(output)


class _BackwardHooks:
    """One call's backward hooks. They meet an identity behind the outputs, then one before the inputs."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.grad_outputs: tuple[Any, ...] | None = None
        self.input_places: list[int] | None = None
        self.inputs = 0

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.inputs = len(args)
        if not any(args[i].requires_grad for i in places):
            return args
        self.input_places = places
        seen = _InputSide.apply(self, *(args[i] for i in places))
        replaced = dict(zip(places, seen if isinstance(seen, tuple) else (seen,), strict=True))
        return tuple(replaced.get(i, a) for i, a in enumerate(args))

    def watch_outputs(self, output: Any) -> Any:
        single = isinstance(output, Tensor)
        values = (output,) if single else output
        if not isinstance(values, (tuple, list)):
            return output
        places = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
        if not any(values[i].requires_grad for i in places):
            return output
        self.outputs, self.output_places = len(values), places
        seen = _OutputSide.apply(self, *(values[i] for i in places))
        replaced = dict(zip(places, seen if isinstance(seen, tuple) else (seen,), strict=True))
        result = [replaced.get(i, v) for i, v in enumerate(values)]
        if single:
            return result[0]
        return type(output)(*result) if hasattr(output, "_fields") else type(output)(result)

    def outputs_arrived(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full: list[Any] = [None] * self.outputs
        for place, grad in zip(self.output_places, grads, strict=True):
            full[place] = grad
        given = tuple(full)
        for hook in list(self.module._backward_pre_hooks.values()):
            given = _replaced("backward pre-hook", hook(self.module, given), given)
        self.grad_outputs = given
        if self.input_places is None:
            self._call((None,) * self.inputs)
        return tuple(given[i] for i in self.output_places)

    def inputs_arrived(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full: list[Any] = [None] * self.inputs
        assert self.input_places is not None
        for place, grad in zip(self.input_places, grads, strict=True):
            full[place] = grad
        result = self._call(tuple(full))
        return tuple(result[i] for i in self.input_places)

    def _call(self, grad_inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in list(self.module._backward_hooks.values()):
            result = hook(self.module, grad_inputs, self.grad_outputs)
            if self.input_places is not None:
                grad_inputs = _replaced("backward hook", result, grad_inputs)
            elif result is not None and any(r is not None for r in result):
                raise RuntimeError("backward hook: returned a gradient for inputs that require none")
        return grad_inputs


def _replaced(what: str, result: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a hook's result makes of the gradients that it was given."""
    if result is None:
        return given
    result = result if isinstance(result, tuple) else (result,)
    if len(result) != len(given):
        raise RuntimeError(f"{what}: returned {len(result)} gradients, wants {len(given)}")
    return result


class _InputSide(Function):
    @staticmethod
    def forward(ctx: Any, hooks: _BackwardHooks, *inputs: Tensor) -> Any:
        ctx.hooks = hooks
        return tuple(x.view_as(x) for x in inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.hooks.inputs_arrived(grads))


class _OutputSide(Function):
    @staticmethod
    def forward(ctx: Any, hooks: _BackwardHooks, *outputs: Tensor) -> Any:
        ctx.hooks = hooks
        return tuple(y.view_as(y) for y in outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.hooks.outputs_arrived(grads))
