"""Module: what a layer or a model is. Names and behaviour are `torch.nn.Module`'s."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .. import _C, _context
from .._context import add_note, module_path, parameters_changed, running
from ..tensor import Tensor
from .hooks import HookDict, RemovableHandle, call_with_hooks
from .parameter import Buffer, Parameter
from .state import Stateful
from .walk import Walk

__all__ = ["Module"]

M = TypeVar("M", bound="Module")


class Module(Walk, Stateful):
    """The base of layers and models.

    A subclass calls `super().__init__()`, assigns parameters and modules to attributes (which registers
    them) and writes `forward`; calling the module runs its hooks and `forward`.

    ```python
    class Net(mo.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = mo.nn.Linear(784, 10)

        def forward(self, x):
            return self.fc(x.flatten(1))
    ```
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]

    def __init__(self) -> None:
        set_plain = object.__setattr__
        set_plain(self, "training", True)
        set_plain(self, "_parameters", {})
        set_plain(self, "_buffers", {})
        set_plain(self, "_modules", {})
        set_plain(self, "_non_persistent_buffers_set", set())
        for kind in _HOOK_KINDS:
            set_plain(self, kind, HookDict())
        # One look in a call tells that there is no hook of any kind.
        set_plain(self, "_hooked", False)

    # ---- calling ----

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__}: a Module has to write forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        modules = running.modules
        modules.append(self)
        if _context.recorders:
            _context.note_module(self)
        try:
            if self._hooked:
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            # The innermost module says where; the ones around it stay silent.
            if not getattr(error, "_markone_located", False):
                add_note(error, f"in {module_path()}")
                try:
                    error._markone_located = True  # type: ignore[attr-defined]
                except AttributeError:
                    pass
            raise
        finally:
            modules.pop()

    # ---- attributes ----

    def __setattr__(self, name: str, value: Any) -> None:
        plain = self.__dict__
        if "_parameters" not in plain:
            if isinstance(value, (Parameter, Module, Buffer)):
                raise AttributeError(
                    f"{type(self).__name__}.{name}: call super().__init__() before assigning to attributes"
                )
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._forget(name)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, keep=self._modules)
            self.add_module(name, value)
        elif isinstance(value, Buffer):
            self._forget(name)
            self.register_buffer(name, value, value.persistent)
        else:
            table: Any
            for table, kind in (
                (self._parameters, Parameter),
                (self._modules, Module),
                (self._buffers, Tensor),
            ):
                if name in table:
                    if value is not None and not isinstance(value, kind):
                        raise TypeError(
                            f"{type(self).__name__}.{name}: cannot assign a {type(value).__name__}, wants a "
                            f"{kind.__name__} or None"
                        )
                    table[name] = value
                    parameters_changed()
                    return
            if name == "training" and plain.get(name) is not value:
                _C.bump_mode_changes()
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not a plain attribute.
        plain = self.__dict__
        if "_buffers" in plain:
            for table in (plain["_parameters"], plain["_modules"], plain["_buffers"]):
                if name in table:
                    return table[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        if name in self._parameters or name in self._modules or name in self._buffers:
            self._forget(name)
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._modules, *self._buffers})

    def _forget(self, name: str, keep: Mapping[str, Any] | None = None) -> None:
        """Takes a name out of whatever holds it, so that it can be registered as something else."""
        self.__dict__.pop(name, None)
        self._non_persistent_buffers_set.discard(name)
        table: Any
        for table in (self._parameters, self._modules, self._buffers):
            if table is not keep and name in table:
                del table[name]
                parameters_changed()

    def _check_name(self, what: str, name: str, table: Mapping[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what}: the name is a {type(name).__name__}, wants a str")
        if name == "" or "." in name:
            raise KeyError(f"{what}: the name {name!r} is empty or contains a dot")
        if hasattr(self, name) and name not in table:
            raise KeyError(f"{what}: {type(self).__name__} already has an attribute '{name}'")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter (None: a place for one) that is then `self.name`."""
        self._check_name("register_parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: '{name}' is a {type(param).__name__}, wants a Parameter or None"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(f"register_parameter: '{name}' is not a leaf, it has a grad_fn")
        self._parameters[name] = param
        parameters_changed()

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is not a parameter, part of the state dict where `persistent`."""
        self._check_name("register_buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: '{name}' is a {type(tensor).__name__}, wants a Tensor or None")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)
        parameters_changed()

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a module that is then `self.name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: '{name}' is a {type(module).__name__}, wants a Module or None")
        self._check_name("add_module", name, self._modules)
        self._modules[name] = module
        parameters_changed()

    register_module = add_module

    # ---- hooks ----

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """`hook(module, args) -> None | new args` before forward; or `(module, args, kwargs)`."""
        return self._register("_forward_pre_hooks", (hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """`hook(module, args, output) -> None | output` after it; or `(module, args, kwargs, output)`.

        With always_call also after an error, with None for the output.
        """
        return self._register("_forward_hooks", (hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """`hook(module, grad_output) -> None | new grad_output` before the module's backward."""
        return self._register("_backward_pre_hooks", hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """`hook(module, grad_input, grad_output) -> None | new grad_input` after the module's backward."""
        return self._register("_backward_hooks", hook, prepend)

    def _register(self, kind: str, hook: Any, prepend: bool) -> RemovableHandle:
        object.__setattr__(self, "_hooked", True)
        hooks: HookDict = getattr(self, kind)
        return hooks.register(hook, prepend)

    def _forget_missing_hooks(self) -> None:
        """After hooks were removed: a module without any is called directly again."""
        object.__setattr__(self, "_hooked", any(getattr(self, kind) for kind in _HOOK_KINDS))

    # ---- modes and placement ----

    def train(self: M, mode: bool = True) -> M:
        """Training mode (dropout drops) for this module and all below; `train(False)` is `eval()`."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode is a {type(mode).__name__}, wants a bool")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Evaluation mode for this module and all below."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Switches the gradients of all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters: None, or zeros in place."""
        for p in self.parameters():
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach_()
                    p.grad.zero_()

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Calls `fn` on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """Puts every parameter, gradient and buffer through `fn`; parameters stay the same objects."""
        seen: set[int] = set()
        for module in self.modules() if recurse else [self]:
            for p in module._parameters.values():
                if p is None or id(p) in seen:
                    continue
                seen.add(id(p))
                grad = p.grad
                p.grad = None
                p.data = fn(p.data)
                if grad is not None:
                    p.grad = fn(grad)
            for name, b in module._buffers.items():
                if b is not None:
                    module._buffers[name] = fn(b)
        parameters_changed()
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Moves parameters and buffers in place: `to(device)`, `to(dtype)`, `to(device, dtype)`, `to(other)`.

        Only floating-point tensors take a new dtype, which has to be a floating one.
        """
        dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
        kwargs.pop("non_blocking", None)
        if kwargs:
            raise TypeError(f"to: does not know the argument '{next(iter(kwargs))}'")
        for arg in args:
            if isinstance(arg, Tensor):
                dtype, device = arg.dtype, arg.device
            elif hasattr(arg, "is_floating_point"):
                dtype = arg
            elif arg is not None and not isinstance(arg, bool):
                device = arg
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"to: a module takes floating-point dtypes only, got {dtype}")

        def move(t: Tensor) -> Tensor:
            if device is not None:
                t = t.to(device)
            return t.to(dtype) if dtype is not None and t.is_floating_point() else t

        return self._apply(move)

    def _to_dtype(self: M, name: str) -> M:
        from .. import _C

        return self.to(getattr(_C, name))

    def float(self: M) -> M:
        """Floating-point parameters and buffers to float32."""
        return self._to_dtype("float32")

    def double(self: M) -> M:
        """Floating-point parameters and buffers to float64."""
        return self._to_dtype("float64")

    def half(self: M) -> M:
        """Floating-point parameters and buffers to float16."""
        return self._to_dtype("float16")

    def bfloat16(self: M) -> M:
        """Floating-point parameters and buffers to bfloat16."""
        return self._to_dtype("bfloat16")

    def cpu(self: M) -> M:
        """Parameters and buffers to the CPU."""
        return self.to("cpu")

    def cuda(self: M, device: int | None = None) -> M:
        """Parameters and buffers to a GPU."""
        return self.to("cuda" if device is None else f"cuda:{device}")

    def type(self: M, dst_type: Any) -> M:
        """Every parameter and buffer to one dtype."""
        return self._apply(lambda t: t.to(dst_type))

    def to_empty(self: M, *, device: Any, recurse: bool = True) -> M:
        """Fresh parameters and buffers on a device, with values of no meaning."""
        from ..ops import empty

        def fresh(t: Tensor) -> Tensor:
            return empty(t.shape, dtype=t.dtype, device=device)

        return self._apply(fresh, recurse)

    # ---- text ----

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's text."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        lines += [f"{place}: " + text.replace("\n", "\n  ") for place, text in self._inner_reprs()]
        if len(lines) == 0 or (len(lines) == 1 and extra):
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"

    def _inner_reprs(self) -> list[tuple[str, str]]:
        """What stands before and after the colon of each line of __repr__ for a module inside."""
        return [(f"({name})", repr(module)) for name, module in self._modules.items()]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


_HOOK_KINDS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
