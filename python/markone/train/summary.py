"""A table of a model's layers: output shapes, parameters, multiply-adds, memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from markone import _C
from markone.autograd import no_grad
from markone.ops import zeros
from markone.tensor import Tensor
from markone.train import random_state

__all__ = ["LayerSummary", "Summary", "summary"]

# Operations whose work is multiply-adds, by the start of their names: two floating-point operations each.
_PRODUCTS = ("linear", "matmul", "conv", "bilinear", "lstm", "gru", "rnn", "attention", "scaled_dot")
_FLOPS = 5  # the place in a call of `_C.end_profile`


@dataclasses.dataclass(frozen=True)
class LayerSummary:
    """One call of a layer without children.

    Attributes:
        parameters: its own, counted where it runs first. mult_adds: of the kernels that it called.
        bytes: of its output.
    """

    name: str
    kind: str
    shape: Any
    parameters: int
    mult_adds: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `summary` found; `str()` is the table.

    Attributes:
        parameters, trainable: of the whole model, shared ones once. mult_adds: of one forward pass.
        parameter_bytes, output_bytes: of the parameters and buffers; of all layers' outputs together.
    """

    layers: list[LayerSummary]
    parameters: int
    trainable: int
    mult_adds: int
    parameter_bytes: int
    output_bytes: int

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("layer", "output", "parameters", "multiply-adds", "output MiB")]
        for layer in self.layers:
            label = f"{layer.name} ({layer.kind})"
            size = f"{layer.bytes / 2**20:.2f}"
            rows.append((label, str(layer.shape), f"{layer.parameters:,}", f"{layer.mult_adds:,}", size))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join(
            [
                lines[0],
                rule,
                *lines[1:],
                rule,
                f"parameters: {self.parameters:,} ({self.trainable:,} trainable), "
                f"{self.parameter_bytes / 2**20:.2f} MiB with buffers",
                f"multiply-adds: {self.mult_adds:,}; outputs: {self.output_bytes / 2**20:.2f} MiB",
            ]
        )


def _shape(output: Any) -> Any:
    if isinstance(output, Tensor):
        return list(output.shape)
    if isinstance(output, (tuple, list)):
        return [_shape(part) for part in output if part is not None]
    return type(output).__name__


def _bytes(output: Any) -> int:
    if isinstance(output, Tensor):
        return int(output.nbytes)
    return sum(map(_bytes, output)) if isinstance(output, (tuple, list)) else 0


def _mult_adds() -> int:
    """Of the kernels that ran since the last call of it."""
    calls = _C.end_profile()
    _C.begin_profile()
    return int(sum(call[_FLOPS] for call in calls if call[0].startswith(_PRODUCTS)) // 2)


def summary(model: Any, input_size: Any = None, *, input_data: Any = None, dtype: Any = None) -> Summary:
    """Runs `model` once on zeros, in eval mode and without gradients, and counts what each layer did.

    Multiply-adds are those of the kernels that were called, layers of one's own included; activations,
    pooling, normalisation and sums count none, as is usual.

    Args:
        input_size: the input's shape with the batch, or a list of several inputs' shapes; tensors here are
            taken as `input_data`.
        input_data: instead: a Tensor or a tuple of them, for inputs that may not be zeros.
        dtype: of the zeros (default: the model's first floating parameter's, or float32).

    Raises:
        ValueError: neither or both of input_size and input_data are given.
        RuntimeError: inside a `profile`, of which there is one at a time.
    """
    if isinstance(input_size, Tensor) or (
        isinstance(input_size, tuple | list) and any(isinstance(part, Tensor) for part in input_size)
    ):
        input_size, input_data = None, input_size
    if (input_size is None) == (input_data is None):
        raise ValueError("summary: wants input_size or input_data, one of them")
    parameters = list(model.parameters())
    if input_data is not None:
        inputs: tuple[Any, ...] = (
            tuple(input_data) if isinstance(input_data, (tuple, list)) else (input_data,)
        )
    else:
        kind = (
            next((p.dtype for p in parameters if p.is_floating_point()), _C.float32)
            if dtype is None
            else dtype
        )
        sizes: Sequence[Any] = [input_size] if isinstance(input_size[0], int) else input_size
        inputs = tuple(zeros(tuple(size), dtype=kind) for size in sizes)
    layers: list[LayerSummary] = []
    met: set[int] = set()
    outside = 0
    names = {id(module): name or type(module).__name__ for name, module in model.named_modules()}

    def begin(_module: Any, _inputs: Any) -> None:
        nonlocal outside
        outside += _mult_adds()

    def end(module: Any, _inputs: Any, output: Any) -> None:
        count = _mult_adds()
        fresh = [p for p in module.parameters() if id(p) not in met]
        met.update(map(id, fresh))
        layers.append(
            LayerSummary(
                names[id(module)],
                type(module).__name__,
                _shape(output),
                sum(p.numel() for p in fresh),
                count,
                _bytes(output),
            )
        )

    handles = []
    for module in model.modules():
        if not list(module.children()):
            handles += [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    modes = [(module, module.training) for module in model.modules()]
    random = random_state.native()
    model.eval()
    _C.begin_profile()
    try:
        with no_grad():
            model(*inputs)
        outside += _mult_adds()
    finally:
        _C.end_profile()
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
        random_state.set_native(random)
    whole = outside + sum(layer.mult_adds for layer in layers)
    return Summary(
        layers,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        whole,
        sum(int(t.nbytes) for t in [*parameters, *model.buffers()]),
        sum(layer.bytes for layer in layers),
    )
