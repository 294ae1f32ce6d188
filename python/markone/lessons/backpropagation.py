"""Backpropagation as an algorithm (row B3).

The loss depends on a weight only through the unit it leads to, and on a unit only through the units that it
feeds. So one sweep from the end to the start gives every derivative:

    δᴸ = a − y,    δˡ = (Θˡ)ᵀ δˡ⁺¹ ∘ g′(zˡ),    ∂J/∂Θˡ = δˡ⁺¹ (aˡ)ᵀ

Over a batch the products are summed into Δ; with weight decay the gradient is D = Δ/n + λΘ, without λ for the
bias (Rumelhart, Hinton and Williams 1986).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import markone as mo
from markone import nn, viz
from markone.datasets.toy import moons
from markone.lessons.loop import mlp
from markone.lessons.page import Page
from markone.nn import functional as F


def lesson(page: Page) -> None:
    """Any small net unit by unit; a chain; the batch form; and what happens without activations."""
    unit_by_unit(page)
    chain(page)
    batch_form(page)
    linear_layers(page)
    page.next(
        "`mo.explain(loss)` works for any network of yours: give it a skip connection.",
        "Take the activations out of the batch form: which line changes?",
        "`for step in mo.autograd.step_backward(loss): print(step)` goes through it operation by operation.",
    )


def unit_by_unit(page: Page) -> None:
    """Two hidden layers of tanh units, L = ½ (y − t)²."""
    page.title("Two hidden layers of tanh, unit by unit")
    net = mlp(2, 2, 2, 1, activation=nn.Tanh).double()
    x, t = mo.tensor([[0.5, -1.0]], dtype=mo.float64), 1.0
    y = net(x)
    loss = (0.5 * (y - t) ** 2).sum()
    worked = mo.explain(loss, lr=0.1, names=net, delta="gradient", quiet=True)
    for line in worked.text().splitlines():
        page.print(line)

    # By hand: the slide's ∂L/∂y = y − t, then (1 − h²) at each tanh, biases as weights from a 1.
    w1, b1, w2, b2, w3, b3 = (p.detach().numpy() for p in net.parameters())
    a = x.numpy()[0]
    h1 = np.tanh(w1 @ a + b1)
    h2 = np.tanh(w2 @ h1 + b2)
    d3 = w3 @ h2 + b3 - t
    d2 = (w3.T @ d3) * (1 - h2**2)
    d1 = (w2.T @ d2) * (1 - h1**2)
    hand = [np.outer(d1, a), d1, np.outer(d2, h1), d2, np.outer(d3, h2), d3]
    loss.backward()
    names = ["∂L/∂w¹", "∂L/∂b¹", "∂L/∂w²", "∂L/∂b²", "∂L/∂w³", "∂L/∂b³"]
    page.print()
    page.compare(
        [
            (name, p.grad, g, "a bias: ∂L/∂b = δ" if "b" in name else "")
            for name, p, g in zip(names, net.parameters(), hand)
        ],
        digits=6,
        against="by hand",
    )
    page.compare(
        [("δ of the units 3 to 7", [float(worked.unit(n).delta[0]) for n in range(3, 8)], [*d1, *d2, *d3])],
        6,
        against="by hand",
    )
    page.picture("network", viz.network(worked, "tanh, tanh, linear: δ = ∂L/∂z"))


def chain(page: Page) -> None:
    """a4 → w3 → a3 → w2 → a2 → w1 → a1 → w0 → a0, C = (a0 − y)²."""
    page.title("A chain of four linear units")
    w0, w1, w2, w3 = (mo.tensor(v, dtype=mo.float64, requires_grad=True) for v in (0.5, -1.5, 0.8, 1.2))
    a4, y = 2.0, 1.0
    a3 = w3 * a4
    a2 = w2 * a3
    a1 = w1 * a2
    a0 = w0 * a1
    ((a0 - y) ** 2).backward()
    out = 2 * (a0.item() - y)
    v0, v1, v2, v3 = (w.item() for w in (w0, w1, w2, w3))
    page.compare(
        [
            ("∂C/∂w0", w0.grad, a4 * v3 * v2 * v1 * out, "a1 · 2(a0 − y)"),
            ("∂C/∂w1", w1.grad, a4 * v3 * v2 * v0 * out, "a2 · w0 · 2(a0 − y)"),
            ("∂C/∂w2", w2.grad, a4 * v3 * v1 * v0 * out, "a3 · w1 · w0 · 2(a0 − y)"),
            ("∂C/∂w3", w3.grad, a4 * v2 * v1 * v0 * out, "a4 · w2 · w1 · w0 · 2(a0 − y)"),
        ],
        digits=6,
        against="formula",
    )


def by_hand(theta: list[np.ndarray], x: np.ndarray, y: np.ndarray, decay: float) -> list[np.ndarray]:
    """The slide's loop: D for each Θ, whose first column is the bias."""
    total = [np.zeros_like(t) for t in theta]
    for one, target in zip(x, y):
        a = [np.r_[1.0, one]]
        for t in theta:
            a.append(np.r_[1.0, 1 / (1 + np.exp(-(t @ a[-1])))])
        delta = a[-1][1:] - target
        for layer in reversed(range(len(theta))):
            total[layer] += np.outer(delta, a[layer])
            delta = (theta[layer][:, 1:].T @ delta) * a[layer][1:] * (1 - a[layer][1:])
    keep = [np.c_[np.zeros(len(t)), t[:, 1:]] for t in theta]
    return [s / len(x) + decay * k for s, k in zip(total, keep)]


def batch_form(page: Page) -> None:
    """Δ and D against autograd, four layers of σ with cross-entropy."""
    page.title("The batch form: Δ and D")
    points, labels = moons(40, seed=page.seed)
    x, y, decay = points.double(), labels.double().unsqueeze(1), 0.01
    net = nn.Sequential(mlp(2, 4, 3, 1, activation=nn.Sigmoid), nn.Sigmoid()).double()
    weights = [p for p in net.parameters() if p.ndim == 2]
    loss = F.binary_cross_entropy(net(x), y) + decay / 2 * sum((w**2).sum() for w in weights)
    loss.backward()
    parameters: list[Any] = list(net.parameters())
    theta = [np.c_[b.detach().numpy(), w.detach().numpy()] for w, b in zip(parameters[::2], parameters[1::2])]
    auto = [np.c_[b.grad.numpy(), w.grad.numpy()] for w, b in zip(parameters[::2], parameters[1::2])]
    hand = by_hand(theta, x.numpy(), y.numpy(), decay)
    page.text(
        "The cost is −[y log h + (1 − y) log(1 − h)]: the slide leaves its minus sign out, but with "
        "δ = a − y it means this one."
    )
    page.compare(
        [(f"D{i + 1}, first row", a[0], h[0], "bias first") for i, (a, h) in enumerate(zip(auto, hand))],
        digits=6,
        against="by hand",
    )
    off = max(float(np.abs(a - h).max()) for a, h in zip(auto, hand))
    page.check("every element of D is autograd's, to 1e-12", off < 1e-12)


def linear_layers(page: Page) -> None:
    """Without activations W₄ W₃ W₂ W₁ is one matrix."""
    page.title("Layers without activations are one layer")
    deep = mlp(5, 7, 6, 4, 1, activation=nn.Identity).double()
    w, b = np.eye(5), np.zeros(5)
    parameters = [p.detach().numpy() for p in deep.parameters()]
    for matrix, bias in zip(parameters[::2], parameters[1::2]):
        w, b = matrix @ w, matrix @ b + bias
    x = mo.randn(100, 5, dtype=mo.float64)
    one = x.numpy() @ w.T + b
    page.text(f"W₄W₃W₂W₁ = ({', '.join(f'{v:.3f}' for v in w[0])}), bias {b[0]:.3f}: a single unit.")
    page.check(
        "four layers and the one unit agree on 100 inputs",
        np.allclose(deep(x).detach().numpy(), one, atol=1e-12),
    )
