"""One draw moves image, boxes and masks alike."""

import colorsys
from typing import NamedTuple

import numpy as np
import pytest

import markone as mo
from markone import data, transforms
from markone.data.random import sample_key
from markone.transforms.steps import Warp

SIZE = (40, 56)
BOXES = [(5, 8, 20, 19), (30, 22, 50, 39), (0, 0, 56, 40)]


def painted(box, size=SIZE):
    """1 inside the box."""
    plane = np.zeros(size, dtype=np.float32)
    x1, y1, x2, y2 = box
    plane[y1:y2, x1:x2] = 1
    return plane


def extent(plane):
    rows, columns = np.nonzero(plane)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else None


def sample():
    planes = np.stack([painted(b) for b in BOXES])
    return {
        "image": mo.tensor(planes),
        "boxes": mo.tensor(np.array(BOXES, dtype=np.float32)),
        "labels": mo.tensor([1, 2, 3]),
        "masks": mo.tensor(planes > 0),
        "name": "x",
    }


# Each with the tolerance of a box in pixels: rotated boxes are their corners' hull, drawn masks whole pixels.
MOVES = {
    "resize": (transforms.Resize((80, 28)), 0.51),
    "resize_short": (transforms.Resize(20), 0.51),
    "hflip": (transforms.RandomHorizontalFlip(1.0), 0),
    "vflip": (transforms.RandomVerticalFlip(1.0), 0),
    "pad": (transforms.Pad((1, 2, 3, 4)), 0),
    "center": (transforms.CenterCrop((21, 33)), 0),
    "center_larger": (transforms.CenterCrop((50, 33)), 0),
    "crop": (transforms.RandomCrop((24, 30), padding=4), 0),
    "crop_needed": (transforms.RandomCrop((64, 30), pad_if_needed=True), 0),
    "resized_crop": (transforms.RandomResizedCrop((32, 48), scale=(0.4, 0.9)), 1.5),
    "quarter": (transforms.RandomRotation((90, 90), expand=True), 0),
    "rotation": (transforms.RandomRotation(25, expand=True), 1.5),
    "affine": (transforms.RandomAffine(30, (0.1, 0.2), (0.7, 1.3), (-10, 10, -5, 5)), 1.5),
    "elastic": (transforms.ElasticTransform(20.0, 3.0), 0),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("seed", [1, 2])
def test_boxes_follow_their_pixels(name, seed):
    change, tolerance = MOVES[name]
    before = sample()
    with sample_key(seed, 0, 0):
        after = change(before)
    height, width = after["image"].shape[-2:]
    assert after["labels"].tolist() == [1, 2, 3] and after["name"] == "x"
    assert after["masks"].dtype is mo.bool and tuple(after["masks"].shape) == (3, height, width)
    boxes = after["boxes"].numpy()
    assert boxes.dtype == np.float32
    assert np.all(boxes >= 0) and np.all(boxes <= [width, height, width, height])
    for box, mask, plane in zip(boxes, after["masks"].numpy(), after["image"].numpy(), strict=True):
        # Image and mask agree but for the blurred border.
        assert np.mean((plane > 0.5) != mask) < 0.02
        want = extent(mask)
        if want is None:
            assert min(box[2] - box[0], box[3] - box[1]) <= 1
        elif tolerance == 0:
            assert np.allclose(box, want), (box, want)
        else:
            assert np.all(np.abs(box - want) <= tolerance), (box, want)
    assert before["boxes"].tolist() == [list(b) for b in BOXES]
    if name == "resize":
        assert np.array_equal(boxes, np.array(BOXES) * [0.5, 2, 0.5, 2])


def test_what_a_tuple_holds():
    class Pair(NamedTuple):
        image: mo.Tensor
        mask: mo.Tensor

    image = mo.rand(3, 6, 8)
    label = mo.arange(48).reshape(6, 8)
    flip = transforms.RandomHorizontalFlip(1.0)
    out = flip(Pair(image, label))
    assert isinstance(out, Pair) and mo.equal(out.mask, label.flip(-1)) and out.mask.dtype is mo.int64
    moved, other, target, number = flip(image, image * 2, {"boxes": mo.tensor([[0.0, 1, 2, 3]]), "k": 1}, 7)
    assert mo.equal(other, moved * 2) and number == 7 and target["k"] == 1
    assert target["boxes"].tolist() == [[6, 1, 8, 3]]
    assert flip([image, mo.ones(3)])[1].tolist() == [1, 1, 1]
    # Two images of a pair get the same draw; a mask is never interpolated.
    with sample_key(1, 1, 1):
        a, b = transforms.RandomAffine(40)((image, image))
    assert mo.equal(a, b)
    classes = transforms.Resize((3, 5))((image, label))[1]
    assert set(classes.numpy().ravel()) <= set(range(48))
    normal = transforms.Normalize(0.5, 0.5)({"image": image, "masks": label})
    assert mo.equal(normal["masks"], label)


def test_bytes_stay_bytes():
    a = np.random.default_rng(0).integers(0, 256, (3, 9, 11)).astype(np.uint8)
    t = mo.tensor(a)
    for change in (
        transforms.Resize((20, 22)),
        transforms.Resize((5, 4)),
        transforms.RandomAffine(20),
        transforms.GaussianBlur(3),
        transforms.Grayscale(3),
        transforms.ColorJitter(0.2, 0.2, 0.2, 0.1),
        transforms.Pad(1, fill=200),
        transforms.RandomErasing(1.0),
        transforms.GaussianNoise(),
    ):
        out = change(t)
        assert out.dtype is mo.uint8, change
        with sample_key(4, 0, 0):
            x = change(t).numpy().astype(int)
        with sample_key(4, 0, 0):
            y = change(transforms.ToDtype(mo.float32, scale=True)(t)).numpy() * 255
        if not isinstance(change, transforms.Pad):
            assert np.abs(x - y).max() <= 1, change
    back = transforms.ToDtype(mo.uint8, scale=True)(transforms.ToDtype(mo.float32, scale=True)(t))
    assert mo.equal(back, t)


def test_resize_as_torch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random((3, 37, 52)).astype(np.float32)
    for size in ((10, 9), (36, 80), (80, 20), (37, 52), (1, 1), (100, 100)):
        want = torch.nn.functional.interpolate(
            torch.tensor(x)[None], size, mode="bilinear", align_corners=False, antialias=True
        )[0]
        got = transforms.Resize(size)(mo.tensor(x)).numpy()
        assert np.allclose(got, want.numpy(), atol=2e-6), size
        want = torch.nn.functional.interpolate(torch.tensor(x)[None], size, mode="nearest-exact")[0]
        assert np.array_equal(transforms.Resize(size, "nearest")(mo.tensor(x)).numpy(), want.numpy())


def test_resize_by_the_shorter_side():
    shapes = {(20, None): [(20, 40), (40, 20)], (20, 30): [(15, 30), (30, 15)]}
    for (size, most), wanted in shapes.items():
        for shape, want in zip(((30, 60), (60, 30)), wanted, strict=True):
            out = transforms.Resize(size, max_size=most)(mo.zeros(1, *shape))
            assert tuple(out.shape[1:]) == want


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
def test_padding_modes(mode):
    x = np.random.default_rng(0).random((2, 5, 6)).astype(np.float32)
    got = transforms.Pad((1, 2, 3, 4), padding_mode=mode)(mo.tensor(x)).numpy()
    assert np.array_equal(got, np.pad(x, ((0, 0), (2, 4), (1, 3)), mode=mode))
    with sample_key(3, 0, 0):
        small = transforms.RandomCrop(4, padding=2, padding_mode=mode)(mo.tensor(x)).numpy()
    full = np.pad(x, ((0, 0), (2, 2), (2, 2)), mode=mode)
    windows = [full[:, i : i + 4, j : j + 4] for i in range(6) for j in range(7)]
    assert any(np.array_equal(small, w) for w in windows)


def test_blur_and_grey():
    x = np.random.default_rng(0).random((2, 3, 9, 8))
    k = np.exp(-0.5 * (np.arange(-2, 3) / 1.5) ** 2)
    k /= k.sum()
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    want = sum(k[i] * k[j] * padded[..., i : i + 9, j : j + 8] for i in range(5) for j in range(5))
    assert np.allclose(transforms.GaussianBlur(5, 1.5)(mo.tensor(x)).numpy(), want, atol=1e-12)
    grey = transforms.Grayscale()(mo.tensor(x)).numpy()
    assert np.allclose(grey[:, 0], np.einsum("nchw,c->nhw", x, [0.299, 0.587, 0.114]))
    assert transforms.Grayscale(3)(mo.tensor(x)).shape == (2, 3, 9, 8)


def test_colours():
    x = np.random.default_rng(0).random((3, 4, 5))
    x[:, 0, 0] = 0.3
    grey = np.einsum("chw,c->hw", x, [0.299, 0.587, 0.114])

    def jitter(**options):
        return transforms.ColorJitter(**options)(mo.tensor(x)).numpy()

    assert np.allclose(jitter(brightness=(1.3, 1.3)), np.clip(1.3 * x, 0, 1))
    assert np.allclose(jitter(contrast=(0.4, 0.4)), np.clip(0.4 * x + 0.6 * grey.mean(), 0, 1))
    assert np.allclose(jitter(saturation=(1.8, 1.8)), np.clip(1.8 * x - 0.8 * grey, 0, 1))
    for turn in (-0.5, -0.2, 0.1, 0.37):
        got = jitter(hue=(turn, turn))
        for i in np.ndindex(4, 5):
            h, s, v = colorsys.rgb_to_hsv(*x[(slice(None), *i)])
            assert np.allclose(got[(slice(None), *i)], colorsys.hsv_to_rgb((h + turn) % 1, s, v), atol=1e-9)
    assert np.array_equal(jitter(), x)


def test_affine_matrices():
    # Sampling a linear ramp shows where each pixel came from.
    rows, columns = np.mgrid[0:21, 0:21].astype(np.float64)
    ramp = mo.tensor(np.stack([columns, rows]) - 10)
    with sample_key(0):
        out = transforms.RandomAffine((30, 30), scale=(1.25, 1.25), shear=(20, 20, 10, 10))(ramp).numpy()
    a, sx, sy = np.radians([30, 20, 10])
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    forward = 1.25 * turn @ [[1, 0], [-np.tan(sy), 1]] @ [[1, -np.tan(sx)], [0, 1]]
    for place in ([0, 0], [3, -2], [-4, 1]):
        source = np.linalg.solve(forward, place)
        assert np.allclose(out[:, place[1] + 10, place[0] + 10], source)
    x = mo.tensor(np.random.default_rng(0).random((1, 4, 6)).astype(np.float32))
    turned = transforms.RandomRotation((90, 90), expand=True)(x).numpy()
    assert np.allclose(turned, np.rot90(x.numpy(), 1, (1, 2)), atol=1e-6)
    assert transforms.RandomRotation((45, 45), expand=True)(x).shape == (1, 8, 8)
    corner = transforms.RandomRotation((90, 90), center=(0, 0), interpolation="nearest", fill=-1)(x).numpy()
    assert np.all(corner[0, 1:] == -1)


@pytest.mark.parametrize("fill", [0, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64, np.bool_])
def test_warps_look_up_what_numpy_does(dtype, fill):
    random = np.random.default_rng(3)
    for shape in ((3, 9, 7), (1, 1), (2, 1, 5), (2, 3, 8, 8)):
        pixels = (random.random(shape) * 255).astype(dtype)
        y, x = random.uniform(-3, 12, (2, 11, 6))
        y[0], x[0], y[1], x[1], y[2] = np.round(y[0]), np.round(x[0]), 0.5, -0.5, 1e9
        warp = Warp(y, x, None, fill, fill)
        height, width = shape[-2:]
        wide = np.pad(
            pixels, [(0, 0)] * (len(shape) - 2) + [(2, 2), (2, 2)], constant_values=np.array(fill, dtype)
        )

        def at(row, column, wide=wide, height=height, width=width):
            return wide[..., np.clip(row, -2, height + 1) + 2, np.clip(column, -2, width + 1) + 2]

        row, column = np.floor(y + 0.5).astype(int), np.floor(x + 0.5).astype(int)
        got = warp.mask(mo.from_numpy(pixels)).numpy()
        assert got.dtype == dtype
        assert np.array_equal(got, at(row, column))
        if dtype in (np.int64, np.bool_):
            continue
        top, left = np.floor(y).astype(int), np.floor(x).astype(int)
        down, right = y - top, x - left
        upper = at(top, left) * (1 - right) + at(top, left + 1) * right
        lower = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
        wanted = upper * (1 - down) + lower * down
        got = warp.image(mo.from_numpy(pixels)).numpy()
        assert got.dtype == dtype
        assert np.allclose(got, np.rint(wanted) if dtype == np.uint8 else wanted, rtol=1e-6, atol=1e-5)


def test_elastic_field_has_simards_size():
    with sample_key(5, 0, 0):
        (step,) = transforms.ElasticTransform(34.0, 4.0).draw((64, 64), data.sample_random())
    moved = step.x - np.arange(64)
    # White noise of variance 1/3 through a Gaussian: standard deviation 34 / (sqrt(3) 2 sqrt(pi) 4).
    assert 0.7 < moved.std() / (34 / (np.sqrt(3) * 2 * np.sqrt(np.pi) * 4)) < 1.3
    assert np.abs(np.diff(moved, axis=1)).max() < 1.5


def test_erasing():
    x = mo.zeros(3, 20, 30)
    out = transforms.RandomErasing(1.0, (0.1, 0.1), (1.0, 1.0), value=(1.0, 2.0, 3.0))(x).numpy()
    area = (out[0] == 1).sum()
    assert 49 <= area <= 64 and np.array_equal(out[1] == 2, out[0] == 1) and x.sum().item() == 0
    noise = transforms.RandomErasing(1.0, value="random")(x).numpy()
    assert len(np.unique(noise)) > 10
    assert mo.equal(transforms.RandomErasing(0.0, value=1.0)(x), x)


def test_choices():
    def add(n):
        return transforms.Lambda(lambda x: x + n)

    x = mo.zeros(1, 2, 2)
    assert transforms.RandomChoice([add(1), add(2)], p=[0, 1])(x).max().item() == 2
    assert transforms.RandomApply([add(1), add(2)], p=1.0)(x).max().item() == 3
    assert transforms.RandomApply([add(1)], p=0.0)(x).max().item() == 0
    orders = set()
    for i in range(20):
        with sample_key(i):
            twice = transforms.Lambda(lambda x: x * 2)
            orders.add(transforms.RandomOrder([add(1), twice])(x).max().item())
    assert orders == {1.0, 2.0}
    assert mo.equal(transforms.Identity()(x), x)
    noisy = transforms.GaussianNoise(0.5, 0.1)(mo.zeros(1, 50, 50)).numpy()
    assert abs(noisy.mean() - 0.5) < 0.02 and abs(noisy.std() - 0.1) < 0.02


def test_sanitize_and_clamp():
    s = sample()
    s["boxes"] = mo.tensor([[0.0, 0, 10, 10], [5, 5, 5, 9], [50, 30, 70, 35]])
    out = transforms.SanitizeBoundingBoxes()(s)
    assert (
        out["labels"].tolist() == [1] and out["masks"].shape[0] == 1 and tuple(out["boxes"].shape) == (1, 4)
    )
    out = transforms.Compose([transforms.ClampBoundingBoxes(), transforms.SanitizeBoundingBoxes()])(s)
    assert out["labels"].tolist() == [1, 3] and out["boxes"][1].tolist() == [50, 30, 56, 35]
    image, target = transforms.SanitizeBoundingBoxes(min_size=25)(s["image"], {"boxes": s["boxes"]})
    assert target["boxes"].shape == (0, 4) and image is s["image"]


def test_workers_change_no_sample():
    class Set(data.Dataset):
        change = transforms.Compose(
            [
                transforms.RandomResizedCrop((16, 20)),
                transforms.RandomVerticalFlip(),
                transforms.ElasticTransform(10.0, 2.0),
                transforms.ColorJitter(0.3, 0.3, 0.3, 0.1),
                transforms.RandomErasing(),
                transforms.RandomChoice([transforms.GaussianBlur(3), transforms.GaussianNoise()]),
            ]
        )

        def __len__(self):
            return 6

        def __getitem__(self, i):
            return self.change(sample())

    runs = []
    for workers in (0, 2):
        loader = data.DataLoader(Set(), batch_size=3, num_workers=workers, generator=mo.Generator(7))
        runs.append([(b["image"].numpy(), b["boxes"].numpy()) for b in loader])
    for (a, b), (c, d) in zip(*runs, strict=True):
        assert np.array_equal(a, c) and np.array_equal(b, d)


BAD = [
    (lambda: transforms.Resize((4, 4), max_size=9), "max_size"),
    (lambda: transforms.Resize(4, "cubic"), "Resize: interpolation"),
    (lambda: transforms.Pad(1, padding_mode="wrap"), "padding_mode"),
    (lambda: transforms.RandomResizedCrop(4, scale=(2, 1)), "scale"),
    (lambda: transforms.RandomRotation(-3), "degrees"),
    (lambda: transforms.ElasticTransform(-1), "alpha"),
    (lambda: transforms.ElasticTransform(1, 0), "sigma"),
    (lambda: transforms.GaussianBlur(4), "kernel_size"),
    (lambda: transforms.GaussianBlur(3, 0), "sigma"),
    (lambda: transforms.ColorJitter(hue=0.7), "hue"),
    (lambda: transforms.ColorJitter(-1), "brightness"),
    (lambda: transforms.ColorJitter(0.1)(mo.ones(2, 3, 3)), r"\[2, 3, 3\]"),
    (lambda: transforms.Grayscale(2), "num_output_channels"),
    (lambda: transforms.RandomErasing(value="no"), "value"),
    (lambda: transforms.RandomErasing(1.0, value=(1.0, 2.0))(mo.ones(3, 9, 9)), "RandomErasing: 2 values"),
    (lambda: transforms.RandomChoice([], None), "RandomChoice"),
    (lambda: transforms.RandomApply([3]), "transform 0"),
    (lambda: transforms.RandomHorizontalFlip()(np.zeros((3, 3))), "ToImage"),
    (lambda: transforms.RandomHorizontalFlip()({"boxes": 1}), "image"),
    (
        lambda: transforms.RandomHorizontalFlip()({"image": mo.ones(1, 2, 2), "boxes": mo.ones(3)}),
        r"\[N, 4\]",
    ),
    (lambda: transforms.SanitizeBoundingBoxes()(mo.ones(1, 2, 2)), "Sanitize"),
    (lambda: transforms.Identity()(), "Identity"),
]


@pytest.mark.parametrize(("make", "match"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError, KeyError), match=match):
        make()
