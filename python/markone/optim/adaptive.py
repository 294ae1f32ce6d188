"""Adagrad, Adadelta, RMSprop: the gradient divided by the root of its squares so far."""

from __future__ import annotations

from .checks import at_least_zero
from .optimizer import Optimizer, ParamGroup, ParamsT

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    r"""Adagrad (Duchi, Hazan and Singer, "Adaptive subgradient methods", JMLR 12, 2011).

    With gradient g (negated where `maximize`), parameter w, step t = 1, 2, ...:

        g += weight_decay · w
        s += g²
        w -= lr / (1 + (t - 1) · lr_decay) · g / (√s + eps)

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        lr_decay: how fast it falls.
        weight_decay: L2 penalty.
        initial_accumulator_value: s before the first step, of every group.
        eps: added to the denominator.
        maximize: climb instead of descend.
    """

    _rule = "adagrad"
    _states = ("sum",)

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("Adagrad", group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def _initial(self, name: str, group: ParamGroup) -> float:
        return float(self.defaults["initial_accumulator_value"]) if name == "sum" else 0

    def _options(self, group: ParamGroup) -> dict[str, float]:
        return {name: group[name] for name in ("lr_decay", "weight_decay", "eps", "maximize")}


class Adadelta(Optimizer):
    r"""Adadelta (Zeiler, "ADADELTA: an adaptive learning rate method", 2012, arXiv:1212.5701).

    With gradient g (negated where `maximize`), parameter w:

        g += weight_decay · w
        v  = rho · v + (1 - rho) · g²
        Δ  = √(u + eps) / √(v + eps) · g
        u  = rho · u + (1 - rho) · Δ²
        w -= lr · Δ

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        rho: of the moving averages.
        eps: added under the roots.
        weight_decay: L2 penalty.
        maximize: climb instead of descend.
    """

    _rule = "adadelta"
    _states = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        )

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("Adadelta", group, "lr", "rho", "eps", "weight_decay")
        if group["rho"] > 1:
            raise ValueError(f"Adadelta: rho is {group['rho']}, wants a number in [0, 1]")

    def _options(self, group: ParamGroup) -> dict[str, float]:
        return {name: group[name] for name in ("rho", "eps", "weight_decay", "maximize")}


class RMSprop(Optimizer):
    r"""RMSprop (Tieleman and Hinton, Coursera lecture 6.5, 2012; centred: Graves 2013, arXiv:1308.0850).

    With gradient g (negated where `maximize`), parameter w:

        g += weight_decay · w
        v  = alpha · v + (1 - alpha) · g²
        a  = alpha · a + (1 - alpha) · g            (centered; else a = 0)
        b  = momentum · b + g / (√(v - a²) + eps)
        w -= lr · b

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        alpha: of the moving averages.
        eps: added to the denominator.
        weight_decay: L2 penalty.
        momentum: of the scaled gradients.
        centered: divide by an estimate of the standard deviation.
        maximize: climb instead of descend.
    """

    _rule = "rmsprop"
    _states = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("RMSprop", group, "lr", "eps", "momentum", "weight_decay", "alpha")

    def _state_names(self, group: ParamGroup) -> tuple[str, ...]:
        wanted = (True, group["momentum"] > 0, group["centered"])
        return tuple(name for name, want in zip(self._states, wanted, strict=True) if want)

    def _options(self, group: ParamGroup) -> dict[str, float]:
        names = ("alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
        return {name: group[name] for name in names}
