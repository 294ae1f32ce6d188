"""The digits inside the package, MNIST from a folder, damaged and missing files."""

import gzip

import numpy as np
import pytest

import markone as mo
from markone import data, datasets, transforms
from markone.datasets import folders


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No data folder, an empty cache, no network."""
    monkeypatch.delenv("MARKONE_DATA", raising=False)
    monkeypatch.setenv("MARKONE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_digits():
    train, test, everything = (datasets.Digits(t) for t in (True, False, None))
    assert (len(train), len(test), len(everything)) == (1437, 360, 1797)
    assert np.bincount(test.targets.numpy()).tolist() == [36] * 10
    rows = {r.tobytes() + bytes([t]) for r, t in zip(train.data.numpy(), train.targets.numpy())}
    assert not any(r.tobytes() + bytes([t]) in rows for r, t in zip(test.data.numpy(), test.targets.numpy()))
    image, label = train[0]
    assert tuple(image.shape) == (1, 8, 8) and image.dtype is mo.float32 and isinstance(label, int)
    assert float(image.min()) >= 0 and 0.9 < float(image.max()) <= 1
    assert train[-1][1] == train[1436][1]
    with pytest.raises(IndexError, match="1437"):
        train[1437]


def test_the_split_is_of_usual_difficulty():
    train, test = datasets.Digits(), datasets.Digits(False)
    x, y = train.data.numpy().reshape(-1, 64).astype(float), train.targets.numpy()
    distances = ((test.data.numpy().reshape(-1, 1, 64) - x) ** 2).sum(2)
    assert (y[distances.argmin(1)] == test.targets.numpy()).sum() == 356


def test_digits_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.datasets")
    theirs = sklearn.load_digits()
    ours = datasets.Digits(None)
    assert np.array_equal(ours.data.numpy(), theirs.images.astype(np.uint8))
    assert np.array_equal(ours.targets.numpy(), theirs.target)


def test_size_and_transform():
    d = datasets.Digits(size=32)
    image = d[5][0]
    assert tuple(image.shape) == (1, 32, 32)
    torch = pytest.importorskip("torch")
    want = torch.nn.functional.interpolate(
        torch.tensor(datasets.Digits()[5][0].numpy())[None], size=(32, 32), mode="bilinear"
    )[0]
    np.testing.assert_allclose(image.numpy(), want.numpy(), atol=1e-6)
    d = datasets.Digits(transform=transforms.Normalize(0.5, 0.25), target_transform=lambda t: t + 100)
    assert d[0][1] >= 100 and float(d[0][0].min()) == -2.0
    assert d.get_batch([0, 1]) is None
    with pytest.raises(ValueError, match="size"):
        datasets.Digits(size=0)


@pytest.mark.parametrize("size", [None, 12])
def test_a_batch_is_its_samples(size):
    d = datasets.Digits(
        transform=transforms.Compose([transforms.Pad(1), transforms.Normalize(0.3, 0.5)]), size=size
    )
    images, labels = d.get_batch([3, 900, 4])
    for i, j in enumerate([3, 900, 4]):
        assert np.array_equal(images[i].numpy(), d[j][0].numpy()) and labels[i].item() == d[j][1]
    slow = data.DataLoader(d, batch_size=50, shuffle=True, num_workers=2, collate_fn=list)
    fast = data.DataLoader(d, batch_size=50, shuffle=True)
    a, b = next(iter(slow)), next(iter(fast))
    assert np.array_equal(np.stack([x.numpy() for x, _ in a]), b[0].numpy())


def fake_mnist(folder, train=12, test=5, zipped=True, labels=None):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    end = ".gz" if zipped else ""
    for part, n in (("train", train), ("t10k", test)):
        datasets.write_idx(
            folder / f"{part}-images-idx3-ubyte{end}", rng.integers(0, 256, (n, 28, 28)).astype(np.uint8)
        )
        datasets.write_idx(
            folder / f"{part}-labels-idx1-ubyte{end}",
            (np.arange(n) % 10 if labels is None else np.full(n, labels)).astype(np.uint8),
        )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("below", [".", "mnist", "MNIST/raw"])
def test_mnist_in_a_folder(alone, zipped, below):
    fake_mnist(alone / below, zipped=zipped)
    d = datasets.MNIST(alone, download=False)
    assert len(d) == 12 and d[11][1] == 1 and tuple(d[0][0].shape) == (1, 28, 28)
    assert len(datasets.MNIST(str(alone), train=False, download=False)) == 5


def test_mnist_in_the_data_folder(alone, monkeypatch):
    fake_mnist(alone / "mnist")
    monkeypatch.setenv("MARKONE_DATA", str(alone))
    assert datasets.data_root() == alone and len(datasets.MNIST(download=False)) == 12
    assert "Number of datapoints: 12" in repr(datasets.MNIST())
    monkeypatch.setenv("MARKONE_DATA", str(alone / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.MNIST()


def test_missing_files_are_named(alone):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz is in none of"):
        datasets.MNIST(alone / "empty", download=False)


def test_download(alone, monkeypatch):
    pooch = pytest.importorskip("pooch")
    asked = []

    def retrieve(url, known_hash, fname, path):
        asked.append((url, known_hash))
        if len(asked) == 1:
            raise OSError("no network")
        fake_mnist(path)
        return str(path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert len(datasets.MNIST()) == 12
    assert asked[0][1].startswith("sha256:440fcabf") and asked[0][0] != asked[1][0]
    assert (alone / "cache" / "mnist" / "train-images-idx3-ubyte.gz").is_file()
    monkeypatch.setattr(pooch, "retrieve", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(RuntimeError, match=r"could not download train-images(.|\n)*no network"):
        datasets.FashionMNIST()


def test_a_download_without_pooch_says_what_to_do(alone, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(ImportError, match="pip install pooch"):
        folders.download("a.gz", ["http://nowhere.invalid/a.gz"], "00", alone)


def idx(tmp_path, content, name="x.idx"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


HEAD = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
WHOLE = gzip.compress(HEAD + bytes(range(6)))
DAMAGED = {
    "empty": (b"", "not an IDX file"),
    "short": (b"\0\0", "not an IDX file"),
    "html": (b"<html>404</html>", r"starts with bytes \[60, 104"),
    "type": (bytes([0, 0, 7, 1, 0, 0, 0, 0]), "not an IDX file"),
    "sizes": (HEAD[:9], "ends inside the header"),
    "cut": (HEAD + bytes(5), r"5 bytes of elements, wants 6 \(shape \[2, 3\]\)"),
    "long": (HEAD + bytes(7), "more bytes than the 6"),
    "huge": (bytes([0, 0, 8, 4]) + b"\xff" * 16 + bytes(3), "3 bytes of elements"),
    "cut gz": (WHOLE[:-9], "damaged or cut off"),
    "bad gz": (WHOLE[:12] + b"\xff\xff\xff" + WHOLE[15:], "x.idx"),
    "gz of html": (gzip.compress(b"<html>"), "not an IDX file"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_named(tmp_path, case):
    content, match = DAMAGED[case]
    with pytest.raises(ValueError, match=match) as error:
        datasets.read_idx(idx(tmp_path, content))
    assert "x.idx" in str(error.value)


def test_idx_round_trip_and_shapes(tmp_path):
    for dtype in ("u1", "i1", "<i2", ">i4", "<f4", "f8"):
        a = np.arange(12).reshape(3, 4).astype(dtype)
        for name in ("a.idx", "a.idx.gz"):
            datasets.write_idx(tmp_path / name, a)
            b = datasets.read_idx(tmp_path / name, (None, 4))
            assert np.array_equal(a, b) and b.dtype == np.dtype(dtype).newbyteorder("=")
    with pytest.raises(ValueError, match=r"shape \[3, 4\], wants \[\*, 28, 28\]"):
        datasets.read_idx(tmp_path / "a.idx", (None, 28, 28))
    with pytest.raises(TypeError, match="int64"):
        datasets.write_idx(tmp_path / "b.idx", np.zeros(2, dtype=np.int64))
    with pytest.raises(FileNotFoundError):
        datasets.read_idx(tmp_path / "no.idx")


def test_wrong_mnist_files(alone):
    fake_mnist(alone)
    datasets.write_idx(alone / "train-labels-idx1-ubyte.gz", np.zeros(11, dtype=np.uint8))
    with pytest.raises(ValueError, match=r"train-labels.*shape \[11\], wants \[12\]"):
        datasets.MNIST(alone, download=False)
    fake_mnist(alone, labels=10)
    with pytest.raises(ValueError, match="label 10"):
        datasets.MNIST(alone, download=False)
    datasets.write_idx(alone / "train-images-idx3-ubyte.gz", np.zeros((12, 28, 28), dtype=np.float32))
    with pytest.raises(ValueError, match="float32"):
        datasets.MNIST(alone, download=False)


def test_real_mnist(data_folder):
    train, test = datasets.MNIST(), datasets.MNIST(train=False)
    assert len(train) == 60000 and len(test) == 10000
    pixels = train.data.numpy().astype(np.float64) / 255
    assert abs(pixels.mean() - 0.1307) < 5e-5 and abs(pixels.std() - 0.3081) < 5e-5
    assert np.bincount(train.targets.numpy()).tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]
    images, labels = next(iter(data.DataLoader(test, batch_size=64)))
    assert tuple(images.shape) == (64, 1, 28, 28) and labels[:5].tolist() == [7, 2, 1, 0, 4]
