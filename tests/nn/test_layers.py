"""Layers and losses against PyTorch: values, gradients of the input and of the parameters."""

import numpy as np
import pytest

import markone as mo
from markone import nn

torch = pytest.importorskip("torch")
# Its own remarks on what it is given here.
pytestmark = pytest.mark.filterwarnings("ignore:(Using padding|Converting a tensor):UserWarning")


def rand(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def both(make, *arrays, tolerance=2e-5, parameters=True):
    """Runs make(nn)(inputs) in both libraries and compares values and gradients."""
    ours, theirs = make(nn), make(torch.nn)
    if parameters:
        theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    a, b = [], []
    for x in arrays:
        floating = x.dtype.kind == "f"
        a.append(mo.tensor(x).requires_grad_(floating))
        b.append(torch.tensor(x, requires_grad=floating))
    y, want = ours(*a), theirs(*b)
    assert tuple(y.shape) == tuple(want.shape)
    scale = max(1.0, float(want.abs().max())) if want.numel() else 1.0
    np.testing.assert_allclose(
        y.detach().numpy(), want.detach().numpy(), atol=tolerance * scale, rtol=tolerance
    )
    g = rand(*want.shape, seed=9)
    y.backward(mo.tensor(g))
    want.backward(torch.tensor(g))
    pairs = [("input", p.grad, q.grad) for p, q in zip(a, b) if q.requires_grad]
    pairs += [(n, p.grad, dict(theirs.named_parameters())[n].grad) for n, p in ours.named_parameters()]
    for name, got, wanted in pairs:
        wanted = wanted.numpy()
        scale = max(1.0, float(np.abs(wanted).max())) if wanted.size else 1.0
        np.testing.assert_allclose(got.numpy(), wanted, atol=4 * tolerance * scale, rtol=4e-5, err_msg=name)
    return y


ACTIVATIONS = [
    lambda n: n.ReLU(),
    lambda n: n.ReLU6(),
    lambda n: n.LeakyReLU(),
    lambda n: n.LeakyReLU(0.3),
    lambda n: n.ELU(0.7),
    lambda n: n.CELU(0.7),
    lambda n: n.SELU(),
    lambda n: n.GELU(),
    lambda n: n.GELU("tanh"),
    lambda n: n.SiLU(),
    lambda n: n.Mish(),
    lambda n: n.Sigmoid(),
    lambda n: n.Tanh(),
    lambda n: n.LogSigmoid(),
    lambda n: n.Softplus(),
    lambda n: n.Softplus(2.0, 3.0),
    lambda n: n.Softsign(),
    lambda n: n.Tanhshrink(),
    lambda n: n.Hardtanh(-0.5, 0.7),
    lambda n: n.Hardswish(),
    lambda n: n.Hardsigmoid(),
    lambda n: n.Threshold(0.1, 20.0),
    lambda n: n.PReLU(),
    lambda n: n.PReLU(3),
    lambda n: n.Softmax(1),
    lambda n: n.Softmin(0),
    lambda n: n.LogSoftmax(-1),
    lambda n: n.Identity(),
    lambda n: n.Dropout(0.0),
    lambda n: n.Dropout(0.4).eval(),
]


@pytest.mark.parametrize("make", ACTIVATIONS, ids=lambda m: repr(m(nn)).replace(" ", ""))
def test_activations(make):
    both(make, rand(5, 3, 4) * 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: n.ReLU(True),
        lambda n: n.LeakyReLU(0.2, True),
        lambda n: n.ELU(inplace=True),
        lambda n: n.SiLU(inplace=True),
        lambda n: n.Hardtanh(-0.3, 3.0, inplace=True),
    ],
    ids=["ReLU", "LeakyReLU", "ELU", "SiLU", "Hardtanh"],
)
def test_inplace_activations(make):
    both(lambda n: n.Sequential(n.Linear(3, 4), make(n), n.Linear(4, 2)), rand(5, 3))
    x = mo.tensor([-1.0, 2.0])
    assert make(nn)(x) is x and x.tolist()[0] != -1.0


@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 5, 3), (0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape, bias):
    both(lambda n: n.Linear(3, 7, bias=bias), rand(*shape))


def test_bilinear():
    both(lambda n: n.Bilinear(3, 4, 5), rand(6, 3), rand(6, 4, seed=1))


CONVS = [
    {"in_channels": 3, "out_channels": 4, "kernel_size": 3},
    {"in_channels": 3, "out_channels": 4, "kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "groups": 2, "padding": 1, "bias": False},
    {"in_channels": 3, "out_channels": 3, "kernel_size": 3, "groups": 3, "dilation": 2},
    {"in_channels": 3, "out_channels": 2, "kernel_size": 3, "padding": "same"},
    {"in_channels": 3, "out_channels": 2, "kernel_size": (4, 2), "padding": "same", "dilation": (1, 3)},
    {"in_channels": 3, "out_channels": 2, "kernel_size": 2, "padding": "valid"},
    {"in_channels": 3, "out_channels": 2, "kernel_size": 3, "padding": 2, "padding_mode": "reflect"},
    {"in_channels": 3, "out_channels": 2, "kernel_size": 3, "padding": (1, 2), "padding_mode": "replicate"},
    {"in_channels": 3, "out_channels": 2, "kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    {"in_channels": 3, "out_channels": 2, "kernel_size": 4, "padding": "same", "padding_mode": "reflect"},
]


@pytest.mark.parametrize("options", CONVS, ids=str)
def test_conv2d(options):
    both(lambda n: n.Conv2d(**options), rand(2, options["in_channels"], 8, 7))


def test_conv2d_without_batch_dimension():
    both(lambda n: n.Conv2d(2, 3, 3, padding=1), rand(2, 5, 6))


POOLS = [
    lambda n: n.MaxPool2d(2),
    lambda n: n.MaxPool2d(3, stride=2, padding=1),
    lambda n: n.MaxPool2d((2, 3), stride=(1, 2), dilation=(2, 1), ceil_mode=True),
    lambda n: n.AvgPool2d(2),
    lambda n: n.AvgPool2d(3, stride=2, padding=1, ceil_mode=True),
    lambda n: n.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    lambda n: n.AvgPool2d(2, divisor_override=3),
    lambda n: n.AdaptiveAvgPool2d(1),
    lambda n: n.AdaptiveAvgPool2d((3, 2)),
    lambda n: n.AdaptiveAvgPool2d((None, 3)),
    lambda n: n.AdaptiveMaxPool2d((4, 3)),
    lambda n: n.ZeroPad2d((1, 2, 0, -1)),
    lambda n: n.Upsample(size=(11, 3), mode="bilinear"),
    lambda n: n.Upsample(size=(11, 3), mode="bilinear", align_corners=True),
    lambda n: n.Upsample(scale_factor=2, mode="nearest"),
    lambda n: n.Upsample(size=(5, 10), mode="nearest"),
    lambda n: n.Flatten(),
    lambda n: n.Unflatten(1, (3, 1)),
]


@pytest.mark.parametrize("make", POOLS, ids=lambda m: repr(m(nn)).replace(" ", ""))
def test_pools_and_shapes(make):
    both(make, rand(2, 3, 8, 7))


def test_max_pool_indices():
    x = rand(2, 3, 6, 6)
    y, indices = nn.MaxPool2d(2, return_indices=True)(mo.tensor(x))
    want, places = torch.nn.MaxPool2d(2, return_indices=True)(torch.tensor(x))
    assert np.array_equal(y.numpy(), want.numpy()) and np.array_equal(indices.numpy(), places.numpy())


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode):
    x = rand(2, 3, 5, 4)
    ours = nn.functional.pad(mo.tensor(x), (2, 1, 3, 0), mode)
    theirs = torch.nn.functional.pad(torch.tensor(x), (2, 1, 3, 0), mode)
    assert np.array_equal(ours.numpy(), theirs.numpy())


def probabilities(*shape, seed=0, dim=1):
    e = np.exp(rand(*shape, seed=seed))
    return (e / e.sum(dim, keepdims=True)).astype(np.float32)


def classes(*shape, count, seed=0, ignored=None):
    labels = np.random.default_rng(seed).integers(0, count, shape)
    if ignored is not None:
        labels.flat[::3] = ignored
    return labels


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "name",
    ["MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCEWithLogitsLoss", "PoissonNLLLoss"],
)
def test_elementwise_losses(name, reduction):
    target = rand(6, 4, seed=1) if name != "BCEWithLogitsLoss" else probabilities(6, 4, seed=1)
    both(lambda n: getattr(n, name)(reduction=reduction), rand(6, 4) * 2, np.abs(target))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["SoftMarginLoss", "HingeEmbeddingLoss"])
def test_sign_losses(name, reduction):
    signs = np.where(rand(6, 4, seed=1) > 0, 1, -1)
    make = lambda n: getattr(n, name)(reduction=reduction)  # noqa: E731
    ours = make(nn)(mo.tensor(rand(6, 4)), mo.tensor(signs))
    theirs = make(torch.nn)(torch.tensor(rand(6, 4)), torch.tensor(signs))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: n.SmoothL1Loss(beta=0.3),
        lambda n: n.SmoothL1Loss(beta=0.0),
        lambda n: n.HuberLoss(delta=0.4),
        lambda n: n.PoissonNLLLoss(full=True),
        lambda n: n.KLDivLoss(reduction="batchmean", log_target=True),
    ],
    ids=["smooth", "smooth0", "huber", "poisson", "kl"],
)
def test_loss_options(make):
    both(make, rand(6, 4), np.abs(rand(6, 4, seed=1)) * 3)


def test_kl_div_and_gaussian():
    logs = np.log(probabilities(5, 4))
    target = probabilities(5, 4, seed=1)
    target[0, 0] = 0
    for reduction in ("mean", "sum", "batchmean", "none"):
        ours = nn.functional.kl_div(mo.tensor(logs), mo.tensor(target), reduction=reduction)
        with pytest.warns() if reduction == "mean" else _nothing():
            theirs = torch.nn.functional.kl_div(torch.tensor(logs), torch.tensor(target), reduction=reduction)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    both(
        lambda n: n.GaussianNLLLoss(full=True),
        rand(5, 4),
        rand(5, 4, seed=1),
        np.abs(rand(5, 4, seed=2)) + 0.1,
    )


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_bce():
    x, y, w = probabilities(6, 4), probabilities(6, 4, seed=1), np.abs(rand(6, 4, seed=2))
    for reduction in ("mean", "sum", "none"):
        ours = nn.BCELoss(mo.tensor(w), reduction=reduction)(mo.tensor(x), mo.tensor(y))
        theirs = torch.nn.BCELoss(torch.tensor(w), reduction=reduction)(torch.tensor(x), torch.tensor(y))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    sure = nn.BCELoss()(mo.tensor([0.0, 1.0]), mo.tensor([0.0, 1.0]))
    assert sure.item() == 0
    pos = np.array([0.5, 1, 2, 3], dtype=np.float32)
    ours = nn.BCEWithLogitsLoss(pos_weight=mo.tensor(pos))(mo.tensor(rand(6, 4)), mo.tensor(y))
    theirs = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(pos))(
        torch.tensor(rand(6, 4)), torch.tensor(y)
    )
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 4), (2, 5, 3, 2)])
def test_cross_entropy(reduction, weighted, smoothing, shape):
    labels = classes(shape[0], *shape[2:], count=5, ignored=-100)
    w = np.abs(rand(5, seed=3)) + 0.1 if weighted else None

    def run(lib, make):
        x = make(rand(*shape))
        x.requires_grad_(True)
        options = {
            "weight": None if w is None else make(w),
            "reduction": reduction,
            "label_smoothing": smoothing,
        }
        loss = lib.functional.cross_entropy(x, make(labels), **options)
        loss.sum().backward()
        return loss.detach().numpy(), x.grad.numpy()

    for got, want in zip(run(nn, mo.tensor), run(torch.nn, torch.tensor)):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 4)])
def test_cross_entropy_of_probabilities(weighted, shape):
    w = np.abs(rand(5, seed=3)) if weighted else None
    for reduction in ("mean", "sum", "none"):
        values = []
        for lib, make in ((nn, mo.tensor), (torch.nn, torch.tensor)):
            loss = lib.CrossEntropyLoss(
                None if w is None else make(w), reduction=reduction, label_smoothing=0.1
            )
            values.append(loss(make(rand(*shape)), make(probabilities(*shape, seed=1))).numpy())
        np.testing.assert_allclose(*values, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(7, 5), (5,), (3, 5, 4)])
def test_nll(reduction, weighted, shape):
    labels = classes(*shape[:-1] if len(shape) < 3 else (3, 4), count=5, ignored=2)
    w = np.abs(rand(5, seed=3)) + 0.1 if weighted else None
    results = []
    for lib, make in ((nn, mo.tensor), (torch.nn, torch.tensor)):
        x = make(rand(*shape))
        x.requires_grad_(True)
        loss = lib.NLLLoss(
            None if w is None else make(w), ignore_index=-100 if len(shape) == 1 else 2, reduction=reduction
        )
        value = loss(x, make(labels))
        value.sum().backward()
        results.append((value.detach().numpy(), x.grad.numpy()))
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_margin_ranking_and_vectors():
    a, b, y = rand(6), rand(6, seed=1), np.sign(rand(6, seed=2))
    ours = nn.MarginRankingLoss(0.3)(mo.tensor(a), mo.tensor(b), mo.tensor(y))
    theirs = torch.nn.MarginRankingLoss(0.3)(torch.tensor(a), torch.tensor(b), torch.tensor(y))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)
    x, z = rand(4, 6), rand(4, 6, seed=1)
    for name, args in (("normalize", (x,)), ("cosine_similarity", (x, z)), ("pairwise_distance", (x, z))):
        ours = getattr(nn.functional, name)(*map(mo.tensor, args))
        theirs = getattr(torch.nn.functional, name)(*map(torch.tensor, args))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
    assert nn.functional.one_hot(mo.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_dropout():
    layer = nn.Dropout(0.25)
    x = mo.ones(20000)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert layer.eval()(x) is x
    planes = nn.Dropout2d(0.5)(mo.ones(40, 10, 3, 3)).numpy()
    flat = planes.reshape(400, 9)
    assert np.all((flat == 0).all(1) | (flat == 2).all(1)) and 0.3 < (flat[:, 0] == 0).mean() < 0.7
    assert nn.Dropout(1.0)(mo.ones(5)).tolist() == [0] * 5


BAD = [
    (lambda: nn.Conv2d(3, 4, 3, groups=2), "groups"),
    (lambda: nn.Conv2d(3, 4, 3, padding="some"), "padding"),
    (lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2), "stride"),
    (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "kernel_size"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "padding_mode"),
    (lambda: nn.Dropout(1.5), "probability"),
    (lambda: nn.MSELoss(reduction="all"), "reduction"),
    (lambda: nn.MSELoss()(mo.ones(2), mo.ones(3)), r"\[2\].*\[3\]"),
    (lambda: nn.CrossEntropyLoss(label_smoothing=2), "label_smoothing"),
    (lambda: nn.NLLLoss()(mo.ones(2, 3), mo.zeros(3, dtype=mo.int64)), "nll_loss"),
    (lambda: nn.functional.pad(mo.ones(3), (1, 1, 1, 1)), "pad"),
    (lambda: nn.functional.pad(mo.ones(1, 3), (3, 0), "reflect"), "at most 2"),
    (lambda: nn.functional.interpolate(mo.ones(1, 1, 2, 2), 0), "interpolate"),
    (lambda: nn.functional.interpolate(mo.ones(1, 1, 2, 2), scale_factor=float("nan")), "scale_factor"),
    (lambda: nn.functional.interpolate(mo.ones(1, 1, 2, 2), scale_factor=1e30), "scale_factor"),
    (lambda: nn.functional.pad(mo.ones(3), (1.5, 0)), "wants integers"),
    (lambda: nn.AdaptiveAvgPool2d(2)(mo.ones(2, 2)), "wants"),
    (lambda: nn.Hardtanh(1, 0), "max_val"),
    (lambda: nn.functional.gelu(mo.ones(1), "some"), "approximate"),
]


@pytest.mark.parametrize(("make", "match"), BAD, ids=lambda x: x if isinstance(x, str) else "")
def test_bad_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=match):
        make()


def test_a_class_out_of_range_is_an_error():
    for loss in (nn.CrossEntropyLoss(), nn.NLLLoss()):
        with pytest.raises(IndexError):
            loss(mo.zeros(2, 3), mo.tensor([0, 3]))
