"""Finding what made a loss or gradient that is not finite: the step runs again, watched by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.autograd import graph
from markone.autograd.anomaly import AnomalyError, detect_anomaly
from markone.ops import isfinite
from markone.train import random_state
from markone.train.arguments import check_batch
from markone.train.metrics import as_numpy

if TYPE_CHECKING:
    from markone.train.trainer import Trainer

__all__ = ["NonFiniteError", "explain_non_finite", "first_culprit", "trace_non_finite"]


class NonFiniteError(ArithmeticError):
    """The training met NaN or infinity: `step` and `epoch` say when (from 1), `culprit` what made it."""

    def __init__(self, message: str, step: int, epoch: int, culprit: str) -> None:
        super().__init__(message)
        self.step = step
        self.epoch = epoch
        self.culprit = culprit


def explain_non_finite(trainer: Trainer, what: str) -> NonFiniteError:
    """The error to raise for the step at work: `what` was seen, the first culprit is looked for here."""
    culprit = _bad_weight(trainer) or _bad_input(trainer.batch) or _bad_operation(trainer)
    step, epoch = trainer.step + 1, trainer.epoch + 1
    return NonFiniteError(
        f"training stopped at step {step} (epoch {epoch}): {what}; {culprit}", step, epoch, culprit
    )


class StepRepeatedError(Exception):
    """Ends a repeated step before its update."""


def smallest_early(parameters: Any) -> Any:
    """The smaller of the first two parameters that learn: its gradient comes last and is cheap to sum."""
    learning = [p for p in parameters if p.requires_grad and p.dtype.is_floating_point]
    return min(learning[:2], key=lambda p: p.numel(), default=None)


def bad_gradient(model: Any) -> str | None:
    """The name of the first parameter whose gradient is not finite."""
    name: str
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not bool(isfinite(parameter.grad).all().item()):
            return name
    return None


def _finite(value: Any) -> bool:
    array = as_numpy(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _bad_weight(trainer: Trainer) -> str | None:
    for name, tensor in trainer.model.state_dict().items():
        if not _finite(tensor):
            return (
                f"the weight '{name}' was not finite before it: the update of step {trainer.step} made it so"
            )
    return None


def _bad_input(batch: Any, path: str = "") -> str | None:
    if isinstance(batch, dict):
        inner: Any = batch.items()
    elif isinstance(batch, (tuple, list)):
        inner = enumerate(batch)
    else:
        if not hasattr(batch, "dtype") or _finite(batch):
            return None
        return f"the batch itself holds a value that is not finite{f' (part {path})' if path else ''}"
    for key, item in inner:
        found = _bad_input(item, f"{path}[{key!r}]")
        if found is not None:
            return found
    return None


class _FoundError(Exception):
    """Ends a repeated step at the first layer that gave infinity, which no operation was seen to make."""


def _bad_operation(trainer: Trainer) -> str:
    return first_culprit(trainer.model, trainer.repeat_step)


def first_culprit(model: Any, run: Callable[[], Any]) -> str:
    """What `run()`, a step of `model`, makes first that is not finite: the operation and its layer."""
    # Which layer made which nodes of the graph: they are numbered as they are made.
    spans: list[tuple[int, int, str]] = []
    begun: list[int] = []

    def enter(module: Any, inputs: Any) -> None:
        begun.append(graph.next_number())

    def leave(name: str) -> Any:
        def look(module: Any, inputs: Any, output: Any) -> None:
            spans.append((begun.pop(), graph.next_number(), name))
            if hasattr(output, "dtype") and not _finite(output):
                raise _FoundError(f"the first layer that made it: {name}, whose output overflowed")

        return look

    handles = []
    for path, module in model.named_modules():
        name = f"{path} ({type(module).__name__})" if path else type(module).__name__
        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave(name)))
    try:
        with detect_anomaly(check_inf=True):
            run()
    except _FoundError as found:
        return str(found)
    except AnomalyError as error:
        text = f"the first operation that made it: {error}"
        if error.node is not None:
            inside = [(end - begin, name) for begin, end, name in spans if begin < error.node.number < end]
            text += f" in {min(inside)[1]}" if inside else ""
        return text
    finally:
        for handle in handles:
            handle.remove()
    return "every layer's output is finite and no operation gave NaN: the loss or its gradient overflowed"


def trace_non_finite(model: Any, batch: Any, loss_fn: Callable[..., Any]) -> str | None:
    """What first gives NaN or infinity in one forward and backward pass of `batch`, None where nothing does.

    Names the batch's part, the weight, or else the operation with its layer, and the loss term that shows it.
    No gradient is kept.

    Args:
        model: a Module. batch: (inputs, target). loss_fn: of (output, target): a Tensor or a dict of terms.
    """
    check_batch("trace_non_finite", batch)
    inputs, target = batch
    found = _bad_input(batch)
    for name, tensor in model.state_dict().items():
        if found is None and not _finite(tensor):
            found = f"the weight '{name}' holds a value that is not finite"
    if found is not None:
        return found
    grads = [(p, p.grad) for p in model.parameters()]
    random = random_state.native()
    bad: list[str] = []

    def run() -> bool:
        """Whether the losses and gradients are finite."""
        loss = loss_fn(model(inputs), target)
        terms = loss if isinstance(loss, dict) else {"": loss}
        bad.extend(name for name, term in terms.items() if not _finite(term))
        values = list(terms.values())
        sum(values[1:], start=values[0]).backward()
        return not bad and all(p.grad is None or _finite(p.grad) for p, _ in grads)

    try:
        for parameter, _ in grads:
            parameter.grad = None
        if run():
            return None
        random_state.set_native(random)
        term = f" (the loss term '{bad[0]}' shows it)" if bad and bad[0] else ""
        return first_culprit(model, run) + term
    finally:
        random_state.set_native(random)
        for parameter, grad in grads:
            parameter.grad = grad
