"""Every data set: made ones, real ones, and files that are wrong."""

import inspect
import lzma

import numpy as np
import pytest

import markone as mo
from markone import data, datasets, transforms
from markone.datasets import toy

MADE = {
    "MNIST": (500, (1, 28, 28)),
    "FashionMNIST": (500, (1, 28, 28)),
    "CIFAR10": (500, (3, 32, 32)),
    "OlivettiFaces": (400, (1, 64, 64)),
    "Omniglot": (400, (1, 35, 35)),
    "ImageNetSamples": (50, (3, 64, 64)),
    "BCCD": (40, (3, 120, 160)),
    "VOCDetection": (40, (3, 120, 160)),
    "ISBI2012": (25, (1, 128, 128)),
    "CamVid": (40, (3, 64, 96)),
    "Facades": (40, (3, 64, 64)),
    "Flickr8k": (60, (3, 64, 64)),
    "Newsgroups20": (400, (200,)),
    "JSBChorales": (40, None),
    "TinyShakespeare": (None, (128,)),
    "UDEnglishEWT": (300, None),
    "SST": (200, None),
    "Multi30k": (300, None),
    "Names": (160, None),
    "Iris": (150, (4,)),
    "Sonar": (208, (60,)),
    "BanknoteAuthentication": (1372, (4,)),
    "Wine": (178, (13,)),
    "AirlinePassengers": (132, (12,)),
}


def leaves(sample):
    if isinstance(sample, mo.Tensor):
        return [sample.numpy().tobytes()]
    if isinstance(sample, dict):
        sample = list(sample.values())
    if isinstance(sample, (list, tuple)):
        return [x for part in sample for x in leaves(part)]
    return [sample]


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """No data folder, no cache."""
    monkeypatch.delenv("MARKONE_DATA", raising=False)
    monkeypatch.setenv("MARKONE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("name", MADE)
def test_made_ones_need_no_file_and_repeat(name, alone):
    count, shape = MADE[name]
    make = getattr(datasets, name)
    one, two = make(synthetic=True), make(synthetic=True)
    assert count is None or len(one) == count
    assert leaves(one[3]) == leaves(two[3]) != leaves(one[len(one) - 1])
    if shape is not None:
        assert tuple(one[0][0].shape) == shape
    if isinstance(one, datasets.Pictures):
        assert one[0][0].dtype is mo.float32 and 0 <= one[0][0].min().item() <= one[0][0].max().item() <= 1
        assert name in repr(one)
    other = next((k for k in ("split", "image_set") if k in inspect.signature(make).parameters), None)
    if other:
        with pytest.raises(ValueError, match="nowhere"):
            make(**{other: "nowhere"}, synthetic=True)


@pytest.mark.parametrize("name", [n for n in MADE if n != "VOCDetection"])
def test_missing_ones_say_what_to_do(name, alone):
    make = getattr(datasets, name)
    options = {"download": False} if "download" in inspect.signature(make).parameters else {}
    with pytest.raises(FileNotFoundError, match="synthetic|download=True|https?://"):
        make(alone / "empty", **options)


def test_targets_move_with_the_pixels():
    flip = transforms.Compose([transforms.RandomHorizontalFlip(1.0), transforms.Resize((60, 80))])
    plain, turned = datasets.BCCD(synthetic=True), datasets.BCCD(synthetic=True, transforms=flip)
    a, b = plain[2][1]["boxes"].numpy(), turned[2][1]["boxes"].numpy()
    assert np.allclose(b, np.stack([160 - a[:, 2], a[:, 1], 160 - a[:, 0], a[:, 3]], 1) / 2)
    image, mask = datasets.CamVid(synthetic=True, transforms=flip)[0]
    assert tuple(image.shape) == (3, 60, 80) and tuple(mask.shape) == (60, 80) and mask.dtype is mo.int64


def test_text_in_a_loader():
    train = datasets.UDEnglishEWT(synthetic=True)
    words = data.Vocabulary.build((s.words for s in train.sentences), specials=["<pad>"], unknown="<unk>")
    tags = data.Vocabulary.build((s.upos for s in train.sentences), specials=["<pad>"])
    train.transform, train.target_transform = words.encode, tags.encode
    batches = data.BucketBatchSampler([len(s.words) for s in train.sentences], 32)
    (x, n), (y, m) = next(iter(data.DataLoader(train, batch_sampler=batches, collate_fn=data.pad_collate)))
    assert x.shape == y.shape and n.tolist() == m.tolist() and x.shape[0] == 32


def test_real_pictures(data_folder):
    cifar = datasets.CIFAR10()
    assert len(cifar) == 10000 and len(datasets.CIFAR10(train=False)) == 1000
    mean = cifar.data.numpy().mean((0, 2, 3)) / 255
    assert np.allclose(mean, [0.4935, 0.4834, 0.4472], atol=1e-4)
    assert len(datasets.OlivettiFaces()) == 400
    omniglot = datasets.Omniglot()
    assert len(omniglot) == 2720 and len(omniglot.characters) == 136
    image = omniglot[0][0]
    assert tuple(image.shape) == (1, 105, 105) and 0.01 < image.mean().item() < 0.2
    samples = datasets.ImageNetSamples()
    assert len(samples) == 50 and samples[1][1] == 20 and tuple(samples[1][0].shape) == (3, 256, 256)
    assert len(datasets.ImageFolder(data_folder / "facades").classes) == 2
    facades = datasets.Facades()
    assert len(facades) == 80 and [tuple(t.shape) for t in facades[0]] == [(3, 256, 256)] * 2
    flickr = datasets.Flickr8k()
    assert len(flickr) == 800 and len(flickr[0][1]) == 5 and tuple(flickr[0][0].shape) == (3, 128, 128)


def test_real_boxes_and_masks(data_folder):
    sizes = {part: len(datasets.BCCD(image_set=part)) for part in ("train", "val", "test")}
    assert sizes == {"train": 205, "val": 87, "test": 72}
    bccd = datasets.BCCD(image_set="val")
    bccd.ids = ["BloodImage_00338", "BloodImage_00343"]
    for i in (0, 1):
        target = bccd[i][1]
        sides = target["boxes"][:, 2:] - target["boxes"][:, :2]
        assert sides.min().item() > 1 and len(bccd.annotation(i)) == target["labels"].shape[0]
    cells = datasets.ISBI2012(split="val")
    image, mask = cells[0]
    assert len(cells) == 5 and tuple(image.shape) == (1, 512, 512) and set(np.unique(mask.numpy())) == {0, 1}
    assert [int(p.stem) for p, _ in cells.files] == [25, 26, 27, 28, 29]
    streets = datasets.CamVid(split="val")
    image, mask = streets[0]
    assert len(streets) == 101 and tuple(mask.shape) == (180, 240) and mask.max().item() <= 11


def test_real_text_and_tables(data_folder):
    shakespeare = datasets.TinyShakespeare(split="all")
    assert len(shakespeare.text) == 1115394 and len(shakespeare.vocabulary) == 65
    x, y = shakespeare[1]
    assert x[1:].tolist() == y[:-1].tolist() and shakespeare.vocabulary.decode(x)[0] == shakespeare.text[128]
    dev = datasets.UDEnglishEWT(split="dev")
    assert len(dev) == 2001 and sum(len(s.words) for s in dev.sentences) == 25147
    assert dev[0][1][:3] == ["ADP", "DET", "PROPN"]
    assert [len(datasets.SST(split=s)) for s in ("dev", "test")] == [872, 1821]
    assert len(datasets.SST(split="dev", fine=True)) == 1101
    pairs = datasets.Multi30k(split="valid")
    assert len(pairs) == 1014 and len(datasets.Names()) == 20050 and len(datasets.Names().classes) == 18
    news = datasets.Newsgroups20(train=False)
    assert len(news) == 7532 and tuple(news[0][0].shape) == (2000,) and len(news.classes) == 20
    assert news.get_batch([3, 5])[0].tolist()[1] == news[5][0].tolist()
    chorales = datasets.JSBChorales(split="test")
    assert sum(len(p) for p in chorales.pieces) == 4725 and chorales[0].shape[1] == 88
    assert datasets.JSBChorales(split="valid", resolution="16th")[0].shape[1] == 4
    for make in (datasets.Iris, datasets.Sonar, datasets.BanknoteAuthentication, datasets.Wine):
        assert len(make()) == make.count
    air = datasets.AirlinePassengers()
    assert air.data[0].item() == 112 and air.months[-1] == "1960-12" and air[0][1].item() == 115


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


WRONG = {
    "cifar short": ("data_batch_1.bin", bytes(3072), datasets.CIFAR10, "3072 bytes"),
    "cifar label": ("data_batch_1.bin", bytes([10]) + bytes(3072), datasets.CIFAR10, "label 10"),
    "cifar xz": ("data_batch_1.bin.xz", lzma.compress(bytes(3073))[:-9], datasets.CIFAR10, "cut off"),
    "cifar tar": ("cifar-10-binary.tar.gz", b"no", datasets.CIFAR10, "not the whole CIFAR-10 archive"),
    "faces": ("olivetti_faces.npz", b"PK no", datasets.OlivettiFaces, "olivetti_faces.npz"),
    "zip": ("images_background_small1.zip", b"PK no", datasets.Omniglot, "damaged"),
    "conllu": ("en_ewt-ud-train.conllu", "1\tx\n", datasets.UDEnglishEWT, "line 1 has 2 columns"),
    "utf8": ("input.txt", b"\xff\xfe", datasets.TinyShakespeare, "UTF-8"),
    "sst": ("stsa.binary.train", "7 good\n", datasets.SST, "line 1"),
    "jsb": ("jsb-chorales-quarter.json", '{"train": [[[3]]]}', datasets.JSBChorales, "pitch outside"),
    "json": ("jsb-chorales-quarter.json", '{"train": ', datasets.JSBChorales, "wants JSON"),
    "iris": ("iris.csv", "1,2,3,Iris-setosa\n", datasets.Iris, "line 1"),
    "iris rows": ("iris.csv", "1,2,3,4,Iris-setosa\n", datasets.Iris, "1 rows, wants 150"),
    "air": ("airline-passengers.csv", "a,b\n1,2\n", datasets.AirlinePassengers, "144 lines"),
    "index": ("index.tsv", "head\nx\ty\n", datasets.ImageNetSamples, "line 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files_are_named(case, alone):
    name, content, make, match = WRONG[case]
    put(alone, name, content)
    with pytest.raises(ValueError, match=match) as error:
        make(alone)
    assert name in str(error.value)


def test_wrong_pictures_are_named(alone):
    put(alone, "a/1.png", b"\x89PNG no")
    folder = datasets.ImageFolder(alone)
    assert folder.class_to_idx == {"a": 0} and len(folder) == 1
    with pytest.raises(ValueError, match=r"1\.png: cannot be read"):
        folder[0]
    with pytest.raises(IndexError, match="1 images"):
        folder[1]
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        datasets.ImageFolder(alone / "nothing")
    with pytest.raises(FileNotFoundError, match="no folders"):
        datasets.ImageFolder(alone / "a")
    put(alone, "x.xml", "<annotation><object><name>a</name></object></annotation>")
    with pytest.raises(ValueError, match=r"x\.xml: object 0"):
        datasets.read_voc(alone / "x.xml")
    box = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>{}</xmax><ymax>9</ymax></bndbox>"
    objects = "".join(f"<object><name>a</name>{box.format(x)}</object>" for x in (3, 7))
    put(alone, "y.xml", f"<annotation>{objects}</annotation>")
    assert datasets.read_voc(alone / "y.xml") == [("a", (2, 3, 7, 9), False)]


def test_toy_points():
    x, y = toy.thirteen_points()
    assert tuple(x.shape) == (13, 2) and y.sum().item() == -1
    assert np.all((x.numpy() @ [2, 3] - 25 > 0) == (y.numpy() > 0))
    x, codes, names = toy.four_classes()
    assert np.array_equal((x.numpy() >= 3).astype(int), codes.numpy()) and names[1] == "car"
    assert toy.truth_table(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert toy.xor()[1].tolist() == [0, 1, 1, 0] and toy.one_hot_codes()[0].shape == (8, 8)
    x, y = toy.xor(100)
    assert np.array_equal((x[:, 0] * x[:, 1] < 0).numpy(), y.numpy() == 1)
    for make in (toy.moons, toy.circles, toy.spirals, toy.gaussians, toy.ring_of_gaussians):
        x, y = make(120, seed=3)
        assert tuple(x.shape) == (120, 2) and x.dtype is mo.float32 and y.dtype is mo.int64
        assert np.ptp(np.bincount(y.numpy())) <= 1
        assert mo.equal(make(120, seed=3)[0], x) and not mo.equal(make(120, seed=4)[0], x)
        with pytest.raises(ValueError, match="gaussians" if "gauss" in make.__name__ else make.__name__):
            make(0)
    r = np.hypot(*toy.circles(100, noise=0)[0].numpy().T)
    assert np.allclose(np.unique(np.round(r, 5)), [0.5, 1])
    x, y = toy.ring_of_gaussians(800, radius=2.0)
    assert abs(np.hypot(*x.numpy().T).mean() - 2) < 0.01
    x, kept = toy.long_lag(50, lag=7, symbols=3)
    assert tuple(x.shape) == (50, 9) and mo.equal(x[:, 0], kept) and set(x[:, -1].tolist()) == {6}
    assert set(x[:, 1:-1].numpy().ravel()) == {3, 4, 5}
    seen, true = toy.aeroplane_positions(200, noise=2.0)
    assert 1.5 < (seen - true).std().item() < 2.5
    x, y = toy.linear(noise=0)
    assert np.allclose(x.numpy() @ [2, -1] + 0.5, y.numpy(), atol=1e-6)
