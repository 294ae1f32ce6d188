"""Datasets, samplers, collation, keyed random numbers."""

from collections import Counter, namedtuple

import numpy as np
import pytest

import markone as mo
from markone import data


class Squares(data.Dataset):
    def __getitem__(self, i):
        return i * i

    def __len__(self):
        return 10


def test_tensor_dataset():
    d = data.TensorDataset(mo.arange(6).reshape(3, 2), mo.tensor([5, 6, 7]))
    assert len(d) == 3 and d[1][0].tolist() == [2, 3] and d[-1][1].item() == 7
    batch = d.get_batch([2, 0])
    assert batch[0].tolist() == [[4, 5], [0, 1]] and batch[1].tolist() == [7, 5]
    with pytest.raises(ValueError, match="tensor 1 has 2 samples"):
        data.TensorDataset(mo.ones(3), mo.ones(2))
    with pytest.raises(ValueError, match="no dimension"):
        data.TensorDataset(mo.tensor(1.0))
    with pytest.raises(TypeError, match="list"):
        data.TensorDataset([1, 2])
    with pytest.raises(IndexError):
        d[3]


def test_subset_concat_stack():
    s = data.Subset(Squares(), [3, 1])
    assert [s[0], s[1], len(s)] == [9, 1, 2]
    c = Squares() + s
    assert len(c) == 12 and c[9] == 81 and c[10] == 9 and c[-1] == 1
    with pytest.raises(IndexError):
        c[12]
    assert data.StackDataset(Squares(), Squares())[3] == (9, 9)
    with pytest.raises(ValueError, match="lengths"):
        data.StackDataset(Squares(), s)
    t = data.Subset(data.TensorDataset(mo.arange(5)), [4, 2, 0])
    assert t.get_batch([0, 2])[0].tolist() == [4, 0]


def test_random_split():
    mo.manual_seed(4)
    a, b = data.random_split(Squares(), [7, 3])
    assert sorted(a.indices + b.indices) == list(range(10))
    mo.manual_seed(4)
    assert (
        data.random_split(Squares(), [0.75, 0.25])[1].indices
        == data.random_split(Squares(), [8, 2])[1].indices
    )
    assert a.indices != list(range(7))
    with pytest.raises(ValueError, match="sum to 9"):
        data.random_split(Squares(), [7, 2])


def test_what_is_not_written_is_named():
    with pytest.raises(NotImplementedError, match="Dataset has to write __getitem__"):
        data.Dataset()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(data.IterableDataset())


def test_samplers():
    assert list(data.SequentialSampler(range(4))) == [0, 1, 2, 3]
    r = data.RandomSampler(range(50), generator=mo.Generator(3))
    first, second = list(r), list(r)
    assert sorted(first) == list(range(50)) == sorted(second) and first != second
    again = data.RandomSampler(range(50), generator=mo.Generator(3))
    assert [list(again), list(again)] == [first, second]
    again.set_epoch(1)
    assert list(again) == second
    more = list(data.RandomSampler(range(5), num_samples=12))
    assert len(more) == 12 and set(Counter(more).values()) <= {2, 3}
    drawn = list(data.RandomSampler(range(5), replacement=True, num_samples=1000))
    assert set(drawn) == set(range(5))
    assert sorted(data.SubsetRandomSampler([7, 8, 9])) == [7, 8, 9]
    weighted = Counter(data.WeightedRandomSampler([0, 1, 3], 4000))
    assert 0 not in weighted and abs(weighted[2] / weighted[1] - 3) < 0.5
    assert sorted(data.WeightedRandomSampler([1, 0, 2], 2, replacement=False)) == [0, 2]
    batches = data.BatchSampler(range(7), 3)
    assert list(batches) == [[0, 1, 2], [3, 4, 5], [6]] and len(batches) == 3
    batches = data.BatchSampler(range(7), 3, drop_last=True)
    assert list(batches) == [[0, 1, 2], [3, 4, 5]] and len(batches) == 2
    for make in (
        lambda: data.WeightedRandomSampler([1, 0], 2, replacement=False),
        lambda: data.WeightedRandomSampler([-1, 1], 2),
        lambda: data.RandomSampler(range(3), num_samples=0),
        lambda: data.BatchSampler(range(3), 0),
    ):
        with pytest.raises(ValueError):
            make()


def test_collate():
    Point = namedtuple("Point", "x y")
    batch = data.default_collate(
        [
            {"a": mo.ones(2), "b": (1, 2.0), "c": "s", "d": np.float32(1), "e": Point(1, True)},
            {"a": mo.zeros(2), "b": (3, 4.0), "c": "t", "d": np.float32(2), "e": Point(2, False)},
        ]
    )
    assert batch["a"].tolist() == [[1, 1], [0, 0]]
    assert batch["b"][0].dtype is mo.int64 and batch["b"][1].dtype is mo.float64
    assert batch["c"] == ["s", "t"] and batch["d"].dtype is mo.float32
    assert isinstance(batch["e"], Point) and batch["e"].y.tolist() == [True, False]
    with pytest.raises(ValueError, match=r"sample 1 has shape \[3\] but sample 0 has \[2\]"):
        data.default_collate([mo.ones(2), mo.ones(3)])
    with pytest.raises(ValueError, match="lengths"):
        data.default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="object"):
        data.default_collate([object(), object()])


def test_keyed_random():
    a, b = data.KeyedRandom(1, 2, 3), data.KeyedRandom(1, 2, 3)
    assert a.raw(5).tolist() == b.raw(5).tolist()
    keys = [(0,), (1,), (0, 1), (0, 0, 1), (0, 0, 0, 1), (0, 0, 0, 0, 1), (0, 0, 0, 0, 0, 1), (2**64 - 1, 5)]
    assert len({int(data.KeyedRandom(*k).raw(1)[0]) for k in keys}) == len(keys)
    r = data.KeyedRandom(9)
    u = r.random(20000)
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 0.01
    n = np.array([r.normal(2.0, 3.0) for _ in range(5000)])
    assert abs(n.mean() - 2) < 0.2 and abs(n.std() - 3) < 0.15
    assert {r.integer(-1, 3) for _ in range(200)} == {-1, 0, 1, 2}
    assert sorted(r.permutation(9).tolist()) == list(range(9)) and r.permutation(0).tolist() == []
    with pytest.raises(ValueError):
        data.KeyedRandom()
