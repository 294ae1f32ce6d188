"""Adamax, NAdam, RAdam: Adam's relatives."""

from __future__ import annotations

from .checks import at_least_zero, check_betas
from .optimizer import Optimizer, ParamGroup, ParamsT

__all__ = ["Adamax", "NAdam", "RAdam"]


class _Moments(Optimizer):
    """Two moving averages, with decay rates `betas`."""

    def _check_group(self, group: ParamGroup) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "eps", "weight_decay")
        check_betas(name, group)

    def _options(self, group: ParamGroup) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        names = ("eps", "weight_decay", "maximize")
        return {"beta1": beta1, "beta2": beta2, **{name: group[name] for name in names}}


class Adamax(_Moments):
    r"""Adamax (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1).

    With gradient g (negated where `maximize`), parameter w, step t = 1, 2, ...:

        g += weight_decay · w
        m  = β1 · m + (1 - β1) · g
        u  = max(β2 · u, |g| + eps)
        w -= lr / (1 - β1^t) · m / u

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        betas: (β1, β2).
        eps: added to the gradient's size.
        weight_decay: L2 penalty.
        maximize: climb instead of descend.
    """

    _rule = "adamax"
    _states = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize},
        )


class NAdam(_Moments):
    r"""Adam with Nesterov momentum (Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016).

    With gradient g (negated where `maximize`), parameter w, step t = 1, 2, ...:

        g += weight_decay · w                       (decoupled: w -= lr · weight_decay · w instead)
        μ_t = β1 · (1 - ½ · 0.96^(t · momentum_decay)), and π_t = μ_1 · ... · μ_t
        m  = β1 · m + (1 - β1) · g
        v  = β2 · v + (1 - β2) · g²
        w -= lr · (μ_{t+1} / (1 - π_{t+1}) · m + (1 - μ_t) / (1 - π_t) · g) / (√(v / (1 - β2^t)) + eps)

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        betas: (β1, β2).
        eps: added to the denominator.
        weight_decay: L2 penalty, or decay of the weights where decoupled.
        momentum_decay: how fast the momentum grows to β1.
        decoupled_weight_decay: AdamW's decay (Loshchilov and Hutter 2019).
        maximize: climb instead of descend.
    """

    _rule = "nadam"
    _states = ("exp_avg", "exp_avg_sq")
    _numbers = ("step", "mu_product")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        super()._check_group(group)
        at_least_zero("NAdam", group, "momentum_decay")

    def _initial(self, name: str, group: ParamGroup) -> float:
        return 1 if name == "mu_product" else 0

    def _options(self, group: ParamGroup) -> dict[str, float]:
        more = {"momentum_decay": group["momentum_decay"], "decoupled": group["decoupled_weight_decay"]}
        return super()._options(group) | more


class RAdam(_Moments):
    r"""Rectified Adam (Liu et al., "On the variance of the adaptive learning rate", ICLR 2020).

    With gradient g (negated where `maximize`), parameter w, step t = 1, 2, ...:

        g += weight_decay · w                       (decoupled: w -= lr · weight_decay · w instead)
        m  = β1 · m + (1 - β1) · g
        v  = β2 · v + (1 - β2) · g²
        ρ∞ = 2 / (1 - β2) - 1, and ρ = ρ∞ - 2 t β2^t / (1 - β2^t)
        r  = √((ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ))
        w -= lr · m / (1 - β1^t) · r · √(1 - β2^t) / (√v + eps)     (ρ > 5; else lr · m / (1 - β1^t))

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        betas: (β1, β2).
        eps: added to the denominator.
        weight_decay: L2 penalty, or decay of the weights where decoupled.
        decoupled_weight_decay: AdamW's decay (Loshchilov and Hutter 2019).
        maximize: climb instead of descend.
    """

    _rule = "radam"
    _states = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def _options(self, group: ParamGroup) -> dict[str, float]:
        return super()._options(group) | {"decoupled": group["decoupled_weight_decay"]}
