"""The Trainer with several networks and optimisers: the contract, and the same bits after a kill."""

import numpy as np
import pytest

import markone as mo
from markone import train
from markone.data import DataLoader, TensorDataset
from markone.nn import functional as F


class Centre(mo.nn.Module):
    """Takes a running mean, which is a buffer, off its input."""

    def __init__(self, size):
        super().__init__()
        self.register_buffer("mean", mo.zeros(size))

    def forward(self, x):
        if self.training:
            self.mean.mul_(0.9).add_(x.detach().mean(0) * 0.1)
        return x - self.mean.clone()


def gan(*callbacks, seed=3, **options):
    """A small GAN on points; the generator's running mean and both Adams are state too."""
    mo.manual_seed(seed)
    g = mo.nn.Sequential(mo.nn.Linear(3, 8), Centre(8), mo.nn.ReLU(), mo.nn.Linear(8, 2))
    d = mo.nn.Sequential(mo.nn.Linear(2, 8), mo.nn.LeakyReLU(0.2), mo.nn.Dropout(0.2), mo.nn.Linear(8, 1))

    def step(trainer, batch):
        (real,) = batch
        z = mo.randn(len(real), 3)
        fake = g(z)
        ones, zeros = mo.ones(len(real), 1), mo.zeros(len(real), 1)
        bce = F.binary_cross_entropy_with_logits
        d_loss = trainer.minimize(bce(d(real), ones) + bce(d(fake.detach()), zeros), "d")
        g_loss = trainer.minimize(bce(d(fake), ones), "g")
        return {"d": d_loss, "g": g_loss}

    optimizers = {"g": mo.optim.Adam(g.parameters(), lr=0.01), "d": mo.optim.Adam(d.parameters(), lr=0.02)}
    schedulers = {name: mo.optim.lr_scheduler.ExponentialLR(o, 0.97) for name, o in optimizers.items()}
    options = {"scheduler_interval": "step", "ema": 0.9, "clip_norm": 1.0, **options}
    return train.Trainer(
        step=step,
        modules={"generator": g, "discriminator": d},
        optimizers=optimizers,
        scheduler=schedulers,
        callbacks=callbacks,
        **options,
    )


def points():
    x = np.random.default_rng(0).standard_normal((48, 2)).astype(np.float32)
    return DataLoader(TensorDataset(mo.from_numpy(x)), 8, shuffle=True)


class KilledError(Exception):
    pass


class KillAt(train.Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            raise KilledError


def everything(trainer):
    """The bits of networks, optimisers, averages; the figures; the rates."""
    out = {k: v.numpy().tobytes() for k, v in trainer.model.state_dict().items()}
    out |= {f"ema {k}": v.numpy().tobytes() for k, v in trainer.ema.average.items()}
    for name, optimizer in trainer.optimizers.items():
        for i, state in optimizer.state_dict()["state"].items():
            out |= {f"{name} {i} {k}": np.asarray(v).tobytes() for k, v in state.items()}
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in trainer.history]
    return out, rows, [s.get_last_lr() for s in trainer.schedulers.values()]


@pytest.mark.parametrize("at", [2, 5, 9, 14])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_killed_run_of_two_networks_ends_with_the_same_bits(tmp_path, at, accumulate):
    straight = gan(accumulate=accumulate)
    straight.fit(points(), epochs=3)

    def saver():
        return train.Checkpoint(tmp_path, None, every_seconds=None, every_steps=1)

    with pytest.raises(KilledError):
        gan(KillAt(at), saver(), accumulate=accumulate).fit(points(), epochs=3)
    resumed = gan(saver(), seed=77, accumulate=accumulate)
    if (tmp_path / "last.safetensors").exists():
        resumed.load(tmp_path / "last.safetensors")
    # The kill came before the save of its step, so the resume repeats that one.
    assert resumed.step == at - 1
    resumed.fit(points(), epochs=3)
    assert everything(resumed) == everything(straight)


def test_figures_and_rates_have_columns():
    trainer = gan()
    row = trainer.fit(points(), epochs=1)[0]
    assert {"train_d", "train_g", "lr_g", "lr_d"} <= set(row)
    assert row["lr_g"] == pytest.approx(0.01 * 0.97**6) and row["lr_d"] == pytest.approx(0.02 * 0.97**6)


def test_minimize_gives_gradients_to_its_own_network_alone():
    trainer = gan()
    g, d = trainer.modules["generator"], trainer.modules["discriminator"]
    before = {k: v.numpy().copy() for k, v in d.state_dict().items()}
    trainer.minimize(d(g(mo.randn(4, 3))).mean(), "g")
    assert all(p.grad is not None for p in g.parameters()) and all(p.grad is None for p in d.parameters())
    assert all(np.array_equal(before[k], v.numpy()) for k, v in d.state_dict().items())


def test_the_loss_that_is_not_finite_is_named():
    trainer = gan()
    step = trainer._step

    def broken(t, batch):
        if t.step < 2:
            return step(t, batch)
        fake = t.modules["generator"](mo.randn(4, 3))
        return {"g": t.minimize(mo.log(fake * 0 - 1.0).mean(), "g")}

    trainer._step = broken
    with pytest.raises(train.NonFiniteError, match=r"step 3 .*the loss of 'g' is nan.*log"):
        trainer.fit(points(), epochs=1)


def test_a_dict_of_loss_terms_is_added_and_the_bad_one_named():
    net = mo.nn.Linear(2, 1)
    batches = [(mo.ones(4, 2), mo.zeros(4, 1))] * 2

    def terms(bad):
        def loss(output, target):
            size = (output * output).mean() * (mo.tensor(float("inf")) if bad else 0.5)
            return {"fit": F.mse_loss(output, target), "size": size}

        return loss

    optimizer = mo.optim.SGD(net.parameters(), lr=0.01)
    row = train.Trainer(net, optimizer, terms(False)).fit(batches, batches, epochs=1)[0]
    assert row["train_loss"] == pytest.approx(row["train_fit"] + row["train_size"])
    assert row["val_loss"] == pytest.approx(row["val_fit"] + row["val_size"])
    with pytest.raises(train.NonFiniteError, match="the loss term 'size' is inf"):
        train.Trainer(net, optimizer, terms(True)).fit(batches, epochs=1)


def one(**options):
    mo.manual_seed(0)
    net = mo.nn.Linear(3, 2)
    optimizer = mo.optim.SGD(net.parameters(), lr=0.1)
    scheduler = options.pop("scheduler", lambda o: None)(optimizer)
    return train.Trainer(net, optimizer, F.mse_loss, scheduler=scheduler, **options)


def batches(count, size):
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal((count * size, n)).astype(np.float32) for n in (3, 2))
    return [(mo.from_numpy(x[i : i + size]), mo.from_numpy(y[i : i + size])) for i in range(0, len(x), size)]


def test_two_half_batches_are_one_batch_and_the_rest_is_not_lost():
    half, whole = one(accumulate=2), one()
    half.fit(batches(6, 4), epochs=1)
    whole.fit(batches(3, 8), epochs=1)
    for a, b in zip(half.model.parameters(), whole.model.parameters()):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5)
    odd = one(accumulate=4)
    start = odd.model.weight.detach().numpy().copy()
    odd.fit(batches(3, 4), epochs=1)
    assert not np.array_equal(start, odd.model.weight.detach().numpy())


def test_clipping_limits_the_step():
    for options, limit in ({"clip_norm": 1e-3}, 1e-3), ({"clip_value": 1e-4}, 1e-4 * np.sqrt(8)):
        trainer = one(**options)
        before = np.concatenate([p.detach().numpy().ravel() for p in trainer.model.parameters()])
        trainer.fit(batches(1, 4), epochs=1)
        after = np.concatenate([p.detach().numpy().ravel() for p in trainer.model.parameters()])
        assert 0 < np.linalg.norm(after - before) <= 0.1 * limit * 1.001


def test_the_average_of_the_weights_validates():
    trainer = one(ema=0.5)
    start = trainer.model.weight.detach().numpy().copy()
    want = start
    for batch in batches(3, 4):
        trainer.fit([batch], epochs=trainer.epoch + 1)
        want = 0.5 * want + 0.5 * trainer.model.weight.detach().numpy()
    np.testing.assert_allclose(trainer.ema.average["weight"].numpy(), want, rtol=1e-5)
    kept = trainer.model.weight.detach().numpy().copy()
    val = batches(1, 4)
    got = trainer.evaluate(val)["loss"]
    with trainer.ema.applied():
        assert got == F.mse_loss(trainer.model(val[0][0]), val[0][1]).item()
    assert np.array_equal(trainer.model.weight.detach().numpy(), kept)


def test_plateau_and_step_schedules():
    plateau = one(scheduler=lambda o: mo.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.9))
    rows = plateau.fit(batches(2, 4), batches(1, 4), epochs=4)
    assert [row["lr"] for row in rows] == pytest.approx([0.1, 0.1, 0.01, 0.001])
    with pytest.raises(ValueError, match="ReduceLROnPlateau: there is no 'val_loss'"):
        one(scheduler=mo.optim.lr_scheduler.ReduceLROnPlateau).fit(batches(1, 4), epochs=1)
    each = one(
        scheduler=lambda o: mo.optim.lr_scheduler.StepLR(o, 1, 0.5), scheduler_interval="step", accumulate=2
    )
    assert each.fit(batches(4, 2), epochs=1)[0]["lr"] == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"accumulate": 0}, "Trainer: got accumulate=0"),
        ({"scheduler_interval": "week"}, "Trainer: .*'week'"),
        ({"precision": "int8"}, "Trainer: got precision='int8'"),
        ({"ema": 1.0}, "EMA: got decay=1.0"),
        ({"modules": {}}, "Trainer: wants a model or modules"),
        ({"optimizers": {}}, "Trainer: wants an optimizer or optimizers"),
    ],
)
def test_bad_options_are_named(options, text):
    with pytest.raises(ValueError, match=text):
        one(**options)
    with pytest.raises(ValueError, match=r"there is no optimiser 'x' among \['g', 'd'\]"):
        gan().minimize(None, "x")


def test_half_precision_learns_as_float32_does():
    data, losses = batches(8, 16), []
    for precision in ("float32", "bfloat16", "float16"):
        seen = []
        trainer = one(precision=precision)
        trainer.model.register_forward_hook(lambda module, inputs, out, seen=seen: seen.append(out.dtype))
        trainer.fit(data, epochs=3)
        assert set(seen) == {getattr(mo, precision)}
        assert all(p.dtype is mo.float32 and p.grad.dtype is mo.float32 for p in trainer.model.parameters())
        losses.append(np.mean([F.mse_loss(trainer.model(x), y).item() for x, y in data]))
        if precision == "float16":
            (scaler,) = trainer.scalers.values()
            assert 256.0 <= scaler.get_scale() <= 65536.0
    assert np.allclose(losses, losses[0], rtol=0.05)


def test_a_checkpoint_of_other_optimisers_is_named(tmp_path):
    trainer = gan()
    trainer.fit(points(), epochs=1)
    trainer.save(tmp_path / "a")
    other = gan()
    other.optimizers["e"] = other.optimizers.pop("d")
    with pytest.raises(
        train.CheckpointError, match=r"the optimizers \['d', 'g'\], this Trainer \['e', 'g'\]"
    ):
        other.load(tmp_path / "a")


def test_lr_find_rises_and_puts_everything_back():
    trainer = one(ema=0.9)
    before = trainer.model.weight.detach().numpy().copy()
    state = mo.get_rng_state().numpy().tobytes()
    found = train.lr_find(trainer, batches(4, 16), 1e-4, 50.0, 60)
    assert np.array_equal(trainer.model.weight.detach().numpy(), before)
    assert np.array_equal(trainer.ema.average["weight"].numpy(), before)
    assert mo.get_rng_state().numpy().tobytes() == state
    assert trainer.optimizer.param_groups[0]["lr"] == 0.1 and trainer.step == 0
    assert len(found.rates) < 60  # it diverged and stopped
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(50.0 / 1e-4) / 59, rtol=1e-6)
    assert found.suggestion is not None and 1e-4 < found.suggestion < 5
    pytest.importorskip("matplotlib")
    assert len(found.picture().axes[0].lines) == 2
    with pytest.raises(ValueError, match="lr_find: got min_lr=1"):
        train.lr_find(trainer, batches(1, 4), 1.0, 0.5)


def test_logs_as_json_lines_and_for_tensorboard(tmp_path):
    import json

    callbacks = [train.JSONLogger(tmp_path / "log.jsonl")]
    try:
        callbacks.append(train.TensorBoardLogger(tmp_path / "board"))
    except ImportError as error:
        assert "markone[tensorboard]" in str(error)
    trainer = one(callbacks=callbacks)
    rows = trainer.fit(batches(2, 4), batches(1, 4), epochs=3)
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == rows
    if len(callbacks) == 2:
        (events,) = (tmp_path / "board").iterdir()
        assert b"loss/train" in events.read_bytes() and b"loss/val" in events.read_bytes()


def test_early_stopping_draws_both_curves(tmp_path):
    pytest.importorskip("matplotlib")
    stop = train.EarlyStopping(patience=2, picture=tmp_path / "curves.png")
    trainer = one(callbacks=[stop])
    trainer.optimizer.param_groups[0]["lr"] = 0.0
    trainer.fit(batches(2, 4), batches(1, 4), epochs=20)
    assert trainer.epoch == 3 and stop.best_epoch == 1
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_without_an_optimiser(tmp_path):
    """A step of one's own that learns without gradients: history, interruption and resume are the same."""

    def count(trainer, batch):
        trainer.model.weight.data += batch[0].sum()
        return {"seen": 1.0}

    def made():
        return train.Trainer(mo.nn.Linear(1, 1), optimizers={}, step=count, eval_step=count, compile=False)

    batches = [(mo.ones(3, 1),), (mo.ones(2, 1),)]
    trainer = made()
    (row,) = trainer.fit(batches, epochs=1)
    assert "lr" not in row and row["train_seen"] == 1.0
    trainer.save(tmp_path / "t.safetensors")
    again = made()
    again.load(tmp_path / "t.safetensors")
    assert again.epoch == 1 and (again.model.weight == trainer.model.weight).all().item()
    with pytest.raises(ValueError, match=r"there is no optimiser 'optimizer' among \[\]"):
        trainer.minimize(mo.ones(1))
    with pytest.raises(ValueError, match=r"there is no optimiser 'optimizer' among \[\]"):
        train.Trainer(mo.nn.Linear(1, 1), optimizers={}, scheduler=object())
