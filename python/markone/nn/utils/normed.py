"""The older forms of weight and spectral normalisation: a hook before forward computes the weight. Their
state_dict keys are weight_g, weight_v and weight_orig, weight_u, weight_v."""

from __future__ import annotations

from typing import Any

from ...autograd import no_grad
from ...ops import randn
from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .parametrizations import as_matrix, default_dim, norm_except_dim, power_iteration, weight_of

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class _Hook:
    """Before each forward: module.name = compute(module)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: a hook has to write compute(module)")

    def __call__(self, module: Module, args: Any) -> None:
        object.__setattr__(module, self.name, self.compute(module))

    def take(self, module: Module, *parts: str) -> None:
        """Ends the hook: the weight is a parameter again, its parts are gone."""
        with no_grad():
            value = self.compute(module).detach().clone()
        for part in parts:
            delattr(module, self.name + part)
        module.__dict__.pop(self.name, None)
        module.register_parameter(self.name, Parameter(value))


class _WeightNormHook(_Hook):
    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Any:
        return weight_of(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"), self.dim)


class _SpectralNormHook(_Hook):
    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__(name)
        if n_power_iterations < 1:
            raise ValueError(f"spectral_norm: n_power_iterations is {n_power_iterations}, wants at least 1")
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps

    def compute(self, module: Module) -> Any:
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if module.training:
            power_iteration(matrix.detach().t(), v, u, self.n_power_iterations, self.eps)
        u, v = u.clone(), v.clone()
        return weight / (u * (matrix @ v)).sum()


def _install(module: Module, hook: _Hook, kind: type[_Hook], **parts: Any) -> Module:
    if _find(module, hook.name, kind) is not None:
        raise RuntimeError(f"{kind.__name__[1:-4]}: '{hook.name}' of {type(module).__name__} has it already")
    module._forget(hook.name)
    for suffix, value in parts.items():
        if isinstance(value, Parameter):
            module.register_parameter(hook.name + suffix, value)
        else:
            module.register_buffer(hook.name + suffix, value)
    with no_grad():
        object.__setattr__(module, hook.name, hook.compute(module))
    module.register_forward_pre_hook(hook)
    return module


def _find(module: Module, name: str, kind: type[_Hook]) -> Any:
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key, hook
    return None


def _remove(op: str, module: Module, name: str, kind: type[_Hook], *parts: str) -> Module:
    found = _find(module, name, kind)
    if found is None:
        raise ValueError(f"{op}: '{name}' of {type(module).__name__} has none")
    key, hook = found
    hook.take(module, *parts)
    del module._forward_pre_hooks[key]
    module._forget_missing_hooks()
    return module


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """name = name_g · name_v / ‖name_v‖ (Salimans and Kingma 2016); the norm over all dimensions but dim."""
    weight = getattr(module, name)
    g = Parameter(norm_except_dim(weight, dim).detach())
    return _install(module, _WeightNormHook(name, dim), _WeightNormHook, _g=g, _v=Parameter(weight.detach()))


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Makes the normed weight a plain parameter again."""
    return _remove("remove_weight_norm", module, name, _WeightNormHook, "_g", "_v")


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """name = name_orig / its largest singular value (Miyato et al. 2018), followed by power iteration on the
    buffers name_u and name_v at each forward in training mode."""
    weight = getattr(module, name)
    hook = _SpectralNormHook(name, n_power_iterations, default_dim(module, name, dim), eps)
    rows, columns = as_matrix(weight.detach(), hook.dim).shape
    return _install(
        module,
        hook,
        _SpectralNormHook,
        _orig=Parameter(weight.detach(), weight.requires_grad),
        _u=F.normalize(randn(rows, dtype=weight.dtype), dim=0, eps=eps),
        _v=F.normalize(randn(columns, dtype=weight.dtype), dim=0, eps=eps),
    )


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Makes the normed weight a plain parameter again."""
    return _remove("remove_spectral_norm", module, name, _SpectralNormHook, "_orig", "_u", "_v")
