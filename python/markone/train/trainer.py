"""The training loop: steps, validation, callbacks, interruption and exact resume.

A plain loop does the same work in ten lines (docs/tutorials/plain_loop.md shows both); the Trainer adds what
a long run needs around it and leaves the step itself, `train_step`, a plain method to override.
"""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from markone.autograd import no_grad
from markone.ops import isfinite
from markone.train import checkpoint, random_state
from markone.train.callbacks import Callback
from markone.train.metrics import Metric
from markone.train.nan_guard import NonFiniteError, explain_non_finite

__all__ = ["Interrupted", "Trainer"]

_HOOKS = ("on_fit_begin", "on_epoch_begin", "on_step_end", "on_epoch_end", "on_interrupt", "on_fit_end")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a request to stop ended the training between two steps; `exit_code` is the shell's."""

    def __init__(self, message: str, signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.exit_code = 128 + int(signal_number)


class Trainer:
    """Trains `model` with `optimizer` on `loss(output, target)`.

    Args:
        model: an nn.Module.
        optimizer: of `markone.optim`, over the model's parameters.
        loss: a callable of (output, target) that returns a scalar Tensor.
        metrics: figures beside the loss, computed on training and validation batches.
        scheduler: of `markone.optim.lr_scheduler`; stepped after each epoch.
        callbacks: run in the order of their `priority` (WRITER before EDITOR before READER), then as given.
        check_finite: a loss or gradient that is not finite stops the training with a NonFiniteError that
            names the step and the first operation which made it.

    Attributes:
        epoch: how many epochs are done. step: how many steps in all. position: steps done of this epoch.
        history: a dict an epoch: epoch, step, train_loss, train_<metric>, val_loss, ..., lr, seconds.
        should_stop: a callback sets it to end the training after this epoch.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Any,
        *,
        metrics: Sequence[Metric] = (),
        scheduler: Any = None,
        callbacks: Sequence[Callback] = (),
        check_finite: bool = True,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.scheduler = scheduler
        self.metrics: list[Metric] = list(metrics)
        self.check_finite = check_finite
        self.callbacks = sorted(callbacks, key=lambda callback: -callback.priority)
        # Only the hooks that a callback really has: one that it lacks costs nothing in the loop.
        self._hooks = {
            name: [
                getattr(c, name)
                for c in self.callbacks
                if getattr(type(c), name) is not getattr(Callback, name)
            ]
            for name in _HOOKS
        }
        self.epoch = 0
        self.epochs = 0
        self.step = 0
        self.position = 0
        self.history: list[dict[str, float]] = []
        self.should_stop = False
        self.saved_to: str | None = None
        self.train_loader: Any = None
        self.val_loader: Any = None
        self.batch: Any = None
        self._sums: dict[str, list[float]] = {}
        self._steps_done = False
        self._elapsed = 0.0
        self._epoch_start = 0.0
        self._signal: int | None = None
        self._loader_state: Any = None
        self._epoch_random: dict[str, Any] | None = None
        self._step_random: Any = None
        self._explaining = False
        self._probe = self._first_parameter()

    # -- The step

    def train_step(self, batch: Any) -> dict[str, float]:
        """One step on one batch: forward, backward, update. Override it for other ways to train.

        Returns the figures to average over the epoch, by name; each has its column (`train_<name>`).
        """
        inputs, target = batch
        output = self.model(inputs)
        loss = self.loss(output, target)
        self.optimizer.zero_grad()
        value = self.backward(loss)
        self.optimizer.step()
        for metric in self.metrics:
            metric.update(output, target)
        return {"loss": value}

    def eval_step(self, batch: Any) -> dict[str, float]:
        """One batch of validation or test, without gradients, in eval mode. Override beside `train_step`."""
        inputs, target = batch
        output = self.model(inputs)
        for metric in self.metrics:
            metric.update(output, target)
        return {"loss": self.loss(output, target).item()}

    def backward(self, loss: Any) -> float:
        """`loss.backward()` with the checks of `check_finite`; returns the loss as a number."""
        value: float = loss.item()
        if not self.check_finite or self._explaining:
            loss.backward()
            if self._explaining:
                raise _StepRepeatedError
            return value
        if not math.isfinite(value):
            raise self._non_finite(f"the loss is {value}")
        loss.backward()
        # What goes wrong in any layer's backward reaches the first layer, so one small sum watches them all.
        probe = self._probe
        if probe is not None and probe.grad is not None and not math.isfinite(probe.grad.sum().item()):
            name = self._bad_gradient()
            if name is not None:
                raise self._non_finite(f"the loss is {value:.6g} but the gradient of '{name}' is not finite")
        return value

    def batch_size(self, batch: Any) -> int:
        """How many examples a batch has: the weight of its figures in the epoch's means."""
        first = batch
        while isinstance(first, (tuple, list, dict)):
            first = next(iter(first.values())) if isinstance(first, dict) else first[0]
        return len(first)

    # -- The loops

    def fit(
        self, train_loader: Iterable[Any], val_loader: Iterable[Any] | None = None, epochs: int = 1
    ) -> list[dict[str, float]]:
        """Trains until `epochs` epochs are done in all (those before a resume count); returns `history`.

        Raises:
            Interrupted: on Ctrl-C or SIGTERM, after the step at work is done and the callbacks have saved.
            NonFiniteError: see `check_finite`.
        """
        if epochs < 0:
            raise ValueError(f"fit: got epochs={epochs}, wants 0 or more")
        self.train_loader, self.val_loader, self.epochs = train_loader, val_loader, epochs
        if self._loader_state is not None:
            train_loader.load_state_dict(self._loader_state)  # type: ignore[attr-defined]
            self._loader_state = None
        self.model.train()
        try:
            with self._signals():
                self._call("on_fit_begin")
                while self.epoch < epochs and not self.should_stop:
                    self._run_epoch()
        except Interrupted:
            self._elapsed += time.perf_counter() - self._epoch_start
            self._epoch_start = time.perf_counter()
            self._call("on_interrupt")
            where = f"in epoch {self.epoch + 1} after step {self.step}"
            saved = (
                f"saved to {self.saved_to}" if self.saved_to else "nothing was saved (no Checkpoint callback)"
            )
            raise Interrupted(f"interrupted {where}; {saved}", self._signal or signal.SIGINT) from None
        finally:
            self._call("on_fit_end")
        return self.history

    def evaluate(self, loader: Iterable[Any], metrics: Sequence[Metric] | None = None) -> dict[str, float]:
        """The mean of each figure of `eval_step` over `loader`, and `metrics` (default: the Trainer's)."""
        mine, was_training = self.metrics, self.model.training
        self.metrics = copy.deepcopy(mine) if metrics is None else list(metrics)
        for metric in self.metrics:
            metric.reset()
        sums: dict[str, list[float]] = {}
        self.model.eval()
        try:
            with no_grad():
                for batch in loader:
                    self._add(sums, self.eval_step(batch), self.batch_size(batch))
                    self._stop_if_asked()
            return self._means(sums)
        finally:
            self.metrics = mine
            self.model.train(was_training)

    def _run_epoch(self) -> None:
        if self.position == 0 and not self._steps_done:
            self._sums = {}
            self._elapsed = 0.0
            for metric in self.metrics:
                metric.reset()
            self._epoch_random = random_state.get() if not hasattr(self.train_loader, "state_dict") else None
        self._epoch_start = time.perf_counter()
        self._call("on_epoch_begin")
        if not self._steps_done:
            self._run_steps()
            self._steps_done = True

        row: dict[str, float] = {"epoch": self.epoch + 1, "step": self.step}
        row.update({f"train_{name}": value for name, value in self._means(self._sums).items()})
        if self.val_loader is not None:
            row.update({f"val_{name}": value for name, value in self.evaluate(self.val_loader).items()})
        row["lr"] = float(self.optimizer.param_groups[0]["lr"])
        row["seconds"] = round(self._elapsed + time.perf_counter() - self._epoch_start, 3)
        if self.scheduler is not None:
            self.scheduler.step()
        self.history.append(row)
        self.epoch += 1
        self.position = 0
        self._steps_done = False
        self._call("on_epoch_end")

    def _run_steps(self) -> None:
        step_end = self._hooks["on_step_end"]
        sums, train_step, batch_size = self._sums, self.train_step, self.batch_size
        check = self.check_finite
        for batch in self._batches():
            self.batch = batch
            if check:
                self._step_random = random_state.native()
            values = train_step(batch)
            self._add(sums, values, batch_size(batch))
            self.step += 1
            self.position += 1
            if check and not all(map(math.isfinite, values.values())):
                name = next(name for name, value in values.items() if not math.isfinite(value))
                self.step -= 1
                raise self._non_finite(f"{name} is {values[name]}")
            for hook in step_end:
                hook(self)
            if self._signal is not None:
                self._stop_if_asked()
        self.batch = None

    def _batches(self) -> Iterator[Any]:
        if hasattr(self.train_loader, "state_dict") or self.position == 0:
            yield from self.train_loader
            return
        # A loader that cannot say where it stands begins its epoch again, and what was seen is passed over.
        now = random_state.get()
        if self._epoch_random is not None:
            random_state.set(self._epoch_random)
        batches = iter(self.train_loader)
        for _ in range(self.position):
            next(batches, None)
        random_state.set(now)
        yield from batches

    @staticmethod
    def _add(sums: dict[str, list[float]], values: dict[str, float], size: int) -> None:
        for name, value in values.items():
            entry = sums.get(name)
            if entry is None:
                sums[name] = [value * size, size]
            else:
                entry[0] += value * size
                entry[1] += size

    def _means(self, sums: dict[str, list[float]]) -> dict[str, float]:
        means = {name: total / count for name, (total, count) in sums.items()}
        means.update({metric.name: metric.compute() for metric in self.metrics})
        return means

    def _call(self, name: str) -> None:
        for hook in self._hooks[name]:
            hook(self)

    # -- Interruption

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM wait for the end of the step, so that what is saved is whole; only once."""
        self._signal = None
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, _frame: Any) -> None:
            if self._signal is not None:
                raise KeyboardInterrupt
            self._signal = number

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop_if_asked(self) -> None:
        if self._signal is not None:
            raise Interrupted("interrupted", self._signal)

    # -- Values that are not finite

    def _first_parameter(self) -> Any:
        """The smaller of the first two parameters that learn: its gradient comes last and is cheap to sum."""
        learning = [p for p in self.model.parameters() if p.requires_grad and p.dtype.is_floating_point]
        return min(learning[:2], key=lambda p: p.numel(), default=None)

    def _bad_gradient(self) -> str | None:
        name: str
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None and not bool(isfinite(parameter.grad).all().item()):
                return name
        return None

    def _non_finite(self, what: str) -> NonFiniteError:
        return explain_non_finite(self, what)

    def repeat_step(self) -> None:
        """Runs the step at work again with its random numbers, up to the end of its backward: no update."""
        self._explaining = True
        random_state.set_native(self._step_random)
        try:
            self.train_step(self.batch)
        except _StepRepeatedError:
            pass
        finally:
            self._explaining = False

    # -- State

    def state_dict(self) -> dict[str, Any]:
        """All that a run killed here needs to end with the same bits; see `checkpoint.save`."""
        loader = self.train_loader
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler is not None else None,
            "loader": loader.state_dict() if hasattr(loader, "state_dict") else None,
            "random": random_state.get(),
            "epoch_random": self._epoch_random,
            "epoch": self.epoch,
            "step": self.step,
            "position": self.position,
            "steps_done": self._steps_done,
            "elapsed": self._elapsed + time.perf_counter() - self._epoch_start if self.position else 0.0,
            "sums": self._sums,
            "metrics": [metric.state_dict() for metric in self.metrics],
            "history": self.history,
            "should_stop": self.should_stop,
            "callbacks": {name: callback.state_dict() for name, callback in self._named_callbacks()},
        }

    def load_state_dict(self, state: dict[str, Any], path: Any = "the checkpoint") -> None:
        """Takes back what `state_dict` gave; the model, optimizer, loader and callbacks are made as before.

        Raises:
            CheckpointError: the state is of another model (names the first key that differs) or incomplete.
        """
        missing = [key for key in ("model", "optimizer", "random", "epoch", "history") if key not in state]
        if missing:
            raise checkpoint.CheckpointError(
                f"checkpoint: {path} is not of a Trainer: it has no '{missing[0]}'"
            )
        checkpoint.check_model(state["model"], self.model, path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        for metric, saved in zip(self.metrics, state["metrics"]):
            metric.load_state_dict(saved)
        for name, callback in self._named_callbacks():
            if name in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][name])
        self.epoch, self.step, self.position = state["epoch"], state["step"], state["position"]
        self._steps_done = state["steps_done"]
        self.history, self.should_stop = state["history"], state["should_stop"]
        self._sums, self._elapsed = state["sums"], state["elapsed"]
        self._loader_state, self._epoch_random = state["loader"], state["epoch_random"]
        random_state.set(state["random"])

    def save(self, path: Any) -> None:
        """Writes a checkpoint (see `checkpoint.save`)."""
        checkpoint.save(self.state_dict(), path)

    def load(self, path: Any) -> None:
        """Goes on from a checkpoint: call `fit` with the same loaders next."""
        self.load_state_dict(checkpoint.load(path), path)

    def _named_callbacks(self) -> Iterator[tuple[str, Callback]]:
        counts: dict[str, int] = {}
        for callback in self.callbacks:
            name = type(callback).__name__
            counts[name] = counts.get(name, 0) + 1
            yield (name if counts[name] == 1 else f"{name}#{counts[name]}"), callback


class _StepRepeatedError(Exception):
    """Ends a repeated step before its update."""
