"""Activations, softmax, dropout and distances: values, gradients, second order, against PyTorch."""

from __future__ import annotations

import itertools
from math import erf, inf
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import Op, distinct, integers, normal

F = mo.nn.functional
_erf = np.vectorize(erf, otypes=[float])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x: np.ndarray, dim: int) -> np.ndarray:
    e = np.exp(x - x.max(dim, keepdims=True, initial=-inf)) if x.size else x
    return e / e.sum(dim, keepdims=True)


def hardtanh(x: Any, low: float, high: float) -> Any:
    return np.clip(x, low, high)


# Name → cases of (arguments, reference).
PLAIN: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "sigmoid": [((), sigmoid)],
    "tanh": [((), np.tanh)],
    "relu": [((), lambda x: np.maximum(x, 0))],
    "relu6": [((), lambda x: hardtanh(x, 0, 6))],
    "leaky_relu": [((), lambda x: np.where(x > 0, x, 0.01 * x)), ((0.3,), lambda x: np.maximum(x, 0.3 * x))],
    "elu": [((), elu), ((0.7,), lambda x: elu(x, 0.7))],
    "celu": [((1.5,), lambda x: np.maximum(x, 0) + np.minimum(0, 1.5 * np.expm1(x / 1.5)))],
    "selu": [((), lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772))],
    "gelu": [
        ((), lambda x: x * (1 + _erf(x / np.sqrt(2))) / 2),
        (
            ({"approximate": "tanh"},),
            lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
        ),
    ],
    "silu": [((), lambda x: x * sigmoid(x))],
    "mish": [((), lambda x: x * np.tanh(np.log1p(np.exp(x))))],
    "softplus": [
        ((), lambda x: np.log1p(np.exp(x))),
        ((2.0, 1.5), lambda x: np.where(2 * x > 1.5, x, np.log1p(np.exp(2 * x)) / 2)),
    ],
    "logsigmoid": [((), lambda x: -np.log1p(np.exp(-x)))],
    "softsign": [((), lambda x: x / (1 + np.abs(x)))],
    "tanhshrink": [((), lambda x: x - np.tanh(x))],
    "hardtanh": [
        ((), lambda x: hardtanh(x, -1, 1)),
        ((-0.5, 1.5), lambda x: hardtanh(x, -0.5, 1.5)),
    ],
    "hardsigmoid": [((), lambda x: hardtanh(x + 3, 0, 6) / 6)],
    "hardswish": [((), lambda x: x * hardtanh(x + 3, 0, 6) / 6)],
    "hardshrink": [((), lambda x: x * (abs(x) > 0.5)), ((0.2,), lambda x: x * (abs(x) > 0.2))],
    "softshrink": [
        ((), lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0)),
        ((0.2,), lambda x: np.sign(x) * np.maximum(abs(x) - 0.2, 0)),
    ],
    "threshold": [((0.1, 20.0), lambda x: np.where(x > 0.1, x, 20.0))],
    "rrelu": [((0.1, 0.3), lambda x: np.where(x > 0, x, 0.2 * x))],
    "glu": [((), lambda x: x[..., :2] * sigmoid(x[..., 2:])), ((0,), lambda x: x[:3] * sigmoid(x[3:]))],
    "softmax": [((-1,), lambda x: softmax(x, -1)), ((0,), lambda x: softmax(x, 0))],
    "log_softmax": [((-1,), lambda x: np.log(softmax(x, -1))), ((0,), lambda x: np.log(softmax(x, 0)))],
    "softmin": [((-1,), lambda x: softmax(-x, -1)), ((0,), lambda x: softmax(-x, 0))],
}
# What the softmax family and glu do to a dimension cannot be done to none.
ALONG = ("glu", "softmax", "log_softmax", "softmin")
# In PyTorch the elements just at a kink differ; these keep 0.025 away from those.
POINTS = distinct(6, 4, step=0.37)


def _cases(name: str) -> list[Op]:
    out = []
    for i, (args, reference) in enumerate(PLAIN[name]):

        def call(lib: Any, x: Any, args: Any = args) -> Any:
            options = args[0] if args and isinstance(args[0], dict) else {}
            return getattr(lib.nn.functional, name)(x, *(() if options else args), **options)

        shapes = {"plain": POINTS, "empty": normal(2, 0, 4)}
        if name not in ALONG:
            shapes["0d"] = normal()
        elif name == "glu" and args:
            shapes["empty"] = normal(6, 0)
        for label, make in shapes.items():
            if name == "glu" and args and label == "empty":
                reference_ = lambda x: x[:3]  # noqa: E731
            else:
                reference_ = reference
            # PyTorch's has a sixth in float32.
            rtol = 1e-7 if name == "hardsigmoid" else 1e-9
            label = f"{label}{i or ''}"
            out.append(Op(f"nn.functional.{name}", call, reference_, [make], label=label, torch_rtol=rtol))
    return out


def _inplace(name: str, args: tuple[Any, ...], reference: Any) -> Op:
    return Op(
        f"nn.functional.{name}",
        lambda lib, x: getattr(lib.nn.functional, name)(x * 1.0, *args),
        reference,
        [POINTS],
    )


INPLACE = {
    "relu_": ((), PLAIN["relu"][0][1]),
    "leaky_relu_": ((0.3,), PLAIN["leaky_relu"][1][1]),
    "elu_": ((0.7,), PLAIN["elu"][1][1]),
    "celu_": ((1.5,), PLAIN["celu"][0][1]),
    "selu_": ((), PLAIN["selu"][0][1]),
    "hardtanh_": ((-0.5, 1.5), PLAIN["hardtanh"][1][1]),
    "threshold_": ((0.1, 20.0), PLAIN["threshold"][0][1]),
    "rrelu_": ((0.1, 0.3), PLAIN["rrelu"][0][1]),
}


# -- random ones: the draw is told by a probe with the same seed, the arithmetic by NumPy


def _seeded(name: str, *args: Any, **options: Any) -> Any:
    def call(lib: Any, x: Any) -> Any:
        mo.manual_seed(7)
        return getattr(F, name)(x, *args, **options)

    return call


def _drawn(name: str, shape: Any, probe: float, *args: Any, **options: Any) -> np.ndarray:
    mo.manual_seed(7)
    return getattr(F, name)(mo.full(tuple(shape), probe, dtype=mo.float64), *args, **options).numpy()


def _dropout(name: str, *shape: int, label: str = "plain") -> Op:
    def reference(x: np.ndarray) -> np.ndarray:
        return x * (_drawn(name, x.shape, 1.0, 0.3) > 0) / 0.7

    return Op(
        f"nn.functional.{name}", _seeded(name, 0.3), reference, [normal(*shape)], label=label,
        no_torch="another random generator", layouts=False,
    )  # fmt: skip


def _alpha(name: str, *shape: int, label: str = "plain") -> Op:
    low, p = -1.7580993408473766, 0.3
    a = 1 / np.sqrt((1 - p) * (1 + p * low**2))

    def reference(x: np.ndarray) -> np.ndarray:
        kept = _drawn(name, x.shape, 1e6, p, True) > 1e3
        return a * np.where(kept, x, low) - a * low * p

    return Op(
        f"nn.functional.{name}", _seeded(name, p, True), reference, [normal(*shape)], label=label,
        no_torch="another random generator", layouts=False,
    )  # fmt: skip


def _training_rrelu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, x * -_drawn("rrelu", x.shape, -1.0, 0.1, 0.4, True))


def _gumbel(x: np.ndarray) -> np.ndarray:
    noise = np.log(_drawn("gumbel_softmax", x.shape, 0.0))  # up to a constant of the row
    return softmax((x + noise) / 0.5, -1)


RANDOM = [
    _dropout("dropout", 5, 6),
    _dropout("dropout", 0, 3, label="empty"),
    _dropout("dropout", label="0d"),
    _dropout("dropout1d", 3, 4, 5),
    _dropout("dropout1d", 4, 5, label="one"),
    _dropout("dropout2d", 3, 4, 2, 3),
    _dropout("dropout3d", 3, 4, 2, 1, 3),
    _dropout("dropout3d", 4, 2, 1, 3, label="one"),
    _alpha("alpha_dropout", 5, 6),
    _alpha("alpha_dropout", 0, 3, label="empty"),
    _alpha("feature_alpha_dropout", 4, 5, 3),
    Op(
        "nn.functional.rrelu", _seeded("rrelu", 0.1, 0.4, True), _training_rrelu, [POINTS], label="training",
        dtypes=("float64",), no_torch="another random generator", layouts=False,
    ),
    Op(
        "nn.functional.gumbel_softmax", _seeded("gumbel_softmax", 0.5), _gumbel, [normal(4, 5)],
        no_torch="another random generator", layouts=False,
    ),
]  # fmt: skip


# -- vectors


def _p_norm(d: np.ndarray, p: float, keepdims: bool = False) -> np.ndarray:
    if p == 0:
        return (d != 0).sum(-1, keepdims=keepdims).astype(float)
    if p == inf:
        return abs(d).max(-1, keepdims=keepdims, initial=0)
    return (abs(d) ** p).sum(-1, keepdims=keepdims) ** (1 / p)


def _cosine(a: np.ndarray, b: np.ndarray, dim: int) -> np.ndarray:
    a, b = np.broadcast_arrays(a, b)
    return (a * b).sum(dim) / np.sqrt((a * a).sum(dim) * (b * b).sum(dim))


def cosine(label: str, a: tuple[int, ...], b: tuple[int, ...], dim: int) -> Op:
    return Op(
        "nn.functional.cosine_similarity",
        lambda lib, x, y: lib.nn.functional.cosine_similarity(x, y, dim),
        lambda x, y: _cosine(x, y, dim),
        [normal(*a), normal(*b)],
        label=label,
    )


def pairwise(label: str, p: float, a: tuple[int, ...], b: tuple[int, ...], keepdim: bool = False) -> Op:
    return Op(
        "nn.functional.pairwise_distance",
        lambda lib, x, y: lib.nn.functional.pairwise_distance(x, y, p, 1e-3, keepdim),
        lambda x, y: _p_norm(x - y + 1e-3, p, keepdim),
        [distinct(*a), distinct(*b, step=0.13)],
        label=label,
    )


def pdist(label: str, p: float, *shape: int) -> Op:
    def reference(x: np.ndarray) -> np.ndarray:
        pairs = list(itertools.combinations(range(len(x)), 2))
        return np.array([_p_norm(x[i] - x[j], p) for i, j in pairs]).reshape(len(pairs))

    return Op(
        "nn.functional.pdist",
        lambda lib, x: lib.nn.functional.pdist(x, p),
        reference,
        [distinct(*shape, step=0.17)],
        label=label,
    )


def cdist(label: str, p: float, a: tuple[int, ...], b: tuple[int, ...], **more: Any) -> Op:
    mode = more.pop("compute_mode", "use_mm_for_euclid_dist_if_necessary")
    return Op(
        "cdist",
        lambda lib, x, y: lib.cdist(x, y, p, mode),
        lambda x, y: _p_norm(x[..., :, None, :] - y[..., None, :, :], p),
        [distinct(*a, step=0.17), distinct(*b, step=0.11)],
        label=label,
        **more,
    )


def _prelu(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    shape = (-1, *[1] * (x.ndim - 2)) if x.ndim > 1 else (1,) * x.ndim
    return np.where(x > 0, x, x * w.reshape(shape))


OPS = [
    *(op for name in PLAIN for op in _cases(name)),
    *(_inplace(name, *what) for name, what in INPLACE.items()),
    *RANDOM,
    *(
        Op(
            "nn.functional.prelu",
            lambda lib, x, w: lib.nn.functional.prelu(x, w),
            _prelu,
            [distinct(*shape, step=0.37), normal(*weight)],
            label=label,
        )
        for label, shape, weight in (
            ("one", (3, 4), (1,)),
            ("channels", (2, 4, 3), (4,)),
            ("line", (4,), (1,)),
            ("0d", (), (1,)),
            ("empty", (0, 4, 3), (4,)),
        )
    ),
    *(
        Op(
            name,
            lambda lib, x, name=name: getattr(lib, name)(x, 1),
            reference,
            [make],
            label=label,
            no_torch="" if name != "softmin" else "only nn.functional has it there",
        )
        for name, reference in (
            ("softmax", lambda x: softmax(x, 1)),
            ("log_softmax", lambda x: np.log(softmax(x, 1))),
            ("softmin", lambda x: softmax(-x, 1)),
        )
        for label, make in (("plain", POINTS), ("empty", normal(0, 3)))
    ),
    Op("Tensor.prelu", lambda lib, x, w: x.prelu(w), _prelu, [POINTS, normal(4)]),
    Op("Tensor.hardshrink", lambda lib, x: x.hardshrink(0.4), lambda x: x * (abs(x) > 0.4), [POINTS]),
    Op("Tensor.softmax", lambda lib, x: x.softmax(1), lambda x: softmax(x, 1), [POINTS]),
    Op("Tensor.log_softmax", lambda lib, x: x.log_softmax(0), lambda x: np.log(softmax(x, 0)), [POINTS]),
    Op(
        "nn.functional.one_hot",
        lambda lib, x: lib.nn.functional.one_hot(x, 4),
        lambda x: (x[..., None] == np.arange(4)).astype(np.int64),
        [integers(0, 4, 3, 2)],
        no_grad="integers",
    ),
    cosine("plain", (3, 4), (3, 4), 1),
    cosine("broadcast", (3, 1, 4), (2, 4), 0),
    cosine("line", (4,), (4,), 0),
    cosine("empty", (0, 4), (0, 4), 1),
    pairwise("plain", 2.0, (3, 4), (3, 4)),
    pairwise("one", 1.0, (3, 4), (4,)),
    pairwise("three", 3.0, (2, 3, 4), (3, 4), True),
    pairwise("most", inf, (3, 4), (3, 4)),
    pairwise("empty", 2.0, (0, 4), (0, 4)),
    pdist("two", 2, 4, 3),
    pdist("one", 1, 4, 3),
    pdist("three", 3, 4, 3),
    pdist("most", inf, 3, 3),
    pdist("single", 2, 1, 3),
    cdist("two", 2.0, (3, 4), (2, 4)),
    cdist("product", 2.0, (3, 4), (2, 4), compute_mode="use_mm_for_euclid_dist", tolerance=500),
    cdist("batch", 1.0, (2, 3, 4), (2, 2, 4)),
    cdist("three", 3.0, (3, 4), (2, 4)),
    cdist("broadcast", inf, (2, 1, 3, 4), (3, 2, 4)),
    cdist("empty", 2.0, (0, 4), (2, 4)),
]
test_all = surface.make_tests(OPS)


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_nan_stays(name: str) -> None:
    args = PLAIN[name][0][0]
    x = mo.tensor([[float("nan"), 1.0, 2.0, 3.0]])
    x = mo.nn.functional.pad(x, (0, 0, 0, 5), value=0.5) if args == (0,) else x
    got = getattr(F, name)(x, *args)
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.functional, name)(torch.from_numpy(x.numpy()), *args)
    np.testing.assert_allclose(got.numpy(), theirs.numpy(), rtol=1e-6)


def test_zero_vectors_have_finite_gradients() -> None:
    for f in (
        lambda a, b: F.cosine_similarity(a, b, 1),
        lambda a, b: F.pairwise_distance(a, b, 3.0, 0.0),
        lambda a, b: F.pairwise_distance(a, b, 2.0, 0.0),
        lambda a, b: mo.cdist(a, b, 1.5),
        lambda a, b: mo.cdist(a, b, compute_mode="use_mm_for_euclid_dist"),
    ):
        a = mo.zeros(2, 3, requires_grad=True)
        f(a, mo.zeros(2, 3)).sum().backward()
        assert mo.isfinite(a.grad).all()


def test_hard_gumbel_is_one_hot_with_the_soft_gradient() -> None:
    x = mo.randn(6, 5, requires_grad=True)
    for dim in (-1, 0):
        mo.manual_seed(3)
        hard = F.gumbel_softmax(x, 0.7, hard=True, dim=dim)
        assert ((hard.detach() - hard.detach().round()).abs() < 1e-6).all()
        assert (hard.sum(dim) - 1).abs().max() < 1e-6
        mo.manual_seed(3)
        soft = F.gumbel_softmax(x, 0.7, dim=dim)
        weights = mo.arange(30).reshape(6, 5)
        (a,) = mo.autograd.grad((hard * weights).sum(), [x])
        (b,) = mo.autograd.grad((soft * weights).sum(), [x])
        assert mo.allclose(a, b)


def test_dropout_is_reproducible_and_right_on_average() -> None:
    x = mo.ones(200, 50)
    for name in ("dropout", "dropout1d", "alpha_dropout", "feature_alpha_dropout"):
        f = getattr(F, name)
        mo.manual_seed(1)
        first = f(x, 0.4, True)
        mo.manual_seed(1)
        assert (f(x, 0.4, True) == first).all() and not (f(x, 0.4, True) == first).all()
        assert f(x, 0.4, False) is x
    mo.manual_seed(2)
    x = mo.randn(400, 500)
    y = F.alpha_dropout(x, 0.3, True)
    assert abs(y.mean().item()) < 0.01 and abs(y.std().item() - 1) < 0.01
    assert F.alpha_dropout(mo.ones(3), 1.0, True).tolist() == [0, 0, 0]
    z = mo.ones(50, 4)
    assert F.dropout(z, 0.5, True, True) is z and (z != 1).all()
    with pytest.warns(UserWarning, match="dropout2d"):
        planes = F.dropout2d(mo.ones(9, 8, 7)).numpy()
    assert np.all(planes == planes[:, :, :1]) and len(np.unique(planes)) == 2


LAYERS = [
    ("GLU", {"dim": 1}), ("GLU", {}), ("Hardshrink", {"lambd": 0.3}), ("Softshrink", {}), ("RReLU", {}),
    ("Hardtanh", {"min_val": -2.0, "max_val": 0.5}), ("Threshold", {"threshold": 0.1, "value": 3.0}),
    ("CELU", {"alpha": 0.6}), ("Softmax2d", {}), ("Softmin", {"dim": 1}), ("Dropout1d", {}),
    ("Dropout2d", {}), ("Dropout3d", {"p": 0.2}), ("AlphaDropout", {}), ("FeatureAlphaDropout", {}),
    ("Dropout", {"p": 0.1, "inplace": True}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), LAYERS, ids=lambda v: v if isinstance(v, str) else "")
def test_layers_are_pytorchs(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(mo.nn, name)(**options).eval(), getattr(torch.nn, name)(**options).eval()
    x = np.random.default_rng(0).standard_normal((2, 4, 6) if "1d" in name else (2, 4, 6, 2))
    np.testing.assert_allclose(ours(mo.from_numpy(x)).numpy(), theirs(torch.from_numpy(x)).numpy())
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: F.glu(mo.ones(3)), "glu"),
        (lambda: F.glu(mo.ones(())), "glu"),
        (lambda: F.softshrink(mo.ones(3), -1.0), "softshrink"),
        (lambda: F.rrelu(mo.ones(3), 0.5, 0.1), "rrelu"),
        (lambda: F.gumbel_softmax(mo.ones(3, dtype=mo.int64)), "gumbel_softmax"),
        (lambda: F.prelu(mo.ones(2, 3), mo.ones(2)), "prelu"),
        (lambda: F.dropout1d(mo.ones(2)), "dropout1d"),
        (lambda: F.dropout3d(mo.ones(2)), "dropout3d"),
        (lambda: F.alpha_dropout(mo.ones(2), 1.5, True), "alpha_dropout"),
        (lambda: F.feature_alpha_dropout(mo.ones(2), 0.5, True), "feature_alpha_dropout"),
        (lambda: F.pdist(mo.ones(3)), "pdist"),
        (lambda: F.pdist(mo.ones(3, 2), -1), "pdist"),
        (lambda: mo.cdist(mo.ones(3, 2), mo.ones(3, 4)), "cdist"),
        (lambda: mo.cdist(mo.ones(3, 2), mo.ones(3, 2), 2.0, "some"), "compute_mode"),
        (lambda: F.cosine_similarity(mo.ones(2, dtype=mo.int64), mo.ones(2)), "cosine_similarity"),
        (lambda: mo.nn.Softmax2d()(mo.ones(2)), "Softmax2d"),
    ],
)
def test_bad_input(call: Any, match: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=match):
        call()
