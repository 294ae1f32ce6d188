"""Weights from a safetensors file: torchvision's by name, or a checkpoint of `markone train`."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from markone import _C, nn
from markone.ops import from_numpy
from markone.tensor import Tensor

__all__ = ["load_weights", "read_weights"]

_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "float16",
    "I64": "int64", "I32": "int32", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_LISTED = 5  # further differences that a message shows


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; of a checkpoint of `markone train`, its model's.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a whole safetensors file, or holds a type that markone lacks.
    """
    import safetensors

    if not Path(path).is_file():
        raise FileNotFoundError(f"weights: there is no file {path}")
    data = Path(path).read_bytes()
    try:
        entries: dict[str, Any] = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
        (header_size,) = struct.unpack("<Q", data[:8])
        about = json.loads(data[8 : 8 + header_size]).get("__metadata__", {})
    except Exception as error:
        raise ValueError(
            f"weights: {path} ({len(data)} bytes) is not a whole safetensors file: {error}"
        ) from error
    if "markone" in about and any(key.startswith("model.") for key in entries):
        entries = {
            key.removeprefix("model."): entry for key, entry in entries.items() if key.startswith("model.")
        }
    found = {}
    for key, entry in entries.items():
        if entry["dtype"] not in _TYPES:
            raise ValueError(
                f"weights: '{key}' in {path} has type {entry['dtype']}, wants one of {list(_TYPES)}"
            )
        array = np.frombuffer(bytearray(entry["data"]), _TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensor = from_numpy(array)
        # NumPy has no bfloat16: its bits come as those of the other 16-bit type.
        found[key] = tensor.view(_C.bfloat16) if entry["dtype"] == "BF16" else tensor
    return found


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Copies the weights of a safetensors file into `model` by name; the model is left alone if they differ.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a whole one, or of another network: the first name that differs, in the
            model's order, is told with both shapes, and what `num_classes` would fit where only the last
            layer differs.
    """
    there = read_weights(path)
    ours = model.state_dict()
    # Files from before PyTorch 0.4.1, torchvision's ResNets among them, have no counts of batches.
    there = {key: value for key, value in ours.items() if key.endswith(".num_batches_tracked")} | there

    def shape(state: dict[str, Tensor], key: str) -> str:
        return str(list(state[key].shape)) if key in state else "no such name"

    wrong = [
        key
        for key in (*ours, *(key for key in there if key not in ours))
        if shape(ours, key) != shape(there, key)
    ]
    if wrong:
        first = wrong[0]
        last = next((key for key in reversed(ours) if key.endswith("weight")), "").rpartition(".")[0]
        hint = ""
        if {key.rpartition(".")[0] for key in wrong} == {last} and f"{last}.bias" in there:
            hint = f" (built for num_classes={len(there[f'{last}.bias'])})"
        more = f"; {len(wrong) - 1} more differ: {', '.join(wrong[1 : 1 + _LISTED])}" if wrong[1:] else ""
        more += ", ..." if len(wrong) > 1 + _LISTED else ""
        raise ValueError(
            f"weights: {path} is of another network than this {type(model).__name__}: the first difference "
            f"is '{first}': the file has {shape(there, first)}, the model {shape(ours, first)}{hint}{more}"
        )
    model.load_state_dict(there)
