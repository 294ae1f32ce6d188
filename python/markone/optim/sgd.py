"""Stochastic gradient descent."""

from __future__ import annotations

from .checks import at_least_zero
from .optimizer import Optimizer, ParamGroup, ParamsT

__all__ = ["SGD"]


class SGD(Optimizer):
    r"""Stochastic gradient descent with momentum (Polyak 1964; Nesterov's form after Sutskever et al. 2013).

    With gradient g (negated where `maximize`), parameter w, buffer b:

        g += weight_decay · w
        b  = momentum · b + (1 - dampening) · g     (its first step: b = g)
        g  = g + momentum · b  (nesterov)  or  b
        w -= lr · g

    The state's `step` counts the buffer's steps, so that momentum may be switched on later.

    Args:
        params: parameters or groups of them.
        lr: the learning rate.
        momentum: 0 keeps no buffer.
        dampening: of the momentum.
        weight_decay: L2 penalty.
        nesterov: Nesterov momentum; wants momentum above zero and no dampening.
        maximize: climb instead of descend.
    """

    _rule = "sgd"
    _states = ("momentum_buffer",)

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("SGD", group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov wants momentum above 0 and dampening 0, got momentum={group['momentum']} and "
                f"dampening={group['dampening']}"
            )

    def _state_names(self, group: ParamGroup) -> tuple[str, ...]:
        return self._states if group["momentum"] != 0 else ()

    def _options(self, group: ParamGroup) -> dict[str, float]:
        names = ("momentum", "dampening", "weight_decay", "nesterov", "maximize")
        return {name: group[name] for name in names}
