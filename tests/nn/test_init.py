"""Initial values: their bounds and variances, and PyTorch's defaults of the layers."""

import math

import numpy as np
import pytest

import markone as mo
from markone import nn
from markone.nn import init


def values(t):
    return t.detach().numpy()


@pytest.mark.parametrize(
    ("fill", "std", "bound"),
    [
        (lambda w: init.xavier_uniform_(w, 2.0), 2 * math.sqrt(2 / 500), 2 * math.sqrt(6 / 500)),
        (lambda w: init.xavier_normal_(w), math.sqrt(2 / 500), None),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 300), math.sqrt(6 / 300)),
        (
            lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh"),
            5 / 3 / math.sqrt(200),
            None,
        ),
        (lambda w: init.lecun_uniform_(w), math.sqrt(1 / 300), math.sqrt(3 / 300)),
        (lambda w: init.lecun_normal_(w), math.sqrt(1 / 300), None),
        (lambda w: init.uniform_(w, -0.05, 0.05), 0.05 / math.sqrt(3), 0.05),
        (lambda w: init.uniform_(w, -3, 3), math.sqrt(3), 3),
        (lambda w: init.normal_(w, 0, 0.3), 0.3, None),
        (lambda w: init.trunc_normal_(w, 0, 1, -1, 1), 0.5396, 1),
    ],
    ids=[
        "xavier_u",
        "xavier_n",
        "kaiming_u",
        "kaiming_n",
        "lecun_u",
        "lecun_n",
        "small",
        "uniform",
        "normal",
        "trunc",
    ],
)
def test_distributions(fill, std, bound):
    w = mo.empty(200, 300)
    assert fill(w) is w
    v = values(w)
    assert abs(v.mean()) < 4 * std / math.sqrt(v.size)
    assert abs(v.std() / std - 1) < 0.02
    if bound is not None:
        assert np.abs(v).max() <= bound and np.abs(v).max() > 0.99 * bound


def test_defaults_of_layers():
    fc = nn.Linear(400, 300)
    bound = 1 / math.sqrt(400)
    for p in (fc.weight, fc.bias):
        v = values(p)
        assert np.abs(v).max() <= bound and np.abs(v).max() > 0.95 * bound
    conv = nn.Conv2d(8, 64, 5, groups=2)
    bound = 1 / math.sqrt(4 * 25)
    v = values(conv.weight)
    assert np.abs(v).max() <= bound * (1 + 1e-6) and np.abs(v).max() > 0.99 * bound
    assert np.abs(values(conv.bias)).max() <= bound


def test_seeded():
    mo.manual_seed(3)
    a = values(nn.Linear(5, 4).weight).copy()
    mo.manual_seed(3)
    assert np.array_equal(a, values(nn.Linear(5, 4).weight))


def test_constants_and_matrices():
    assert values(init.constant_(mo.empty(2), 4)).tolist() == [4, 4]
    assert values(init.ones_(mo.empty(2))).tolist() == [1, 1]
    assert values(init.zeros_(mo.empty(2))).tolist() == [0, 0]
    assert np.array_equal(values(init.eye_(mo.empty(2, 3))), np.eye(2, 3))
    for shape in ((6, 4), (4, 6), (4, 2, 3)):
        q = values(init.orthogonal_(mo.empty(*shape), 2.0)).reshape(shape[0], -1)
        gram = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        assert np.allclose(gram, 4 * np.eye(min(q.shape)), atol=1e-5)
    w = values(init.sparse_(mo.empty(10, 5), 0.3))
    assert ((w == 0).sum(0) == 3).all()
    x = mo.tensor(np.random.default_rng(0).standard_normal((1, 4, 5, 5)).astype(np.float32))
    conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    init.dirac_(conv.weight)
    assert np.array_equal(values(conv(x)), x.numpy())


def test_gains_and_errors():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04)
    for call in (
        lambda: init.calculate_gain("what"),
        lambda: init.xavier_uniform_(mo.empty(3)),
        lambda: init.kaiming_normal_(mo.empty(3, 3), mode="fan"),
        lambda: init.eye_(mo.empty(3)),
        lambda: init.dirac_(mo.empty(3, 3)),
    ):
        with pytest.raises(ValueError, match=r"wants|does not know"):
            call()


OLD = {
    "constant": (2.5,),
    "dirac": (),
    "eye": (),
    "kaiming_normal": (),
    "kaiming_uniform": (),
    "normal": (1.0, 2.0),
    "orthogonal": (),
    "sparse": (0.5,),
    "uniform": (-1.0, 3.0),
    "xavier_normal": (2.0,),
    "xavier_uniform": (2.0,),
}


@pytest.mark.parametrize("name", OLD)
def test_old_names_warn_and_do_the_same(name):
    shape = (4, 3, 3) if name == "dirac" else (6, 4)
    mo.manual_seed(1)
    want = values(getattr(init, name + "_")(mo.empty(*shape), *OLD[name])).copy()
    mo.manual_seed(1)
    w = mo.empty(*shape)
    with pytest.warns(FutureWarning, match=f"{name} is deprecated"):
        assert getattr(init, name)(w, *OLD[name]) is w
    assert np.array_equal(values(w), want)
