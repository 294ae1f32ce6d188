"""Entropy, divergence, self-information."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import Op, normal, uniform

info = mo.nn.information
OURS = "PyTorch has no such function"


def _distribution(*shape: int) -> Any:
    def make(rng: np.random.Generator) -> np.ndarray:
        p = rng.random(shape) + 0.1
        return p / p.sum(-1, keepdims=True)

    return make


def case(name: str, reference: Any, *inputs: Any, label: str = "plain", **options: Any) -> Op:
    # Steps of differences leave the simplex by less than the check of probabilities allows.
    return Op(
        f"nn.information.{name}", lambda lib, *t: getattr(lib.nn.information, name)(*t, **options), reference,
        inputs, label=label, no_torch=OURS,
    )  # fmt: skip


def _kl(p: Any, q: Any) -> Any:
    return (p * np.log(p / q)).sum(-1)


OPS = [
    case("self_information", lambda p: -np.log(p), uniform(3, 4, low=0.1, high=0.9)),
    case("self_information", lambda p: -np.log2(p), uniform(low=0.1, high=0.9), label="bits", base=2),
    case("self_information", lambda p: p, uniform(0), label="empty"),
    case("entropy", lambda p: -(p * np.log(p)).sum(-1), _distribution(3, 4)),
    case("entropy", lambda p: -(p * np.log2(p)).sum(0), _distribution(4), label="bits", base=2, dim=0),
    case("cross_entropy", lambda p, q: -(p * np.log(q)).sum(-1), _distribution(3, 4), _distribution(4)),
    case("kl_divergence", _kl, _distribution(3, 4), _distribution(3, 4)),
    case("kl_divergence", _kl, _distribution(2, 1, 4), _distribution(3, 4), label="broadcast"),
    case(
        "kl_gaussian",
        lambda a, s, b, t: np.log(t / s) + (s**2 + (a - b) ** 2) / (2 * t**2) - 0.5,
        normal(3), uniform(3, low=0.3), normal(2, 1), uniform(low=0.5),
    ),
]  # fmt: skip
test_all = surface.make_tests(OPS)


def test_the_numbers_that_one_knows() -> None:
    assert info.self_information(1.0).item() == 0 and str(info.self_information(1.0).item()) == "0.0"
    assert abs(info.self_information(1 / 100).item() - 4.605) < 5e-4
    assert abs(info.self_information(1 / 100, base=2).item() - 6.64) < 5e-3
    assert abs(info.entropy([0.5, 0.5], base=2).item() - 1) < 1e-6
    assert abs(info.entropy(mo.full((8,), 1 / 8), base=2).item() - 3) < 1e-6
    assert info.entropy([1.0, 0.0]).item() == 0
    assert info.kl_divergence([0.5, 0.5], [1.0, 0.0]).item() == float("inf")
    assert info.kl_divergence([1.0, 0.0], [0.5, 0.5]).item() == pytest.approx(np.log(2))
    assert info.kl_gaussian(0.0, 1.0).item() == 0
    p = mo.tensor([0.0, 1.0], requires_grad=True)
    info.entropy(p).backward()
    assert mo.isfinite(p.grad).all()


def test_the_gaussians_agree_with_a_sum_over_a_grid() -> None:
    x = mo.linspace(-12, 12, 4801, dtype=mo.float64)

    def density(mean: float, std: float) -> Any:
        p = mo.exp(-0.5 * ((x - mean) / std) ** 2)
        return p / p.sum()

    a, b = density(0.5, 0.8), density(-0.3, 1.3)
    assert abs(info.kl_divergence(a, b).item() - info.kl_gaussian(0.5, 0.8, -0.3, 1.3).item()) < 1e-6
    gap = info.cross_entropy(a, b) - info.entropy(a) - info.kl_divergence(a, b)
    assert abs(gap.item()) < 1e-12


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: info.entropy([0.5, -0.5]), "entropy"),
        (lambda: info.entropy(mo.tensor([1, 0])), "entropy"),
        (lambda: info.self_information(0.5, base=1), "base"),
        (lambda: info.kl_gaussian(0.0, 0.0), "std1"),
    ],
)
def test_bad_input(call: Any, match: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=match):
        call()
