"""Checkpoints: one safetensors file that a kill, a full disk or a stranger's file cannot spoil.

`save` takes a tree (dicts, lists and tuples of tensors, arrays, numbers, strings, None). Tensors become the
file's tensors under the path of their keys (`model.conv1.weight`); all the rest is JSON in the file's header.
Nothing is ever unpickled.
"""

from __future__ import annotations

import errno
import json
import math
import os
import struct
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors

from markone import _C
from markone._dtypes import CPU, as_device
from markone.ops import from_numpy
from markone.tensor import Tensor

__all__ = ["CheckpointError", "check_model", "load", "load_model", "save", "write_atomically"]

FORMAT = 1

# safetensors' short name of each element type that a checkpoint holds.
_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "U32": "uint32",
    "U8": "uint8",
    "BOOL": "bool",
}
_SHORT = {name: short for short, name in _TYPES.items()}


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read, or belongs to another model."""


class _NoCheckpointError(CheckpointError, FileNotFoundError):
    """There is no such file."""


def save(state: Any, path: str | os.PathLike[str] | IO[bytes]) -> None:
    """Writes the tree `state` to `path`: a temporary file beside it, fsync, rename, fsync of the folder.

    Whatever happens, `path` holds either the earlier file or the whole new one. It may be an open binary file
    too, which is written to as it is.

    Raises:
        CheckpointError: the disk is full or the folder cannot be written; the earlier file is untouched.
        TypeError: the tree holds something that is not a tensor, array, number, string, None or a container.
    """
    tensors: dict[str, dict[str, Any]] = {}
    tree = _pack(state, "", tensors)
    about = {"format": FORMAT, "version": _C.__version__, "isa": _C.isa(), "tree": tree}
    header: dict[str, Any] = {"__metadata__": {"markone": json.dumps(about, separators=(",", ":"))}}
    # The widest types first, so that each tensor is aligned to its element.
    order = sorted(tensors, key=lambda key: -tensors[key]["data"].itemsize)
    end = 0
    for key in order:
        start, end = end, end + tensors[key]["data"].nbytes
        header[key] = {
            "dtype": tensors[key]["dtype"],
            "shape": tensors[key]["shape"],
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    parts = [struct.pack("<Q", len(text)), text, *(tensors[key]["data"].data for key in order)]
    if isinstance(path, str | os.PathLike):
        write_atomically(path, *parts)
    else:
        path.writelines(parts)


def load(
    path: str | os.PathLike[str] | IO[bytes],
    map_location: Any = None,
    *,
    weights_only: bool | None = None,
    warn_isa: bool = True,
) -> Any:
    """Reads the tree that `save` wrote; tensors come back as Tensors, arrays as NumPy arrays.

    Args:
        path: of the file, or an open binary file.
        map_location: the device of the tensors; the CPU where None.
        weights_only: of PyTorch; a file never holds code, so there is nothing to choose.
        warn_isa: whether to warn where the file was written with other kernels.

    Raises:
        CheckpointError: there is no such file (then it is a FileNotFoundError too), it is cut short or
            damaged, or markone did not write it.
    """
    device = as_device(map_location)
    try:
        data = Path(path).read_bytes() if isinstance(path, str | os.PathLike) else path.read()
    except FileNotFoundError as error:
        raise _NoCheckpointError(f"checkpoint: cannot read {path}: {error.strerror or error}") from error
    except OSError as error:
        raise CheckpointError(f"checkpoint: cannot read {path}: {error.strerror or error}") from error
    try:
        found: dict[str, Any] = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
        (header_size,) = struct.unpack("<Q", data[:8])
        about = json.loads(data[8 : 8 + header_size]).get("__metadata__", {}).get("markone")
    except Exception as error:
        raise CheckpointError(
            f"checkpoint: {path} ({len(data)} bytes) is not a whole safetensors file: {error}"
        ) from error
    if about is None:
        raise CheckpointError(
            f"checkpoint: {path} was not written by markone: its header has no 'markone' entry"
        )
    try:
        about = json.loads(about)
        if about["format"] > FORMAT:
            raise CheckpointError(
                f"checkpoint: {path} has format {about['format']} of markone {about['version']}, "
                f"this is markone {_C.__version__}, which reads up to format {FORMAT}"
            )
        state = _unpack(about["tree"], found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"checkpoint: the header of {path} is damaged: {error!r}") from error
    if warn_isa and about.get("isa") != _C.isa():
        warnings.warn(
            f"checkpoint: {path} was written with {about.get('isa')} kernels, this process runs {_C.isa()}: "
            "training goes on, but not with the same bits",
            stacklevel=2,
        )
    return state if device == CPU else _moved(state, device)


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, device) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_moved(item, device) for item in value)
    return value.to(device) if isinstance(value, Tensor) else value


def check_model(state: dict[str, Any], model: Any, path: str | os.PathLike[str] = "the checkpoint") -> None:
    """Raises a CheckpointError that names the first key in which `state` and the model differ."""

    def describe(tensor: Any) -> str:
        if tensor is None:
            return "no such key"
        return f"{str(tensor.dtype).rpartition('.')[2]} {list(tensor.shape)}"

    ours = model.state_dict()
    for key in [*ours, *(key for key in state if key not in ours)]:
        here, there = ours.get(key), state.get(key)
        if here is None or there is None or here.shape != there.shape or here.dtype != there.dtype:
            raise CheckpointError(
                f"checkpoint: {path} is of another model: the first key that differs is '{key}': "
                f"the file has {describe(there)}, the model has {describe(here)}"
            )


def load_model(path: str | os.PathLike[str], model: Any) -> None:
    """Loads the weights of the checkpoint `path` into `model`, which is left alone when they do not fit."""
    state = load(path, warn_isa=False)
    if not isinstance(state.get("model"), dict):
        raise CheckpointError(f"checkpoint: {path} holds no model, only {sorted(state)}")
    check_model(state["model"], model, path)
    model.load_state_dict(state["model"])


def write_atomically(path: str | os.PathLike[str], *parts: bytes | memoryview) -> None:
    """`path` becomes these bytes or stays what it was; raises CheckpointError when it cannot be written."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        kept = (
            f"the earlier {path.name} is untouched" if path.exists() else f"there is no earlier {path.name}"
        )
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            reason = (
                f"no space for its {sum(memoryview(part).nbytes for part in parts)} bytes ({error.strerror})"
            )
        else:
            reason = error.strerror or str(error)
        raise CheckpointError(f"checkpoint: cannot write {path}: {reason}; {kept}") from error


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Deletes the temporary files that a killed process left beside `path`."""
    path = Path(path)
    for stale in path.parent.glob(f".{path.name}.*.tmp"):
        stale.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened elsewhere
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _pack(value: Any, path: str, tensors: dict[str, dict[str, Any]]) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        tensors[path] = _to_file(value, path)
        return {"$": "tensor" if isinstance(value, Tensor) else "array", "key": path}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else {"$": "float", "is": repr(number)}

    def inner(key: object, item: Any) -> Any:
        return _pack(item, f"{path}.{key}" if path else str(key), tensors)

    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and "$" not in value:
            return {key: inner(key, item) for key, item in value.items()}
        pairs = [[_pack(key, path, tensors), inner(key, item)] for key, item in value.items()]
        return {"$": "dict", "items": pairs}
    if isinstance(value, (list, tuple)):
        items = [inner(i, item) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$": "tuple", "items": items}
    raise TypeError(f"checkpoint: '{path}' is a {type(value).__name__}, which a checkpoint cannot hold")


def _unpack(value: Any, tensors: dict[str, dict[str, Any]]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind is None:
        return {key: _unpack(item, tensors) for key, item in value.items()}
    if kind == "float":
        return float(value["is"])
    if kind == "tuple":
        return tuple(_unpack(item, tensors) for item in value["items"])
    if kind == "dict":
        return {_unpack(key, tensors): _unpack(item, tensors) for key, item in value["items"]}
    return _from_file(tensors[value["key"]], kind == "tensor")


def _to_file(value: Any, path: str) -> dict[str, Any]:
    name = str(value.dtype).rpartition(".")[2]
    shape = list(value.shape)
    if name not in _SHORT:
        raise TypeError(f"checkpoint: '{path}' is an array of {name}, which a checkpoint cannot hold")
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        # NumPy has no bfloat16: its bits travel as those of the other 16-bit type.
        value = (value.view(_C.float16) if name == "bfloat16" else value).numpy()
    return {"dtype": _SHORT[name], "shape": shape, "data": np.ascontiguousarray(value).reshape(-1)}


def _from_file(entry: dict[str, Any], as_tensor: bool) -> Any:
    name = _TYPES[entry["dtype"]]
    bits = np.frombuffer(bytearray(entry["data"]), "float16" if name == "bfloat16" else name)
    array = bits.reshape(entry["shape"])
    if not as_tensor:
        return array
    tensor = from_numpy(array)
    return tensor.view(_C.bfloat16) if name == "bfloat16" else tensor
