"""The state of a Trainer as a tree: all that a run killed now needs to end with the same bits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from markone.train import checkpoint, random_state

if TYPE_CHECKING:
    from markone.train.callbacks import Callback
    from markone.train.trainer import Trainer

__all__ = ["restore", "state_of"]


_KEYS = (
    *(
        "model",
        "optimizers",
        "schedulers",
        "ema",
        "gathered",
        "gradients",
        "loader",
        "random",
        "epoch_random",
    ),
    *("epoch", "step", "position", "steps_done", "elapsed", "sums", "metrics", "history", "should_stop"),
    "callbacks",
)


def state_of(trainer: Trainer) -> dict[str, Any]:
    """Networks, optimisers, schedules, averages, half-gathered gradients, random state, loader, figures."""
    loader = trainer.train_loader
    return {
        "model": trainer.model.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in trainer.optimizers.items()},
        "schedulers": {name: scheduler.state_dict() for name, scheduler in trainer.schedulers.items()},
        "ema": None if trainer.ema is None else trainer.ema.state_dict(),
        "scalers": {name: scaler.state_dict() for name, scaler in trainer.scalers.items()},
        "gathered": trainer._gathered,
        "gradients": _half_gathered(trainer),
        "loader": loader.state_dict() if hasattr(loader, "state_dict") else None,
        "random": random_state.get(),
        "epoch_random": trainer._epoch_random,
        "epoch": trainer.epoch,
        "step": trainer.step,
        "position": trainer.position,
        "steps_done": trainer._steps_done,
        "elapsed": trainer._elapsed + time.perf_counter() - trainer._epoch_start if trainer.position else 0.0,
        "sums": trainer._sums,
        "metrics": [metric.state_dict() for metric in trainer.metrics],
        "history": trainer.history,
        "should_stop": trainer.should_stop,
        "callbacks": {name: callback.state_dict() for name, callback in _named_callbacks(trainer)},
    }


def restore(trainer: Trainer, state: dict[str, Any], path: Any) -> None:
    """Puts what `state_of` gave into a Trainer that was made as that one was."""
    missing = [key for key in _KEYS if key not in state]
    if missing:
        raise checkpoint.CheckpointError(f"checkpoint: {path} is not of a Trainer: it has no '{missing[0]}'")
    checkpoint.check_model(state["model"], trainer.model, path)
    trainer.model.load_state_dict(state["model"])
    for what, mine in (("optimizers", trainer.optimizers), ("schedulers", trainer.schedulers)):
        if set(state[what]) != set(mine):
            raise checkpoint.CheckpointError(
                f"checkpoint: {path} has the {what} {sorted(state[what])}, this Trainer {sorted(mine)}"
            )
        for name, one in mine.items():
            one.load_state_dict(state[what][name])
    if trainer.ema is not None and state["ema"] is not None:
        trainer.ema.load_state_dict(state["ema"])
    for name, scaler in trainer.scalers.items():
        scaler.load_state_dict(state["scalers"][name])
    trainer._gathered = dict(state["gathered"])
    for name, parameter in trainer.model.named_parameters():
        parameter.grad = state["gradients"].get(name)
    for metric, saved in zip(trainer.metrics, state["metrics"]):
        metric.load_state_dict(saved)
    for name, callback in _named_callbacks(trainer):
        if name in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][name])
    trainer.epoch, trainer.step, trainer.position = state["epoch"], state["step"], state["position"]
    trainer._steps_done = state["steps_done"]
    trainer.history, trainer.should_stop = state["history"], state["should_stop"]
    trainer._sums, trainer._elapsed = state["sums"], state["elapsed"]
    trainer._loader_state, trainer._epoch_random = state["loader"], state["epoch_random"]
    random_state.set(state["random"])


def _half_gathered(trainer: Trainer) -> dict[str, Any]:
    """The gradients of batches whose update is still to come."""
    if not any(trainer._gathered.values()):
        return {}
    return {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}


def _named_callbacks(trainer: Trainer) -> Iterator[tuple[str, Callback]]:
    counts: dict[str, int] = {}
    for callback in trainer.callbacks:
        name = type(callback).__name__
        counts[name] = counts.get(name, 0) + 1
        yield (name if counts[name] == 1 else f"{name}#{counts[name]}"), callback
