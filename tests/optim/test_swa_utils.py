"""Averaged models, SWALR and update_bn against PyTorch's."""

import copy

import numpy as np
import pytest

import markone as mo
from markone import nn, optim
from markone.optim import swa_utils as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.swa_utils


def models(seed=0):
    """The same small network in both libraries, with batch normalisation and its whole-number buffer."""
    rng = np.random.default_rng(seed)
    make = [m.Sequential(m.Linear(3, 4), m.BatchNorm1d(4), m.ReLU(), m.Linear(4, 2)) for m in (nn, torch.nn)]
    set_weights(make, rng)
    return make


def set_weights(pair, rng):
    mine, their = pair
    state = {}
    for key, value in their.state_dict().items():
        wide = rng.standard_normal(tuple(value.shape)) ** 2 * 10
        state[key] = wide.astype(value.numpy().dtype)
    their.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    mine.load_state_dict({k: mo.tensor(v) for k, v in state.items()})


def same(mine, their):
    a, b = mine.state_dict(), their.state_dict()
    assert list(a) == list(b)
    for key in a:
        np.testing.assert_allclose(a[key].numpy(), b[key].numpy(), rtol=1e-5, atol=1e-6, err_msg=key)


OPTIONS = {
    "equal": lambda m: {},
    "equal, by one": lambda m: {"avg_fn": m.get_swa_avg_fn()},
    "equal, lists": lambda m: {"multi_avg_fn": m.get_swa_multi_avg_fn()},
    "ema": lambda m: {"avg_fn": m.get_ema_avg_fn(0.7)},
    "ema, buffers": lambda m: {"multi_avg_fn": m.get_ema_multi_avg_fn(0.7), "use_buffers": True},
    "equal, buffers": lambda m: {"use_buffers": True},
    "own": lambda m: {"avg_fn": lambda mean, now, n: mean * 0.25 + now * 0.75},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_averaged_model(name):
    mine, their = models()
    a, b = (
        ours.AveragedModel(mine, **OPTIONS[name](ours)),
        theirs.AveragedModel(their, **OPTIONS[name](theirs)),
    )
    same(a, b)
    rng = np.random.default_rng(1)
    for _ in range(4):
        set_weights((mine, their), rng)
        a.update_parameters(mine)
        b.update_parameters(their)
        same(a, b)
    x = rng.standard_normal((5, 3)).astype(np.float32)
    got, want = a.eval()(mo.tensor(x)), b.eval()(torch.tensor(x))
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-5)
    # The average goes on from its state.
    fresh = ours.AveragedModel(copy.deepcopy(mine), **OPTIONS[name](ours))
    fresh.load_state_dict(a.state_dict())
    fresh.update_parameters(mine)
    b.update_parameters(their)
    same(fresh, b)


@pytest.mark.parametrize("tuples", [False, True])
def test_update_bn(tuples):
    mine, their = models()
    mine.eval(), their.eval()
    data = np.random.default_rng(2).standard_normal((3, 6, 3)).astype(np.float32)
    ours.update_bn([(mo.tensor(x), 1) if tuples else mo.tensor(x) for x in data], mine)
    theirs.update_bn([(torch.tensor(x), 1) if tuples else torch.tensor(x) for x in data], their)
    same(mine, their)
    assert mine[1].momentum == 0.1 and not mine.training
    ours.update_bn([], nn.Linear(1, 1))


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 7])
def test_swalr(strategy, epochs):
    def make(lib, layers):
        params = [layers.Parameter(lib.ones(1)) for _ in range(2)]
        groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.5}]
        return lib.optim.SGD(groups, lr=0.1)

    a, b = make(mo, nn), make(torch, torch.nn)
    mine = ours.SWALR(a, [0.05, 0.2], epochs, strategy)
    their = theirs.SWALR(b, [0.05, 0.2], epochs, strategy)
    for i in range(20):
        got, want = [[g["lr"] for g in o.param_groups] for o in (a, b)]
        assert got == pytest.approx(want, rel=1e-9)
        assert [g["swa_lr"] for g in a.param_groups] == [0.05, 0.2]
        if i == 3:
            state = mine.state_dict()
            mine = ours.SWALR(a, 9.0, 1, strategy)
            for group, rate, last in zip(a.param_groups, got, (0.05, 0.2)):
                group["lr"], group["swa_lr"] = rate, last
            mine.load_state_dict(state)
        b.step()
        mine.step()
        their.step()


def test_bad_arguments_are_named():
    layer = nn.Linear(1, 1)
    opt = optim.SGD(layer.parameters())
    for make, match in (
        (lambda: ours.SWALR(opt, 0.1, anneal_strategy="up"), "SWALR: anneal_strategy"),
        (lambda: ours.SWALR(opt, 0.1, -1), "SWALR: anneal_epochs"),
        (lambda: ours.SWALR(opt, [0.1, 0.2]), "SWALR: 2 swa_lr for 1 groups"),
        (lambda: ours.get_ema_avg_fn(1.5), "get_ema_avg_fn: decay"),
        (lambda: ours.AveragedModel(layer, avg_fn=max, multi_avg_fn=max), "AveragedModel: got avg_fn and"),
    ):
        with pytest.raises((ValueError, AssertionError), match=match):
            make()
