"""Cases that are more than one function: sequences, optimisers, networks, whole training steps.

Each takes (the library, the case, the device) and serves markone and PyTorch alike.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from markone.bench.build import Prepared, values
from markone.bench.case import Case
from markone.bench.networks import sequential

__all__ = ["PROGRAMS"]


def _tensor(lib: Any, array: Any, device: str) -> Any:
    # In each library's own memory, as tensors in a network are; a cache line does not begin with NumPy's.
    return lib.tensor(np.ascontiguousarray(array)).to(device)


def _recurrent(name: str) -> Callable[[Any, Case, str], Prepared]:
    """x is [T, B, features]; `hidden` units; what else is given goes to the module."""

    def make(lib: Any, case: Case, device: str) -> Prepared:
        args = dict(case.args)
        x = _tensor(lib, values(case.inputs[0], np.random.default_rng(0)), device)
        module = getattr(lib.nn, name)(x.shape[2], args.pop("hidden"), **args).to(device)
        weights = list(module.parameters())
        if case.which in ("forward", "input_grad"):
            for weight in weights:
                weight.requires_grad_(False)
        return Prepared(lambda: module(x)[0], [x], weights)

    return make


def _optimizer(lib: Any, case: Case, device: str) -> Prepared:
    """One step over parameters of the shapes in `weights`, which all have gradients."""
    args = dict(case.args)
    rng = np.random.default_rng(0)
    parameters = [lib.nn.Parameter(_tensor(lib, values(s, rng), device)) for s in case.weights]
    for parameter in parameters:
        parameter.grad = lib.randn(*parameter.shape).to(device)
    optimizer = getattr(lib.optim, args.pop("name"))(parameters, **args)
    return Prepared(optimizer.step)


def _clip(lib: Any, case: Case, device: str) -> Prepared:
    rng = np.random.default_rng(0)
    parameters = [lib.nn.Parameter(_tensor(lib, values(s, rng), device)) for s in case.weights]
    for parameter in parameters:
        parameter.grad = lib.randn(*parameter.shape).to(device)
    clip = lib.nn.utils.clip_grad_norm_
    return Prepared(lambda: clip(parameters, 1e9))


def _join(name: str) -> Callable[[Any, Case, str], Prepared]:
    """cat and stack, which take a list."""

    def make(lib: Any, case: Case, device: str) -> Prepared:
        rng = np.random.default_rng(0)
        tensors = [_tensor(lib, values(s, rng), device) for s in case.inputs]
        fn = getattr(lib, name)
        return Prepared(lambda: fn(tensors, **case.args), tensors)

    return make


def _getitem(lib: Any, case: Case, device: str) -> Prepared:
    """x[index], by a tensor of whole numbers."""
    rng = np.random.default_rng(0)
    x, index = (_tensor(lib, values(s, rng), device) for s in case.inputs)
    return Prepared(lambda: x[index], [x])


def _copy(lib: Any, case: Case, device: str) -> Prepared:
    """A contiguous copy of x with its dimensions permuted."""
    x = _tensor(lib, values(case.inputs[0], np.random.default_rng(0)), device).permute(*case.args["dims"])
    return Prepared(lambda: x.contiguous(), [x])


# -- Networks


def _inference(compiled: Callable[[Any], bool]) -> Callable[[Any, Case, str], Prepared]:
    """A network's forward pass in evaluation mode without a graph."""

    def make(lib: Any, case: Case, device: str) -> Prepared:
        model = sequential(lib, case.args["network"]).to(device).eval()
        x = _tensor(lib, values(case.inputs[0], np.random.default_rng(0)), device)
        forward = lib.compile(model) if compiled(lib) else model

        def call() -> Any:
            with lib.no_grad():
                return forward(x)

        return Prepared(call)

    return make


def _charlstm(lib: Any, characters: int, hidden: int, layers: int) -> Any:
    """Characters (one-hot) through LSTM layers to a distribution at each place."""

    class CharLSTM(lib.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embed = lib.nn.Embedding(characters, hidden)
            self.lstm = lib.nn.LSTM(hidden, hidden, layers)
            self.out = lib.nn.Linear(hidden, characters)

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(self.embed(x))[0]).flatten(0, 1)

    return CharLSTM()


def _elman(lib: Any, features: int, hidden: int, out: int) -> Any:
    """A number at each step of a sequence [T, B, features], by a plain recurrent layer (Elman 1990)."""

    class Elman(lib.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.rnn = lib.nn.RNN(features, hidden)
            self.out = lib.nn.Linear(hidden, out)

        def forward(self, x: Any) -> Any:
            return self.out(self.rnn(x)[0])

    return Elman()


def _model(lib: Any, args: dict[str, Any]) -> Any:
    nn = lib.nn
    if "network" in args:
        return sequential(lib, args["network"])
    if "charlstm" in args:
        return _charlstm(lib, *args["charlstm"])
    if "elman" in args:
        return _elman(lib, *args["elman"])
    layers: list[Any] = []
    for n_in, n_out in zip(args["mlp"], args["mlp"][1:]):
        layers += [nn.Linear(n_in, n_out), nn.Tanh() if args["activation"] == "tanh" else nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _step_of(lib: Any, args: dict[str, Any], device: str) -> Callable[[Any, Any], Any]:
    model = _model(lib, args).to(device)
    optimizer = getattr(lib.optim, args.get("optimizer", "Adam"))(model.parameters(), lr=1e-3)
    loss_of = getattr(lib.nn.functional, args.get("loss", "cross_entropy"))

    def step(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _training_step(compiled: Callable[[Any], bool]) -> Callable[[Any, Case, str], Prepared]:
    """Forward, loss, backward, optimiser on one batch; inputs are the batch and its target."""

    def make(lib: Any, case: Case, device: str) -> Prepared:
        rng = np.random.default_rng(0)
        x, target = (_tensor(lib, values(s, rng), device) for s in case.inputs)
        step = _step_of(lib, case.args, device)
        if compiled(lib):
            step = lib.compile(step)

        def call() -> None:
            step(x, target)

        return Prepared(call)

    return make


def _epoch(lib: Any, case: Case, device: str) -> Prepared:
    """All examples, shuffled, through the library's own loader and a training step."""
    data: Any = importlib.import_module("markone.data" if lib.__name__ == "markone" else "torch.utils.data")
    rng = np.random.default_rng(0)
    x, target = (_tensor(lib, values(s, rng), "cpu") for s in case.inputs)
    loader = data.DataLoader(data.TensorDataset(x, target), batch_size=case.args["batch"], shuffle=True)
    step = _step_of(lib, case.args, device)

    def epoch() -> None:
        for images, labels in loader:
            step(images.to(device), labels.to(device))

    return Prepared(epoch)


def _trainer(lib: Any, case: Case, device: str) -> Prepared:
    """The same epoch by markone's Trainer, without a progress bar."""
    from markone.data import DataLoader, TensorDataset
    from markone.train import Trainer

    rng = np.random.default_rng(0)
    x, target = (_tensor(lib, values(s, rng), "cpu") for s in case.inputs)
    loader: Any = DataLoader(TensorDataset(x, target), batch_size=case.args["batch"], shuffle=True)
    model = _model(lib, case.args).to(device)
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)
    trainer = Trainer(model, optimizer, lib.nn.functional.cross_entropy)
    epochs = iter(range(1, 1 << 30))
    return Prepared(lambda: trainer.fit(loader, epochs=next(epochs)))


def _import(lib: Any, case: Case, device: str) -> Prepared:
    """A new interpreter that imports the library and ends."""
    command = [sys.executable, "-c", f"import {lib.__name__}"]

    def call() -> None:
        subprocess.run(command, check=True)

    return Prepared(call)


def _interpreter(lib: Any, case: Case, device: str) -> Prepared:
    """The interpreter alone, with what is imported in any case."""
    command = [sys.executable, "-c", f"import {case.args['module']}"]

    def call() -> None:
        subprocess.run(command, check=True)

    return Prepared(call)


def _if_markone(lib: Any) -> bool:
    return bool(lib.__name__ == "markone")


def _never(lib: Any) -> bool:
    return False


def _always(lib: Any) -> bool:
    return True


PROGRAMS: dict[str, Callable[[Any, Case, str], Prepared]] = {
    "lstm": _recurrent("LSTM"),
    "gru": _recurrent("GRU"),
    "rnn": _recurrent("RNN"),
    "optimizer": _optimizer,
    "clip_grad_norm": _clip,
    "cat": _join("cat"),
    "stack": _join("stack"),
    "getitem": _getitem,
    "contiguous": _copy,
    # markone's is compiled and PyTorch's is not, as most people use them; then both ways for either.
    "inference": _inference(_if_markone),
    "uncompiled_inference": _inference(_never),
    "compiled_inference": _inference(_always),
    "training_step": _training_step(_if_markone),
    "uncompiled_training_step": _training_step(_never),
    "compiled_training_step": _training_step(_always),
    "epoch": _epoch,
    "trainer": _trainer,
    "import": _import,
    "import_module": _interpreter,
}
