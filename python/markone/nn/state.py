"""Loading a state dict: everything is checked first, and the first key that differs is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._context import parameters_changed
from ..autograd import no_grad
from ..ops import from_dlpack, from_numpy
from ..tensor import Tensor
from .parameter import Parameter, UninitializedTensorMixin, is_lazy

if TYPE_CHECKING:
    from .module import Module

__all__ = ["IncompatibleKeys", "load_state"]


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
    own = dict(module.named_state())
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    values: dict[str, Tensor] = {}
    problems: dict[str, str] = {}  # by key, in this module's order
    for key, tensor in own.items():
        if key not in state:
            if strict:
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
    if strict:
        for key in unexpected:
            problems[key] = f"'{key}' of the state dict is not in the model"
    if problems:
        texts = list(problems.values())
        others = f"; and {len(texts) - 1} more:\n  " + "\n  ".join(texts[1:21]) if len(texts) > 1 else ""
        if len(texts) > 21:
            others += "\n  ..."
        raise RuntimeError(f"{type(module).__name__}.load_state_dict: first difference: {texts[0]}{others}")
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
    return IncompatibleKeys(missing, unexpected)


def _assign(module: Module, key: str, target: Tensor, value: Tensor) -> None:
    path, _, name = key.rpartition(".")
    owner = module.get_submodule(path)
    if name in owner._parameters:
        wanted = isinstance(target, Parameter) and target.requires_grad
        owner._parameters[name] = value if isinstance(value, Parameter) else Parameter(value.detach(), wanted)
    else:
        owner._buffers[name] = value.detach()
