"""Vocabularies and tokenisers, padding, batches by length."""

import numpy as np
import pytest

import markone as mo
from markone import data


def test_tokenisers():
    assert data.whitespace_tokenizer(" a  b\n") == ["a", "b"]
    assert data.char_tokenizer("a b") == ["a", " ", "b"]
    assert data.word_tokenizer("Don't stop, Zoë: 3.5!") == [
        "don't",
        "stop",
        ",",
        "zoë",
        ":",
        "3",
        ".",
        "5",
        "!",
    ]


def test_vocabulary():
    v = data.Vocabulary.build(["b a b c".split(), ["a", "d"]], specials=("<pad>",), unknown="<unk>")
    assert v.tokens == ["<pad>", "<unk>", "a", "b", "c", "d"] and len(v) == 6 and "a" in v
    assert v.encode(["b", "zzz", "<pad>"]) == [3, 1, 0]
    assert v.decode([3, 1, 0], skip=["<pad>"]) == ["b", "<unk>"]
    assert v.decode(mo.tensor([2, 5])) == ["a", "d"]
    small = data.Vocabulary.build([["x", "x", "y", "z", "z", "z"]], min_count=2, max_tokens=1)
    assert list(small) == ["z"]
    with pytest.raises(KeyError, match="'q'"):
        small["q"]
    with pytest.raises(IndexError, match="-1"):
        small.decode([-1])
    with pytest.raises(ValueError, match="twice"):
        data.Vocabulary(["a", "a"])
    with pytest.raises(ValueError, match="unknown"):
        data.Vocabulary(["a"], unknown="b")
    with pytest.raises(ValueError, match="max_tokens"):
        data.Vocabulary.build([], specials=("a", "b"), max_tokens=1)


def test_pad_collate():
    batch = [(mo.tensor([1, 2, 3]), 0, "s"), (mo.tensor([4]), 1, "t")]
    (tokens, lengths), labels, names = data.pad_collate(batch)
    assert tokens.tolist() == [[1, 2, 3], [4, 0, 0]] and lengths.tolist() == [3, 1]
    assert labels.tolist() == [0, 1] and names == ["s", "t"]
    out = data.pad_collate(
        [{"x": np.ones((2, 2))}, {"x": np.ones((0, 2))}], padding_value=-1, batch_first=False
    )
    assert tuple(out["x"].data.shape) == (2, 2, 2) and out["x"].data[:, 1].tolist() == [[-1, -1], [-1, -1]]
    out = data.pad_collate([[], [1, 2]])
    assert out.data.tolist() == [[0, 0], [1, 2]] and out.data.dtype is mo.int64
    assert data.pad_collate([[]]).data.shape == (1, 0)
    with pytest.raises(ValueError, match="sample 1"):
        data.pad_collate([mo.ones(2, 2), mo.ones(2, 3)])
    with pytest.raises(TypeError, match="tuple"):
        data.pad_collate([["a"], ["b"]])
    with pytest.raises(ValueError, match="empty"):
        data.pad_collate([])


def test_bucket_batch_sampler():
    lengths = np.random.default_rng(0).integers(1, 50, 103)
    s = data.BucketBatchSampler(lengths, 8, pool=4, generator=mo.Generator(1))
    first, second = list(s), list(s)
    for batches in (first, second):
        assert sorted(i for b in batches for i in b) == list(range(103)) and len(batches) == len(s) == 13
    assert first != second
    again = data.BucketBatchSampler(lengths, 8, pool=4, generator=mo.Generator(1))
    again.set_epoch(1)
    assert list(again) == second

    def waste(batches):
        return sum(max(lengths[b]) * len(b) - sum(lengths[b]) for b in batches)

    plain = [list(b) for b in data.BatchSampler(range(103), 8)]
    assert waste(first) < 0.5 * waste(plain)
    ordered = list(data.BucketBatchSampler(lengths, 8, shuffle=False))
    flat = [lengths[i] for b in ordered for i in b]
    assert flat == sorted(flat)
    short = data.BucketBatchSampler(lengths, 8, drop_last=True)
    assert len(list(short)) == len(short) == 12
    assert list(data.BucketBatchSampler([], 8)) == []
    for make in (
        lambda: data.BucketBatchSampler([1], 0),
        lambda: data.BucketBatchSampler([1], 1, pool=0),
        lambda: data.BucketBatchSampler([-1], 1),
    ):
        with pytest.raises(ValueError, match="BucketBatchSampler"):
            make()


def test_bucket_batches_in_a_loader_resume_and_ignore_workers():
    texts = [mo.arange(n % 7 + 1) for n in range(40)]

    def loader(workers):
        batches = data.BucketBatchSampler([len(t) for t in texts], 4)
        return data.DataLoader(
            texts,
            batch_sampler=batches,
            collate_fn=data.pad_collate,
            num_workers=workers,
            generator=mo.Generator(3),
        )

    want = [b.data.tolist() for b in loader(0)]
    two = loader(2)
    assert [b.data.tolist() for b in two] == want
    it = iter(two)
    next(it)
    state = two.state_dict()
    rest = [b.data.tolist() for b in it]
    fresh = loader(0)
    fresh.load_state_dict(state)
    assert [b.data.tolist() for b in fresh] == rest


def test_convert_chain_stack_and_workers():
    out = data.default_convert({"a": np.ones(2), "b": (np.float32(1), "s"), "c": 3})
    assert out["a"].tolist() == [1, 1] and out["b"][0].item() == 1 and out["b"][1] == "s" and out["c"] == 3
    got = list(data.DataLoader([np.ones(2)], batch_size=None))
    assert isinstance(got[0], mo.Tensor)

    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(range(3))

        def __len__(self):
            return 3

    chain = Stream() + Stream()
    assert isinstance(chain, data.ChainDataset) and list(chain) == [0, 1, 2, 0, 1, 2] and len(chain) == 6
    with pytest.raises(TypeError, match="ChainDataset"):
        list(data.ChainDataset([[1]]))
    s = data.StackDataset(x=[1, 2], y=[3, 4])
    assert s[1] == {"x": 2, "y": 4} and len(s) == 2
    with pytest.raises(ValueError, match="StackDataset"):
        data.StackDataset()

    class Who(data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            info = data.get_worker_info()
            return info.num_workers if info.dataset is self and 0 <= info.id < 2 else -1

    assert data.get_worker_info() is None
    assert [b.item() for b in data.DataLoader(Who(), num_workers=2)] == [2] * 6
    with pytest.raises(ValueError, match="multiprocessing_context"):
        data.DataLoader([1], multiprocessing_context="fork")
    with pytest.raises(ValueError, match="in_order"):
        data.DataLoader([1], in_order=False)


def test_signatures_are_those_of_torch():
    import inspect

    pytest.importorskip("torch")
    from torch.utils import data as theirs

    names = (
        "DataLoader BatchSampler RandomSampler SequentialSampler SubsetRandomSampler WeightedRandomSampler "
        "ConcatDataset ChainDataset StackDataset Subset random_split"
    )
    for name in names.split():
        ours, wanted = (inspect.signature(getattr(m, name)).parameters for m in (data, theirs))
        assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in wanted.values()], name
