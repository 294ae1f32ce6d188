"""markone: deep learning with hand-written kernels."""

from __future__ import annotations

import importlib as _importlib
from math import e, inf, nan, pi
from typing import Any as _Any

from . import _C, autograd, ops
from ._C import ArgumentError, DTypeError, OutOfMemoryError, OutOfRangeError, __version__
from ._dtypes import (
    bfloat16,
    device,
    double,
    dtype,
    finfo,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int,
    int32,
    int64,
    long,
    set_default_dtype,
    uint8,
)
from ._dtypes import bool_ as bool
from ._types import broadcast_shapes, can_cast, is_floating_point, is_tensor, numel, result_type
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .compile import CompileError, compile
from .ops.random import Generator, default_generator
from .tensor import Shape as Size
from .tensor import Tensor

# Every public operation is a function of the package too: mo.relu(x).
globals().update(ops.FUNCTIONS)
bool_ = bool
set_num_threads = _C.set_num_threads
get_num_threads = _C.num_threads
set_winograd = _C.set_winograd
get_winograd = _C.winograd
promote_types = _C.promote_types
newaxis = None

# Loaded on first use, so that `import markone` stays quick.
_LAZY_MODULES = (
    "amp",
    "bench",
    "classic",
    "cli",
    "cuda",
    "data",
    "datasets",
    "lessons",
    "linalg",
    "models",
    "nn",
    "optim",
    "train",
    "transforms",
    "tune",
    "utils",
    "vision",
    "viz",
)
_LAZY_NAMES = {
    "summary": "train.summary",
    "diagnose": "train.diagnosis",
    "explain": "autograd.explain",
    "graph": "autograd.graphview",
    "profile": "bench.profiler",
    "save": "train.checkpoint",
    "load": "train.checkpoint",
    "set_printoptions": "_repr",
    "GradScaler": "amp",
    "autocast": "amp",
    "clear_autocast_cache": "amp",
    "get_autocast_dtype": "amp",
    "is_autocast_cache_enabled": "amp",
    "is_autocast_enabled": "amp",
    "set_autocast_cache_enabled": "amp",
    "set_autocast_dtype": "amp",
    "set_autocast_enabled": "amp",
}
_LAZY_NAMES |= dict.fromkeys(
    "celu group_norm layer_norm rms_norm rrelu selu threshold".split(), "nn.functional"
)


def __getattr__(name: str) -> _Any:
    if name in _LAZY_MODULES:
        return _importlib.import_module(f".{name}", __name__)
    if name in _LAZY_NAMES:
        value = getattr(_importlib.import_module(f".{_LAZY_NAMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'markone' has no attribute {name!r}")
