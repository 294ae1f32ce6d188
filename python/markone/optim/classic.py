"""ASGD and Rprop."""

from __future__ import annotations

from .checks import at_least_zero
from .optimizer import Optimizer, ParamGroup, ParamsT

__all__ = ["ASGD", "Rprop"]


class ASGD(Optimizer):
    r"""Averaged SGD (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; rates: Bottou 2012).

    With gradient g (negated where `maximize`), parameter w, average ax, step t = 1, 2, ..., and η = lr, μ = 1
    at first:

        g += weight_decay · w
        w  = (1 - lambd · η) · w - η · g
        ax = ax + μ · (w - ax)
        η  = lr / (1 + lambd · lr · t)^alpha,  μ = 1 / max(1, t - t0)

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        lambd: decay of the parameters.
        alpha: the power with which the rate falls.
        t0: the step at which averaging begins.
        weight_decay: L2 penalty.
        maximize: climb instead of descend.
    """

    _rule = "asgd"
    _states = ("ax",)
    _numbers = ("step", "eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("ASGD", group, "lr", "weight_decay")

    def _initial(self, name: str, group: ParamGroup) -> float:
        return {"eta": float(group["lr"]), "mu": 1.0}.get(name, 0)

    def _options(self, group: ParamGroup) -> dict[str, float]:
        return {name: group[name] for name in ("lambd", "alpha", "t0", "weight_decay", "maximize")}


class Rprop(Optimizer):
    r"""Resilient backpropagation (Riedmiller and Braun, IEEE ICNN 1993).

    With gradient g (negated where `maximize`), parameter w and, for each element, a size that is lr at first:

        g · prev > 0:  size = min(size · η⁺, largest)
        g · prev < 0:  size = max(size · η⁻, smallest), g = 0
        w -= sign(g) · size, prev = g

    Args:
        params: parameters or groups of them.
        lr: the first size of a step.
        etas: (η⁻, η⁺).
        step_sizes: (smallest, largest).
        maximize: climb instead of descend.
    """

    _rule = "rprop"
    _states = ("prev", "step_size")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("Rprop", group, "lr")
        minus, plus = group["etas"]
        if not 0 < minus < 1 < plus:
            raise ValueError(f"Rprop: etas are {minus} and {plus}, want one in (0, 1) and one above 1")

    def _initial(self, name: str, group: ParamGroup) -> float:
        return float(group["lr"]) if name == "step_size" else 0

    def _options(self, group: ParamGroup) -> dict[str, float]:
        minus, plus = group["etas"]
        smallest, largest = group["step_sizes"]
        return {
            "eta_minus": minus,
            "eta_plus": plus,
            "step_min": smallest,
            "step_max": largest,
            "maximize": group["maximize"],
        }
