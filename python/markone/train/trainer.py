"""The training loop: steps, validation, callbacks, interruption and exact resume, for one network or several.

A plain loop does the same work in ten lines (docs/tutorials/plain_loop.md shows both); the Trainer adds what
a long run needs around it and leaves the step itself, `train_step`, a plain method to override.
"""

from __future__ import annotations

import copy
import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from markone import _C
from markone.amp import GradScaler
from markone.autograd import no_grad
from markone.nn.containers import ModuleDict
from markone.nn.utils import clip_grad_norm_, clip_grad_value_
from markone.optim.lr_scheduler import ReduceLROnPlateau
from markone.train import checkpoint, random_state, resume
from markone.train.arguments import check_loader, check_loss_and_metrics
from markone.train.callbacks import Callback, monitored
from markone.train.compiled import CompiledSteps
from markone.train.ema import EMA
from markone.train.interruption import Interrupted, Signals
from markone.train.metrics import Metric
from markone.train.nan_guard import (
    NonFiniteError,
    StepRepeatedError,
    explain_non_finite,
    smallest_early,
)
from markone.train.precision import UNSCALED, add_figures, autocast, numbers

__all__ = ["Interrupted", "Trainer"]

_HOOKS = ("on_fit_begin", "on_epoch_begin", "on_step_end", "on_epoch_end", "on_interrupt", "on_fit_end")


class Trainer:
    """Trains one network, `Trainer(model, optimizer, loss)`, or several, `Trainer(step=..., modules=...)`.

    Args:
        model: an nn.Module.
        optimizer: of `markone.optim`, over the model's parameters.
        loss: a callable of (output, target) that returns a scalar Tensor, or a dict of terms to be added.
        step: instead of a loss: `step(trainer, batch)` does one step on all networks and returns its figures
            by name (numbers or one-element Tensors). Each update is a `trainer.minimize(loss, "name")`.
        eval_step: `eval_step(trainer, batch)`: the figures of one validation batch.
        modules, optimizers: the networks and optimisers by name, for a `step` of one's own; `optimizers={}`
            where nothing is learnt by gradients.
        metrics: figures beside the loss, computed on training and validation batches.
        scheduler: of `markone.optim.lr_scheduler`, or a dict of them by the optimiser's name.
        scheduler_interval: "epoch": stepped after each epoch; "step": after each of its optimiser's updates.
        monitor: the column that a ReduceLROnPlateau watches.
        accumulate: gradients of so many batches, averaged, make one update (the rest of an epoch too).
        clip_norm, clip_value: the most that the gradients' norm, or each of their elements, may have.
        ema: the decay of an average of the weights (`trainer.ema`), with which validation is done.
        precision: "float32"; "bfloat16" and "float16" run the forward under autocast, float16 with a
            GradScaler an optimiser (`scalers`).
        callbacks: run in the order of their `priority` (WRITER before EDITOR before READER), then as given.
        check_finite: a loss or gradient that is not finite stops the training with a NonFiniteError that
            names the step, the figure and the first operation which made it.
        compile: the step is recorded and replayed (see `markone.compile`) where it can be; why not is printed
            once and stands in `trainer.compiled.reason`.

    Attributes:
        model: the network, or a ModuleDict of `modules`. optimizers, schedulers: dicts by name.
        epoch: how many epochs are done. step: how many steps in all. position: steps done of this epoch.
        history: a dict an epoch: epoch, step, train_loss, train_<metric>, val_loss, ..., lr, seconds.
        should_stop: a callback sets it to end the training after this epoch.
    """

    def __init__(
        self,
        model: Any = None,
        optimizer: Any = None,
        loss: Any = None,
        *,
        step: Callable[[Any, Any], Mapping[str, Any]] | None = None,
        eval_step: Callable[[Any, Any], Mapping[str, Any]] | None = None,
        modules: Mapping[str, Any] | None = None,
        optimizers: Mapping[str, Any] | None = None,
        metrics: Sequence[Metric] = (),
        scheduler: Any = None,
        scheduler_interval: str = "epoch",
        monitor: str = "val_loss",
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        ema: float | None = None,
        precision: str = "float32",
        callbacks: Sequence[Callback] = (),
        check_finite: bool = True,
        compile: bool = True,
    ) -> None:
        if (model is None) == (modules is None):
            raise ValueError("Trainer: wants a model or modules={name: network}, one of them")
        if (optimizer is None) == (optimizers is None):
            raise ValueError("Trainer: wants an optimizer or optimizers={name: optimiser}, one of them")
        if accumulate < 1:
            raise ValueError(f"Trainer: got accumulate={accumulate}, wants 1 or more")
        if scheduler_interval not in ("epoch", "step"):
            raise ValueError(
                f"Trainer: got scheduler_interval='{scheduler_interval}', wants 'epoch' or 'step'"
            )
        check_loss_and_metrics(loss, metrics)
        self.modules: dict[str, Any] = {"model": model} if modules is None else dict(modules)
        self.model: Any = ModuleDict(modules) if modules is not None else model
        self.optimizers: dict[str, Any] = {"optimizer": optimizer} if optimizers is None else dict(optimizers)
        self.optimizer: Any = next(iter(self.optimizers.values()), None)
        self._first = next(iter(self.optimizers), "optimizer")  # whose name may be left out
        given = scheduler if isinstance(scheduler, Mapping) else {self._first: scheduler} if scheduler else {}
        for name in given:
            self._optimizer_named(name)
        self.schedulers: dict[str, Any] = {name: s for name, s in given.items() if s is not None}
        self.scheduler: Any = next(iter(self.schedulers.values()), None)
        self.scheduler_interval = scheduler_interval
        self.monitor = monitor
        self.loss = loss
        self.accumulate = accumulate
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.ema = None if ema is None else EMA(self.model, ema)
        self.precision = precision
        autocast(precision)
        self.scalers = {name: GradScaler("cpu") for name in self.optimizers} if precision == "float16" else {}
        self._step, self._eval_step = step, eval_step
        self._several = modules is not None
        # How many backward passes stand in the gradients, by optimiser.
        self._gathered = dict.fromkeys(self.optimizers, 0)
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
        self._signals = Signals()
        self._loader_state: Any = None
        self._epoch_random: dict[str, Any] | None = None
        self._step_random: Any = None
        self._explaining = False
        self._probe = smallest_early(self.model.parameters())
        self.compiled = CompiledSteps(self, compile, Trainer)

    # -- The step

    def train_step(self, batch: Any) -> Mapping[str, Any]:
        """One step on one batch: forward, backward, update. Override it or pass `step` for other ways.

        Returns the figures to average over the epoch, by name; each has its column (`train_<name>`).
        """
        if self._step is not None:
            step = getattr(self._step, "__wrapped__", self._step) if self._explaining else self._step
            return step(self, batch)
        if self.compiled.trains and not self._explaining:
            figures = self.compiled.train_step(batch)
            if figures is not None:
                return figures
        inputs, target = batch
        output = self.model(inputs)
        loss = self.loss(output, target)
        terms = {}
        if isinstance(loss, Mapping):
            terms = self._terms(loss)
            loss = sum(list(loss.values())[1:], start=next(iter(loss.values())))
        value = self.minimize(loss)
        for metric in self.metrics:
            metric.update(output, target)
        return {"loss": value, **terms}

    def eval_step(self, batch: Any) -> Mapping[str, Any]:
        """One batch of validation or test, without gradients, in eval mode. Override beside `train_step`."""
        if self._eval_step is not None:
            return self._eval_step(self, batch)
        if self.compiled.evaluates:
            figures = self.compiled.eval_step(batch)
            if figures is not None:
                return figures
        inputs, target = batch
        output = self.model(inputs)
        for metric in self.metrics:
            metric.update(output, target)
        loss = self.loss(output, target)
        if isinstance(loss, Mapping):
            terms = numbers(loss)
            return {"loss": sum(terms.values()), **terms}
        return {"loss": loss.item()}

    def _terms(self, losses: Mapping[str, Any]) -> dict[str, float]:
        terms = numbers(losses)
        if self.check_finite and not self._explaining:
            for name, value in terms.items():
                if not math.isfinite(value):
                    raise self._non_finite(f"the loss term '{name}' is {value}")
        return terms

    def minimize(self, loss: Any, optimizer: str | None = None) -> float:
        """One optimiser's step down `loss` (one element): backward, and the update when its turn has come.

        With several networks only the parameters of this optimiser get gradients. Returns the loss.
        """
        name = self._first if optimizer is None else optimizer
        chosen = self._optimizer_named(name)
        if self._gathered[name] == 0:
            chosen.zero_grad()
        inputs = [p for group in chosen.param_groups for p in group["params"]] if self._several else None
        whose = f" of '{name}'" if self._several else ""
        small = loss if self.accumulate == 1 else loss * (1.0 / self.accumulate)
        scaler = self.scalers.get(name, UNSCALED)
        value = self.backward(scaler.scale(small), inputs, whose)
        self._count_gathered(name)
        return loss.detach() if _C.is_recording() else value * self.accumulate / scaler.get_scale()

    def _count_gathered(self, name: str) -> None:
        self._gathered[name] += 1
        if self._gathered[name] == self.accumulate:
            self.update(name)

    def update(self, optimizer: str | None = None) -> None:
        """Clips the gradients that are there, then steps the optimiser, its schedule and the average."""
        name = self._first if optimizer is None else optimizer
        self._optimizer_named(name)
        if self._explaining:
            return
        if self.compiled.updates:
            self.compiled.update(name)
        else:
            self._apply(name)
        self._gathered[name] = 0

    def _apply(self, name: str) -> None:
        chosen = self.optimizers[name]
        scaler = self.scalers.get(name)
        if scaler is not None:
            scaler.unscale_(chosen)
        if self.clip_norm is not None or self.clip_value is not None:
            parameters = [p for group in chosen.param_groups for p in group["params"]]
            if self.clip_value is not None:
                clip_grad_value_(parameters, self.clip_value)
            if self.clip_norm is not None:
                clip_grad_norm_(parameters, self.clip_norm)
        if scaler is None:
            chosen.step()
        else:
            scaler.step(chosen)
            scaler.update()
        if self.scheduler_interval == "step" and name in self.schedulers:
            scheduler = self.schedulers[name]
            if not isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step()
        if self.ema is not None and name == next(reversed(self.optimizers)):
            self.ema.update()

    def autocast(self) -> AbstractContextManager[Any]:
        """The mode in which a step's forward runs: nothing for float32."""
        return autocast(self.precision)

    def _optimizer_named(self, name: str) -> Any:
        if name not in self.optimizers:
            raise ValueError(f"Trainer: there is no optimiser '{name}' among {list(self.optimizers)}")
        return self.optimizers[name]

    def backward(self, loss: Any, inputs: Any = None, name: str = "") -> float:
        """`loss.backward(inputs=inputs)` with the checks of `check_finite`; returns the loss as a number."""
        if _C.is_recording():
            return self.compiled.backward(loss, inputs, name)
        value: float = loss.item()
        if not self.check_finite or self._explaining:
            loss.backward(inputs=inputs)
            if self._explaining and not self._several:
                raise StepRepeatedError
            return value
        if not math.isfinite(value):
            raise self._non_finite(f"the loss{name} is {value}")
        loss.backward(inputs=inputs)
        if self.scalers:  # a step whose gradients overflow is left out
            return value
        # What goes wrong in any layer's backward reaches the first layer, so one small sum watches them all.
        probe = self._probe if inputs is None else smallest_early(inputs)
        if probe is not None and probe.grad is not None and not math.isfinite(probe.grad.sum().item()):
            self.compiled.blame(value, name)
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
        check_loader(train_loader)
        self.train_loader, self.val_loader, self.epochs = train_loader, val_loader, epochs
        if self._loader_state is not None:
            train_loader.load_state_dict(self._loader_state)  # type: ignore[attr-defined]
            self._loader_state = None
        self.model.train()
        try:
            with self._signals.watched():
                self._call("on_fit_begin")
                while self.epoch < epochs and not self.should_stop:
                    self._run_epoch()
        except BaseException as error:
            if isinstance(error, Interrupted):
                error = self._interrupted()
            # A callback that fails now, its picture on a full disk, must not hide what went wrong.
            for hook in self._hooks["on_fit_end"]:
                with suppress(Exception):
                    hook(self)
            raise error from error.__cause__
        self._call("on_fit_end")
        return self.history

    def _interrupted(self) -> BaseException:
        """Lets the callbacks save; what to raise: how far it came, or why it could not be saved."""
        self._elapsed += time.perf_counter() - self._epoch_start
        self._epoch_start = time.perf_counter()
        try:
            self._call("on_interrupt")
        except Exception as error:
            return error
        where = f"in epoch {self.epoch + 1} after step {self.step}"
        saved = f"saved to {self.saved_to}" if self.saved_to else "nothing was saved (no Checkpoint callback)"
        return Interrupted(f"interrupted {where}; {saved}", self._signals.caught or signal.SIGINT)

    def evaluate(self, loader: Iterable[Any], metrics: Sequence[Metric] | None = None) -> dict[str, float]:
        """The mean of each figure of `eval_step` over `loader`, and `metrics` (default: the Trainer's)."""
        mine, was_training = self.metrics, self.model.training
        self.metrics = copy.deepcopy(mine) if metrics is None else list(metrics)
        for metric in self.metrics:
            metric.reset()
        sums: dict[str, list[float]] = {}
        self.model.eval()
        try:
            with no_grad(), self.autocast(), self.ema.applied() if self.ema is not None else nullcontext():
                for batch in loader:
                    add_figures(sums, numbers(self.eval_step(batch)), self.batch_size(batch))
                    self._signals.stop_if_asked()
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
        self.compiled.begin_epoch()
        self._call("on_epoch_begin")
        if not self._steps_done:
            self._run_steps()
            self._steps_done = True

        row: dict[str, float] = {"epoch": self.epoch + 1, "step": self.step}
        row.update({f"train_{name}": value for name, value in self._means(self._sums).items()})
        if self.val_loader is not None:
            row.update({f"val_{name}": value for name, value in self.evaluate(self.val_loader).items()})
        for name, optimizer in self.optimizers.items():
            row["lr" if len(self.optimizers) == 1 else f"lr_{name}"] = float(optimizer.param_groups[0]["lr"])
        row["seconds"] = round(self._elapsed + time.perf_counter() - self._epoch_start, 3)
        for scheduler in self.schedulers.values():
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(monitored(self, self.monitor, "ReduceLROnPlateau", row))
            elif self.scheduler_interval == "epoch":
                scheduler.step()
        self.history.append(row)
        self.epoch += 1
        self.position = 0
        self._steps_done = False
        self._call("on_epoch_end")

    def _run_steps(self) -> None:
        step_end = self._hooks["on_step_end"]
        sums, train_step, batch_size = self._sums, self.train_step, self.batch_size
        check, signals = self.check_finite, self._signals
        for batch in self._batches():
            self.batch = batch
            if check:
                self._step_random = random_state.native()
            if self.precision == "float32":
                values = numbers(train_step(batch))
            else:
                with self.autocast():
                    values = numbers(train_step(batch))
            add_figures(sums, values, batch_size(batch))
            self.step += 1
            self.position += 1
            if check and not all(map(math.isfinite, values.values())):
                name = next(name for name, value in values.items() if not math.isfinite(value))
                self.step -= 1
                raise self._non_finite(f"{name} is {values[name]}")
            for hook in step_end:
                hook(self)
            if signals.caught is not None:
                signals.stop_if_asked()
        self.batch = None
        for name, count in self._gathered.items():
            if count:
                self.update(name)

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

    def _means(self, sums: dict[str, list[float]]) -> dict[str, float]:
        means = {name: total / count for name, (total, count) in sums.items()}
        means.update({metric.name: metric.compute() for metric in self.metrics})
        return means

    def _call(self, name: str) -> None:
        for hook in self._hooks[name]:
            hook(self)

    # -- Values that are not finite

    def _non_finite(self, what: str) -> NonFiniteError:
        return explain_non_finite(self, what)

    def repeat_step(self) -> None:
        """Runs the step at work again with its random numbers, up to the end of its backward: no update."""
        self._explaining = True
        random_state.set_native(self._step_random)
        try:
            self.train_step(self.batch)
        except StepRepeatedError:
            pass
        finally:
            self._explaining = False

    # -- State

    def state_dict(self) -> dict[str, Any]:
        """All that a run killed here needs to end with the same bits; see `checkpoint.save`."""
        return resume.state_of(self)

    def load_state_dict(self, state: dict[str, Any], path: Any = "the checkpoint") -> None:
        """Takes back what `state_dict` gave; the model, optimizer, loader and callbacks are made as before.

        Raises:
            CheckpointError: the state is of another model (names the first key that differs) or incomplete.
        """
        resume.restore(self, state, path)

    def save(self, path: Any) -> None:
        """Writes a checkpoint (see `checkpoint.save`)."""
        checkpoint.save(self.state_dict(), path)

    def load(self, path: Any) -> None:
        """Goes on from a checkpoint: call `fit` with the same loaders next."""
        self.load_state_dict(checkpoint.load(path), path)
