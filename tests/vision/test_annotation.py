"""Annotation and retrieval: features, keyword transfer, precision, recall, mean average precision, top k."""

import numpy as np
import pytest

import markone as mo
from markone.vision import annotation, retrieval


def flat(colour, side=16):
    return mo.from_numpy(np.broadcast_to(np.float32(colour).reshape(1, 3, 1, 1), (1, 3, side, side)).copy())


def test_features_are_distributions():
    x = mo.from_numpy(np.random.default_rng(0).random((3, 3, 20, 24), np.float32))
    found = annotation.image_features(x)
    sizes = {"rgb": 48, "hsv": 48, "lab": 48, "gabor": 4 * 3 * 16, "haar": 3 * 3 * 16}
    assert {name: value.shape for name, value in found.items()} == {n: (3, size) for n, size in sizes.items()}
    for value in found.values():
        np.testing.assert_allclose(value.sum(1), 1, rtol=1e-6)
        assert (value >= 0).all()
    assert annotation.image_features(mo.zeros(0, 3, 8, 8))["rgb"].shape == (0, 48)
    with pytest.raises(ValueError, match=r"image_features: images have shape \[2, 1, 8, 8\]"):
        annotation.image_features(mo.zeros(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("colour", "hsv", "lab"),  # CIE values of sRGB's primaries
    [
        ((1, 0, 0), (0, 1, 1), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (1 / 3, 1, 1), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (2 / 3, 1, 1), (32.30, 79.19, -107.86)),
        ((0.5, 0.5, 0.5), (0, 0, 0.5), (53.39, 0, 0)),
        ((1, 1, 0), (1 / 6, 1, 1), (97.14, -21.55, 94.48)),
        ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
    ],
)
def test_colour_spaces(colour, hsv, lab):
    pixels = flat(colour, 1).numpy()
    np.testing.assert_allclose(annotation._hsv(pixels)[0, :, 0, 0], hsv, atol=1e-6)
    got = annotation._lab(pixels)[0, :, 0, 0] * (100, 220, 220) - (0, 110, 110)
    np.testing.assert_allclose(got, lab, atol=0.05)


def test_textures_tell_the_direction_of_waves():
    wave = np.sin(np.arange(32) * 2 * np.pi / 4).astype(np.float32) * 0.5 + 0.5
    upright = mo.from_numpy(np.broadcast_to(wave, (1, 3, 32, 32)).copy())
    level = upright.transpose(2, 3)
    a, b, c = (annotation.image_features(x) for x in (upright, level, upright * 0.95))
    for name in ("gabor", "haar"):
        assert retrieval.distances(a[name], b[name], "l1") > 3 * retrieval.distances(a[name], c[name], "l1")
    still = annotation.image_features(flat((0.3, 0.3, 0.3)))["gabor"].reshape(12, 16)
    np.testing.assert_allclose(still[:, 0], 1 / 12, rtol=1e-6)  # flat grey answers no filter


def test_distances():
    rng = np.random.default_rng(0)
    a, b = rng.random((4, 5)), rng.random((3, 5))
    a, b = a / a.sum(1, keepdims=True), b / b.sum(1, keepdims=True)
    pairs = [[(x, y) for y in b] for x in a]
    smooth = lambda x: (x + 1e-6) / (x + 1e-6).sum()  # noqa: E731
    kl = lambda x, y: (smooth(x) * np.log(smooth(x) / smooth(y))).sum()  # noqa: E731
    formulas = {
        "l1": lambda x, y: np.abs(x - y).sum(),
        "l2": lambda x, y: np.sqrt(((x - y) ** 2).sum()),
        "cosine": lambda x, y: 1 - x @ y / np.sqrt((x @ x) * (y @ y)),
        "kl": lambda x, y: (kl(x, y) + kl(y, x)) / 2,
    }
    for metric, formula in formulas.items():
        want = [[formula(x, y) for x, y in row] for row in pairs]
        np.testing.assert_allclose(
            retrieval.distances(a, mo.from_numpy(b), metric), want, rtol=1e-9, atol=1e-9
        )
    assert retrieval.distances(np.zeros((1, 5)), b, "cosine") == pytest.approx(1)
    assert retrieval.distances(a[:0], b, "l1").shape == (0, 3)
    with pytest.raises(ValueError, match="distances: got metric 'l3'"):
        retrieval.distances(a, b, "l3")
    with pytest.raises(ValueError, match=r"distances: got features \[4, 5\] and \[3, 4\]"):
        retrieval.distances(a, b[:, :4])


def test_joint_equal_contribution():
    q = {"one": np.array([[0.0], [4.0]]), "lab": np.array([[0.5, 0.5], [0.9, 0.1]])}
    d = {"one": np.array([[1.0], [3.0]]), "lab": np.array([[0.5, 0.5], [0.1, 0.9]])}
    one = retrieval.distances(q["one"], d["one"], "l1") / 3
    kl = retrieval.distances(q["lab"], d["lab"], "kl")
    np.testing.assert_allclose(annotation.joint_distances(q, d), (one + kl / kl.max()) / 2)
    with pytest.raises(ValueError, match="joint_distances: got the features"):
        annotation.joint_distances(q, {"one": d["one"]})


def test_keywords_of_captions():
    captions = [
        ["a dog runs", "the dog is running", "two dogs"],
        ["dog on grass", "grass and a dog", "a cat"],
        ["a red cat", "cat"],
    ]
    assert annotation.caption_keywords(captions, votes=2, least=1) == [{"dog"}, {"dog", "grass"}, {"cat"}]
    assert annotation.caption_keywords(captions, votes=2, least=2) == [{"dog"}, {"dog"}, set()]


def test_greedy_transfer():
    keywords = [
        {"sky", "jet"},
        {"sky", "sea", "sun"},
        {"sky", "sea"},
        {"tree"},
        {"jet", "smoke"},
        {"tree", "deer"},
    ]
    transfer = annotation.KeywordTransfer(3, neighbours=4).fit(keywords)
    # The first neighbour gives sky (3 images) before jet (2). Then: sea stands beside sky twice and two of
    # the three others have it (4), sun once and one (1), tree never (0).
    assert transfer.predict(np.array([[0.0, 1, 2, 3, 9, 9]])) == [["sky", "jet", "sea"]]
    # Beside jet: smoke once, one neighbour.
    assert transfer.predict(np.array([[0.0, 9, 9, 2, 1, 3]])) == [["sky", "jet", "smoke"]]
    assert annotation.KeywordTransfer(1).fit(keywords).predict(np.array([[5.0, 1, 2, 3, 4, 5]])) == [["sky"]]
    empty = annotation.KeywordTransfer(2, 2).fit([set(), {"a"}])
    assert empty.predict(np.array([[0.0, 1.0]])) == [["a"]]
    with pytest.raises(
        ValueError, match=r"KeywordTransfer: distances have shape \[1, 5\], wants \[queries, 6\]"
    ):
        transfer.predict(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="KeywordTransfer: got count=0"):
        annotation.KeywordTransfer(0)


def test_precision_and_recall_by_keyword():
    wanted = [{"sky", "sea"}, {"sky"}, {"tree"}, {"deer"}]
    predicted = [["sky", "sun"], ["sky", "tree"], ["sky", "tree"], []]
    # sky: 2 of 3 said, 2 of 2 wanted; sea: 0, 0; tree: 1 of 2, 1 of 1; deer: 0, 0.
    score = annotation.annotation_score(predicted, wanted)
    assert score.precision == pytest.approx((2 / 3 + 0.5) / 4) and score.recall == pytest.approx(0.5)
    assert (score.found, score.keywords) == (2, 4) and "2 of 4 keywords" in str(score)
    with pytest.raises(ValueError, match="annotation_score: 1 predictions for 2 images"):
        annotation.annotation_score([[]], [set(), set()])


def test_average_precision():
    assert retrieval.average_precision([True, False, True, False]) == pytest.approx((1 + 2 / 3) / 2)
    assert retrieval.average_precision([False, True]) == 0.5
    assert np.isnan(retrieval.average_precision([False, False]))
    far = np.array([[0.3, 0.1, 0.2], [0.1, 0.1, 0.0], [1.0, 2.0, 3.0]])
    right = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0]], bool)
    assert retrieval.mean_average_precision(far, right) == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1 / 2) / 2)
    with pytest.raises(ValueError, match="mean_average_precision: got"):
        retrieval.mean_average_precision(far, right[:2])


def test_average_precision_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    far, right = rng.random((6, 30)), rng.random((6, 30)) < 0.3
    want = np.mean([metrics.average_precision_score(r, -f) for r, f in zip(right, far)])
    assert retrieval.mean_average_precision(far, right) == pytest.approx(want)


def test_retrieval_by_keyword():
    predicted = [["sky", "sea"], ["tree"], ["sea", "sky"], ["sun"]]
    wanted = [{"sky"}, {"sky"}, {"sea"}, {"sea"}]
    mean, each = retrieval.keyword_average_precision(predicted, wanted)
    # sky is found as 0, 2, 1, 3; sea as 2, 0, 1, 3.
    assert each == pytest.approx({"sky": (1 + 2 / 3) / 2, "sea": (1 + 2 / 4) / 2})
    assert mean == pytest.approx(np.mean(list(each.values())))


def test_top_k():
    scores = np.log(np.array([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25]]))
    got = retrieval.top_k(mo.from_numpy(scores), 2, ["cat", "dog", "bird"])
    assert [[name for name, _ in row] for row in got] == [["dog", "bird"], ["cat", "dog"]]
    np.testing.assert_allclose([[p for _, p in row] for row in got], [[0.6, 0.3], [0.5, 0.25]])
    assert retrieval.top_k_error(scores, [1, 2], 1) == 0.5
    assert retrieval.top_k_error(scores, [0, 2], 2) == 1.0
    assert retrieval.top_k_error(scores, np.array([0, 2]), 3) == 0.0
    with pytest.raises(ValueError, match=r"top_k_error: labels are 0..3, wants 0..2"):
        retrieval.top_k_error(scores, [0, 3], 1)
    with pytest.raises(ValueError, match=r"top_k: got scores \[2, 3\] and k=4"):
        retrieval.top_k(scores, 4)
