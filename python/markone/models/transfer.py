"""A trained network for another task: freeze its first layers, give it a new last one, fine-tune the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markone import nn

__all__ = ["freeze", "new_head"]


def freeze(model: nn.Module, layers: Iterable[str] | None = None, *, until: str | None = None) -> list[str]:
    """Freezes layers: parameters ask for no gradient, normalisation keeps its statistics; gives the names.

    Args:
        layers: names of modules (`features.0`, `layer1`), with all that is in them.
        until: instead: every module before this one, in the order of the model; neither: the whole model.

    Raises:
        ValueError: there is no such module, or both are given.
    """
    modules = dict(model.named_modules())
    if layers is not None and until is not None:
        raise ValueError("freeze: wants layers or until, not both")
    wanted = [""] if layers is None else list(layers)
    for name in [*wanted, *([until] if until is not None else [])]:
        if name not in modules:
            raise ValueError(
                f"freeze: the model has no module '{name}', it has {', '.join(n for n in modules if n)}"
            )
    if until is not None:
        names = [name for name in modules if name]
        before = names[: names.index(until)]
        # A module that `until` is in is only frozen as far as its parts before it.
        wanted = [name for name in before if not until.startswith(f"{name}.")]
    frozen = []
    for name, parameter in model.named_parameters():
        if any(_within(name, layer) for layer in wanted):
            parameter.requires_grad_(False)
            frozen.append(name)
    for name, module in modules.items():
        if any(_within(name, layer) for layer in wanted) and hasattr(module, "running_mean"):
            module.register_forward_pre_hook(_stay_in_eval)
    return frozen


def _within(name: str, layer: str) -> bool:
    return layer == "" or name == layer or name.startswith(f"{layer}.")


def _stay_in_eval(module: Any, _inputs: Any) -> None:
    module.training = False


def new_head(model: nn.Module, num_classes: int) -> nn.Linear:
    """Replaces the model's last full layer by a fresh one with `num_classes` scores, and returns it.

    Raises:
        ValueError: the model has no full layer, or num_classes is below 1.
    """
    if num_classes < 1:
        raise ValueError(f"new_head: got num_classes={num_classes}, wants at least 1")
    full = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not full:
        raise ValueError(f"new_head: {type(model).__name__} has no full layer")
    name, last = full[-1]
    path, _, leaf = name.rpartition(".")
    fresh = nn.Linear(last.in_features, num_classes, bias=last.bias is not None)
    setattr(model.get_submodule(path), leaf, fresh)
    return fresh
