"""State dicts: saving, and loading, where everything is checked first and the first key that differs is
named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._context import parameters_changed
from ..autograd import no_grad
from ..ops import from_dlpack, from_numpy
from ..tensor import Tensor
from .hooks import HookDict, RemovableHandle
from .parameter import Parameter, UninitializedTensorMixin, is_lazy

if TYPE_CHECKING:
    from .module import Module

__all__ = ["IncompatibleKeys", "Stateful", "load_state"]

_EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What a load that is not strict left out."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def as_tensor(key: str, value: Any) -> Tensor:
    """A tensor of what a state dict may hold: a Tensor, a NumPy array, anything that exports DLPack."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.ndarray, np.generic, int, float)):
        return from_numpy(np.array(value))
    if hasattr(value, "__dlpack__"):
        return from_dlpack(value.detach() if hasattr(value, "detach") else value)
    raise TypeError(f"load_state_dict: '{key}' is a {type(value).__name__}, wants a tensor or an array")


def load_state(module: Module, state: Mapping[str, Any], strict: bool, assign: bool) -> IncompatibleKeys:
    """What `Module.load_state_dict` does."""
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict: wants a dict of tensors, got {type(state).__name__}")
    places = [(f"{path}." if path else "", m) for path, m in module.named_modules(remove_duplicate=False)]
    found = IncompatibleKeys([], [])
    missing, unexpected = found
    problems: dict[str, str] = {}  # by key, in this module's order
    told: list[str] = []
    state = dict(state)  # hooks may change it
    for prefix, m in places:
        for hook in m._state_hooks_of("load_before"):
            hook(m, state, prefix, {}, strict, missing, unexpected, told)
    for i, text in enumerate(told):
        problems[f"hook {i}"] = text
    extra = {prefix + _EXTRA: m for prefix, m in places if m._has_extra_state()}
    own = dict(module.named_state())
    missing += [key for key in (*own, *extra) if key not in state]
    unexpected += [key for key in state if key not in own and key not in extra]
    hooks = [(m, hook) for _, m in reversed(places) for hook in m._state_hooks_of("load_after")]
    # Such hooks may forgive keys: they are asked once the values are there.
    strict_now = strict and not hooks
    values: dict[str, Tensor] = {}
    for key, tensor in own.items():
        if key not in state:
            if strict_now:
                problems[key] = f"'{key}' (shape {list(tensor.shape)}) is missing from the state dict"
            continue
        value = as_tensor(key, state[key])
        if is_lazy(value):
            if not is_lazy(tensor):
                problems[key] = (
                    f"'{key}' has no shape yet in the state dict but {list(tensor.shape)} in the model"
                )
            continue
        if is_lazy(tensor):
            values[key] = value
            continue
        if tuple(value.shape) != tuple(tensor.shape):
            problems[key] = (
                f"'{key}' has shape {list(value.shape)} in the state dict but {list(tensor.shape)} in "
                f"the model"
            )
        values[key] = value
    if strict_now:
        problems |= {key: f"'{key}' is missing from the state dict" for key in extra if key not in state}
        problems |= _unexpected(unexpected)
    _refuse(module, problems)
    with no_grad():
        for key, value in values.items():
            target = own[key]
            if assign:
                _assign(module, key, target, value)
            else:
                if isinstance(target, UninitializedTensorMixin):
                    target.materialize(value.shape)
                target.copy_(value)
    if assign:
        parameters_changed()
    for key, m in extra.items():
        if key in state:
            m.set_extra_state(state[key])
    for m, hook in hooks:
        if hook(m, found) is not None:
            raise RuntimeError("load_state_dict: a post hook changes the keys in place, it returns None")
    if strict and hooks:
        left = {key: f"'{key}' is missing from the state dict" for key in missing}
        _refuse(module, left | _unexpected(unexpected))
    return found


def _unexpected(keys: list[str]) -> dict[str, str]:
    return {key: f"'{key}' of the state dict is not in the model" for key in keys}


def _refuse(module: Module, problems: dict[str, str]) -> None:
    if problems:
        texts = list(problems.values())
        others = f"; and {len(texts) - 1} more:\n  " + "\n  ".join(texts[1:21]) if len(texts) > 1 else ""
        if len(texts) > 21:
            others += "\n  ..."
        raise RuntimeError(f"{type(module).__name__}.load_state_dict: first difference: {texts[0]}{others}")


def _assign(module: Module, key: str, target: Tensor, value: Tensor) -> None:
    path, _, name = key.rpartition(".")
    owner = module.get_submodule(path)
    if name in owner._parameters:
        wanted = isinstance(target, Parameter) and target.requires_grad
        owner._parameters[name] = value if isinstance(value, Parameter) else Parameter(value.detach(), wanted)
    else:
        owner._buffers[name] = value.detach()


class Stateful:
    """The part of Module that saves and loads."""

    _state_hooks: dict[str, HookDict] | None = None  # by what they wait for

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Every parameter and persistent buffer by its dotted name; memory is shared.

        Args:
            destination: a dict to add to.
            prefix: put before every name.
            keep_vars: the parameters themselves, not detached tensors.
        """
        found: dict[str, Any] = {} if destination is None else destination
        module: Module = self  # type: ignore[assignment]
        for hook in self._state_hooks_of("save_before"):
            hook(module, prefix, keep_vars)
        for name, tensor in module.own_state():
            found[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._has_extra_state():
            found[prefix + _EXTRA] = self.get_extra_state()
        for name, child in module._modules.items():
            if child is not None:
                child.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_hooks_of("save_after"):
            if hook(module, found, prefix, {}) is not None:
                raise RuntimeError("state_dict: a post hook changes the dict in place, it returns None")
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies parameters and buffers from a dict of tensors (or NumPy arrays, or DLPack exporters).

        Everything is checked before anything is copied.

        Args:
            state_dict: what `state_dict()` gave.
            strict: the keys have to be exactly this module's.
            assign: take the tensors themselves instead of copying their values.

        Returns:
            `(missing_keys, unexpected_keys)`, both empty when strict.

        Raises:
            RuntimeError: keys or shapes differ; names the first key that does, then the others.
        """
        return load_state(self, state_dict, strict, assign)  # type: ignore[arg-type]

    def get_extra_state(self) -> Any:
        """What else belongs to the module's state; a subclass writes it, and `set_extra_state`. It is saved
        as '<prefix>_extra_state'."""
        raise RuntimeError(f"{type(self).__name__}: has no extra state, write get_extra_state()")

    def _has_extra_state(self) -> bool:
        """Whether the class writes `get_extra_state`."""
        return type(self).get_extra_state is not Stateful.get_extra_state

    def set_extra_state(self, state: Any) -> None:
        """Takes back what `get_extra_state` gave."""
        raise RuntimeError(f"{type(self).__name__}: got extra state, write set_extra_state()")

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, prefix, keep_vars)` before the module's state is gathered."""
        return self._register_state("save_before", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, state_dict, prefix, local_metadata)` after it; changes the dict in place."""
        return self._register_state("save_after", hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)` before anything is loaded; may change a copy of the dict in place."""
        return self._register_state("load_before", hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """`hook(module, incompatible_keys)` after loading; what it takes out of the keys is forgiven."""
        return self._register_state("load_after", hook)

    def _state_hooks_of(self, when: str) -> list[Any]:
        hooks = self._state_hooks
        return list(hooks[when].values()) if hooks and when in hooks else []

    def _register_state(self, when: str, hook: Any) -> RemovableHandle:
        if self._state_hooks is None:
            object.__setattr__(self, "_state_hooks", {})
        assert self._state_hooks is not None
        return self._state_hooks.setdefault(when, HookDict()).register(hook)
