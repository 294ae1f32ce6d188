"""Schedulers against PyTorch's, step by step; saved and restored in the middle."""

import warnings

import pytest

import markone as mo
from markone import nn, optim
from markone.optim import lr_scheduler as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler

MAKE = {
    "step": lambda m, o: m.StepLR(o, 3, 0.5),
    "multistep": lambda m, o: m.MultiStepLR(o, [2, 5, 5, 9], 0.3),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.9),
    "constant": lambda m, o: m.ConstantLR(o, 0.25, 4),
    "linear": lambda m, o: m.LinearLR(o, 0.2, 0.8, 6),
    "polynomial": lambda m, o: m.PolynomialLR(o, 7, 2.0),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 5, 0.01),
    "lambda": lambda m, o: m.LambdaLR(o, lambda e: 1 / (e + 1)),
    "lambdas": lambda m, o: m.LambdaLR(o, [lambda e: 0.9**e, lambda e: 2.0]),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda e: 0.7),
    "sequential": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, 1.0, 3), m.ExponentialLR(o, 0.5), m.StepLR(o, 2)], [4, 8]
    ),
    "plateau": lambda m, o: m.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1, min_lr=[0.02, 0.0]),
    "plateau max": lambda m, o: m.ReduceLROnPlateau(o, "max", 0.1, 0, threshold=0.2, threshold_mode="abs"),
}
METRICS = [5, 4, 4, 4, 4, 3, 3.5, 3.2, 3.1, 3.2, 3.2, 3.2, 3.2, 3.2, 2.0]


def optimizers():
    a = optim.SGD(
        [{"params": [nn.Parameter(mo.ones(1))]}, {"params": [nn.Parameter(mo.ones(1))], "lr": 0.5}], lr=0.1
    )
    params = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    b = torch.optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.1)
    return a, b


def advance(scheduler, i):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler.step(METRICS[i]) if "Plateau" in type(scheduler).__name__ else scheduler.step()


@pytest.mark.parametrize("name", MAKE)
def test_as_pytorch(name):
    a, b = optimizers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, their = MAKE[name](ours, a), MAKE[name](theirs, b)
    for i in range(15):
        got, want = [g["lr"] for g in a.param_groups], [g["lr"] for g in b.param_groups]
        assert got == pytest.approx(want, rel=1e-9, abs=1e-12), f"step {i}"
        assert mine.get_last_lr() == got or i == 7
        advance(mine, i)
        advance(their, i)
        if i == 6 and "sequential" not in name:  # a rate changed by hand
            for o in (a, b):
                o.param_groups[1]["lr"] = 0.3


@pytest.mark.parametrize("name", MAKE)
def test_saved_and_restored(name):
    def run(stop):
        a, _ = optimizers()
        s = MAKE[name](ours, a)
        rates = []
        for i in range(12):
            if i == stop:
                fresh, _ = optimizers()
                t = MAKE[name](ours, fresh)
                fresh.load_state_dict(a.state_dict())
                t.load_state_dict(s.state_dict())
                a, s = fresh, t
            advance(s, i)
            rates.append([g["lr"] for g in a.param_groups])
        return rates

    assert run(5) == run(None)


BAD = [
    (lambda o: ours.StepLR(o, 0), "step_size"),
    (lambda o: ours.StepLR(3, 1), "Optimizer"),
    (lambda o: ours.LambdaLR(o, [lambda e: 1.0]), "1 functions for 2 groups"),
    (lambda o: ours.ReduceLROnPlateau(o, factor=1.0), "factor"),
    (lambda o: ours.ReduceLROnPlateau(o, "up"), "mode"),
    (lambda o: ours.ReduceLROnPlateau(o).step(), "metric"),
    (lambda o: ours.StepLR(o, 1, last_epoch=3), "initial_lr"),
    (lambda o: ours.CosineAnnealingLR(o, 0), "T_max"),
    (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [1]), "milestone"),
]


@pytest.mark.parametrize(("make", "match"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError, KeyError), match=match):
        make(optimizers()[0])
