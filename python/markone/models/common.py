"""What several published networks share."""

from __future__ import annotations

import os
from typing import TypeVar

from markone import nn
from markone.models.weights import load_weights

__all__ = ["Weights", "checked_classes", "finished", "he_init_", "scaled"]

Weights = str | os.PathLike[str] | None
Net = TypeVar("Net", bound=nn.Module)


def checked_classes(owner: str, num_classes: int) -> int:
    """`num_classes`, which has to be 1 or more."""
    if num_classes < 1:
        raise ValueError(f"{owner}: got num_classes={num_classes}, wants at least 1")
    return num_classes


def scaled(channels: int, width: float) -> int:
    """A published number of channels times `width`, at least 1."""
    return max(1, round(channels * width))


def finished(model: Net, weights: Weights) -> Net:
    """The model, with the weights of a file where one is given."""
    if weights is not None:
        load_weights(model, weights)
    return model


def he_init_(model: nn.Module, mode: str = "fan_in") -> None:
    """Convolutions and full layers start normal with variance 2 / fan-in (He et al. 2015, arXiv:1502.01852),
    so that activations keep their size through the layers, or 2 / fan-out, so that gradients do; biases at 0.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
