"""The Trainer's own step, compiled: gradients, update and validation, each recorded and replayed.

Between gradients and update the figures are looked at, so a loss that is not finite stops the training with
the weights as they were before the step.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from markone import _C
from markone._C import CompiledStep
from markone._context import host_action, unrecorded
from markone.autograd import no_grad
from markone.compile import CompileError, compile
from markone.tensor import Tensor
from markone.train import random_state
from markone.train.nan_guard import bad_gradient, smallest_early
from markone.train.precision import numbers

if TYPE_CHECKING:
    from markone.train.trainer import Trainer

__all__ = ["CompiledSteps"]

# The two runs of a step are compared again at the beginning of an epoch, but not before so many replays:
# with a few batches an epoch there would be nothing but comparisons.
_REPLAYS_BETWEEN_COMPARISONS = 200


class CompiledSteps:
    """What `Trainer(compile=True)` runs instead of its plain step; `reason` says why it does not."""

    def __init__(self, trainer: Trainer, wanted: bool, base: type[Trainer]) -> None:
        self.trainer = trainer
        self.reason: str | None = None if wanted else "compile=False"
        kind = type(trainer)
        self._gradients: Any = compile(self._run_gradients)
        self._apply: Any = compile(self._run_update)
        self._evaluate: Any = compile(self._run_evaluation)
        self._gradients.controller.before_recording = self._keep_state
        self._kept: list[Any] = []
        self._replays = 0
        self._seen: dict[str, Any] = {}  # by the optimiser's name
        self.updates = wanted and kind.update is base.update
        self.evaluates = wanted and kind.eval_step is base.eval_step and trainer._eval_step is None
        self.trains = False
        if not wanted:
            return
        if trainer._step is not None:
            if not isinstance(trainer._step, CompiledStep):
                self._refuse("it is one of your own; pass step=mo.compile(step)")
        elif any(getattr(kind, n) is not getattr(base, n) for n in ("train_step", "minimize", "backward")):
            self._refuse(f"{kind.__name__} overrides train_step, minimize or backward")
        else:
            self.trains = True

    def _refuse(self, reason: str) -> None:
        """Once and for all, said once: the step stays plain."""
        if self.reason is None:
            self.reason = reason
            print(f"Trainer: the step is not compiled: {reason}", file=sys.stderr)

    def begin_epoch(self) -> None:
        """From time to time the step runs in Python again and is compared with its recording."""
        if self._replays >= _REPLAYS_BETWEEN_COMPARISONS:
            self._replays = 0
            for step in (self._gradients, self._apply):
                step.recheck()

    def _call(self, step: Any, what: str, again: Callable[[], None], *args: Any) -> Any:
        """The step's result; None where it cannot be recorded and what it did was undone by `again`."""
        try:
            return step(*args)
        except CompileError as error:
            setattr(self, what, False)
            self._refuse(str(error))
            if error.completed:
                return error.result
            again()
            return None
        finally:
            self._kept.clear()

    # -- training

    def train_step(self, batch: Any) -> Mapping[str, float] | None:
        """One step of the Trainer with its figures; None where the plain step has to do it."""
        trainer = self.trainer
        self._replays += 1
        inputs, target = batch
        name = trainer._first
        first = trainer._gathered[name] == 0
        found = self._call(self._gradients, "trains", self._put_back, inputs, target, first)
        if found is None:
            return None
        scaled, losses, probe, output = found
        terms = trainer._terms(losses)
        value = scaled.item() * trainer.accumulate
        if trainer.check_finite:
            if not math.isfinite(value):
                raise trainer._non_finite(f"the loss is {value}")
            if probe is not None and not math.isfinite(probe.item()):
                self.blame(value, "")
        trainer._count_gathered(name)
        for metric in trainer.metrics:
            metric.update(output, target)
        return {"loss": value, **terms}

    def _run_gradients(self, inputs: Any, target: Any, first: bool) -> Any:
        trainer = self.trainer
        if first:
            trainer.optimizer.zero_grad()
        output = trainer.model(inputs)
        loss = trainer.loss(output, target)
        terms: dict[str, Any] = {}
        if isinstance(loss, Mapping):
            terms = dict(loss)
            loss = sum(list(loss.values())[1:], start=next(iter(loss.values())))
        factor = 1.0 / trainer.accumulate
        scaled = loss if factor == 1.0 else loss * factor
        scaler = next(iter(trainer.scalers.values()), None)
        (scaled if scaler is None else scaler.scale(scaled)).backward()
        # With a scaler a step whose gradients overflow is left out.
        probe = trainer._probe if trainer.check_finite and scaler is None else None
        watched = None if probe is None or probe.grad is None else probe.grad.sum()
        return scaled, terms, watched, output if trainer.metrics else None

    def _keep_state(self) -> None:
        """Before the step runs in Python to be recorded: what it changes before it can turn out that it
        cannot be."""
        model = self.trainer.model
        with no_grad():
            buffers = [(b, b.clone()) for b in model.buffers()]
            grads = [(p, p.grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
        self._kept[:] = [buffers, grads, random_state.get()]

    def _put_back(self) -> None:
        if not self._kept:
            return
        buffers, grads, random = self._kept
        with no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
            for parameter, grad, value in grads:
                if grad is not None:
                    grad.copy_(value)
                parameter.grad = grad
        random_state.set(random)

    # -- the update

    def update(self, name: str) -> None:
        """Clipping, the optimiser's step, its schedule and the average."""
        self._call(self._apply, "updates", self._cannot, name)

    def _run_update(self, name: str) -> bool:
        self.trainer._apply(name)
        return True

    def _cannot(self) -> None:
        raise CompileError(f"{self.reason}; make the Trainer with compile=False")

    # -- a step of one's own that is compiled

    def backward(self, loss: Any, inputs: Any, name: str) -> Any:
        """`Trainer.backward` while it is recorded: a replay looks at the loss, and at the sum of the first
        layer's gradient, before it goes on to the update. Gives the loss as a tensor."""
        trainer = self.trainer
        if trainer.accumulate > 1:
            raise CompileError("Trainer: with accumulate the calls of a step of your own are not all alike")
        if not trainer.check_finite:
            loss.backward(inputs=inputs)
            return loss.detach()
        seen = self._seen.get(name)
        if seen is None:
            with unrecorded():
                seen = self._seen[name] = Tensor(_C.full((2,), _C.float64, 0.0))
        seen[0] = loss.detach()
        loss.backward(inputs=inputs)
        probe = trainer._probe if inputs is None else smallest_early(inputs)
        if probe is None or probe.grad is None or trainer.scalers:
            seen[1] = 0.0
        else:
            seen[1] = probe.grad.sum()
        self._look_at(name)
        return loss.detach()

    @host_action
    def _look_at(self, name: str) -> None:
        value, probe = self._seen[name].tolist()
        if not math.isfinite(value):
            raise self.trainer._non_finite(f"the loss{name} is {value}")
        if not math.isfinite(probe):
            self.blame(value, name)

    def blame(self, value: float, name: str) -> None:
        """Raises where a gradient is not finite, and says which."""
        bad = bad_gradient(self.trainer.model)
        if bad is not None:
            raise self.trainer._non_finite(
                f"the loss{name} is {value:.6g} but the gradient of '{bad}' is not finite"
            )

    # -- validation

    def eval_step(self, batch: Any) -> Mapping[str, float] | None:
        """The figures of one validation batch; None where the plain step has to do it."""
        inputs, target = batch
        found = self._call(
            self._evaluate, "evaluates", lambda: None, inputs, target, bool(self.trainer.metrics)
        )
        if found is None:
            return None
        loss, output = found
        for metric in self.trainer.metrics:
            metric.update(output, target)
        if isinstance(loss, Mapping):
            terms = numbers(loss)
            return {"loss": sum(terms.values()), **terms}
        return {"loss": loss.item()}

    def _run_evaluation(self, inputs: Any, target: Any, wants_output: bool) -> Any:
        output = self.trainer.model(inputs)
        return self.trainer.loss(output, target), output if wants_output else None
