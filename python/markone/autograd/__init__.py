"""Automatic differentiation: the graph, the modes, gradient checks and functions of one's own."""

from typing import TYPE_CHECKING

from .engine import backward, grad
from .gradcheck import gradcheck, gradgradcheck  # now, as the module of that name would take its place
from .graph import Node
from .modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled

if TYPE_CHECKING:
    from .function import Function
    from .step import step_backward

__all__ = [
    "Function",
    "Node",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
    "step_backward",
]

_LAZY = {
    "Function": "function",
    "GradcheckError": "gradcheck",
    "detect_anomaly": "anomaly",
    "set_detect_anomaly": "anomaly",
    "BackwardStep": "step",
    "step_backward": "step",
}


def __getattr__(name: str) -> object:
    if name == "functional":
        import importlib

        return importlib.import_module(".functional", __name__)
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'markone.autograd' has no attribute {name!r}")
