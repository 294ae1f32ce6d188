"""Steps of `markone train` for networks that learn in a way of their own: see `System.step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["STEPS"]

Step = Callable[[Any, Any], Mapping[str, Any]]


def _with_heads(trainer: Any, batch: Any) -> dict[str, float]:
    """A training step of a network that gives the scores of auxiliary heads too; the metrics see the last."""
    inputs, target = batch
    output = trainer.model(inputs)
    value = trainer.minimize(trainer.loss(output, target))
    for metric in trainer.metrics:
        metric.update(output.logits, target)
    return {"loss": value}


def _show(trainer: Any, batch: Any) -> dict[str, float]:
    """The neocognitron's layers learn in one epoch each; in the following ones its planes get their names."""
    images, labels = batch
    net = trainer.model
    if trainer.epoch < 3:
        net.show(images, trainer.epoch)
    else:
        net.vote(images, labels)
    _ask(trainer, batch)
    return {"planes": sum(layer.learnt for layer in (net.s1, net.s2, net.s3))}


def _ask(trainer: Any, batch: Any) -> dict[str, float]:
    images, labels = batch
    scores = trainer.model(images)
    for metric in trainer.metrics:
        metric.update(scores, labels)
    return {}


# By name: the step, and the validation where it is not the Trainer's own.
STEPS: dict[str, tuple[Step | None, Step | None]] = {
    "": (None, None),
    "with_heads": (_with_heads, None),
    "show": (_show, _ask),
}
