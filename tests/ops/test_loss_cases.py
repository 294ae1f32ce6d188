"""Losses: every reduction and option, gradients and second order, against PyTorch."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import Op, distinct, integers, normal, uniform

F = mo.nn.functional
# PyTorch advises batchmean, and has renamed NLLLoss2d.
pytestmark = [pytest.mark.filterwarnings(f"ignore:{w}") for w in ("reduction. .mean", ".NLLLoss2d")]
REDUCTIONS = ("mean", "sum", "none")


def settle(loss: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](loss)


def softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def loss(
    name: str, reference: Any, *inputs: Any, label: str = "", options: Any = None, **more: Any
) -> list[Op]:
    """A case for each reduction; the reference gives the losses one by one."""
    options = options or {}

    def one(reduction: str) -> Op:
        return Op(
            f"nn.functional.{name}",
            lambda lib, *t: getattr(lib.nn.functional, name)(*t, reduction=reduction, **options),
            lambda *a: settle(reference(*a), reduction),
            inputs,
            label=f"{label}-{reduction}" if label else reduction,
            **more,
        )

    return [one(r) for r in REDUCTIONS]


def signs(*shape: int) -> Any:
    """±1 as integers."""
    return lambda rng: rng.choice([-1, 1], shape)


def _huber(x: Any, y: Any, delta: float) -> Any:
    d = abs(x - y)
    return np.where(d < delta, d * d / 2, delta * (d - delta / 2))


def _smooth(x: Any, y: Any, beta: float) -> Any:
    return _huber(x, y, beta) / beta if beta else abs(x - y)


def _kl(x: Any, y: Any) -> Any:
    return np.where(y > 0, y * (np.log(np.where(y > 0, y, 1)) - x), 0)


def _poisson(x: Any, y: Any, log: bool = True, full: bool = False) -> Any:
    out = np.exp(x) - y * x if log else x - y * np.log(x + 1e-8)
    safe = np.where(y > 1, y, 1)
    return out + full * np.where(y > 1, safe * np.log(safe) - safe + np.log(2 * np.pi * safe) / 2, 0)


def _gaussian(x: Any, y: Any, v: Any, full: bool = False) -> Any:
    v = v[..., None] if np.ndim(v) == x.ndim - 1 and np.ndim(v) else v
    v = np.maximum(v, 1e-6)
    return (np.log(v) + (x - y) ** 2 / v) / 2 + full * np.log(2 * np.pi) / 2


def _p(d: np.ndarray, p: float) -> np.ndarray:
    return (abs(d) ** p).sum(-1) ** (1 / p)


def _triplet(a: Any, p: Any, n: Any, margin: float = 1.0, order: float = 2, swap: bool = False) -> Any:
    far = _p(a - n + 1e-6, order)
    if swap:
        far = np.minimum(far, _p(p - n + 1e-6, order))
    return np.maximum(0, margin + _p(a - p + 1e-6, order) - far)


def _cosine(a: Any, b: Any, y: Any, margin: float = 0.0) -> Any:
    cos = (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))
    return np.where(y == 1, 1 - cos, np.maximum(0, cos - margin))


def _multi_margin(x: Any, y: Any, w: Any = None, p: int = 1, margin: float = 1.0) -> Any:
    rows, labels, out = np.atleast_2d(x), np.atleast_1d(y), []
    for row, label in zip(rows, labels):
        terms = [max(0, margin - row[label] + row[i]) ** p for i in range(len(row)) if i != label]
        out.append(sum(terms) / len(row) * (1 if w is None else w[label]))
    return np.array(out).reshape(np.shape(y))


def _multilabel_margin(x: Any, y: Any) -> Any:
    out = []
    for row, labels in zip(np.atleast_2d(x), np.atleast_2d(y)):
        chosen = list(itertools.takewhile(lambda v: v >= 0, labels))
        others = [i for i in range(len(row)) if i not in chosen]
        out.append(sum(max(0, 1 - row[j] + row[i]) for j in chosen for i in others) / len(row))
    return np.array(out).reshape(np.shape(x)[:-1])


def _bce(x: Any, y: Any, w: Any = 1.0) -> Any:
    return -w * (y * np.log(x) + (1 - y) * np.log1p(-x))


def _bce_logits(x: Any, y: Any, w: Any = 1.0, pos: Any = 1.0) -> Any:
    return w * (pos * y * softplus(-x) + (1 - y) * softplus(x))


LABELS = np.array([[3, 0, -1, 1], [1, -1, -1, -1], [0, 1, 2, 3], [-1, 2, 0, 1]])
AB = [distinct(3, 4, step=0.37), distinct(3, 4, step=0.23)]
ABN = [normal(4, 3), normal(4, 3), normal(4, 3)]
NOTHING = [normal(0, 3), normal(0, 3)]

REGRESSION = [
    *loss("mse_loss", lambda x, y: (x - y) ** 2, *AB),
    *loss("l1_loss", lambda x, y: abs(x - y), *AB),
    *loss("smooth_l1_loss", lambda x, y: _smooth(x, y, 1.0), *AB),
    *loss("smooth_l1_loss", lambda x, y: _smooth(x, y, 0.4), *AB, label="beta", options={"beta": 0.4}),
    *loss("smooth_l1_loss", lambda x, y: _smooth(x, y, 0.0), *AB, label="0", options={"beta": 0.0}),
    *loss("huber_loss", lambda x, y: _huber(x, y, 1.0), *AB),
    *loss("huber_loss", lambda x, y: _huber(x, y, 0.6), *AB, label="delta", options={"delta": 0.6}),
    *loss("soft_margin_loss", lambda x, y: softplus(-y * x), normal(3, 4), signs(3, 4)),
    *loss("soft_margin_loss", lambda x, y: softplus(-y * x), normal(0, 4), signs(0, 4), label="empty")[1:],
    *loss("soft_margin_loss", lambda x, y: softplus(-y * x), normal(), signs(), label="0d"),
    *loss("kl_div", _kl, normal(3, 4), uniform(3, 4, low=0.1)),
    *loss(
        "kl_div", lambda x, y: np.exp(y) * (y - x), normal(3, 4), normal(3, 4), label="logs",
        options={"log_target": True},
    ),
    *loss("poisson_nll_loss", _poisson, normal(3, 4), uniform(3, 4, high=4)),
    *loss(
        "poisson_nll_loss", lambda x, y: _poisson(x, y, False, True), uniform(3, 4, low=0.3),
        uniform(3, 4, high=4), label="full", options={"log_input": False, "full": True},
    ),
    *loss("gaussian_nll_loss", _gaussian, normal(3, 4), normal(3, 4), uniform(3, 4, low=0.3)),
    *loss(
        "gaussian_nll_loss", lambda x, y, v: _gaussian(x, y, v, True), normal(3, 4), normal(3, 4),
        uniform(3, low=0.3), label="rows", options={"full": True},
    ),
    *loss("binary_cross_entropy", _bce, uniform(3, 4, low=0.1, high=0.9), uniform(3, 4), torch_rtol=1e-8),
    *loss("binary_cross_entropy_with_logits", _bce_logits, normal(3, 4), uniform(3, 4)),
]  # fmt: skip

# Losses of nothing: means are NaN and sums 0 in both libraries.
EMPTY = [
    op
    for name, reference in {
        "mse_loss": lambda x, y: (x - y) ** 2, "l1_loss": lambda x, y: abs(x - y),
        "huber_loss": lambda x, y: _huber(x, y, 1.0), "smooth_l1_loss": lambda x, y: _smooth(x, y, 1.0),
        "kl_div": lambda x, y: x * y,
        "poisson_nll_loss": _poisson, "binary_cross_entropy_with_logits": _bce_logits,
        "multilabel_soft_margin_loss": lambda x, y: x.sum(-1), "hinge_embedding_loss": lambda x, y: x,
    }.items()
    for op in loss(name, reference, *NOTHING, label="empty")
    if not op.label.endswith("mean")
]  # fmt: skip
SINGLE = [
    op
    for name, reference in {
        "mse_loss": lambda x, y: (x - y) ** 2, "l1_loss": lambda x, y: abs(x - y),
        "huber_loss": lambda x, y: _huber(x, y, 1.0),
        "binary_cross_entropy_with_logits": _bce_logits,
    }.items()
    for op in loss(name, reference, normal(), normal(), label="0d")[:1]
]  # fmt: skip


def weighted(name: str, reference: Any, divisor: bool) -> list[Op]:
    """The losses with a weight for each element."""

    def one(reduction: str) -> Op:
        def call(lib: Any, x: Any, y: Any, w: Any) -> Any:
            return getattr(lib.nn.functional, name)(x, y, weight=w, reduction=reduction)

        def value(x: Any, y: Any, w: Any) -> Any:
            each = reference(x, y) * w
            return each.sum() / w.sum() if divisor and reduction == "mean" else settle(each, reduction)

        inputs = [*AB, uniform(3, 4, low=0.2)]
        return Op(f"nn.functional.{name}", call, value, inputs, label=f"weighted-{reduction}")

    return [one(r) for r in REDUCTIONS]


def more_inputs(name: str, label: str, call: Any, reference: Any, *inputs: Any, **more: Any) -> list[Op]:
    """A case for each reduction, call(f, *tensors, reduction=...)."""

    def one(reduction: str) -> Op:
        return Op(
            f"nn.functional.{name}",
            lambda lib, *t: call(getattr(lib.nn.functional, name), *t, reduction=reduction),
            lambda *a: settle(reference(*a), reduction),
            inputs,
            label=f"{label}-{reduction}",
            **more,
        )

    return [one(r) for r in REDUCTIONS]


MARGINS = [
    *loss("hinge_embedding_loss", lambda x, y: np.where(y == 1, x, np.maximum(0, 1 - x)), AB[0], signs(3, 4)),
    *loss(
        "margin_ranking_loss", lambda a, b, y: np.maximum(0, 0.3 - y * (a - b)), *AB, signs(3, 4),
        options={"margin": 0.3},
    ),
    *loss("margin_ranking_loss", lambda a, b, y: np.maximum(0, -y * (a - b)), normal(0), normal(0), signs(0),
          label="empty")[1:],
    *loss("cosine_embedding_loss", _cosine, normal(4, 3), normal(4, 3), np.array([1, -1, -1, 1])),
    *loss(
        "cosine_embedding_loss", lambda a, b, y: _cosine(a, b, y, -0.9), normal(3), normal(3), np.array(-1),
        label="single", options={"margin": -0.9},
    ),
    *loss("triplet_margin_loss", _triplet, *ABN),
    *loss(
        "triplet_margin_loss", lambda a, p, n: _triplet(a, p, n, 2.0, 3, True), *ABN, label="swap",
        options={"margin": 2.0, "p": 3, "swap": True},
    ),
    *loss("triplet_margin_with_distance_loss", _triplet, *ABN),
    *more_inputs(
        "triplet_margin_with_distance_loss", "own",
        lambda f, a, p, n, reduction: f(
            a, p, n, distance_function=lambda u, v: (u - v).abs().sum(-1), margin=3.0, swap=True,
            reduction=reduction,
        ),
        lambda a, p, n: np.maximum(
            0, 3 + abs(a - p).sum(-1) - np.minimum(abs(a - n).sum(-1), abs(p - n).sum(-1))
        ),
        *ABN,
    ),
    *loss("multi_margin_loss", _multi_margin, distinct(4, 3, step=0.23), integers(0, 3, 4)),
    *loss(
        "multi_margin_loss", lambda x, y: _multi_margin(x, y, None, 2, 0.7), distinct(3, step=0.23),
        np.array(1), label="single", options={"p": 2, "margin": 0.7},
    ),
    *more_inputs(
        "multi_margin_loss", "weight", lambda f, x, y, reduction: f(
            x, y, weight=x.detach().new_tensor([0.5, 2.0, 1.5]), reduction=reduction
        ),
        lambda x, y: _multi_margin(x, y, [0.5, 2.0, 1.5]), distinct(4, 3, step=0.23), integers(0, 3, 4),
    ),
    *loss("multilabel_margin_loss", _multilabel_margin, distinct(4, 4, step=0.23), LABELS),
    *loss("multilabel_margin_loss", _multilabel_margin, distinct(4, step=0.23), LABELS[0], label="single"),
    *loss(
        "multilabel_soft_margin_loss", lambda x, y: _bce_logits(x, y).mean(-1), normal(4, 3), uniform(4, 3)
    ),
    *more_inputs(
        "multilabel_soft_margin_loss", "weight",
        lambda f, x, y, w, reduction: f(x, y, w, reduction=reduction),
        lambda x, y, w: _bce_logits(x, y, w).mean(-1), normal(4, 3), uniform(4, 3), uniform(3, low=0.2),
    ),
]  # fmt: skip

BINARY = [
    *more_inputs(
        "binary_cross_entropy", "weight", lambda f, x, y, w, reduction: f(x, y, w, reduction=reduction), _bce,
        uniform(3, 4, low=0.1, high=0.9), uniform(3, 4), uniform(3, 4), torch_rtol=1e-8,
        no_torch="PyTorch gives the weight no gradient",
    ),
    *more_inputs(
        "binary_cross_entropy_with_logits", "weights",
        lambda f, x, y, w, p, reduction: f(x, y, w, pos_weight=p, reduction=reduction), _bce_logits,
        normal(3, 4), uniform(3, 4), uniform(3, 4), uniform(4, low=0.3),
        no_torch="PyTorch gives the weights no gradient",
    ),
]  # fmt: skip


OPS = [
    *REGRESSION, *EMPTY, *SINGLE, *MARGINS, *BINARY,
    *weighted("mse_loss", lambda x, y: (x - y) ** 2, True),
    *weighted("l1_loss", lambda x, y: abs(x - y), True),
    *weighted("huber_loss", lambda x, y: _huber(x, y, 1.0), False),
    Op(
        "nn.functional.kl_div",
        lambda lib, x, y: lib.nn.functional.kl_div(x, y, reduction="batchmean"),
        lambda x, y: _kl(x, y).sum() / len(x), [normal(3, 4), uniform(3, 4, low=0.1)], label="batchmean",
    ),
]  # fmt: skip
test_all = surface.make_tests(OPS)


LAYERS = [
    ("HingeEmbeddingLoss", {"margin": 0.5}, "xs"), ("MarginRankingLoss", {"margin": 0.2}, "xxs"),
    ("CosineEmbeddingLoss", {"margin": 0.1}, "xx1"), ("TripletMarginLoss", {"p": 1.0, "swap": True}, "xxx"),
    ("TripletMarginWithDistanceLoss", {"margin": 0.5}, "xxx"), ("MultiMarginLoss", {"p": 2}, "xc"),
    ("MultiLabelMarginLoss", {}, "xl"), ("MultiLabelSoftMarginLoss", {}, "xp"), ("NLLLoss2d", {}, "xc"),
    ("SoftMarginLoss", {}, "xs"), ("PoissonNLLLoss", {"full": True}, "xp"), ("MSELoss", {}, "xp"),
    ("HuberLoss", {"delta": 0.4}, "xp"), ("KLDivLoss", {"reduction": "batchmean"}, "xp"),
    ("BCEWithLogitsLoss", {}, "xp"), ("CrossEntropyLoss", {"label_smoothing": 0.1}, "xc"),
    ("GaussianNLLLoss", {"full": True}, "xpp"), ("PairwiseDistance", {"p": 1.0, "keepdim": True}, "xx"),
    ("CosineSimilarity", {"dim": 0}, "xx"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options", "kinds"), LAYERS, ids=lambda v: v if isinstance(v, str) else "")
def test_layers_are_pytorchs(name: str, options: dict[str, Any], kinds: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    make = {
        "x": lambda: rng.standard_normal((4, 4)), "s": lambda: rng.choice([-1, 1], (4, 4)),
        "1": lambda: rng.choice([-1, 1], 4), "c": lambda: rng.integers(0, 4, 4), "l": lambda: LABELS,
        "p": lambda: rng.random((4, 4)) + 0.1,
    }  # fmt: skip
    arrays = [make[k]() for k in kinds]
    ours = getattr(mo.nn, name)(**options)(*(mo.from_numpy(a) for a in arrays))
    theirs = getattr(torch.nn, name)(**options)(*(torch.from_numpy(a) for a in arrays))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


ONE, WHOLE = mo.ones(2, 3), mo.zeros(2, dtype=mo.int64)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: F.mse_loss(ONE, ONE, weight=mo.ones(3)), "mse_loss"),
        (lambda: F.huber_loss(ONE, ONE, delta=0), "huber_loss"),
        (lambda: F.l1_loss(ONE, ONE, reduction="all"), "l1_loss"),
        (lambda: F.gaussian_nll_loss(ONE, ONE, -ONE), "gaussian_nll_loss"),
        (lambda: F.gaussian_nll_loss(ONE, ONE, mo.ones(4)), "gaussian_nll_loss"),
        (lambda: F.triplet_margin_loss(ONE, ONE, ONE, margin=0), "triplet_margin_loss"),
        (lambda: F.triplet_margin_loss(ONE, ONE, mo.ones(3)), "triplet_margin_loss"),
        (lambda: F.cosine_embedding_loss(ONE, ONE, ONE), "cosine_embedding_loss"),
        (lambda: F.multi_margin_loss(ONE, WHOLE, p=3), "multi_margin_loss"),
        (lambda: F.multi_margin_loss(ONE, mo.tensor([0, 3])), "index|gather"),
        (lambda: F.multi_margin_loss(ONE, WHOLE, weight=mo.ones(2)), "multi_margin_loss"),
        (lambda: F.multilabel_margin_loss(ONE, WHOLE), "multilabel_margin_loss"),
        (lambda: F.multilabel_margin_loss(ONE, ONE), "multilabel_margin_loss"),
        (lambda: mo.nn.MultiMarginLoss(p=3), "MultiMarginLoss"),
    ],
)
def test_bad_input(call: Any, match: str) -> None:
    with pytest.raises((ValueError, RuntimeError, IndexError, NotImplementedError), match=match):
        call()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("shapes", [((3, 1), (3,)), ((2, 3), (1, 3)), ((), (2,)), ((0, 1), (1, 2))])
def test_two_shapes_are_broadcast_with_a_warning(name, shapes):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(1)
    x, y = (random.normal(size=s) for s in shapes)
    for reduction in REDUCTIONS:
        a, b = mo.tensor(x, requires_grad=True), mo.tensor(y)
        with pytest.warns(UserWarning, match=name):
            got = getattr(F, name)(a, b, reduction=reduction)
        c = torch.tensor(x, requires_grad=True)
        with pytest.warns(UserWarning, match="is different to the input size"):
            wanted = getattr(torch.nn.functional, name)(c, torch.tensor(y), reduction=reduction)
        assert np.allclose(got.detach().numpy(), wanted.detach().numpy(), equal_nan=True)
        got.sum().backward()
        wanted.sum().backward()
        assert np.allclose(a.grad.numpy(), c.grad.numpy(), equal_nan=True)
    with pytest.raises(RuntimeError):
        getattr(F, name)(mo.ones(2), mo.ones(3))


@pytest.mark.filterwarnings("ignore:size_average and reduce args")
@pytest.mark.parametrize("old", list(itertools.product((None, True, False), repeat=2)))
def test_the_old_arguments_say_the_reduction(old):
    torch = pytest.importorskip("torch")
    x, y = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    warns = any(value is not None for value in old)
    for name, layer, before in (
        ("mse_loss", "MSELoss", ()),
        ("binary_cross_entropy_with_logits", "", (None,)),
    ):
        with pytest.warns(UserWarning, match="deprecated, write") if warns else contextlib.nullcontext():
            got = getattr(F, name)(mo.tensor(x), mo.tensor(y), *before, *old)
            if layer:
                assert getattr(mo.nn, layer)(*old).reduction == getattr(torch.nn, layer)(*old).reduction
        wanted = getattr(torch.nn.functional, name)(torch.tensor(x), torch.tensor(y), *before, *old)
        assert np.allclose(got.numpy(), wanted.numpy())
    with pytest.raises(TypeError, match=r"MSELoss: size_average is 'sum'.*reduction"):
        mo.nn.MSELoss("sum")
