"""Transforms: exact where they are, keyed where they are random."""

import numpy as np
import pytest

import markone as mo
from markone import data, transforms


def image(*shape, seed=0):
    return mo.tensor(np.random.default_rng(seed).random(shape).astype(np.float32))


def test_normalize_pad_resize_take_batches():
    batch = image(4, 3, 6, 5)
    for t in (
        transforms.Normalize([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]),
        transforms.Pad((1, 2, 0, 3), fill=0.5),
        transforms.Resize((9, 4)),
        transforms.Compose([transforms.Pad(2), transforms.Normalize(0.5, 0.5)]),
        transforms.Lambda(lambda x: x * 2, batched=True),
    ):
        assert t.batched
        whole = t(batch).numpy()
        for i in range(4):
            assert np.array_equal(whole[i], t(batch[i]).numpy()), t
    padded = transforms.Pad((1, 2, 0, 3), fill=0.5)(batch).numpy()
    assert np.array_equal(
        padded, np.pad(batch.numpy(), ((0, 0), (0, 0), (2, 3), (1, 0)), constant_values=0.5)
    )
    assert not transforms.Compose([transforms.Pad(2), transforms.RandomHorizontalFlip()]).batched


def test_to_tensor():
    a = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    t = transforms.ToTensor()(a)
    assert tuple(t.shape) == (3, 2, 4) and np.array_equal(t.numpy(), a.transpose(2, 0, 1) / np.float32(255))
    assert tuple(transforms.ToTensor()(a[..., 0]).shape) == (1, 2, 4)
    with pytest.raises(ValueError, match="wants"):
        transforms.ToTensor()(np.zeros(3))


def test_random_transforms_are_keyed():
    class Set(data.Dataset):
        change = transforms.Compose(
            [
                transforms.RandomCrop(6, padding=1),
                transforms.RandomHorizontalFlip(),
                transforms.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 5),
            ]
        )

        def __len__(self):
            return 8

        def __getitem__(self, i):
            return self.change(image(1, 8, 8, seed=3))

    runs = [
        [[b.numpy() for b in loader] for _ in range(2)]
        for loader in (
            data.DataLoader(Set(), batch_size=4, num_workers=n, generator=mo.Generator(7)) for n in (0, 3)
        )
    ]
    assert np.array_equal(runs[0], runs[1])
    flat = np.array(runs[0]).reshape(16, -1)
    assert len({row.tobytes() for row in flat}) == 16


def test_affine_moves_pixels():
    x = image(2, 7, 7)
    with data_key():
        assert np.allclose(transforms.RandomAffine(0)(x).numpy(), x.numpy(), atol=1e-6)
        turned = transforms.RandomAffine((90, 90))(x).numpy()
        # A quarter turn, clockwise as rows grow downwards.
        assert np.allclose(turned, np.rot90(x.numpy(), -1, (1, 2)), atol=1e-5)
        double = transforms.RandomAffine(0, scale=(2.0, 2.0))(x).numpy()
    assert np.allclose(double[:, 3, 3], x.numpy()[:, 3, 3], atol=1e-6)
    assert np.allclose(double[:, 1, 1], x.numpy()[:, 2, 2], atol=1e-6)


def data_key():
    from markone.data.random import sample_key

    return sample_key(1, 2, 3)


def test_flip():
    x = image(1, 2, 3)
    assert np.array_equal(transforms.RandomHorizontalFlip(1.0)(x).numpy(), x.numpy()[..., ::-1])
    assert np.array_equal(transforms.RandomHorizontalFlip(0.0)(x).numpy(), x.numpy())


BAD = [
    (lambda: transforms.Normalize(0, 0), "std"),
    (lambda: transforms.Normalize([0, 0], 1)(image(3, 2, 2)), r"\[3, 2, 2\]"),
    (lambda: transforms.Pad(-1), "padding"),
    (lambda: transforms.Pad((1, 2, 3)), "numbers"),
    (lambda: transforms.Resize(0), "size"),
    (lambda: transforms.RandomCrop(9)(image(1, 8, 8)), "RandomCrop"),
    (lambda: transforms.RandomAffine(-1), "degrees"),
    (lambda: transforms.RandomAffine(1, translate=(2, 0)), "translate"),
    (lambda: transforms.RandomHorizontalFlip(2), "probability"),
    (lambda: transforms.Lambda(3), "function"),
]


@pytest.mark.parametrize(("make", "match"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(make, match):
    with pytest.raises((ValueError, TypeError), match=match):
        make()
