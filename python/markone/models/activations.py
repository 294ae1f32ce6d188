"""What each layer of a network makes of an input."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from markone import nn
from markone.autograd import no_grad
from markone.tensor import Tensor

__all__ = ["activations"]


def activations(
    model: nn.Module, x: Any, layers: Iterable[str] | None = None, *, grad: bool = False
) -> dict[str, Tensor]:
    """Runs `model(x)` in eval mode and returns the layers' outputs by name, in the order of computation.

    Args:
        model: any network; its modes and hooks are as before afterwards.
        x: its input, a Tensor, or a tuple of several.
        layers: names of modules as `named_modules()` has them (default: every module without children, such
            as `features.c1`). A layer that runs again gives `name#2` and so on.
        grad: keep the graph, so that gradients of an activation can be taken.

    Raises:
        ValueError: the model has no layer of such a name.

    Only outputs that are Tensors are kept.
    """
    modules = dict(model.named_modules())
    if layers is None:
        chosen = [name for name, module in modules.items() if not list(module.children())]
    else:
        chosen = list(layers)
        for name in chosen:
            if name not in modules:
                known = ", ".join(name for name in modules if name)
                raise ValueError(f"activations: the model has no layer '{name}'; it has {known}")
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                key, count = name, 1
                while key in found:
                    count += 1
                    key = f"{name}#{count}"
                found[key] = output

        return hook

    handles = [modules[name].register_forward_hook(keep(name)) for name in chosen]
    modes = [(module, module.training) for module in modules.values()]
    model.eval()
    try:
        with nullcontext() if grad else no_grad():
            model(*x) if isinstance(x, (tuple, list)) else model(x)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return found
