"""Tensors of a module that are computed from others at each use (names of `torch.nn.utils.parametrize`).

`register_parametrization(layer, "weight", map)` moves `layer.weight` to
`layer.parametrizations.weight.original`; from then on `layer.weight` is `map(original)`, recomputed at each
access or once inside `cached()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...autograd import no_grad
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

# Values inside `cached()`: by (id of the list of maps). None outside.
_values: dict[int, Tensor] | None = None


@contextmanager
def cached() -> Iterator[None]:
    """Inside, a parametrised tensor is computed at its first use only."""
    global _values
    before = _values
    if before is None:
        _values = {}
    try:
        yield
    finally:
        _values = before


class ParametrizationList(ModuleList):
    """The maps of one tensor, applied in order to `original` (or to original0, original1, ... where the first
    map's right_inverse gives several)."""

    def __init__(self, modules: list[Module], original: Tensor) -> None:
        super().__init__(modules)
        first = modules[0]
        with no_grad():
            start = first.right_inverse(original) if hasattr(first, "right_inverse") else original
        self.is_tensor = isinstance(start, Tensor)
        trained = isinstance(original, Parameter)
        parts = {"original": start} if self.is_tensor else {f"original{i}": x for i, x in enumerate(start)}
        self.ntensors = len(parts)
        for name, value in parts.items():
            if trained:
                parameter = (
                    original
                    if value is original and isinstance(original, Parameter)
                    else Parameter(value.detach(), original.requires_grad)
                )
                self.register_parameter(name, parameter)
            else:
                self.register_buffer(name, value)

    def originals(self) -> list[Tensor]:
        """What is trained in the place of the tensor."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Sets the originals so that the maps give `value`."""
        with no_grad():
            current: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrize: {type(module).__name__} has no right_inverse, its tensor cannot be set"
                    )
                current = module.right_inverse(current)
            for original, part in zip(
                self.originals(), [current] if self.is_tensor else list(current), strict=True
            ):
                original.copy_(part)

    def forward(self) -> Tensor:
        value: Any = self[0](*self.originals())
        for module in list(self)[1:]:
            value = module(value)
        return value


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module (or this tensor of it) is computed by maps."""
    lists = module.__dict__.get("_modules", {}).get("parametrizations")
    return lists is not None and (len(lists) > 0 if tensor_name is None else tensor_name in lists)


def type_before_parametrizations(module: Module) -> type[Module]:
    """The module's class as it was written."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def _property(name: str) -> property:
    def get(self: Module) -> Tensor:
        maps = self.parametrizations[name]
        if _values is None:
            return maps()
        if id(maps) not in _values:
            _values[id(maps)] = maps()
        return _values[id(maps)]

    def set_(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set_)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes `module.tensor_name` the result of `parametrization` (after those that are there already).

    The map may have `right_inverse(value)`, which gives the first originals from the present value.

    Raises:
        ValueError: the module has no such parameter or buffer, or the map changes its shape or type.
            `unsafe=True` leaves the latter unchecked.
    """
    if is_parametrized(module, tensor_name):
        maps = module.parametrizations[tensor_name]
        before = getattr(module, tensor_name)
        if hasattr(parametrization, "right_inverse"):
            with no_grad():
                maps.right_inverse(parametrization.right_inverse(before))
        _check(tensor_name, parametrization, before, parametrization(before), unsafe)
        maps.append(parametrization)
        return module
    held = tensor_name in module._parameters or tensor_name in module._buffers
    if not held:
        raise ValueError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    maps = ParametrizationList([parametrization], original)
    maps.train(module.training)
    _check(tensor_name, parametrization, original, maps(), unsafe)
    if not is_parametrized(module):
        kind = type(module)
        module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), {"__module__": kind.__module__})
        module.parametrizations = ModuleDict()
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = maps
    setattr(type(module), tensor_name, _property(tensor_name))
    return module


def _check(name: str, map_: Module, before: Tensor, after: Any, unsafe: bool) -> None:
    if unsafe:
        return
    if not isinstance(after, Tensor):
        raise ValueError(
            f"register_parametrization: {type(map_).__name__} returned {type(after).__name__}, wants a Tensor"
        )
    if after.shape != before.shape or after.dtype is not before.dtype:
        raise ValueError(
            f"register_parametrization: {type(map_).__name__} makes '{name}' {list(after.shape)} "
            f"{after.dtype} of {list(before.shape)} {before.dtype}"
        )


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes `tensor_name` a plain parameter or buffer again: its present value, or the original's where
    `leave_parametrized` is false (then there must be one original)."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: {type(module).__name__}.{tensor_name} has none")
    maps = module.parametrizations[tensor_name]
    originals = maps.originals()
    if not leave_parametrized and len(originals) != 1:
        raise ValueError(
            f"remove_parametrizations: '{tensor_name}' has {len(originals)} originals, which to leave?"
        )
    trained = isinstance(originals[0], Parameter)
    with no_grad():
        value = maps() if leave_parametrized else originals[0]
    if len(originals) == 1 and leave_parametrized:
        with no_grad():
            originals[0].copy_(value)  # the optimiser's own tensor goes on
        value = originals[0]
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if len(module.parametrizations) == 0:
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    if trained:
        kept = (
            value if isinstance(value, Parameter) else Parameter(value.detach(), originals[0].requires_grad)
        )
        module.register_parameter(tensor_name, kept)
    else:
        module.register_buffer(tensor_name, value)
    return module
