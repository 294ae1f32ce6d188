"""From a case to something to call: in markone and PyTorch, whose names are the same, by one path."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from markone.bench.case import Case, CaseError, Spec

__all__ = ["Prepared", "build", "values"]


@dataclass
class Prepared:
    """What a case is in one library: `call` gives a tensor or tensors, whose gradients are by these."""

    call: Callable[[], Any]
    inputs: Sequence[Any] = ()
    weights: Sequence[Any] = ()


def values(spec: Spec, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """The elements of one argument, the same for every library."""
    if spec.value is not None:
        return np.full(spec.shape, spec.value, np.int64 if spec.integer else np.float32)
    if spec.below is not None:
        numbers = rng.integers(spec.offset, spec.below, spec.shape)
        return numbers.astype(bool) if spec.truth else numbers
    x = np.asarray(rng.standard_normal(spec.shape, dtype=np.float32))
    return np.exp(x) if spec.positive else x


def find(lib: Any, path: str) -> Any:
    """`nn.functional.conv2d` of a library; CaseError where it has none."""
    here = lib
    for part in path.split("."):
        try:
            here = getattr(here, part)
        except AttributeError as error:
            raise CaseError(f"{lib.__name__} has no {path}") from error
    return here


def _tensor_of(lib: Any, spec: Spec, rng: np.random.Generator) -> Any:
    tensor = lib.from_numpy(values(spec, rng))
    return tensor.to(getattr(lib, spec.dtype)) if spec.dtype else tensor


def _function(lib: Any, case: Case, device: str) -> Prepared:
    fn, rng = find(lib, case.fn), np.random.default_rng(0)
    tensors = [(s, _tensor_of(lib, s, rng).to(device)) for s in (*case.inputs, *case.weights)]
    positional = [*(t for s, t in tensors if s.name is None), *case.rest]
    keywords = {**case.args, **{s.name: t for s, t in tensors if s.name is not None}}
    count = len(case.inputs)
    inputs = [t for s, t in tensors[:count] if s.grad and not s.integer]
    weights = [t for s, t in tensors[count:] if s.grad and not s.integer]
    return Prepared(lambda: fn(*positional, **keywords), inputs, weights)


def build(library: str, case: Case, device: str = "cpu") -> tuple[Callable[[], Any], Any]:
    """(the timed function, what one call of the forward pass gave or None) in `markone` or `torch`."""
    from markone.bench.programs import PROGRAMS

    lib: Any = importlib.import_module(library)
    lib.manual_seed(0)
    make = PROGRAMS.get(case.fn)
    ready = make(lib, case, device) if make else _function(lib, case, device)
    run, output = _passes(lib, case, ready), _tensor(ready.call())
    output = output if hasattr(output, "shape") else None
    if device == "cpu":
        return run, output
    synchronize = lib.cuda.synchronize

    def run_on_device() -> None:
        run()
        synchronize()

    return run_on_device, output


def _tensor(result: Any) -> Any:
    """The first of several results."""
    while isinstance(result, (tuple, list)):
        result = result[0]
    return result


def _passes(lib: Any, case: Case, ready: Prepared) -> Callable[[], Any]:
    """Each pass, for any function: its gradients are those that autograd.grad is asked for."""
    which = case.which
    if which == "forward":
        return ready.call
    wanted = {
        "input_grad": list(ready.inputs),
        "weight_grad": list(ready.weights),
    }.get(which, [*ready.inputs, *ready.weights])
    if which == "input_grad":
        wanted = wanted[:1]
    if not wanted:
        raise CaseError(f"{case.name} has nothing whose gradient is its {which}")
    for tensor in wanted:
        tensor.requires_grad_(True)
    if which == "graph":
        return ready.call
    grad = lib.autograd.grad
    y = _tensor(ready.call())
    g = lib.ones_like(y) if y.ndim == 0 else lib.randn(*y.shape).to(y.device).to(y.dtype)
    if which == "step":
        return lambda: grad(_tensor(ready.call()), wanted, g)
    return lambda: grad(y, wanted, g, retain_graph=True)
