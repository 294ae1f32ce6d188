"""Networks as lists of layers: their shapes as cases, and the same layers as a module to run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markone.bench.case import network

__all__ = ["layer_rows", "layers_of", "sequential"]

# The passes that a layer's case has; the first layer of a network needs no gradient of its input.
_CONV = ["forward", "input_grad", "weight_grad"]


def layers_of(name: str) -> list[tuple[str, dict[str, Any], list[int], list[int]]]:
    """(kind, options, shape of its input, shape of its output) of each layer, shapes without the batch."""
    content = network(name)
    shape, found = list(content["input"]), []
    for kind, *rest in content["layers"]:
        options = dict(rest[0]) if rest else {}
        out = _shape_after(kind, options, shape)
        found.append((kind, options, shape, out))
        shape = out
    return found


def _shape_after(kind: str, options: dict[str, Any], shape: list[int]) -> list[int]:
    if kind == "flatten":
        count = 1
        for n in shape:
            count *= n
        return [count]
    if kind == "linear":
        return [options["out"]]
    if kind == "adaptive_avg_pool":
        return [shape[0], options["out"], options["out"]]
    if kind in ("conv", "max_pool", "avg_pool"):
        k, p = options["kernel"], options.get("padding", 0)
        stride = options.get("stride", 1 if kind == "conv" else k)
        size = [(n + 2 * p - k) // stride + 1 for n in shape[1:]]
        return [options.get("out", shape[0]), *size]
    return shape


def layer_rows(name: str, batch: int | None = None) -> Iterator[dict[str, Any]]:
    """A row, as in a case file, for each layer of a network that computes something."""
    content = network(name)
    yield from content.get("cases", ())
    if "layers" not in content:
        return
    args: dict[str, Any]
    n, first, number = batch or content["batch"], True, 0
    for kind, options, shape, out in layers_of(name):
        number += kind in ("conv", "linear")
        row: dict[str, Any] = {"name": f"{name}_{options.get('name', f'{kind}{number}')}"}
        if kind == "conv":
            args = {k: options[k] for k in ("padding", "stride") if k in options}
            weight = [options["out"], shape[0], options["kernel"], options["kernel"]]
            row |= {
                "group": "conv",
                "fn": "nn.functional.conv2d",
                "args": args,
                "weights": [weight, [options["out"]]],
            }
            row |= {"passes": ["forward", "weight_grad"] if first else _CONV}
        elif kind == "linear":
            row |= {"group": "matmul", "fn": "nn.functional.linear", "weights": [[*out, *shape], out]}
            row |= {"passes": _CONV}
        elif kind in ("max_pool", "avg_pool"):
            args = {
                "kernel_size": options["kernel"],
                **{k: options[k] for k in ("padding", "stride") if k in options},
            }
            row |= {
                "group": "pool",
                "fn": f"nn.functional.{kind}2d",
                "args": args,
                "passes": ["forward", "backward"],
            }
        else:
            continue
        first = False
        yield row | {"inputs": [[n, *shape]]}


def sequential(lib: Any, name: str) -> Any:
    """The network as nn.Sequential of markone or PyTorch."""
    nn, modules = lib.nn, []
    for kind, options, shape, out in layers_of(name):
        rest = {k: options[k] for k in ("padding", "stride") if k in options}
        if kind == "conv":
            modules.append(nn.Conv2d(shape[0], options["out"], options["kernel"], **rest))
        elif kind == "linear":
            modules.append(nn.Linear(shape[0], out[0]))
        elif kind in ("max_pool", "avg_pool"):
            modules.append((nn.MaxPool2d if kind == "max_pool" else nn.AvgPool2d)(options["kernel"], **rest))
        elif kind == "adaptive_avg_pool":
            modules.append(nn.AdaptiveAvgPool2d(options["out"]))
        else:
            modules.append({"relu": nn.ReLU, "tanh": nn.Tanh, "flatten": nn.Flatten}[kind]())
    return nn.Sequential(*modules)
