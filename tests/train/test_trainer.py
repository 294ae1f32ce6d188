"""The Trainer's loop against a plain one, its callbacks' order, its resume, its stops."""

import csv
import math
import os
import signal

import numpy as np
import pytest

import markone as mo
from markone import train
from markone.nn import functional as F
from markone.train import CheckpointError


def read_rows(path):
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_the_trainer_does_what_the_plain_loop_does(make_trainer, make_loaders, bits):
    trainer = make_trainer()
    loader, _ = make_loaders()
    history = trainer.fit(loader, epochs=2)

    plain = make_trainer()  # for its freshly drawn model and optimizer
    model, optimizer, scheduler = plain.model, plain.optimizer, plain.scheduler
    loader, _ = make_loaders()
    losses = []
    model.train()
    for _ in range(2):
        total = 0.0
        for inputs, target in loader:
            loss = F.cross_entropy(model(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(target)
        scheduler.step()
        losses.append(total / 160)
    assert bits(trainer) == bits(plain)
    assert [row["train_loss"] for row in history] == losses
    assert [row["lr"] for row in history] == [0.01, 0.005]
    assert [row["step"] for row in history] == [10, 20]


def test_evaluate_weighs_by_examples_and_leaves_all_as_it_was(make_trainer, make_loaders, bits):
    trainer = make_trainer()
    inputs = mo.rand(7, 1, 8, 8)
    target = mo.tensor([0, 1, 2, 3, 4, 5, 6])
    parts = [(inputs[:5], target[:5]), (inputs[5:], target[5:])]
    before = bits(trainer)
    got = trainer.evaluate(parts)
    trainer.model.eval()
    with mo.no_grad():
        output = trainer.model(inputs)
        want = F.cross_entropy(output, target).item()
    trainer.model.train()
    assert got["loss"] == pytest.approx(want, rel=1e-6)
    assert got["accuracy"] == np.mean(output.numpy().argmax(1) == target.numpy())
    assert bits(trainer) == before and trainer.metrics[0].seen == 0
    assert trainer.model.training and all(p.grad is None for p in trainer.model.parameters())


def test_hooks_run_by_priority_then_as_given(make_trainer, make_loaders):
    seen = []

    def note(name, level):
        class Noting(train.Callback):
            priority = level

            def on_epoch_end(self, trainer):
                seen.append(name)

        return Noting()

    callbacks = [
        note("reader 1", train.READER),
        note("editor", train.EDITOR),
        note("reader 2", train.READER),
        note("writer", train.WRITER),
    ]
    make_trainer(*callbacks).fit(make_loaders()[0], epochs=1)
    assert seen == ["writer", "editor", "reader 1", "reader 2"]


def test_a_writer_adds_a_column(make_trainer, make_loaders, tmp_path):
    class Norm(train.Callback):
        priority = train.WRITER

        def on_epoch_end(self, trainer):
            trainer.history[-1]["val_norm"] = 2.5

    make_trainer(train.CSVLogger(tmp_path / "m.csv"), Norm()).fit(make_loaders()[0], epochs=1)
    assert read_rows(tmp_path / "m.csv")[0]["val_norm"] == "2.5"


def test_a_step_of_ones_own(make_trainer, make_loaders):
    class Twice(train.Trainer):
        def train_step(self, batch):
            inputs, target = batch
            total = 0.0
            for _ in range(2):
                loss = F.cross_entropy(self.model(inputs), target)
                self.optimizer.zero_grad()
                total += self.backward(loss)
                self.optimizer.step()
            return {"loss": total / 2, "two": 2.0}

    base = make_trainer()
    trainer = Twice(base.model, base.optimizer, base.loss)
    row = trainer.fit(make_loaders()[0], epochs=1)[0]
    assert row["train_two"] == 2.0 and math.isfinite(row["train_loss"])


def test_early_stopping(make_trainer, make_loaders):
    loader, val = make_loaders()
    trainer = make_trainer(train.EarlyStopping("val_loss", patience=2), lr=0.0)
    trainer.fit(loader, val, epochs=50)
    assert trainer.epoch == 3 and trainer.should_stop


def test_early_stopping_names_a_wrong_figure(make_trainer, make_loaders):
    with pytest.raises(ValueError, match=r"there is no 'val_lost' in the epoch's row, which has epoch, step"):
        make_trainer(train.EarlyStopping("val_lost")).fit(make_loaders()[0], epochs=1)


class KilledError(Exception):
    pass


class KillAt(train.Callback):
    """Leaves the training as a kill would: nothing is saved on the way out."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            raise KilledError


@pytest.mark.parametrize("at", [1, 9, 10, 17, 25])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_ends_with_the_same_bits(make_trainer, make_loaders, bits, tmp_path, at, workers):
    whole = tmp_path / "whole"
    cut = tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()

    def run(folder, *more):
        trainer = make_trainer(
            train.CSVLogger(folder / "metrics.csv"),
            train.EarlyStopping(patience=10),
            train.Checkpoint(folder, every_seconds=None, every_steps=3),
            *more,
        )
        if (folder / "last.safetensors").exists():
            mo.manual_seed(99)  # the checkpoint decides, not what was drawn before
            trainer.load(folder / "last.safetensors")
        loader, val = make_loaders(workers=workers)
        trainer.fit(loader, val, epochs=3)
        return trainer

    straight = run(whole)
    with pytest.raises(KilledError):
        run(cut, KillAt(at))
    resumed = run(cut)
    assert bits(resumed) == bits(straight)
    assert read_rows(cut / "metrics.csv") == read_rows(whole / "metrics.csv")
    assert len(read_rows(cut / "metrics.csv")) == 3
    assert (resumed.step, resumed.epoch, resumed.position) == (30, 3, 0)


def test_a_loader_without_state_is_passed_over(make_trainer, bits, tmp_path):
    """A plain iterable that draws from NumPy's global generator resumes too."""

    class Plain:
        def __iter__(self):
            for _ in range(6):
                x = np.random.rand(4, 1, 8, 8).astype(np.float32)  # noqa: NPY002
                yield mo.from_numpy(x), mo.tensor([0, 1, 2, 3])

    def run(*more):
        np.random.seed(5)  # noqa: NPY002
        trainer = make_trainer(train.Checkpoint(tmp_path, None, every_steps=4, every_seconds=None), *more)
        if (tmp_path / "last.safetensors").exists():
            trainer.load(tmp_path / "last.safetensors")
        trainer.fit(Plain(), epochs=2)
        return trainer

    with pytest.raises(KilledError):
        run(KillAt(11))
    resumed = run()
    (tmp_path / "last.safetensors").unlink()
    assert bits(run()) == bits(resumed)


def test_one_and_two_threads_give_the_same_bits(make_trainer, make_loaders, bits):
    ends = []
    for threads in (1, 2):
        mo.set_num_threads(threads)
        trainer = make_trainer()
        trainer.fit(make_loaders()[0], epochs=1)
        ends.append(bits(trainer))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_saves_between_two_steps(make_trainer, make_loaders, bits, tmp_path, number, code):
    class Interrupt(train.Callback):
        def on_step_end(self, trainer):
            if trainer.step == 13:
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    trainer = make_trainer(train.Checkpoint(tmp_path), Interrupt())
    with pytest.raises(
        train.Interrupted, match=r"in epoch 2 after step 13; saved to .*last\.safetensors"
    ) as caught:
        trainer.fit(*make_loaders(), epochs=3)
    assert caught.value.exit_code == code and signal.getsignal(number) is before
    resumed = make_trainer(train.Checkpoint(tmp_path))
    resumed.load(tmp_path / "last.safetensors")
    assert resumed.position == 3
    resumed.fit(*make_loaders(), epochs=3)
    straight = make_trainer()
    straight.fit(*make_loaders(), epochs=3)
    assert bits(resumed) == bits(straight)


def test_an_interrupt_while_validating_repeats_no_step(make_trainer, make_loaders, bits, tmp_path):
    class Late(train.Trainer):
        def eval_step(self, batch):
            os.kill(os.getpid(), signal.SIGINT)
            return super().eval_step(batch)

    base = make_trainer()
    saver = train.Checkpoint(tmp_path)
    trainer = Late(
        base.model,
        base.optimizer,
        base.loss,
        metrics=base.metrics,
        scheduler=base.scheduler,
        callbacks=[saver],
    )
    with pytest.raises(train.Interrupted):
        trainer.fit(*make_loaders(), epochs=2)
    resumed = make_trainer(train.Checkpoint(tmp_path))
    resumed.load(tmp_path / "last.safetensors")
    rows = resumed.fit(*make_loaders(), epochs=2)
    straight = make_trainer()
    want = straight.fit(*make_loaders(), epochs=2)
    assert bits(resumed) == bits(straight)
    for row in (*rows, *want):
        row.pop("seconds")
    assert rows == want


def test_a_checkpoint_of_another_model(make_trainer, make_loaders, tmp_path):
    make_trainer(train.Checkpoint(tmp_path, None)).fit(make_loaders()[0], epochs=1)
    other = mo.nn.Linear(2, 2)
    trainer = train.Trainer(other, mo.optim.SGD(other.parameters(), lr=0.1), F.cross_entropy)
    with pytest.raises(CheckpointError, match=r"of another model: the first key that differs is 'weight'"):
        trainer.load(tmp_path / "last.safetensors")


def test_a_full_disk_stops_the_training_and_keeps_the_last(make_trainer, make_loaders, tmp_path, monkeypatch):
    trainer = make_trainer(train.Checkpoint(tmp_path, None))
    trainer.fit(make_loaders()[0], epochs=1)
    before = (tmp_path / "last.safetensors").read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        CheckpointError, match=r"No space left on device.*earlier last\.safetensors is untouched"
    ):
        trainer.fit(make_loaders()[0], epochs=2)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_best_and_last(make_trainer, make_loaders, tmp_path):
    class Set(train.Callback):
        priority = train.WRITER

        def on_epoch_end(self, trainer):
            trainer.history[-1]["val_accuracy"] = [0.5, 0.9, 0.7][trainer.epoch - 1]

    saver = train.Checkpoint(tmp_path, "val_accuracy")
    make_trainer(saver, Set()).fit(*make_loaders(), epochs=3)
    assert (saver.best, saver.best_epoch) == (0.9, 2)
    assert train.checkpoint.load(tmp_path / "best.safetensors")["epoch"] == 2
    assert train.checkpoint.load(tmp_path / "last.safetensors")["epoch"] == 3


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_has_a_row_an_epoch_and_a_bar_on_terminals(
    make_trainer, make_loaders, capsys, monkeypatch, terminal
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    make_trainer(train.Progress()).fit(*make_loaders(), epochs=2)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 3 and lines[0].split()[:4] == ["epoch", "step", "train", "loss"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"]
    assert len({len(line) for line in lines}) == 1
    assert ("epoch 2/2" in err) == terminal


def test_a_callback_that_fails_at_the_end_hides_nothing(make_trainer, make_loaders):
    class Picture(train.Callback):
        def on_fit_end(self, trainer):
            raise OSError("disk full")

    class Stop(train.Callback):
        def on_step_end(self, trainer):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(train.Interrupted, match="in epoch 1 after step 1"):
        make_trainer(Picture(), Stop()).fit(*make_loaders(), epochs=1)
    with pytest.raises(OSError, match="disk full"):
        make_trainer(Picture()).fit(*make_loaders(), epochs=1)


def test_what_is_no_loss_metric_or_loader_is_named():
    model = mo.nn.Linear(2, 1)
    sgd = mo.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="loss is 'mse'"):
        train.Trainer(model, sgd, "mse")
    with pytest.raises(TypeError, match="metrics wants a list"):
        train.Trainer(model, sgd, mo.nn.MSELoss(), metrics={"accuracy": train.Accuracy()})
    with pytest.raises(TypeError, match="got a Tensor"):
        train.Trainer(model, sgd, mo.nn.MSELoss()).fit(mo.ones(4, 2))
