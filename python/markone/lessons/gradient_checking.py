"""Gradient checking (row B4).

Backpropagation is easily written wrong and still learns a little. The definition of the derivative finds out,
two evaluations of the loss for each weight:

    ∂J/∂θᵢ ≈ [J(θᵢ + ε) − J(θᵢ − ε)] / 2ε        error of order ε²; one-sided differences have order ε

ε must be neither large (the formula's error) nor tiny (the subtraction's rounding). `mo.autograd.gradcheck`
does this for any function of float64 tensors, `gradgradcheck` for second derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import markone as mo
from markone import _C, nn, viz
from markone.autograd import gradcheck, gradgradcheck
from markone.autograd.gradcheck import GradcheckError
from markone.lessons.loop import mlp
from markone.lessons.page import Page
from markone.nn import functional as F
from markone.nn.utils.stateless import functional_call

# Where a function is not defined on (0.1, 0.9), or has no slope that is not 0.
STARTS = {"acosh": 1.1}
FLAT = ("bitwise_not", "ceil", "floor", "round", "sign", "trunc")


class Wrong(mo.autograd.Function):
    """x², with a mistake in its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """x²."""
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Forgets the 2."""
        (x,) = ctx.saved_tensors
        return gradients[0] * x


def lesson(page: Page) -> None:
    """By hand, by `gradcheck`; which ε; every elementwise operation; a mistake found."""
    net = mlp(3, 4, 2, activation=nn.Tanh).double()
    x, y = mo.randn(6, 3, dtype=mo.float64), mo.tensor([0, 1, 1, 0, 1, 0])
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    first = net[0].weight
    epsilon, slopes = 1e-5, []
    with mo.no_grad():
        for i in range(3):
            values = []
            for side in (epsilon, -2 * epsilon):  # θ + ε, then θ − ε
                first[0, i] += side
                values.append(F.cross_entropy(net(x), y).item())
            first[0, i] += epsilon
            slopes.append((values[0] - values[1]) / (2 * epsilon))
    page.compare(
        [("∂J/∂θ of the first unit", first.grad[0], slopes, "differences")], digits=7, against="differences"
    )
    names = [name for name, _ in net.named_parameters()]

    def of_weights(*values: Any) -> Any:
        """The loss as a function of all weights."""
        return F.cross_entropy(functional_call(net, dict(zip(names, values)), (x,)), y)

    page.check("gradcheck: all 26 weights", gradcheck(of_weights, tuple(net.parameters())))

    page.title("Every elementwise operation, by its first and second derivative")
    names = [n for n in sorted(_C.unary_derivatives) if n not in FLAT and hasattr(mo, n)]
    for name in names:
        at = mo.tensor(
            np.linspace(0.13, 0.87, 3) + STARTS.get(name, 0.0), dtype=mo.float64, requires_grad=True
        )
        gradcheck(getattr(mo, name), at)
        if not page.short:
            gradgradcheck(getattr(mo, name), at)
    page.text(
        f"{', '.join(names)}: {len(names)} agree. The others are checked by the tests; see docs/coverage.md."
    )
    page.check("more than thirty were checked", len(names) > 30)

    page.title("A mistake is found")
    wrong = mo.tensor([3.0], dtype=mo.float64, requires_grad=True)
    try:
        gradcheck(Wrong.apply, wrong)
        found = False
    except GradcheckError as error:
        found = True
        page.text(str(error))
    page.check("x² with the gradient x is caught", found)

    page.title("How large should ε be?")
    point, true = 1.0, float(np.cos(1.0))
    steps = 10.0 ** np.arange(-15, 0.1, 0.25)
    one_sided = np.abs((np.sin(point + steps) - np.sin(point)) / steps - true) + 1e-17
    central = np.abs((np.sin(point + steps) - np.sin(point - steps)) / (2 * steps) - true) + 1e-17
    best = steps[central.argmin()]
    page.text(
        f"Of sin at 1: the smallest error of central differences, {central.min():.0e}, is at ε = {best:.0e}."
    )
    page.check("best near the cube root of the rounding error, 6e-6", 1e-7 < best < 1e-3)
    page.picture(
        "epsilon",
        viz.lines(
            {"one-sided": (steps, one_sided), "central": (steps, central)},
            x="ε",
            y="error of the derivative",
            title="Rounding to the left, the formula's error to the right",
            log=True,
            log_x=True,
        ),
    )
    page.next(
        "Check a layer of yours before you train it, then take it out: two forwards a weight.",
        "Try float32: which ε is best, and how good does it get?",
        "relu at 0 has no derivative: what does gradcheck say there?",
    )
