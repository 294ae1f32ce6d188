"""Adafactor."""

from __future__ import annotations

from .._dtypes import finfo
from ..autograd import no_grad
from ..ops import minimum
from ..tensor import Tensor
from .checks import at_least_zero
from .optimizer import Optimizer, ParamGroup, ParamsT, Run

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    r"""Adafactor (Shazeer and Stern, "Adaptive learning rates with sublinear memory cost", ICML 2018).

    With gradient g [..., n, m] (negated where `maximize`), parameter w, step t = 1, 2, ..., and
    rms(x) = the root of the mean of x²:

        w -= lr · weight_decay · w
        R += t^beta2_decay · (mean over m of g² - R)            [..., n, 1]
        C += t^beta2_decay · (mean over n of g² - C)            [..., 1, m]
        V  = R · C / max(mean over n of R, ε1)                  (of vectors the average of g² itself)
        u  = g / √max(V, ε1²)
        w -= max(ε2, rms(w)) · min(lr, 1 / √t) · u / max(1, rms(u) / d)

    where rms(w) is taken before the decay.

    Args:
        params: parameters or groups of them.
        lr: the largest relative step.
        beta2_decay: the power with which the average's window grows, at most 0.
        eps: (ε1, ε2); ε1 is the type's epsilon where None.
        d: the largest rms of u.
        weight_decay: decoupled decay of the weights.
        maximize: climb instead of descend.
    """

    _states = ("row_var", "col_var", "variance")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: ParamGroup) -> None:
        at_least_zero("Adafactor", group, "lr", "weight_decay")
        if not group["beta2_decay"] <= 0:
            raise ValueError(f"Adafactor: beta2_decay is {group['beta2_decay']}, wants at most 0")
        if not group["d"] >= 1:
            raise ValueError(f"Adafactor: d is {group['d']}, wants at least 1")
        for i, eps in enumerate(group["eps"]):
            if not (eps is None and i == 0) and not eps >= 0:
                raise ValueError(f"Adafactor: eps[{i}] is {eps}, wants at least 0")

    def _shape_of(self, name: str, p: Tensor) -> tuple[int, ...] | None:
        shape = tuple(p.shape)
        if name == "variance":
            return shape if p.ndim < 2 else None
        if p.ndim < 2:
            return None
        return (*shape[:-1], 1) if name == "row_var" else (*shape[:-2], 1, shape[-1])

    def _step_run(self, group: ParamGroup, run: Run) -> None:
        with no_grad():
            # Numbers stay in one-element tensors, so that a recorded step follows the rate and the count.
            lr = Tensor(group.lr_array).reshape(())
            count = run.numbers["step"]
            count.add_(1)
            t = count.double()
            fresh = t ** group["beta2_decay"]
            rate = minimum(lr, t**-0.5)
            for p in run.params:
                if p.numel():
                    self._update(group, p, lr, rate, fresh)

    def _update(self, group: ParamGroup, p: Tensor, lr: Tensor, rate: Tensor, fresh: Tensor) -> None:
        eps1, eps2 = group["eps"]
        eps1 = finfo(p.dtype).eps if eps1 is None else eps1
        state = self.state[p]
        g = self._grad_of(p)
        g = -g if group["maximize"] else g
        size = _rms(p).clamp(min=eps2) * rate
        if group["weight_decay"] != 0:
            p.mul_((1 - lr * group["weight_decay"]).to(p.dtype))
        squares = g * g
        fresh = fresh.to(p.dtype)
        if p.ndim < 2:
            state["variance"].add_((squares - state["variance"]) * fresh)
            update = state["variance"].clamp(min=eps1 * eps1)
        else:
            row, column = state["row_var"], state["col_var"]
            row.add_((squares.mean(-1, keepdim=True) - row) * fresh)
            column.add_((squares.mean(-2, keepdim=True) - column) * fresh)
            # The column is divided, which is small, and not the product.
            scaled = column / row.mean(-2, keepdim=True).clamp(min=eps1)
            update = (row * scaled).clamp_(min=eps1 * eps1)
        update.rsqrt_().mul_(g)
        size = size / (_rms(update) / group["d"]).clamp(min=1.0)
        p.sub_(update.mul_(size.to(p.dtype)))


def _rms(x: Tensor) -> Tensor:
    return x.detach().square().mean().double().sqrt()
