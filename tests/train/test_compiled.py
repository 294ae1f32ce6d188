"""Trainer(compile=True) ends with the bits of compile=False, and says why where it does not compile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
from markone import nn, train
from markone.nn import functional as F
from markone.train.metrics import Accuracy


def trained(compile: bool, middle: Any = None, epochs: int = 3, **options: Any) -> Any:
    mo.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), middle or nn.ReLU(), nn.Linear(8, 3)
    )
    rng = np.random.default_rng(0)
    batches = [
        (mo.from_numpy(rng.standard_normal((n, 4)).astype(np.float32)), mo.from_numpy(rng.integers(0, 3, n)))
        for n in (6, 6, 6, 6, 5)
    ]
    optimizer = mo.optim.Adam(model.parameters(), lr=0.05)
    schedule = mo.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
    trainer = train.Trainer(
        model, optimizer, options.pop("loss", F.cross_entropy), metrics=[Accuracy()], scheduler=schedule,
        scheduler_interval="step", compile=compile, **options,
    )  # fmt: skip
    trainer.fit(batches, batches[:2], epochs=epochs)
    return trainer


def same(a: Any, b: Any) -> None:
    for (name, x), y in zip(a.model.state_dict().items(), b.model.state_dict().values(), strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy(), err_msg=name)
    for x, y in zip(a.history, b.history, strict=True):
        assert {**x, "seconds": 0} == {**y, "seconds": 0}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip_norm": 0.5, "ema": 0.9},
        {"accumulate": 2},
        {"check_finite": False},
        {"precision": "bfloat16"},
        {"precision": "float16", "clip_norm": 1.0},
        {"precision": "float16", "accumulate": 2},
    ],
    ids=str,
)
def test_the_bits_are_the_same(options: Any) -> None:
    compiled, plain = trained(True, **options), trained(False, **options)
    assert compiled.compiled.reason is None and compiled.compiled._gradients.recordings
    same(compiled, plain)


def test_a_loss_of_terms() -> None:
    def loss(output: Any, target: Any) -> Any:
        return {"entropy": F.cross_entropy(output, target), "size": output.square().mean() * 0.1}

    same(trained(True, loss=loss), trained(False, loss=loss))


class Branching(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.relu() if x.sum().item() > 0 else x.tanh()


def test_a_step_that_cannot_be_recorded_is_plain_and_says_so_once(capsys: Any) -> None:
    compiled, plain = trained(True, Branching()), trained(False, Branching())
    same(compiled, plain)
    told = capsys.readouterr().err
    assert told.count("Trainer: the step is not compiled: ") == 1
    assert f"{__file__}" in told and ".item()" in told
    assert not compiled.compiled.trains


def own(compiled: bool, middle: Any = None, **options: Any) -> Any:
    """A GAN's two updates in one step of one's own."""
    mo.manual_seed(0)
    maker, judge = nn.Sequential(nn.Linear(2, 4), middle or nn.Tanh(), nn.Linear(4, 2)), nn.Linear(2, 1)

    def step(trainer: Any, batch: Any) -> Any:
        made = maker(batch)
        real, fake = judge(batch), judge(made.detach())
        judged = trainer.minimize(F.softplus(-real).mean() + F.softplus(fake).mean(), "judge")
        return {"judge": judged, "maker": trainer.minimize(F.softplus(-judge(made)).mean(), "maker")}

    trainer = train.Trainer(
        step=mo.compile(step) if compiled else step,
        modules={"maker": maker, "judge": judge},
        optimizers={"maker": mo.optim.Adam(maker.parameters()), "judge": mo.optim.Adam(judge.parameters())},
        **options,
    )
    rng = np.random.default_rng(1)
    batches = [mo.from_numpy(rng.standard_normal((5, 2)).astype(np.float32)) for _ in range(6)]
    trainer.fit(batches, epochs=3)
    return trainer


def test_a_step_of_ones_own_is_plain_and_says_how_it_is_not(capsys: Any) -> None:
    trainer = own(False)
    assert capsys.readouterr().err.count("pass step=mo.compile(step)") == 1
    assert trainer.compiled._apply.recordings  # its updates are compiled all the same


@pytest.mark.parametrize("options", [{}, {"check_finite": False}, {"clip_norm": 0.1}], ids=str)
def test_a_step_of_ones_own_may_be_compiled(options: Any, capsys: Any) -> None:
    compiled, plain = own(True, **options), own(False, **options, compile=False)
    assert "not compiled" not in capsys.readouterr().err
    assert len(compiled._step.recordings) == 1
    same(compiled, plain)


class Breaking(nn.Module):
    """Gives NaN from its eighth call on, by a tensor that the step counts in."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", mo.zeros(()))

    def forward(self, x: Any) -> Any:
        self.calls.add_(1)
        return x.tanh() * (8 - self.calls).sqrt()


def test_a_loss_that_is_not_finite_stops_a_compiled_step_of_ones_own() -> None:
    for compiled in (False, True):
        with pytest.raises(train.NonFiniteError, match="the loss of 'judge' is nan"):
            own(compiled, Breaking())
