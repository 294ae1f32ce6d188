"""A look at a network before a long training: one forward and backward pass, measured layer by layer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from markone.autograd import no_grad
from markone.nn import Sigmoid, Softsign, Tanh
from markone.ops import zeros_like
from markone.tensor import Tensor
from markone.train import random_state
from markone.train.arguments import check_batch
from markone.train.metrics import as_numpy

__all__ = ["Diagnosis", "LayerReport", "ParameterReport", "diagnose"]

# Outputs this near to a limit have a derivative below about a tenth of the largest.
_LIMITS: dict[type, tuple[float, float]] = {
    Sigmoid: (0.025, 0.975),
    Tanh: (-0.95, 0.95),
    Softsign: (-0.7, 0.7),
}


@dataclasses.dataclass(frozen=True)
class LayerReport:
    """One layer's output: mean, variance, the shares of units always 0 and of saturated values."""

    name: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    variance: float
    dead: float
    saturated: float


@dataclasses.dataclass(frozen=True)
class ParameterReport:
    """One parameter: the norms of itself and its gradient, and that of an update over its own."""

    name: str
    weight_norm: float
    gradient_norm: float
    update_ratio: float


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` measured. `findings` are its sentences; `str()` is the whole report.

    Attributes:
        loss: of this batch. chance_loss: what an output of zeros, that knows nothing, would have.
        layers: in the order in which they ran. parameters: in the module's order.
    """

    loss: float
    chance_loss: float
    layers: list[LayerReport]
    parameters: list[ParameterReport]
    update: str
    findings: list[str]

    def __str__(self) -> str:
        lines = [f"loss {self.loss:.4g}; an output of zeros has {self.chance_loss:.4g}", ""]
        rows: list[Any] = [("layer", "output", "mean", "variance", "dead", "saturated")]
        rows += [
            (f"{r.name} ({r.kind})", str(list(r.shape)), f"{r.mean:.3g}", f"{r.variance:.3g}",
             f"{100 * r.dead:.0f} %", f"{100 * r.saturated:.0f} %")
            for r in self.layers
        ]  # fmt: skip
        lines += _columns(rows)
        rows = [("parameter", "‖w‖", "‖∂L/∂w‖", f"‖Δw‖/‖w‖ ({self.update})")]
        rows += [
            (p.name, f"{p.weight_norm:.3g}", f"{p.gradient_norm:.3g}", f"{p.update_ratio:.2e}")
            for p in self.parameters
        ]
        lines += ["", *_columns(rows), ""]
        return "\n".join([*lines, *(f"- {text}" for text in self.findings or ["nothing unusual"])])


def _columns(rows: list[Any]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _total(terms: Any) -> Any:
    if not isinstance(terms, dict):
        return terms
    values = list(terms.values())
    return sum(values[1:], start=values[0])


def diagnose(
    model: Any,
    batch: Any,
    loss_fn: Callable[..., Any],
    optimizer: Any = None,
    lr: float = 0.01,
) -> Diagnosis:
    """Runs one batch forward and backward in training mode and reports what a practitioner would look at.

    Dead units (Lu et al. 2019), saturation and the variance of activations by depth (Glorot and Bengio 2010),
    gradient norms, update-to-weight ratios (about 1e-3 is usual), the loss against that of knowing nothing.
    Weights, buffers, gradients, optimiser and random state are put back.

    Args:
        model: a Module. batch: (inputs, target). loss_fn: of (output, target); a dict of terms is added up.
        optimizer: whose step gives the updates; without one they are those of plain gradient descent at `lr`.
    """
    check_batch("diagnose", batch)
    inputs, target = batch
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = [(p, p.grad) for p in model.parameters()]
    training, random = model.training, random_state.get()
    saved = None if optimizer is None else _copied(optimizer.state_dict())
    layers: list[LayerReport] = []
    names = {id(module): name or type(module).__name__ for name, module in model.named_modules()}

    def look(module: Any, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point() and output.numel():
            layers.append(_layer(names[id(module)], module, as_numpy(output).astype(np.float64)))

    handles = [m.register_forward_hook(look) for m in model.modules() if not list(m.children())]
    try:
        model.train()
        for parameter, _ in grads:
            parameter.grad = None
        output = model(inputs)
        loss = _total(loss_fn(output, target))
        loss.backward()
        with no_grad():
            chance = (
                float(_total(loss_fn(zeros_like(output), target))) if isinstance(output, Tensor) else math.nan
            )
        parameters = _parameters(model, optimizer, lr)
    finally:
        for handle in handles:
            handle.remove()
        model.load_state_dict(state)
        model.train(training)
        for parameter, grad in grads:
            parameter.grad = grad
        if optimizer is not None:
            optimizer.load_state_dict(saved)
        random_state.set(random)
    update = f"gradient descent, lr {lr:g}" if optimizer is None else type(optimizer).__name__
    value = float(loss)
    return Diagnosis(value, chance, layers, parameters, update, _findings(value, chance, layers, parameters))


def _copied(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree.detach().clone()
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_copied(value) for value in tree)
    return tree


def _layer(name: str, module: Any, y: np.ndarray) -> LayerReport:
    # A unit is a channel [N, C, ...] or an element of the last dimension [N, ..., C].
    units = np.moveaxis(y, 1 if y.ndim > 3 else -1, 0).reshape(
        -1 if y.ndim == 0 else y.shape[1 if y.ndim > 3 else -1], -1
    )
    low, high = _LIMITS.get(type(module), (-math.inf, math.inf))
    return LayerReport(
        name,
        type(module).__name__,
        tuple(y.shape),
        float(y.mean()),
        float(y.var()),
        float((units == 0).all(axis=1).mean()),
        float(((y < low) | (y > high)).mean()),
    )


def _parameters(model: Any, optimizer: Any, lr: float) -> list[ParameterReport]:
    named = [(name, p) for name, p in model.named_parameters() if p.grad is not None]
    before = [as_numpy(p).astype(np.float64) for _, p in named]
    grads = [as_numpy(p.grad).astype(np.float64) for _, p in named]
    if optimizer is None:
        after = [w - lr * g for w, g in zip(before, grads, strict=True)]
    else:
        before = [w.copy() for w in before]
        optimizer.step()
        after = [as_numpy(p).astype(np.float64) for _, p in named]
    out = []
    for (name, _), w, g, new in zip(named, before, grads, after, strict=True):
        norm, step = float(np.linalg.norm(w)), float(np.linalg.norm(new - w))
        out.append(ParameterReport(name, norm, float(np.linalg.norm(g)), step / norm if norm else math.inf))
    return out


def _findings(
    loss: float, chance: float, layers: list[LayerReport], parameters: list[ParameterReport]
) -> list[str]:
    found = []
    if not math.isfinite(loss):
        found.append(f"the loss is {loss}: trace_non_finite names what made it")
    elif loss > 1.5 * chance and math.isfinite(chance):
        found.append(
            f"the loss {loss:.3g} is above that of knowing nothing, {chance:.3g}: large outputs at the start"
        )
    for layer in layers:
        if layer.dead > 0.2 and layer.kind != "Dropout":
            found.append(f"{layer.name} ({layer.kind}): {100 * layer.dead:.0f} % of its units are always 0")
        if layer.saturated > 0.3:
            found.append(
                f"{layer.name} ({layer.kind}): {100 * layer.saturated:.0f} % of its values saturated"
            )
    deep = [layer for layer in layers if layer.variance > 0]
    if len(deep) > 2:
        change = deep[-2].variance / deep[0].variance
        if change < 1e-3 or change > 1e3:
            what = "vanishes" if change < 1 else "explodes"
            found.append(
                f"the variance of the activations {what} with depth: {deep[0].variance:.2g} at {deep[0].name}"
                f", {deep[-2].variance:.2g} at {deep[-2].name}"
            )
    weights = [p for p in parameters if p.gradient_norm > 0 and "bias" not in p.name]
    for p in parameters:
        if p.gradient_norm == 0:
            found.append(f"{p.name}: its gradient is 0")
        elif math.isfinite(p.update_ratio) and p.update_ratio > 0.1:
            found.append(f"{p.name}: an update changes it by {100 * p.update_ratio:.0f} %: large")
    if len(weights) > 1 and weights[0].gradient_norm < 1e-4 * weights[-1].gradient_norm:
        found.append(
            f"gradients vanish on the way down: {weights[-1].gradient_norm:.2g} at {weights[-1].name}, "
            f"{weights[0].gradient_norm:.2g} at {weights[0].name}"
        )
    return found
