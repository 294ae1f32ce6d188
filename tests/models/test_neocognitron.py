"""The neocognitron: its formulas against NumPy, its learning, shifted digits."""

import numpy as np
import pytest

import markone as mo
from markone.datasets import Digits
from markone.models import Neocognitron, neocognitron
from markone.models.neocognitron import CLayer, SLayer


def test_s_cells_by_the_formula():
    layer = SLayer(2, 4, 3, selectivity=2.0, speed=1.0, padding=1)
    rng = np.random.default_rng(0)
    u = rng.random((1, 2, 5, 6), np.float32)
    v = layer.inhibition(mo.from_numpy(u))[0, 0].numpy()
    layer.grow(mo.from_numpy(u), (2, 3), v)
    layer.learn(0, mo.from_numpy(u), (1, 1), v)
    c = layer.c.numpy()[0, 0] / 2  # over both planes
    padded = np.pad(u[0], ((0, 0), (1, 1), (1, 1)))
    patches = np.array([[padded[:, y : y + 3, x : x + 3] for x in range(6)] for y in range(5)])
    want_v = np.sqrt((patches**2 * c).sum((2, 3, 4)))
    np.testing.assert_allclose(v, want_v, rtol=1e-5)
    a = c * (patches[2, 3] + patches[1, 1])
    b = 0.5 * (want_v[2, 3] + want_v[1, 1])
    e = (patches * a).sum((2, 3, 4))
    want = 2.0 * np.maximum((1 + e) / (1 + 2 * 2 / 3 * b * want_v) - 1, 0)
    np.testing.assert_allclose(layer(mo.from_numpy(u))[0, 0].numpy(), want, rtol=1e-4, atol=1e-6)


def test_an_s_cell_answers_to_what_is_like_its_feature():
    """It answers where the cosine is above r / (1 + r), whatever the contrast."""
    layer = SLayer(1, 4, 3, selectivity=4.0, speed=1000.0, padding=0)
    feature = mo.tensor([[[[0.0, 1, 0], [0, 1, 0], [0, 1, 0]]]])
    layer.grow(feature, (0, 0), layer.inhibition(feature)[0, 0].numpy())
    turned = feature.transpose(2, 3)
    assert layer(feature).item() > 0 and layer(feature * 0.3).item() > 0
    assert layer(turned).item() == 0
    c = layer.c.numpy()[0, 0]
    for share in (0.3, 0.5, 0.7):  # of noise
        u = (1 - share) * feature.numpy()[0, 0] + share * np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1.0]])
        f = feature.numpy()[0, 0]
        cosine = (c * u * f).sum() / np.sqrt((c * u * u).sum() * (c * f * f).sum())
        answer = layer(mo.from_numpy(u.astype(np.float32)[None, None])).item()
        assert (answer > 0) == (cosine > 0.8), (share, cosine)


def test_c_cells_by_the_formula():
    layer = CLayer(3, stride=2, alpha=0.5)
    u = np.random.default_rng(0).random((1, 3, 6, 6), np.float32)
    d = layer.d.numpy()[0, 0]
    padded = np.pad(u[0], ((0, 0), (1, 1), (1, 1)))
    blurred = np.array(
        [
            [[(padded[k, y : y + 3, x : x + 3] * d).sum() for x in (0, 2, 4)] for y in (0, 2, 4)]
            for k in range(3)
        ]
    )
    x = np.maximum((1 + blurred) / (1 + blurred.mean(0)) - 1, 0)
    np.testing.assert_allclose(layer(mo.from_numpy(u))[0].numpy(), x / (x + 0.5), rtol=1e-4, atol=1e-6)


def digits(count, train):
    """Digits of 28 x 28 in the middle of 36 x 36, black on white as ink is."""
    data = Digits(train, size=28)
    images = (np.stack([data[i][0].numpy() for i in range(count)]) > 0.5).astype(np.float32)
    return np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4))), data.targets.numpy()[:count]


@pytest.fixture(scope="module")
def learnt():
    images, labels = digits(250, True)
    return Neocognitron().fit(mo.from_numpy(images), labels), images, labels


def test_shifted_digits_are_told_better_than_by_the_nearest_template(learnt):
    model, templates, labels = learnt
    images, wanted = digits(120, False)
    rng = np.random.default_rng(0)
    shifted = np.stack([np.roll(x, rng.integers(-4, 5, 2), (1, 2)) for x in images])
    right = (model.predict(mo.from_numpy(shifted)).numpy() == wanted).mean()
    distance = ((shifted.reshape(120, 1, -1) - templates.reshape(1, 250, -1)) ** 2).sum(2)
    nearest = (labels[distance.argmin(1)] == wanted).mean()
    centred = (model.predict(mo.from_numpy(images)).numpy() == wanted).mean()
    assert right > nearest + 0.15, (right, nearest)
    assert centred > 0.6 and right > 0.5, (centred, right)


def test_it_learns_without_labels(learnt):
    model, images, _ = learnt
    again = Neocognitron().fit(mo.from_numpy(images))
    for key, value in model.state_dict().items():
        if key != "votes":
            np.testing.assert_array_equal(value.numpy(), again.state_dict()[key].numpy())
    shapes = {name: tuple(u.shape[2:]) for name, u in model.stages(mo.from_numpy(images[:2])).items()}
    assert shapes == {
        "u0": (36, 36), "s1": (36, 36), "c1": (18, 18), "s2": (18, 18), "c2": (9, 9), "s3": (3, 3), "c3": (),
    }  # fmt: skip
    assert 4 <= model.s1.learnt <= 16 and 8 <= model.s2.learnt <= 32 and 50 <= model.s3.learnt < 250
    assert sorted(set(model.labels.numpy())) == list(range(10))


def test_what_was_learnt_is_kept(learnt, tmp_path):
    model, images, _ = learnt
    mo.save(model.state_dict(), tmp_path / "n.safetensors")
    again = neocognitron()
    again.load_state_dict(mo.load(tmp_path / "n.safetensors"))
    x = mo.from_numpy(images[:20])
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())
    np.testing.assert_array_equal(again.predict(x).numpy(), model.predict(x).numpy())


def test_shown_in_batches_it_learns_the_same(learnt):
    model, images, labels = learnt
    again = Neocognitron()
    parts = [(mo.from_numpy(images[i : i + 70]), labels[i : i + 70]) for i in range(0, 250, 70)]
    for layer in range(3):
        for part, _ in parts:
            again.show(part, layer)
    for part, names in parts:
        again.vote(part, names)
    for key, value in model.state_dict().items():
        np.testing.assert_allclose(value.numpy(), again.state_dict()[key].numpy(), rtol=1e-6, err_msg=key)
    x = mo.from_numpy(images[:9])
    answers = again.stages(x)["c3"].numpy()
    names = again.labels.numpy()
    want = np.stack([answers[:, names == k].max(1) for k in range(10)], 1)
    np.testing.assert_array_equal(again(x).numpy(), want)


def test_errors():
    model = neocognitron()
    with pytest.raises(ValueError, match=r"neocognitron: images have shape \[2, 3, 36, 36\]"):
        model.fit(mo.zeros(2, 3, 36, 36))
    with pytest.raises(ValueError, match="wants images with ink"):
        model.fit(mo.zeros(2, 1, 36, 36))
    with pytest.raises(ValueError, match="wants 2 integers from 0"):
        model.fit(mo.ones(2, 1, 36, 36), [1])
    with pytest.raises(ValueError, match="got label 10, wants 0 to 9"):
        model.fit(mo.ones(2, 1, 36, 36), [1, 10])
    assert not model(mo.ones(2, 1, 36, 36)).any().item()
    with pytest.raises(RuntimeError, match="no plane could be named"):
        model.vote(mo.ones(2, 1, 36, 36), [0, 1])
    with pytest.raises(RuntimeError, match="neocognitron: has learnt nothing yet"):
        model.stages(mo.ones(2, 1, 36, 36))
    with pytest.raises(RuntimeError, match="predict wants a network that was fitted with labels"):
        model.predict(mo.ones(2, 1, 36, 36))
