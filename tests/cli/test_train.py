"""`markone train` as a user runs it: a whole run, kills, Ctrl-C, resume, and every way to get it wrong."""

import csv
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from markone import datasets
from markone.cli import train as cli_train
from markone.cli.main import main
from markone.cli.train import Config, Options, _new_config, new_folder
from markone.train import checkpoint

SHORT = ["--epochs", "2", "--batch-size", "64"]


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "markone", *map(str, arguments)], capture_output=True, text=True, **options
    )


def weights(folder):
    """Every bit of what a resume needs of model and optimiser."""
    state = checkpoint.load(folder / "last.safetensors")
    model = {key: value.numpy().tobytes() for key, value in state["model"].items()}
    moments = str(
        [
            [(name, np.asarray(value).tobytes()) for name, value in sorted(entry.items())]
            for entry in state["optimizers"]["optimizer"]["state"].values()
        ]
    )
    return model, moments, state["epoch"], state["step"]


def rows(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """An uninterrupted run of two epochs: its folder and output."""
    folder = tmp_path_factory.mktemp("runs") / "straight"
    done = command("train", "lenet5", *SHORT, "--out", folder, "--threads", 1)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_run_leaves_all_that_was_promised(straight):
    folder, done = straight
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"test accuracy: \d{1,3}\.\d\d %", lines[-1])
    assert any(line.startswith("true |") for line in lines)
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.safetensors",
        "config.json",
        "confusion.png",
        "last.safetensors",
        "learning_curve.png",
        "metrics.csv",
    ]
    assert [row["epoch"] for row in rows(folder)] == ["1", "2"]
    assert list(rows(folder)[0])[:7] == [
        "epoch",
        "step",
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
        "lr",
    ]
    assert done.stderr == ""
    config = json.loads((folder / "config.json").read_text())
    assert (config["system"], config["data"], config["epochs"], config["seed"]) == ("lenet5", "digits", 2, 0)


def test_two_threads_give_the_same_bits(straight, tmp_path):
    folder, done = straight
    again = command("train", "lenet5", *SHORT, "--out", tmp_path / "run", "--threads", 2)
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
    assert weights(tmp_path / "run") == weights(folder)


def test_another_seed_gives_other_bits(straight, tmp_path):
    done = command("train", "lenet5", "--epochs", 1, "--seed", 1, "--out", tmp_path / "run")
    assert done.returncode == 0 and rows(tmp_path / "run")[0] != rows(straight[0])[0]


def after_saves(process, checkpoint, count):
    """Returns when the file has been written `count` times, or the process has ended."""
    before = None
    while process.poll() is None and count >= 0:
        now = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        count -= now is not None and now != before
        before = now
        time.sleep(0.001)


def test_five_kills_at_random_moments_change_no_bit(straight, tmp_path):
    """SIGKILL: no handler runs. Checkpoints come many times an epoch: some kills meet one being written."""
    whole, done = straight
    folder = tmp_path / "run"
    checkpoint = folder / "last.safetensors"
    log = open(tmp_path / "log", "w")  # noqa: SIM115
    begin = [sys.executable, "-m", "markone", "train", "--save-seconds", "0.02"]
    random = np.random.default_rng()
    moments, killed = [], 0
    for _ in range(5):
        resume = (folder / "config.json").exists()
        more = ["--resume", folder] if resume else ["lenet5", *SHORT, "--out", folder]
        process = subprocess.Popen([*begin, *map(str, more)], stdout=log, stderr=log)
        # In the milliseconds after so many more checkpoints.
        moments.append((int(random.integers(1, 6)), float(random.uniform(0, 0.05))))
        after_saves(process, checkpoint, moments[-1][0])
        time.sleep(moments[-1][1])
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    log.close()
    end = command(
        "train", *(["--resume", folder] if folder.exists() else ["lenet5", *SHORT, "--out", folder])
    )
    assert end.returncode == 0, (moments, end.stderr)
    assert killed > 0, moments
    assert weights(folder) == weights(whole), moments
    assert rows(folder) == rows(whole), moments
    assert end.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
    assert not list(folder.glob(".*.tmp"))


def test_ctrl_c_saves_and_says_how_to_go_on(straight, tmp_path):
    whole, done = straight
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "markone",
            "train",
            "lenet5",
            *SHORT,
            "--out",
            str(folder),
            "--save-seconds",
            "0.01",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "last.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.fullmatch(
        r"markone train: interrupted in epoch \d after step \d+; "
        rf"saved to {re.escape(str(folder))}/last\.safetensors; "
        rf"resume with: markone train --resume {re.escape(str(folder))}\n",
        err,
    )
    end = command("train", "--resume", folder)
    assert end.returncode == 0 and weights(folder) == weights(whole)
    assert end.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]


def test_resuming_a_finished_run_tests_it_again(straight):
    folder, done = straight
    before = weights(folder)
    again = command("train", "--resume", folder)
    assert again.returncode == 0 and weights(folder) == before
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
    assert len(rows(folder)) == 2


def fails(capsys, *arguments, code=2):
    """The one line on standard error."""
    assert main(["train", *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if not line.startswith("markone train: warning")]
    assert len(lines) == 1 and lines[0].startswith("markone train: "), err
    assert "Traceback" not in out + err
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "wants a system to train (neocognitron, lenet5, lenet5_1998, alexnet,"),
        (["lenet"], "'lenet' is not a system; did you mean lenet5? Known: neocognitron, "),
        (
            ["lenet5", "--data", "mnits"],
            "'mnits' is not a data set; did you mean mnist? Known: digits, mnist",
        ),
        (["lenet5", "--device", "cuda"], "built without CUDA"),
        (["lenet5", "--epochs", "0"], "got --epochs 0, wants 1 or more"),
        (["lenet5", "--batch-size", "-3"], "got --batch-size -3, wants 1 or more"),
        (["lenet5", "--lr", "nan"], "got --lr nan, wants a number above 0"),
        (["lenet5", "--seed", "-1"], "got --seed -1, wants 0 to 2^63 - 1"),
        (["lenet5", "--device", "tpu"], "got --device tpu, wants cpu or cuda"),
        (["lenet5", "--threads", "0"], "got --threads 0, wants 1 to 256"),
        (["lenet5", "--threads", str(2**64)], f"got --threads {2**64}, wants 1 to 256"),
        (["--resume", "nowhere"], "--resume nowhere: no run is there: cannot read nowhere/config.json"),
        (["--resume", "a", "--out", "b"], "--out b and --resume a exclude each other"),
    ],
)
def test_wrong_options(capsys, arguments, text):
    assert text in fails(capsys, *arguments)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"epochs": "ten"}, "'epochs' is \"ten\", wants a whole number"),
        ({"epochs": 2.5}, "'epochs' is 2.5, wants a whole number"),
        ({"epochs": True}, "'epochs' is true, wants a whole number"),
        ({"epochs": 0}, "'epochs' is 0, wants 1 or more"),
        ({"batch_size": None}, "'batch_size' is null, wants a whole number"),
        ({"lr": [1]}, "'lr' is [1], wants a number"),
        ({"lr": -1}, "'lr' is -1, wants a number above 0"),
        ({"seed": -1}, "'seed' is -1, wants 0 to 2^63 - 1"),
        ({"system": 5}, "'system' is 5, wants a text"),
        ({"system": "lenet6"}, "'system' is 'lenet6', which this version does not know"),
        ({"data": "digit"}, "'data' is 'digit', which this version does not know"),
        ({"images": 3}, "'images' is 3, wants a text"),
        ({"colour": 3}, "the key 'colour' is unknown"),
        ({"isa": ...}, "the key 'isa' is missing"),
    ],
)
def test_a_config_changed_by_hand(capsys, tmp_path, change, text):
    kept = asdict(_new_config(Options("lenet5", *[None] * 10))) | change
    (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in kept.items() if v is not ...}))
    assert f"{tmp_path / 'config.json'} is damaged: {text}" in fails(capsys, "--resume", str(tmp_path))


def test_a_config_that_is_no_object(capsys, tmp_path):
    for text in ("[1]", "{", ""):
        (tmp_path / "config.json").write_text(text)
        assert "config.json is damaged" in fails(capsys, "--resume", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["trian"], "trian"),
        (["train", "lenet5", "--epochs", "many"], "--epochs: got 'many', wants a whole number"),
        (["train", "lenet5", "--epochs", "None"], "--epochs: got 'None', wants a whole number"),
        (["train", "lenet5", "--lr", "x"], "--lr: got 'x', wants a number"),
        (["train", "--resume"], "--resume"),
    ],
)
def test_wrong_syntax_exits_with_2(capsys, arguments, text):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert text in err and "Traceback" not in err and "NoneType" not in err


def test_help_does_not_show_none(capsys):
    assert main(["train", "--help"]) == 0
    assert "None" not in capsys.readouterr().out


def test_ctrl_c_while_testing_says_how_to_go_on(straight, capsys, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_train, "_test", interrupted)
    line = fails(capsys, "--resume", straight[0], code=130)
    assert f"test it with: markone train --resume {straight[0]}" in line


def test_too_few_images(capsys, monkeypatch, tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in ("train", "t10k"):
        datasets.write_idx(folder / f"{part}-images-idx3-ubyte", np.zeros((100, 28, 28), np.uint8))
        datasets.write_idx(folder / f"{part}-labels-idx1-ubyte", np.zeros(100, np.uint8))
    monkeypatch.setenv("MARKONE_DATA", str(tmp_path))
    line = fails(capsys, "lenet5", "--data", "mnist", "--out", tmp_path / "run", code=1)
    assert "100 examples, of which 5000 are held out" in line and not (tmp_path / "run").exists()


def test_the_run_keeps_the_whole_path_of_its_data(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARKONE_DATA", "data")
    main(["train", "lenet5", "--epochs", "1", "--out", "run"])
    assert json.loads(Path("run/config.json").read_text())["data_folder"] == str(tmp_path / "data")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (["--epochs", "7"], "that run has --epochs 2, got 7"),
        (["--lr", "0.5"], "that run has --lr 0.002, got 0.5"),
        (["--data", "mnist"], "that run has --data digits, got mnist"),
        (["--seed", "4"], "that run has --seed 0, got 4"),
    ],
)
def test_resume_refuses_other_options(straight, capsys, option, text):
    assert text in fails(capsys, "--resume", straight[0], *option)


def test_a_folder_with_a_run_is_not_overwritten(straight, capsys):
    assert "holds a run already (config.json); go on with --resume" in fails(
        capsys, "lenet5", "--out", straight[0]
    )


def test_an_unwritable_folder(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot make the run folder" in fails(capsys, "lenet5", "--out", tmp_path / "file" / "run")
    if os.path.isdir("/proc/self"):
        assert "cannot make the run folder /proc/markone" in fails(capsys, "lenet5", "--out", "/proc/markone")
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        assert "cannot" in fails(capsys, "lenet5", "--out", tmp_path / "closed")


def test_a_missing_data_folder(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MARKONE_DATA", str(tmp_path / "none"))
    line = fails(capsys, "lenet5", "--data", "mnist", "--out", tmp_path / "run")
    assert "MARKONE_DATA" in line and "none" in line and not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["cut", "wrong", "gzip"])
def test_a_damaged_data_file(capsys, monkeypatch, tmp_path, damage):
    folder = tmp_path / "mnist"
    folder.mkdir()
    name = "train-images-idx3-ubyte" + (".gz" if damage == "gzip" else "")
    for part, count in (("train", 20), ("t10k", 10)):
        datasets.write_idx(folder / f"{part}-images-idx3-ubyte", np.zeros((count, 28, 28), np.uint8))
        datasets.write_idx(folder / f"{part}-labels-idx1-ubyte", np.zeros(count, np.uint8))
    data = (folder / "train-images-idx3-ubyte").read_bytes()
    broken = {"cut": data[:-5], "wrong": b"GIF89a" + data, "gzip": gzip.compress(data)[:-20]}[damage]
    (folder / name).write_bytes(broken)
    monkeypatch.setenv("MARKONE_DATA", str(tmp_path))
    assert name in fails(capsys, "lenet5", "--data", "mnist", "--out", tmp_path / "run", code=1)


def test_a_checkpoint_of_another_model(straight, capsys, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(straight[0], folder)
    state = checkpoint.load(folder / "last.safetensors")
    state["model"]["features.c3.weight"] = state["model"]["features.c3.weight"][:8]
    checkpoint.save(state, folder / "last.safetensors")
    assert "the first key that differs is 'features.c3.weight'" in fails(capsys, "--resume", folder)


def test_a_cut_checkpoint(straight, capsys, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(straight[0], folder)
    data = (folder / "last.safetensors").read_bytes()
    (folder / "last.safetensors").write_bytes(data[: len(data) // 2])
    assert "is not a whole safetensors file" in fails(capsys, "--resume", folder)


def test_a_full_disk_keeps_the_old_checkpoint(straight, tmp_path):
    """A limit on the size of files that lies between metrics.csv and a checkpoint."""
    folder = tmp_path / "run"
    code = (
        "import resource, sys\nfrom markone.cli.main import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["train", "lenet5", *SHORT, "--out", str(folder)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1 and "no space for its" in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "last.safetensors").exists()
    shutil.copy(straight[0] / "last.safetensors", folder)
    state = checkpoint.load(folder / "last.safetensors")
    state.update(epoch=1, history=state["history"][:1], step=21)
    checkpoint.save(state, folder / "last.safetensors")
    before = (folder / "last.safetensors").read_bytes()
    again = ["train", "--resume", str(folder)]
    done = subprocess.run([sys.executable, "-c", code, *again], capture_output=True, text=True)
    assert done.returncode == 1 and "is untouched" in done.stderr
    assert (folder / "last.safetensors").read_bytes() == before


def test_a_loss_that_is_not_finite(tmp_path):
    done = command("train", "lenet5", "--epochs", 2, "--lr", "1e30", "--out", tmp_path / "run")
    assert done.returncode == 1
    assert re.match(
        r"markone train: training stopped at step \d+ \(epoch 1\): .*first (layer|operation) that made it",
        done.stderr,
    )


def test_debug_shows_the_traceback(tmp_path):
    done = command("train", "lenet", env={**os.environ, "MARKONE_DEBUG": "1"})
    assert "Traceback" in done.stderr and "UsageError" in done.stderr


def test_the_default_folder_is_under_runs(straight, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config(**json.loads((straight[0] / "config.json").read_text()))
    folders = [new_folder(None, config) for _ in range(2)]
    assert all(folder.parent.name == "runs" and (folder / "config.json").exists() for folder in folders)
    assert all(re.fullmatch(r"lenet5-digits-\d{8}-\d{6}(-2)?", folder.name) for folder in folders)
    assert folders[0] != folders[1]


@pytest.mark.slow
def test_digits_reach_their_figure(tmp_path):
    """markone train lenet5: at least 98 % in under a minute of training."""
    done = command("train", "lenet5", "--out", tmp_path / "run")
    assert done.returncode == 0 and float(done.stdout.split()[-2]) >= 98.0
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        assert sum(float(row["seconds"]) for row in csv.DictReader(file)) < 60


@pytest.mark.slow
def test_mnist_reaches_its_figure(tmp_path, data_folder):
    """MARKONE_DATA=... markone train lenet5 --data mnist --epochs 10: at least 99.0 %."""
    done = command("train", "lenet5", "--data", "mnist", "--epochs", 10, "--out", tmp_path / "run")
    assert done.returncode == 0 and float(done.stdout.split()[-2]) >= 99.0
