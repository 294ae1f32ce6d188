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
    "warm-up": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.1, total_iters=5), m.CosineAnnealingLR(o, 10)], milestones=[5]
    ),
    "chained": lambda m, o: m.ChainedScheduler([m.ConstantLR(o, 0.1, 3), m.ExponentialLR(o, 0.9)], o),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 4, eta_min=0.01),
    "restarts longer": lambda m, o: m.CosineAnnealingWarmRestarts(o, 3, 2),
    "cyclic": lambda m, o: m.CyclicLR(o, 0.01, [0.1, 0.3], 4, 6),
    "cyclic 2": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 3, mode="triangular2", cycle_momentum=False),
    "cyclic exp": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.95),
    "cyclic own": lambda m, o: m.CyclicLR(o, 0.01, 0.1, 3, scale_fn=lambda x: 1 / x),
    "one cycle": lambda m, o: m.OneCycleLR(o, [0.1, 0.5], 60),
    "one cycle 3": lambda m, o: m.OneCycleLR(
        o, 0.1, epochs=6, steps_per_epoch=10, anneal_strategy="linear", three_phase=True
    ),
    "plateau": lambda m, o: m.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1, min_lr=[0.02, 0.0]),
    "plateau max": lambda m, o: m.ReduceLROnPlateau(o, "max", 0.1, 0, threshold=0.2, threshold_mode="abs"),
}
METRICS = 4 * [5, 4, 4, 4, 4, 3, 3.5, 3.2, 3.1, 3.2, 3.2, 3.2, 3.2, 3.2, 2.0]


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
    for i in range(50):
        got, want = [g["lr"] for g in a.param_groups], [g["lr"] for g in b.param_groups]
        assert got == pytest.approx(want, rel=1e-9, abs=1e-12), f"step {i}"
        assert mine.get_last_lr() == got or i == 7
        for key in ("momentum", "max_momentum", "base_momentum"):
            for g, h in zip(a.param_groups, b.param_groups):
                assert g.get(key, 0) == pytest.approx(h.get(key, 0), rel=1e-12), f"{key}, step {i}"
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
        for i in range(30):
            if i == stop:
                fresh, _ = optimizers()
                t = MAKE[name](ours, fresh)
                fresh.load_state_dict(a.state_dict())
                t.load_state_dict(s.state_dict())
                a, s = fresh, t
            advance(s, i)
            rates.append([g["lr"] for g in a.param_groups])
        return rates

    assert run(7) == run(None)


# Two on one optimiser, each stepped in turn.
TOGETHER = [
    ("step", "exponential"),
    ("linear", "multistep"),
    ("polynomial", "multiplicative"),
    ("constant", "cosine"),
]


@pytest.mark.parametrize("names", TOGETHER, ids="+".join)
def test_two_on_one_optimizer(names):
    a, b = optimizers()
    pairs = [(MAKE[name](ours, a), MAKE[name](theirs, b)) for name in names]
    for i in range(50):
        assert [g["lr"] for g in a.param_groups] == pytest.approx(
            [g["lr"] for g in b.param_groups], rel=1e-9, abs=1e-12
        ), f"step {i}"
        for mine, their in pairs:
            advance(mine, i)
            advance(their, i)


@pytest.mark.parametrize("name", MAKE)
def test_goes_on_from_pytorchs_state(name):
    a, b = optimizers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, their = MAKE[name](ours, a), MAKE[name](theirs, b)
    for i in range(7):
        advance(their, i)
    mine.load_state_dict(their.state_dict())
    a.load_state_dict(b.state_dict())
    for i in range(7, 30):
        assert [g["lr"] for g in a.param_groups] == pytest.approx(
            [g["lr"] for g in b.param_groups], rel=1e-9, abs=1e-12
        ), f"step {i}"
        advance(mine, i)
        advance(their, i)


BAD = [
    (lambda o: ours.StepLR(o, 0), "step_size"),
    (lambda o: ours.StepLR(3, 1), "Optimizer"),
    (lambda o: ours.LambdaLR(o, [lambda e: 1.0]), "1 functions for 2 groups"),
    (lambda o: ours.ReduceLROnPlateau(o, factor=1.0), "factor"),
    (lambda o: ours.ReduceLROnPlateau(o, "up"), "mode"),
    (lambda o: ours.ReduceLROnPlateau(o).step(), "metric"),
    (lambda o: ours.StepLR(o, 1, last_epoch=3), "initial_lr"),
    (lambda o: ours.CosineAnnealingLR(o, 0), "T_max"),
    (lambda o: ours.CosineAnnealingWarmRestarts(o, 0), "T_0"),
    (lambda o: ours.CyclicLR(o, 0.1, [0.2]), "1 max_lr for 2 groups"),
    (lambda o: ours.CyclicLR(o, 0.1, 0.2, mode="up"), "mode"),
    (lambda o: ours.OneCycleLR(o, 0.1), "total_steps"),
    (lambda o: ours.OneCycleLR(o, 0.1, 5, pct_start=2.0), "pct_start"),
    (lambda o: ours.ChainedScheduler([]), "at least one"),
    (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [1]), "milestone"),
]


@pytest.mark.parametrize(("make", "match"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError, KeyError), match=match):
        make(optimizers()[0])


@pytest.mark.parametrize("mult", [1, 2, 3])
def test_restarts_at_fractions(mult):
    a, b = optimizers()
    mine, their = (m.CosineAnnealingWarmRestarts(o, 3, mult) for m, o in ((ours, a), (theirs, b)))
    for epoch in (0.0, 0.5, 2.75, 3.5, 7.25, 11.5, None, 20.25, 1.5, None):
        advance_to = (epoch,) if epoch is not None else ()
        mine.step(*advance_to)
        their.step(*advance_to)
        assert mine.get_last_lr() == pytest.approx(their.get_last_lr(), rel=1e-9)


def test_beta1_cycles_where_there_is_no_momentum():
    a, b = optim.Adam([nn.Parameter(mo.ones(1))]), torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])
    mine, their = ours.OneCycleLR(a, 0.1, 20), theirs.OneCycleLR(b, 0.1, 20)
    for i in range(20):
        assert a.param_groups[0]["betas"] == pytest.approx(b.param_groups[0]["betas"], rel=1e-12)
        advance(mine, i) if i < 19 else None
        advance(their, i) if i < 19 else None


def test_a_plateau_scheduler_is_not_one_of_several():
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    plateau = ours.ReduceLROnPlateau(optimizer)
    for name, make in (
        ("ChainedScheduler", lambda: ours.ChainedScheduler([plateau])),
        ("SequentialLR", lambda: ours.SequentialLR(optimizer, [plateau], [])),
    ):
        with pytest.raises(ValueError, match=f"{name}: ReduceLROnPlateau wants a metric"):
            make()
