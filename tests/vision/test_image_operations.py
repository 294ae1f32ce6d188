"""Filters and histograms of images against SciPy, scikit-image, and the course's figures."""

import numpy as np
import pytest

import markone as mo
from markone import vision


def picture(height=23, width=31, seed=0):
    return np.random.default_rng(seed).random((height, width))


SCIPY = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "circular": "wrap",
         "constant": "constant"}  # fmt: skip


@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("size", [(3, 3), (5, 1), (2, 4)])
def test_correlation_and_convolution(border, size):
    peer = pytest.importorskip("scipy.ndimage")
    image, kernel = picture(), picture(*size, seed=1)
    # SciPy's middle of an even kernel is the lower right one.
    origin = [-1 if n % 2 == 0 else 0 for n in size]
    ours = vision.correlate(mo.tensor(image), kernel, border, 0.25)
    theirs = peer.correlate(image, kernel, mode=SCIPY[border], cval=0.25, origin=origin)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-12)
    turned = vision.convolve(mo.tensor(image), kernel, border, 0.25)
    theirs = peer.correlate(image, kernel[::-1, ::-1], mode=SCIPY[border], cval=0.25, origin=origin)
    np.testing.assert_allclose(turned.numpy(), theirs, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.7, 1, 5, 10])
def test_gaussian(sigma):
    peer = pytest.importorskip("scipy.ndimage")
    image = picture(90, 101)
    for border in ("symmetric", "replicate", "circular"):
        ours = vision.gaussian_filter(mo.tensor(image), sigma, border)
        np.testing.assert_allclose(
            ours.numpy(), peer.gaussian_filter(image, sigma, mode=SCIPY[border]), atol=1e-12
        )


def test_twice_sigma_is_once_root_two_sigma():
    image = np.zeros((101, 101))
    image[50, 50] = 1
    for sigma in (3, 5):
        twice = vision.gaussian_filter(vision.gaussian_filter(mo.tensor(image), sigma), sigma).numpy()
        once = vision.gaussian_filter(mo.tensor(image), sigma * 2**0.5).numpy()
        assert np.abs(twice - once).max() < 1e-3 * once.max()


def test_sobel_and_edges():
    peer = pytest.importorskip("skimage.filters")
    image = picture()
    x, y = vision.sobel(mo.tensor(image), "symmetric")
    np.testing.assert_allclose(x.numpy(), peer.sobel_v(image) / 2, atol=1e-12)
    np.testing.assert_allclose(-y.numpy(), peer.sobel_h(image) / 2, atol=1e-12)
    steep = vision.magnitude((x, y)).numpy()
    np.testing.assert_allclose(steep, np.hypot(x.numpy(), y.numpy()), atol=1e-12)
    assert np.abs(vision.edges(np.full((5, 6), 7.0)).numpy()).max() < 1e-5
    ramp = np.tile(np.arange(8.0), (8, 1))
    gradient = vision.sobel(mo.tensor(ramp), "replicate")
    np.testing.assert_allclose(gradient[0].numpy()[:, 1:-1], 1)
    np.testing.assert_allclose(vision.direction(gradient).numpy()[:, 1:-1], 0, atol=1e-12)
    up = vision.sobel(mo.tensor(ramp.T[::-1].copy()), "replicate")
    np.testing.assert_allclose(vision.direction(up).numpy()[1:-1], np.pi / 2)


def test_unsharp_mask():
    peer = pytest.importorskip("skimage.filters")
    image = picture()
    theirs = peer.unsharp_mask(image, radius=2, amount=1.5, preserve_range=True)
    ours = vision.unsharp_mask(mo.tensor(image), 2, 1.5, "symmetric").numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_mean_of_the_course():
    image = np.zeros((10, 10), dtype=np.float32)
    image[2:7, 3:8] = 90
    image[5, 4] = 0
    image[8, 2] = 90
    rows = """0 10 20 30 30 30 20 10
              0 20 40 60 60 60 40 20
              0 30 60 90 90 90 60 30
              0 30 50 80 80 90 60 30
              0 30 50 80 80 90 60 30
              0 20 30 50 50 60 40 20
              10 20 30 30 30 30 20 10
              10 10 10 0 0 0 0 0"""
    wanted = np.array([[int(v) for v in row.split()] for row in rows.splitlines()])
    np.testing.assert_allclose(vision.mean_filter(image, border="valid").numpy(), wanted, atol=1e-4)


def test_identity_shift_and_sharpen():
    image = picture()
    same = vision.correlate(mo.tensor(image), [[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(same.numpy(), image)
    left = vision.correlate(mo.tensor(image), vision.shift_kernel(0, 1)).numpy()
    right = vision.convolve(mo.tensor(image), vision.shift_kernel(0, 1)).numpy()
    np.testing.assert_array_equal(left[:, :-1], image[:, 1:])
    np.testing.assert_array_equal(right[:, 1:], image[:, :-1])
    sharp = vision.sharpen(mo.tensor(image)).numpy()
    np.testing.assert_allclose(sharp, 2 * image - vision.mean_filter(mo.tensor(image)).numpy(), atol=1e-7)


def test_channels_and_bytes():
    image = np.random.default_rng(2).integers(0, 256, (2, 3, 9, 8)).astype(np.uint8)
    out = vision.gaussian_filter(mo.tensor(image), 1.0)
    assert out.dtype is mo.float32
    assert out.shape == (2, 3, 9, 8)
    one = vision.gaussian_filter(mo.tensor(image[1, 2]), 1.0)
    np.testing.assert_array_equal(out[1, 2].numpy(), one.numpy())


def test_equalised_histogram_is_flat_to_within_a_bin():
    for image in (mo.tensor(picture(64, 64) ** 3), mo.tensor((picture(64, 64) ** 3 * 255).astype(np.uint8))):
        largest = float(vision.histogram(image).double().max().item()) / 4096
        flat = vision.cumulative(vision.equalize(image)).numpy()
        assert np.abs(flat - (np.arange(256) + 1) / 256).max() <= largest + 1 / 256
        before = vision.cumulative(image).numpy()
        assert np.abs(before - (np.arange(256) + 1) / 256).max() > 0.3


def test_equalise_as_scikit_image():
    peer = pytest.importorskip("skimage.exposure")
    image = (picture(40, 40) ** 2 * 255).astype(np.uint8)
    theirs = np.round(peer.equalize_hist(image, nbins=256) * 255)
    assert np.abs(vision.equalize(image).numpy() - theirs).max() <= 1


def test_histogram_specification():
    image, like = picture(50, 50) ** 2, 0.3 + 0.4 * picture(60, 40, 1)
    out = vision.match_histogram(mo.tensor(image), mo.tensor(like)).numpy()
    np.testing.assert_allclose(
        np.quantile(out, (0.1, 0.5, 0.9)), np.quantile(like, (0.1, 0.5, 0.9)), atol=0.01
    )


def test_shuffling_keeps_the_histogram():
    image = (picture() * 255).astype(np.uint8)
    shuffled = vision.shuffle_pixels(image)
    assert not np.array_equal(shuffled.numpy(), image)
    np.testing.assert_array_equal(vision.histogram(shuffled).numpy(), vision.histogram(image).numpy())
    np.testing.assert_array_equal(vision.histogram(image).numpy(), np.bincount(image.ravel(), minlength=256))


def test_values_and_places():
    image = np.array([[0, 100], [200, 255]], dtype=np.uint8)
    assert vision.brightness(image, 60).numpy().tolist() == [[60, 160], [255, 255]]
    assert vision.mirror(image).numpy().tolist() == [[100, 0], [255, 200]]
    assert vision.quantize(image, 2).numpy().tolist() == [[0, 0], [255, 255]]
    assert vision.resample(image, (4, 2)).numpy().tolist() == [[0, 100], [0, 100], [200, 255], [200, 255]]
    assert vision.resample(image, (1, 1)).shape == (1, 1)


def test_hybrid():
    near, far = picture(40, 40), picture(40, 40, 5)
    both = vision.hybrid(mo.tensor(near), mo.tensor(far), 2, 2).numpy()
    np.testing.assert_allclose(both, near - vision.gaussian_filter(mo.tensor(near), 2).numpy()
                               + vision.gaussian_filter(mo.tensor(far), 2).numpy(), atol=1e-12)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: vision.correlate(np.zeros(4), [[1]]), "correlate: got an image of shape"),
        (lambda: vision.correlate(np.zeros((4, 4)), [1]), "correlate: got a kernel of shape"),
        (lambda: vision.correlate(np.zeros((4, 4)), [[1]], "around"), "got border='around'"),
        (lambda: vision.correlate(np.zeros((2, 2)), np.ones((3, 3)), "valid"), "has no place"),
        (lambda: vision.gaussian_filter(np.zeros((3, 3)), 5.0), "reflect"),
        (lambda: vision.gaussian_filter(np.zeros((3, 3)), -1.0), "sigma=-1.0"),
        (lambda: vision.quantize(np.zeros((2, 2)), 1), "levels=1"),
        (lambda: vision.hybrid(np.zeros((2, 2)), np.zeros((3, 2))), "one shape"),
        (lambda: vision.histogram(np.zeros((2, 2)), 0), "bins=0"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(ValueError, match=match):
        call()
