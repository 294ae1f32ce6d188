"""Adam and AdamW."""

from __future__ import annotations

from .checks import at_least_zero, check_betas
from .optimizer import Optimizer, ParamGroup, ParamsT

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    r"""Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015).

    With gradient g (negated where `maximize`), parameter w, step t = 1, 2, ...:

        g += weight_decay · w                       (decoupled: w -= lr · weight_decay · w instead)
        m  = β1 · m + (1 - β1) · g
        v  = β2 · v + (1 - β2) · g²                 (amsgrad: the largest v so far below)
        w -= lr · (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + eps)

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        betas: (β1, β2).
        eps: added to the denominator.
        weight_decay: L2 penalty, or decay of the weights where decoupled.
        amsgrad: divide by the largest v so far (Reddi et al. 2018).
        maximize: climb instead of descend.
        decoupled_weight_decay: AdamW's decay (Loshchilov and Hutter 2019).
    """

    _rule = "adam"
    _states = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        name = type(self).__name__
        at_least_zero(name, group, "lr", "eps", "weight_decay")
        check_betas(name, group)

    def _state_names(self, group: ParamGroup) -> tuple[str, ...]:
        return self._states if group["amsgrad"] else self._states[:2]

    def _options(self, group: ParamGroup) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "amsgrad": group["amsgrad"],
            "decoupled": group["decoupled_weight_decay"],
            "maximize": group["maximize"],
        }


class AdamW(Adam):
    """Adam whose weight decay is decoupled from the gradient (Loshchilov and Hutter, ICLR 2019).

    Args: as `Adam`; `weight_decay` is 0.01 where not given.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )
