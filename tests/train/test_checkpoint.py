"""Checkpoint files: what they keep, and what cannot spoil them."""

import errno
import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
import safetensors

import markone as mo
from markone import _C
from markone.train import CheckpointError, checkpoint, load_model


def tree():
    return {
        "model": {"a.weight": mo.arange(6, dtype=mo.float32).reshape(2, 3), "b": mo.tensor(1.5)},
        "types": [
            mo.ones(3, dtype=mo.bfloat16) / 3,
            mo.ones(2, dtype=mo.float16),
            mo.ones(2, 2, dtype=mo.float64) / 7,
            mo.tensor([1, -2], dtype=mo.int64),
            mo.tensor([1, -2], dtype=mo.int32),
            mo.tensor([0, 255], dtype=mo.uint8),
            mo.tensor([True, False]),
            mo.empty((0, 4)),
        ],
        "numbers": [1, -(2**60), 0.1, float("inf"), float("-inf"), True, False, None, "text ü"],
        "keys": {0: "int", (1, 2): "tuple", "$": "dollar"},
        "tuple": (0.9, (0.999, [1])),
        "array": np.arange(5, dtype=np.uint32),
    }


def assert_same(a, b, path=""):
    assert type(a) is type(b), path
    if isinstance(a, mo.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape, path
        if a.dtype == mo.bfloat16:
            a, b = a.view(mo.float16), b.view(mo.float16)
        assert a.numpy().tobytes() == b.numpy().tobytes(), path
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and np.array_equal(a, b), path
    elif isinstance(a, dict):
        assert list(a) == list(b), path
        for key in a:
            assert_same(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b)):
            assert_same(x, y, f"{path}.{i}")
    else:
        assert a == b, path


def test_everything_comes_back(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save(tree(), path)
    assert_same(tree(), checkpoint.load(path))
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_nan_comes_back(tmp_path):
    checkpoint.save({"loss": float("nan")}, tmp_path / "a")
    assert np.isnan(checkpoint.load(tmp_path / "a")["loss"])


def test_others_can_read_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save({"model": {"w": mo.arange(6, dtype=mo.float32).reshape(2, 3)}}, path)
    with safetensors.safe_open(path, "numpy") as file:
        assert list(file.keys()) == ["model.w"]
        assert np.array_equal(file.get_tensor("model.w"), np.arange(6, dtype=np.float32).reshape(2, 3))
        about = json.loads(file.metadata()["markone"])
    assert about["version"] == mo.__version__ and about["isa"] == _C.isa()


def test_a_strided_tensor_is_saved_by_its_values(tmp_path):
    x = mo.arange(12, dtype=mo.float32).reshape(3, 4)
    checkpoint.save({"x": x.transpose(0, 1)[1:]}, tmp_path / "a")
    assert np.array_equal(checkpoint.load(tmp_path / "a")["x"].numpy(), x.numpy().T[1:])


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"'a\.1\.f' is a function"):
        checkpoint.save({"a": [0, {"f": lambda: 0}]}, tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [0, 3, 8, 60, -1])
def test_a_cut_file_is_named(tmp_path, keep):
    path = tmp_path / "a.safetensors"
    checkpoint.save(tree(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        CheckpointError, match=r"a\.safetensors \(\d+ bytes\) is not a whole safetensors file"
    ):
        checkpoint.load(path)


def test_garbage_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(np.random.default_rng(0).bytes(4096))
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        checkpoint.load(path)


def test_a_file_of_someone_else_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
    with pytest.raises(CheckpointError, match="was not written by markone"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"format":1}', '{"format":1,"isa":"x","tree":{"$":"tensor","key":"z"}}']
)
def test_a_damaged_header_is_named(tmp_path, text):
    path = tmp_path / "a.safetensors"
    header = json.dumps({"__metadata__": {"markone": text}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(CheckpointError, match=r"the header of .* is damaged"):
        checkpoint.load(path)


def test_a_newer_format_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    header = json.dumps({"__metadata__": {"markone": '{"format":9,"version":"9.9","tree":{}}'}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(CheckpointError, match=r"has format 9 of markone 9\.9"):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read .*none: No such file"):
        checkpoint.load(tmp_path / "none")


def test_another_instruction_set_warns(tmp_path):
    path = tmp_path / "a.safetensors"
    others = [isa for isa in _C.available_isas() if isa != _C.isa()]
    if not others:
        pytest.skip("this machine has one instruction set")
    checkpoint.save({"x": 1}, path)
    _C.set_isa(others[0])
    with pytest.warns(UserWarning, match="not with the same bits"):
        checkpoint.load(path)


def fail_at(monkeypatch, name, code):
    real = getattr(os, name)
    calls = []

    def failing(*args):
        calls.append(args)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, failing)
    return real, calls


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, name):
    path = tmp_path / "a.safetensors"
    checkpoint.save({"x": mo.zeros(100)}, path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        _, calls = fail_at(patch, name, errno.ENOSPC)
        with pytest.raises(
            CheckpointError, match=r"no space for its \d+ bytes .*the earlier a\.safetensors is untouched"
        ):
            checkpoint.save({"x": mo.ones(100)}, path)
    assert calls and path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_systems_own_limit_leaves_the_old_file(tmp_path):
    """The kernel itself refuses the write, in a process of its own."""
    path = tmp_path / "a.safetensors"
    checkpoint.save({"x": mo.zeros(10)}, path)
    before = path.read_bytes()
    code = (
        "import sys, resource, markone as mo\n"
        "from markone.train import checkpoint\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    checkpoint.save({'x': mo.ones(100000)}, sys.argv[1])\n"
        "except checkpoint.CheckpointError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert "no space for its" in done.stdout and "is untouched" in done.stdout
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096 and signal.SIGXFSZ


def test_a_kill_between_the_writes_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.save({"x": 1}, path)
    code = (
        "import os, signal, sys\n"
        "from markone.train import checkpoint\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoint.save({'x': 2}, sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert checkpoint.load(path) == {"x": 1}
    assert len(list(tmp_path.iterdir())) == 2
    checkpoint.remove_leftovers(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def model(width=4, last=2):
    return mo.nn.Sequential(mo.nn.Linear(3, width), mo.nn.ReLU(), mo.nn.Linear(width, last))


def test_weights_load(tmp_path):
    a, b = model(), model()
    checkpoint.save({"model": a.state_dict()}, tmp_path / "a")
    load_model(tmp_path / "a", b)
    for key, value in a.state_dict().items():
        assert np.array_equal(value.numpy(), b.state_dict()[key].numpy())


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (
            model(width=5),
            r"differs is '0\.weight': the file has float32 \[4, 3\], the model has float32 \[5, 3\]",
        ),
        (
            model(last=3),
            r"differs is '2\.weight': the file has float32 \[2, 4\], the model has float32 \[3, 4\]",
        ),
        (
            model().double(),
            r"differs is '0\.weight': the file has float32 \[4, 3\], the model has float64 \[4, 3\]",
        ),
        (
            mo.nn.Sequential(mo.nn.Linear(3, 4)),
            r"differs is '2\.weight': the file has float32 \[2, 4\], the model has no such key",
        ),
        (
            mo.nn.Sequential(*model(), mo.nn.Linear(2, 2)),
            r"differs is '3\.weight': the file has no such key, the model has float32 \[2, 2\]",
        ),
    ],
)
def test_another_model_names_the_first_key(tmp_path, other, text):
    checkpoint.save({"model": model().state_dict()}, tmp_path / "a")
    before = {key: value.numpy().copy() for key, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=text):
        load_model(tmp_path / "a", other)
    for key, value in other.state_dict().items():
        assert np.array_equal(value.numpy(), before[key])


def test_save_and_load_as_pytorch_is_called(tmp_path):
    stream = io.BytesIO()
    mo.save([mo.ones(2), {"k": (1, None)}], stream)
    stream.seek(0)
    values, rest = mo.load(stream, map_location="cpu", weights_only=True)
    assert values.tolist() == [1, 1] and rest == {"k": (1, None)}
    mo.save({"w": mo.ones(2)}, tmp_path / "a.pt")
    assert mo.load(tmp_path / "a.pt", mo.device("cpu"))["w"].tolist() == [1, 1]
    with pytest.raises(NotImplementedError, match="cuda"):
        mo.load(tmp_path / "a.pt", map_location="cuda:0")
    for error in (FileNotFoundError, mo.train.checkpoint.CheckpointError):
        with pytest.raises(error, match="none.pt"):
            mo.load(tmp_path / "none.pt")
