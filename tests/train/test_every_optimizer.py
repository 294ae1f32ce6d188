"""A training killed at any step and resumed ends with the same bits, whatever the optimiser."""

import numpy as np
import pytest

import markone as mo
from markone import train
from markone.data import DataLoader, TensorDataset

NAMES = [name for name in mo.optim.__all__ if name not in ("Optimizer", "lr_scheduler", "swa_utils")]
OPTIONS = {
    "SGD": {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
    "RMSprop": {"momentum": 0.5, "centered": True, "eps": 1e-2},
    "Adam": {"amsgrad": True},
    "ASGD": {"t0": 3, "lambd": 0.1},
    "LBFGS": {"lr": 0.1, "max_iter": 3, "history_size": 2},
}


class KilledError(Exception):
    pass


class KillAt(train.Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            raise KilledError


def trainer_with(name, *callbacks, seed=3):
    mo.manual_seed(seed)
    model = mo.nn.Sequential(
        mo.nn.Linear(2, 4, bias=False), mo.nn.Tanh(), mo.nn.Dropout(0.1), mo.nn.Linear(4, 3, bias=False)
    )
    optimizer = getattr(mo.optim, name)(model.parameters(), **OPTIONS.get(name, {}))

    def step(trainer, batch):
        """LBFGS calls for the loss as often as it likes."""
        x, y = batch

        def closure():
            optimizer.zero_grad()
            loss = mo.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return {"loss": optimizer.step(closure)}

    return train.Trainer(
        model,
        optimizer,
        mo.nn.functional.cross_entropy,
        step=step if name == "LBFGS" else None,
        scheduler=mo.optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
        scheduler_interval="step",
        callbacks=callbacks,
    )


def batches():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 2)).astype(np.float32), rng.integers(0, 3, 24)
    return DataLoader(TensorDataset(mo.from_numpy(x), mo.from_numpy(y)), 8, shuffle=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_ends_with_the_same_bits(name, tmp_path):
    def bits(trainer):
        weights = [p.detach().numpy().tobytes() for p in trainer.model.parameters()]
        return weights, repr(trainer.optimizer.state_dict()), [row["train_loss"] for row in trainer.history]

    straight = trainer_with(name)
    before = [p.detach().numpy().tobytes() for p in straight.model.parameters()]
    straight.fit(batches(), epochs=3)
    assert all(a != b for a, b in zip(bits(straight)[0], before, strict=True))
    saver = train.Checkpoint(tmp_path, monitor="train_loss", every_seconds=None, every_steps=2)
    with pytest.raises(KilledError):
        trainer_with(name, saver, KillAt(5)).fit(batches(), epochs=3)
    resumed = trainer_with(name, seed=99)
    resumed.load(tmp_path / "last.safetensors")
    assert resumed.step == 4
    resumed.fit(batches(), epochs=3)
    assert bits(resumed) == bits(straight)
