"""Activation functions (row B1).

A layer of units computes a = f(z), z = W x + b. Without a bent f layers on layers would be one layer.
Learning multiplies by the derivative f′ at every unit on the way back, so where f′ is near 0 nothing is
learned:

    σ(z) = 1 / (1 + e^(−z)),  σ′ = σ (1 − σ) ≤ ¼      tanh′ = 1 − tanh²
    relu(z) = max(0, z),  relu′ = 0 or 1              softmax(z)ᵢ = e^zᵢ / Σ e^zⱼ,  ∂pᵢ/∂zⱼ = pᵢ (δᵢⱼ − pⱼ)

Step and sign, the perceptron's functions, have the derivative 0 and cannot be learned through.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import markone as mo
from markone import viz
from markone.lessons.page import Page
from markone.nn import functional as F

FUNCTIONS: dict[str, Any] = {
    "step": lambda z: mo.heaviside(z, mo.ones_like(z)),
    "sign": mo.sign,
    "identity": lambda z: 1.0 * z,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "ReLU": F.relu,
    "leaky ReLU": lambda z: F.leaky_relu(z, 0.1),
    "softplus": F.softplus,
    "ELU": F.elu,
    "SELU": F.selu,
    "GELU": F.gelu,
    "SiLU": F.silu,
    "softmax of (z, 0, 0)": lambda z: F.softmax(mo.stack([z, 0 * z, 0 * z], 1), 1)[:, 0],
}


def value_and_slope(name: str, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f and f′ of these points."""
    z = mo.tensor(at, dtype=mo.float64, requires_grad=True)
    value = FUNCTIONS[name](z)
    if not value.requires_grad:
        return value.numpy(), np.zeros_like(at)
    value.sum().backward()
    assert z.grad is not None
    return value.detach().numpy(), z.grad.numpy()


def lesson(page: Page) -> None:
    """Each function and its derivative: as numbers, against the formulas, as pictures."""
    at = np.array([-2.0, 0.5, 2.0])
    rows = [(name, *value_and_slope(name, at)) for name in FUNCTIONS]
    page.table(
        ("f", *(f"f({z:g})" for z in at), *(f"f′({z:g})" for z in at)),
        [(name, *(f"{v:.4f}" for v in (*value, *slope))) for name, value, slope in rows],
    )

    page.title("Against the formulas")
    s, t, e = 1 / (1 + np.exp(-at)), np.tanh(at), np.exp(at)
    normal = np.array([(1 + math.erf(z / math.sqrt(2))) / 2 for z in at])
    bell = np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)
    p = e / (e + 2)
    formulas = {
        "sigmoid": (s, s * (1 - s), "f′ = σ (1 − σ)"),
        "tanh": (t, 1 - t**2, "f′ = 1 − tanh² z; the slide's 1 − z² is a slip"),
        "ReLU": (np.maximum(at, 0), 1.0 * (at > 0), ""),
        "leaky ReLU": (np.where(at > 0, at, 0.1 * at), np.where(at > 0, 1, 0.1), "slope 0.1 below 0"),
        "softplus": (np.log1p(e), s, "f′ = σ"),
        "ELU": (np.where(at > 0, at, e - 1), np.where(at > 0, 1, e), ""),
        "GELU": (at * normal, normal + at * bell, "z Φ(z)"),
        "SiLU": (at * s, s + at * s * (1 - s), "z σ(z)"),
        "softmax of (z, 0, 0)": (p, p * (1 - p), "f′ = p (1 − p)"),
    }
    for which in (0, 1):
        page.compare(
            [
                (
                    f"{name}{'′' if which else ''}",
                    value_and_slope(name, at)[which],
                    pair[which],
                    pair[2] * which,
                )
                for name, pair in formulas.items()
            ],
            digits=6,
            against="formula",
        )

    page.title("Softmax is many functions of many")
    z = mo.tensor([1.0, 2.0, 3.0], dtype=mo.float64, requires_grad=True)
    rows_of = [mo.autograd.grad(F.softmax(z, 0)[i], z)[0] for i in range(3)]
    jacobian = np.stack([row.numpy() for row in rows_of if row is not None])
    p = F.softmax(z.detach(), 0).numpy()
    page.compare(
        [("Σ p", p.sum(), 1.0), ("∂p/∂z", jacobian, np.diag(p) - np.outer(p, p), "diag(p) − p pᵀ")],
        digits=4,
        against="formula",
    )

    page.title("What is left of a gradient after ten layers")
    best = {
        name: float(np.abs(value_and_slope(name, np.linspace(-6, 6, 1201))[1]).max()) for name in FUNCTIONS
    }
    page.table(
        ("f", "largest f′", "to the tenth power"),
        [(n, f"{best[n]:.3f}", f"{best[n] ** 10:.2g}") for n in ("step", "sigmoid", "tanh", "ReLU", "GELU")],
    )
    page.check("σ passes on less than a millionth", best["sigmoid"] ** 10 < 1e-6)

    across = np.linspace(-4, 4, 401)
    curves = {}
    for name in FUNCTIONS:
        value, slope = value_and_slope(name, across)
        curves[name] = {"f": (across, value), "f′": (across, slope)}
    page.picture(
        "activations",
        viz.panels(curves, x="z", title="Activation functions and their derivatives", columns=5),
    )
    page.next(
        "Which of them can have a negative derivative? Find the z where SiLU is smallest.",
        "`markone lesson initialisation` shows the same shrinking through real layers.",
        "Write one of your own: any function of tensors has its derivative by itself.",
    )
