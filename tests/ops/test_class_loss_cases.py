"""Losses of classes: cross-entropy, negative log-likelihood, alignments of sequences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import Op, integers, normal, uniform

F = mo.nn.functional
REDUCTIONS = ("mean", "sum", "none")


def settle(loss: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](loss)


def log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    e = x - x.max(dim, keepdims=True, initial=-1e300) if x.size else x
    return e - np.log(np.exp(e).sum(dim, keepdims=True))


def _picked(x: np.ndarray, y: np.ndarray, w: Any, ignore: int) -> tuple[np.ndarray, np.ndarray]:
    """-x[y] times weight, and the weights, 0 where ignored; the classes are dimension 1 (0 of a vector)."""
    wide, labels = (x[None], y[None]) if x.ndim == 1 else (x, y)
    each, weights = np.zeros(labels.shape), np.zeros(labels.shape)
    for at in np.ndindex(labels.shape):
        label = labels[at]
        if label != ignore:
            weights[at] = 1 if w is None else w[label]
            each[at] = -wide[(at[0], label, *at[1:])] * weights[at]
    return each.reshape(y.shape), weights.reshape(y.shape)


def _classes(x: Any, y: Any, w: Any, ignore: int, reduction: str, smoothing: float, logits: bool) -> Any:
    dim = 0 if x.ndim == 1 else 1
    p = log_softmax(x, dim) if logits else x
    each, weights = _picked(p, y, w, ignore)
    if smoothing:
        wide = 1 if w is None else np.reshape(w, (-1, *[1] * (x.ndim - dim - 1)))
        even = -(p * wide).mean(dim) * (y != ignore)
        each = (1 - smoothing) * each + smoothing * even
    with np.errstate(all="ignore"):
        return each.sum() / weights.sum() if reduction == "mean" else settle(each, reduction)


WEIGHT = [0.5, 2.0, 1.5]


def classes(
    name: str, label: str, *shape: int, weight: bool = False, ignore: int = -100, smoothing: float = 0.0
) -> list[Op]:
    """cross_entropy or nll_loss of 3 classes, for each reduction; one label is -100."""
    logits = name == "cross_entropy"
    batch = shape[:1] + shape[2:] if len(shape) > 1 else ()

    def labels(rng: np.random.Generator) -> np.ndarray:
        out = rng.integers(0, 3, batch)
        if out.size > 2:
            out.reshape(-1)[1] = ignore
        return out

    def one(reduction: str) -> Op:
        more: dict[str, Any] = {"ignore_index": ignore, "reduction": reduction}
        if logits:
            more["label_smoothing"] = smoothing

        def call(lib: Any, x: Any, y: Any) -> Any:
            w = x.detach().new_tensor(WEIGHT) if weight else None
            return getattr(lib.nn.functional, name)(x, y, w, **more)

        def value(x: Any, y: Any) -> Any:
            return _classes(x, y, WEIGHT if weight else None, ignore, reduction, smoothing, logits)

        return Op(
            f"nn.functional.{name}", call, value, [normal(*shape), labels], label=f"{label}-{reduction}"
        )

    return [one(r) for r in REDUCTIONS if not (r == "mean" and 0 in shape)]


def _probable(x: Any, y: Any, smoothing: float, reduction: str) -> Any:
    y = (1 - smoothing) * y + smoothing / x.shape[1]
    each = -(log_softmax(x, 1) * y * np.reshape(WEIGHT, (-1, *[1] * (x.ndim - 2)))).sum(1)
    return each.sum() / each.size if reduction == "mean" else settle(each, reduction)


def probable(reduction: str, *shape: int) -> Op:
    def call(lib: Any, x: Any, y: Any) -> Any:
        w = x.detach().new_tensor(WEIGHT)
        return lib.nn.functional.cross_entropy(x, y, w, label_smoothing=0.1, reduction=reduction)

    return Op(
        "nn.functional.cross_entropy", call, lambda x, y: _probable(x, y, 0.1, reduction),
        [normal(*shape), uniform(*shape)], label=f"probabilities-{len(shape)}-{reduction}",
    )  # fmt: skip


def linear_ce(label: str, x: Any, w: Any, b: Any, y: Any, **options: Any) -> Op:
    def call(lib: Any, x: Any, w: Any, b: Any, y: Any) -> Any:
        return lib.nn.functional.linear_cross_entropy(x, w, y, linear_bias=b, **options)

    def value(x: Any, w: Any, b: Any, y: Any) -> Any:
        scores = np.tensordot(x, w, ([-1], [-1])) + b
        if y.dtype.kind == "f":
            return -(log_softmax(scores, 1) * y).sum() / len(y)
        ignore = options.get("ignore_index", -100)
        return _classes(scores, y, None, ignore, "mean", options.get("label_smoothing", 0.0), True)

    return Op("nn.functional.linear_cross_entropy", call, value, [x, w, b, y], label=label)


CLASSES = [
    *(op for name in ("cross_entropy", "nll_loss") for op in [
        *classes(name, "plain", 4, 3), *classes(name, "vector", 3), *classes(name, "images", 2, 3, 2, 2),
        *classes(name, "weight", 4, 3, weight=True, ignore=1), *classes(name, "empty", 0, 3),
    ]),
    *classes("cross_entropy", "smooth", 4, 3, smoothing=0.2),
    *classes("cross_entropy", "all", 2, 3, 2, smoothing=0.2, weight=True),
    *(probable(r, 4, 3) for r in REDUCTIONS),
    probable("mean", 2, 3, 2),
    linear_ce("plain", normal(4, 2), normal(3, 2), normal(3), integers(0, 3, 4), label_smoothing=0.1),
    linear_ce("ignored", normal(4, 2), normal(3, 2), normal(3), np.array([0, 2, 1, 2]), ignore_index=1),
    linear_ce("vector", normal(2), normal(3, 2), normal(3), np.array(2)),
    linear_ce("many", normal(4, 2), normal(3, 2, 2), normal(3, 2), integers(0, 3, 4, 2)),
    linear_ce("probabilities", normal(4, 2), normal(3, 2), normal(3), uniform(4, 3)),
]  # fmt: skip


# -- CTC


def _ctc_one(p: np.ndarray, target: Any, blank: int) -> float:
    """-log of the summed probability of every path that reads as the target, path by path."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        read = [k for k, _ in itertools.groupby(path) if k != blank]
        if read == list(target):
            total += np.exp(sum(p[t, k] for t, k in enumerate(path)))
    return -np.log(total) if total else np.inf


def ctc(
    label: str,
    shape: tuple[int, ...],
    targets: Any,
    inputs: Any,
    lengths: Any,
    blank: int = 0,
    **options: Any,
) -> Op:
    reduction = options.get("reduction", "mean")

    def call(lib: Any, x: Any, y: Any) -> Any:
        logs = lib.nn.functional.log_softmax(x, -1)
        return lib.nn.functional.ctc_loss(
            logs, y, lib.tensor(inputs), lib.tensor(lengths), blank=blank, **options
        )

    def value(x: Any, y: Any) -> Any:
        p = log_softmax(x, -1)
        if x.ndim == 2:
            return _ctc_one(p[:inputs], y[:lengths], blank)
        starts = np.cumsum(lengths) - lengths
        rows = y if y.ndim == 2 else [y[s:] for s in starts]
        each = [_ctc_one(p[:t, n], rows[n][:s], blank) for n, (t, s) in enumerate(zip(inputs, lengths))]
        each = np.where(np.isinf(each) & options.get("zero_infinity", False), 0, each)
        return settle(each / np.maximum(lengths, 1) if reduction == "mean" else each, reduction)

    return Op(
        "nn.functional.ctc_loss", call, value, [normal(*shape), np.array(targets)], label=label,
        tolerance=100, torch_rtol=1e-7,
    )  # fmt: skip


PADDED = [[1, 2, 2], [2, 1, 0], [1, 1, 1]]
CTC = [
    ctc("none", (5, 3, 3), PADDED, [5, 4, 5], [3, 2, 2], reduction="none"),
    ctc("sum", (5, 3, 3), [1, 2, 2, 2, 1, 1, 1], [5, 4, 5], [3, 2, 2], reduction="sum"),
    ctc("mean", (5, 3, 3), PADDED, [5, 5, 3], [1, 0, 2]),
    ctc("blank", (4, 2, 3), [[0, 1], [1, 0]], [4, 3], [2, 1], blank=2),
    ctc("impossible", (4, 2, 3), [[1, 1, 2], [1, 2, 0]], [3, 4], [3, 2], zero_infinity=True),
    ctc("vector", (4, 3), [1, 2], 4, 2, reduction="none"),
]

OPS = [*CLASSES, *CTC]
test_all = surface.make_tests(OPS)


def test_ctc_without_an_alignment() -> None:
    x = mo.zeros(2, 1, 3).log_softmax(2).requires_grad_()
    loss = F.ctc_loss(x, mo.tensor([[1, 1]]), [2], [2], reduction="sum")
    loss.backward()
    assert loss.item() == float("inf") and (x.grad == 0).all()
    x = mo.full((3, 1, 2), float("-inf")).requires_grad_()
    F.ctc_loss(x, mo.tensor([[1]]), [3], [1], reduction="sum", zero_infinity=True).backward()
    assert (x.grad == 0).all()
    assert F.ctc_loss(mo.zeros(3, 1, 2), mo.zeros(1, 0, dtype=mo.int64), [0], [0]).item() == 0


def test_ctc_gradient_is_minus_the_share_of_the_paths() -> None:
    """At each step the gradient of log_probs sums to -1: the posterior of the paths' classes."""
    x = mo.randn(7, 2, 4, dtype=mo.float64).log_softmax(2).requires_grad_()
    F.ctc_loss(x, mo.tensor([[1, 2], [3, 3]]), [7, 7], [2, 2], reduction="sum").backward()
    assert mo.allclose(x.grad.sum(2), mo.full((7, 2), -1.0, dtype=mo.float64))


def test_ctc_and_linear_cross_entropy_layers() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((6, 2, 4))
    results = []
    for lib in (mo, torch):
        layer = lib.nn.CTCLoss(blank=1, reduction="sum", zero_infinity=True)
        logs = lib.from_numpy(x).log_softmax(2)
        results.append(layer(logs, lib.tensor([[0, 2], [3, 3]]), lib.tensor([6, 5]), lib.tensor([2, 2])))
    assert abs(results[0].item() - results[1].item()) < 1e-10
    options = {"bias": True, "out_features": (2,), "label_smoothing": 0.1, "ignore_index": 1}
    theirs = torch.nn.LinearCrossEntropyLoss(5, 3, **options)
    ours = mo.nn.LinearCrossEntropyLoss(5, 3, **options)
    ours.load_state_dict({k: mo.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
    x, y = np.random.default_rng(0).standard_normal((4, 5)).astype("float32"), np.array([[0, 1]] * 4)
    a, b = ours(mo.from_numpy(x), mo.from_numpy(y)), theirs(torch.from_numpy(x), torch.from_numpy(y))
    assert abs(a.item() - b.item()) < 1e-6


ONE, WHOLE = mo.ones(2, 3), mo.zeros(2, dtype=mo.int64)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: F.linear_cross_entropy(ONE, mo.ones(4, 2), WHOLE), "linear_cross_entropy"),
        (lambda: F.linear_cross_entropy(ONE, mo.ones(4, 3), WHOLE, options=1), "linear_cross_entropy"),
        (lambda: F.ctc_loss(mo.ones(4, 2, 3), mo.ones(2, 2), [4, 4], [2, 2]), "ctc_loss"),
        (lambda: F.ctc_loss(mo.ones(4, 2, 3), mo.ones(2, 2).long(), [5, 4], [2, 2]), "input_lengths"),
        (lambda: F.ctc_loss(mo.ones(4, 2, 3), mo.ones(2, 2).long(), [4, 4], [2, 3]), "target_lengths"),
        (lambda: F.ctc_loss(mo.ones(4, 2, 3), mo.ones(3).long(), [4, 4], [2, 2]), "ctc_loss"),
        (lambda: F.ctc_loss(mo.ones(4, 2, 3), mo.ones(2, 2).long(), [4, 4], [2, 2], 3), "blank"),
        (lambda: F.ctc_loss(mo.ones(4, 2, 3), mo.ones(2, 2).long() * 3, [4, 4], [2, 2]), "index|gather"),
        (lambda: mo.nn.LinearCrossEntropyLoss(3, 2, weight=mo.ones(3)), "LinearCrossEntropyLoss"),
    ],
)
def test_bad_input(call: Any, match: str) -> None:
    with pytest.raises((ValueError, RuntimeError, IndexError, NotImplementedError), match=match):
        call()
