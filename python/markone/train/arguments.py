"""What is given in the place of something else is named before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markone.tensor import Tensor

__all__ = ["check_batch", "check_loader", "check_loss_and_metrics"]


def check_loss_and_metrics(loss: Any, metrics: Any) -> None:
    """TypeError unless the loss is a function or None and the metrics are a list of such."""
    if loss is not None and not callable(loss):
        raise TypeError(f"Trainer: loss is {loss!r}, wants a function of (output, target)")
    if isinstance(metrics, Mapping | str) or not all(hasattr(metric, "reset") for metric in metrics):
        raise TypeError(f"Trainer: metrics wants a list such as [Accuracy()], got {metrics!r}")


def check_loader(loader: Any) -> None:
    """TypeError for a tensor of samples, whose rows would be taken for batches."""
    if isinstance(loader, Tensor):
        raise TypeError("fit: wants a loader of batches (inputs, target), got a Tensor")


def check_batch(op: str, batch: Any) -> None:
    """TypeError unless it is a pair."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(f"{op}: wants a batch (inputs, target), got {type(batch).__name__}")
