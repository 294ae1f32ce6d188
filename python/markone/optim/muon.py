"""Muon."""

from __future__ import annotations

import math

from .._dtypes import bfloat16
from ..autograd import no_grad
from ..tensor import Tensor
from .checks import at_least_zero
from .optimizer import Optimizer, ParamGroup, ParamsT, Run

__all__ = ["Muon"]


class Muon(Optimizer):
    r"""Momentum, orthogonalised (Jordan et al., "Muon: an optimizer for hidden layers", 2024).

    For matrices alone: give vectors, embeddings and output layers to another optimiser. With gradient g and
    parameter w [A, B]:

        b = momentum · b + (1 - momentum) · g
        u = momentum · b + (1 - momentum) · g  (nesterov)  or  b
        X = u / |u|, then ns_steps times X = a · X + b · (X Xᵀ) X + c · (X Xᵀ)² X, computed in bfloat16
        w -= lr · weight_decay · w
        w -= lr · s · X, s = √max(1, A / B); 0.2 · √max(A, B) with 'match_rms_adamw' (arXiv:2502.16982)

    Args:
        params: matrices, or groups of them.
        lr: the learning rate.
        weight_decay: decoupled decay of the weights.
        momentum: of the moving average of the gradient.
        nesterov: Nesterov momentum.
        ns_coefficients: (a, b, c) of the Newton-Schulz iteration.
        eps: the least |u| to divide by.
        ns_steps: iterations, below 100.
        adjust_lr_fn: 'original' (as None) or 'match_rms_adamw'.
    """

    _states = ("momentum_buffer",)
    _numbers = ()

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("Muon", group, "lr", "weight_decay", "momentum")
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Muon: adjust_lr_fn is '{group['adjust_lr_fn']}', wants 'original' or 'match_rms_adamw'"
            )
        if len(group["ns_coefficients"]) != 3 or not group["ns_steps"] < 100:
            raise ValueError(
                f"Muon: wants three ns_coefficients and ns_steps below 100, got "
                f"{len(group['ns_coefficients'])} and {group['ns_steps']}"
            )
        for p in group["params"]:
            if p.ndim != 2:
                raise ValueError(f"Muon: wants matrices only, got a parameter of shape {list(p.shape)}")

    def _step_run(self, group: ParamGroup, run: Run) -> None:
        with no_grad():
            lr = Tensor(group.lr_array).reshape(())
            keep = 1 - lr * group["weight_decay"]
            for p in run.params:
                grad = self._grad_of(p)
                buffer = self.state[p]["momentum_buffer"]
                buffer.lerp_(grad, 1 - group["momentum"])
                update = grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
                a, b = p.shape
                scale = 0.2 * math.sqrt(max(a, b)) if group["adjust_lr_fn"] == "match_rms_adamw" else 1.0
                if scale == 1.0 and b:
                    scale = math.sqrt(max(1, a / b))
                if p.numel():
                    p.mul_(keep.to(p.dtype))
                    p.sub_(_orthogonal(group, update).to(p.dtype) * (lr * scale).to(p.dtype))


def _orthogonal(group: ParamGroup, u: Tensor) -> Tensor:
    """Newton-Schulz: the singular values of u [n, m] towards 1, in bfloat16."""
    a, b, c = group["ns_coefficients"]
    tall = u.shape[0] > u.shape[1]
    x = (u.t() if tall else u).to(bfloat16)
    x = x / x.norm().clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.t()
        x = x.addmm(gram.addmm(gram, gram, beta=b, alpha=c), x, beta=a)
    return x.t() if tall else x
