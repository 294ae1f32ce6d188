"""Losses of each element and CTC against float64, on every instruction set."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C

NAMES = {
    "where": np.where, "abs": np.abs, "sign": np.sign, "square": np.square, "exp": np.exp, "log": np.log,
    "log1p": np.log1p, "log1p_unit": np.log1p, "exp_low": np.exp, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}  # fmt: skip
# What the inputs of a loss are like, beside normal ones.
UNIT = ("binary_cross_entropy",)
SIGNS = ("soft_margin_loss", "hinge_embedding_loss")
POSITIVE = ("kl_div", "poisson_nll_loss", "poisson_nll_of_rates", "gaussian_nll_loss")


def evaluate(text: str, x: Any, y: Any, w: Any = None, g: Any = 1.0, p: float = 0.0) -> Any:
    with np.errstate(all="ignore"):
        value = eval(text, dict(NAMES), {"x": x, "y": y, "w": w, "g": g, "p": p})
    return np.broadcast_to(value, x.shape)


def operands(name: str, rng: np.random.Generator, shape: Any) -> list[np.ndarray]:
    out = [rng.standard_normal(shape) for _ in range(2 if _C.loss_formulas[name][3] == "0" else 3)]
    if name in UNIT:
        out = [rng.uniform(0.05, 0.95, shape) for _ in out]
    if name in SIGNS:
        out[1] = rng.choice([-1.0, 1.0], shape)
    if name in POSITIVE:
        out = [out[0], *(rng.uniform(0.5, 2, shape) for _ in out[1:])]
    if name == "poisson_nll_of_rates":
        out[0] = rng.uniform(0.5, 2, shape)
    return out


def settle(values: np.ndarray, reduction: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return (
            values
            if reduction == "none"
            else np.asarray(values.sum() / (1, values.size)[reduction == "mean"])
        )


def cases() -> list[harness.Case]:
    out = []
    p = 0.6
    for name, (value, *slopes) in _C.loss_formulas.items():
        common = name in ("mse_loss", "binary_cross_entropy_with_logits", "gaussian_nll_loss")
        for shape, reduction in itertools.product(
            ((0,), (3, 7), (2, 33000)) if common else ((5, 13),), ("none", "mean", "sum")
        ):
            label = f"{name}-{'x'.join(map(str, shape))}-{reduction}"
            small = np.prod(shape) < 1000
            dtypes: tuple[str, ...] = ("float32", "float64") if small else ("float32",)
            if small and common:
                dtypes = (*dtypes, "bfloat16", "float16")

            def call(x: list[Any], f: str = name, r: str = reduction) -> Any:
                return getattr(_C, f)(x[0], x[1], x[2] if len(x) == 3 else None, p, r)

            def want(a: list[Any], text: str = value, r: str = reduction) -> Any:
                return settle(evaluate(text, *a, p=p), r)

            def bound(a: list[Any], text: str = value, r: str = reduction) -> Any:
                each = 60 * (1 + sum(np.abs(v) for v in a)) ** 2
                return settle(each, r) if each.size else 1.0

            out.append(
                harness.Case(
                    label, lambda rng, n=name, s=shape: operands(n, rng, s), call, want, bound, dtypes=dtypes
                )
            )

            def grads(x: list[Any], f: str = f"{name}_grad", r: str = reduction) -> Any:
                wanted = [True, True, len(x) == 4]
                found = getattr(_C, f)(x[-1], x[0], x[1], x[2] if len(x) == 4 else None, p, r, wanted)
                return tuple(v for v in found if v is not None)

            def want_grads(a: list[Any], texts: Any = slopes, r: str = reduction) -> Any:
                g = a[-1] / a[0].size if r == "mean" and a[0].size else a[-1]
                return tuple(evaluate(t, *a[:-1], g=g, p=p) for t in texts[: len(a) - 1])

            def bound_grads(a: list[Any], r: str = reduction) -> Any:
                size = a[0].size if r == "mean" and a[0].size else 1
                near = 60 * (1 + sum(np.abs(v) for v in a)) ** 2 / size
                return tuple(near for _ in a[:-1])

            out.append(
                harness.Case(
                    f"{label}-grad",
                    lambda rng, n=name, s=shape, r=reduction: [
                        *operands(n, rng, s),
                        rng.standard_normal(s if r == "none" else ()),
                    ],
                    grads, want_grads, bound_grads, dtypes=dtypes,
                )
            )  # fmt: skip
    return out


test_all = harness.make_tests(cases())


@pytest.fixture(params=_C.available_isas())
def isa(request: pytest.FixtureRequest) -> Any:
    with harness.using(isa=request.param):
        yield request.param


def test_a_reduced_loss_has_the_bits_of_the_reduction(isa: str) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 1000, 70001):
        x, y = (harness.array(rng.standard_normal(n).astype(np.float32)) for _ in range(2))
        each = _C.mse_loss(x, y, None, 0.0, "none")
        if isa != "ref":
            assert harness.bits(_C.mse_loss(x, y, None, 0.0, "mean")) == harness.bits(
                _C.mean(each, (), False)
            )
            assert harness.bits(_C.mse_loss(x, y, None, 0.0, "sum")) == harness.bits(_C.sum(each, (), False))


def test_wrong_arguments() -> None:
    x, y = harness.array(np.ones(3, np.float32)), harness.array(np.ones((1, 3), np.float32))
    for args, match in (
        ((x, y, None, 0.0, "mean"), "one shape"),
        ((x, x, x, 0.0, "mean"), "takes 2 arrays"),
        ((x, x, None, 0.0, "all"), "reduction"),
        ((x, _C.cast(x, _C.float64), None, 0.0, "mean"), "one type"),
    ):
        with pytest.raises((ValueError, TypeError), match=f"mse_loss: .*{match}"):
            _C.mse_loss(*args)


# -- CTC


def ctc(x: np.ndarray, targets: Any, steps: Any, lengths: Any, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """The losses and -(the share of the paths in each class at each step), by plain recursion."""
    losses, grad = np.zeros(x.shape[1]), np.zeros_like(x)
    for i in range(x.shape[1]):
        start = sum(lengths[:i])
        labels = targets[i, : lengths[i]] if targets.ndim == 2 else targets[start : start + lengths[i]]
        place = [blank, *(v for label in labels for v in (int(label), blank))]
        n, t_end = len(place), int(steps[i])

        def ways(row: np.ndarray, s: int, place: Any = place) -> np.ndarray:
            leap = s >= 2 and place[s] != blank and place[s] != place[s - 2]
            return np.logaddexp.reduce(row[max(0, s - 1 - leap) : s + 1])

        alpha = np.full((t_end + 1, n), -np.inf)
        alpha[0, 0] = 0
        for t in range(t_end):
            alpha[t + 1] = [ways(alpha[t], s) + x[t, i, place[s]] for s in range(n)]
        losses[i] = -np.logaddexp.reduce(alpha[-1, max(0, n - 2) :])
        if np.isinf(losses[i]):
            continue
        beta = np.full(n, -np.inf)
        for t in range(t_end - 1, -1, -1):
            if t == t_end - 1:
                inner = np.where(np.arange(n) >= n - 2, 0.0, -np.inf)
            else:
                inner = np.array(
                    [
                        np.logaddexp.reduce(
                            [
                                beta[k]
                                for k in range(s, min(s + 3, n))
                                if k < s + 2 or (place[k] != blank and place[k] != place[s])
                            ]
                        )
                        for s in range(n)
                    ]
                )
            for s in range(n):
                grad[t, i, place[s]] -= np.exp(alpha[t + 1, s] + inner[s] + losses[i])
            beta = inner + x[t, i, place]
    return losses, grad


def ctc_case(label: str, shape: Any, targets: Any, steps: Any, lengths: Any, blank: int = 0) -> harness.Case:
    def inputs(rng: np.random.Generator) -> list[np.ndarray]:
        x = rng.standard_normal(shape)
        x -= np.log(np.exp(x).sum(-1, keepdims=True))
        return [x, rng.standard_normal(shape[1]), *(np.array(v, np.int64) for v in (targets, steps, lengths))]

    def call(v: list[Any]) -> Any:
        loss, saved = _C.ctc(v[0], *v[2:], blank, True)
        return loss, _C.ctc_grad(v[1], v[0], *v[2:], blank, loss, saved)

    def reference(a: list[np.ndarray]) -> Any:
        losses, grad = ctc(a[0], *a[2:], blank)
        return losses, grad * a[1][:, None]

    def bound(a: list[np.ndarray]) -> Any:
        near = 30 * (1 + shape[0])
        return near, near * (1 + abs(a[1]))[:, None]

    return harness.Case(f"ctc-{label}", inputs, call, reference, bound, dtypes=("float32", "float64"))


LONG = np.random.default_rng(0).integers(1, 12, (3, 30))
test_ctc = harness.make_tests(
    [
        ctc_case("padded", (7, 3, 4), [[1, 2, 3], [2, 2, 0], [1, 0, 0]], [7, 5, 4], [3, 2, 1]),
        ctc_case("packed", (6, 3, 4), [1, 3, 2, 2, 0, 1], [6, 6, 1], [2, 3, 1], 1),
        ctc_case("long", (70, 3, 12), LONG, [70, 64, 61], [30, 17, 0]),
        ctc_case("impossible", (3, 2, 4), [[1, 1, 1], [1, 2, 3]], [3, 3], [3, 3]),
        ctc_case("nothing", (0, 2, 3), np.zeros((2, 0)), [0, 0], [0, 0]),
    ]
)


def test_ctc_reports_what_is_out_of_range(isa: str) -> None:
    x = harness.array(np.zeros((4, 2, 3), np.float32))

    def run(targets: Any, steps: Any, lengths: Any) -> None:
        _C.ctc(x, *(harness.array(np.array(v, np.int64)) for v in (targets, steps, lengths)), 0, False)

    run([[1, 2], [2, 0]], [4, 3], [2, 1])
    for targets, steps, lengths in (
        ([[1, 3], [2, 0]], [4, 3], [2, 1]),
        ([[1, -1], [2, 0]], [4, 3], [2, 1]),
        ([[1, 2], [2, 0]], [5, 3], [2, 1]),
        ([[1, 2], [2, 0]], [4, -1], [2, 1]),
        ([[1, 2], [2, 0]], [4, 3], [2, 3]),
        ([1, 2, 1], [4, 3], [2, 2]),
        ([1, 2, 1], [4, 3], [1, 1]),
    ):
        with pytest.raises(IndexError, match="ctc_loss: a length or label"):
            run(targets, steps, lengths)
