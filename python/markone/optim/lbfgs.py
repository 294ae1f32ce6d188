"""L-BFGS."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from ..autograd import enable_grad, no_grad
from ..ops import as_tensor, cat, zeros
from ..tensor import Tensor
from .checks import at_least_zero
from .line_search import strong_wolfe
from .optimizer import Optimizer, ParamGroup, ParamsT

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    r"""L-BFGS: quasi-Newton steps from the last changes of the gradient (Nocedal and Wright, algorithm 7.5).

    A step is up to `max_iter` iterations, each of which may call the closure. It has one parameter group and
    cannot be recorded, since its course depends on the values of the loss.

    Args:
        params: the parameters, all of one dtype.
        lr: the first length tried along each direction (of the very first, at most lr / Σ|g|).
        max_iter: iterations a step.
        max_eval: calls of the closure a step; 5/4 max_iter where None.
        tolerance_grad: stop where no |g| is above it.
        tolerance_change: stop where neither loss nor parameters change by more.
        history_size: how many changes are kept.
        line_search_fn: None: always the length lr; 'strong_wolfe': search for one by the Wolfe conditions.
    """

    _numbers = ()

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if self.param_groups:
            raise ValueError("LBFGS: has one parameter group, wants no second one")
        super().add_param_group(param_group)

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("LBFGS", group, "lr")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: line_search_fn is '{group['line_search_fn']}', wants None or 'strong_wolfe'"
            )
        if len({p.dtype for p in group["params"]}) > 1:
            raise TypeError("LBFGS: wants parameters of one dtype")

    def _build_runs(self, index: int) -> None:
        """There is nothing to make: the state begins with the first step, and is the first parameter's."""

    # ---- all parameters as one vector ----

    def _gradient(self) -> Tensor:
        parts = [
            zeros(p.numel(), dtype=p.dtype) if p.grad is None else self._grad_of(p).detach().reshape(-1)
            for p in self.param_groups[0]["params"]
        ]
        return cat(parts)

    def _move(self, length: float, direction: Tensor) -> None:
        start = 0
        for p in self.param_groups[0]["params"]:
            p.add_(direction[start : start + p.numel()].reshape(p.shape), alpha=length)
            start += p.numel()

    def _evaluate_at(
        self, closure: Callable[[], Any], start: list[Tensor], length: float, direction: Tensor
    ) -> tuple[float, Tensor]:
        """Loss and gradient at `length` along the direction; the parameters are put back."""
        self._move(length, direction)
        loss = float(closure())
        gradient = self._gradient()
        for p, kept in zip(self.param_groups[0]["params"], start, strict=True):
            p.copy_(kept)
        return loss, gradient

    # ---- the step ----

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to `max_iter` iterations.

        Args:
            closure: computes the loss (with gradients) and returns it; wanted.

        Returns:
            The loss before the step.
        """
        with no_grad():
            if closure is None:
                raise TypeError("LBFGS.step: wants a closure that computes the loss, got nothing")
            for hook in list(self._step_pre_hooks.values()):
                hook(self, (closure,), {})
            loss = self._iterate(enable_grad()(closure))
            for hook in list(self._step_post_hooks.values()):
                hook(self, (closure,), {})
            return loss

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr, tolerance = float(group["lr"]), group["tolerance_change"]
        state = self.state.setdefault(group["params"][0], {})
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss = float(first_loss)
        state["func_evals"] += 1
        evaluations, iterations = 1, 0
        gradient = self._gradient()
        if _largest(gradient) <= group["tolerance_grad"]:
            return first_loss
        while iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state.update(d=-gradient, old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
                t = min(1.0, 1.0 / gradient.abs().sum().item()) * lr
            else:
                self._remember(state, gradient, group["history_size"])
                state["d"] = _direction(state, gradient)
                t = lr
            state["prev_flat_grad"], state["prev_loss"], state["t"] = gradient, loss, t
            slope = gradient.dot(state["d"]).item()
            if slope > -tolerance:
                break
            used = 0
            if group["line_search_fn"] is not None:
                start = [p.detach().clone() for p in group["params"]]
                loss, gradient, t, used = strong_wolfe(
                    lambda length: self._evaluate_at(closure, start, length, state["d"]),  # noqa: B023
                    state["d"],
                    t,
                    loss,
                    gradient,
                    slope,
                    most=group["max_eval"] - evaluations,
                )
                state["t"] = t
                self._move(t, state["d"])
            else:
                self._move(t, state["d"])
                if iterations != group["max_iter"]:  # the next step begins with an evaluation
                    loss, gradient, used = float(closure()), self._gradient(), 1
            evaluations += used
            state["func_evals"] += used
            if (
                iterations == group["max_iter"]
                or evaluations >= group["max_eval"]
                or _largest(gradient) <= group["tolerance_grad"]
                or _largest(state["d"]) * abs(t) <= tolerance
                or abs(loss - state["prev_loss"]) < tolerance
            ):
                break
        return first_loss

    @staticmethod
    def _remember(state: dict[str, Any], gradient: Tensor, size: int) -> None:
        """Keeps the last change y of the gradient and s of the parameters, if their product is positive."""
        y = gradient - state["prev_flat_grad"]
        s = state["d"] * state["t"]
        ys = y.dot(s).item()
        if ys <= 1e-10:
            return
        if len(state["old_dirs"]) == size:
            for key in ("old_dirs", "old_stps", "ro"):
                state[key].pop(0)
        state["old_dirs"].append(y)
        state["old_stps"].append(s)
        state["ro"].append(1.0 / ys)
        state["H_diag"] = ys / y.dot(y).item()

    # ---- saving ----

    def _loaded_state(
        self, number: Any, index: int, p: Tensor, values: Mapping[str, Any], shared: Any
    ) -> dict[str, Any]:
        total = sum(q.numel() for q in self.param_groups[0]["params"])

        def vector(key: str, value: Any) -> Tensor:
            value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
            made = as_tensor(value).to(p.dtype).clone()
            if tuple(made.shape) != (total,):
                raise ValueError(
                    f"LBFGS.load_state_dict: '{key}' has shape {list(made.shape)}, wants [{total}]"
                )
            return made

        result: dict[str, Any] = {}
        for key, value in values.items():
            if key in ("old_dirs", "old_stps"):
                result[key] = [vector(key, v) for v in value or ()]
            elif key in ("d", "prev_flat_grad"):
                result[key] = vector(key, value)
            elif key == "ro":
                result[key] = [float(v) for v in value or ()]
            elif key in ("func_evals", "n_iter"):
                result[key] = int(value)
            elif key in ("t", "H_diag", "prev_loss"):
                result[key] = float(value)
        return result

    def state_dict(self) -> dict[str, Any]:
        found = super().state_dict()
        found["state"] = {
            number: {k: copy.copy(v) if isinstance(v, list) else v for k, v in values.items()}
            for number, values in found["state"].items()
        }
        return found


def _largest(x: Tensor) -> float:
    return float(x.abs().max().item()) if x.numel() else 0.0


def _direction(state: dict[str, Any], gradient: Tensor) -> Tensor:
    """The two loops of L-BFGS: minus the estimated inverse Hessian times the gradient."""
    d = -gradient
    part = []
    pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
    for y, s, ro in reversed(pairs):
        part.append(s.dot(d).item() * ro)
        d.add_(y, alpha=-part[-1])
    d = d * state["H_diag"]
    for (y, s, ro), a in zip(pairs, reversed(part), strict=True):
        d.add_(s, alpha=a - y.dot(d).item() * ro)
    return d
