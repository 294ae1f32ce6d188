"""Indexing against NumPy and PyTorch, assignment, gather and scatter."""

import numpy as np
import pytest

import against_torch as at
import markone as mo

X = np.random.default_rng(1).standard_normal((3, 4, 5))
I = np.array([[0, 2], [1, 0]])  # noqa: E741

KEYS = [
    0,
    -1,
    (1, 2),
    (1, 2, 3),
    slice(None),
    slice(1, None),
    slice(None, None, 2),
    (slice(None), 1),
    (..., 0),
    (0, ...),
    None,
    (None, 1, None),
    (slice(0, 0),),
    (slice(5, 9), 1),
    (..., None),
    (1, ..., slice(1, 4, 2)),
    (),
    (slice(None), slice(-3, -1), slice(None, None, 3)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_basic(key):
    at.compare(lambda lib, x: x[key] * 1, [X])
    t = mo.tensor(X)
    assert np.array_equal(t[key].numpy(), X[key])
    if t[key].numel():
        assert np.shares_memory(t[key].numpy(), t.numpy())
    target, array = mo.tensor(X), X.copy()
    target[key] = 7.0
    array[key] = 7.0
    assert np.array_equal(target.numpy(), array)


ADVANCED = {
    "one": lambda lib, i: lib.tensor(i),
    "list": lambda lib, i: [0, 2, 1],
    "negative": lambda lib, i: lib.tensor([-1, 0]),
    "middle": lambda lib, i: (slice(None), lib.tensor(i)),
    "two": lambda lib, i: (lib.tensor(i), lib.tensor(i)),
    "apart": lambda lib, i: (lib.tensor([0, 1]), slice(None), lib.tensor([2, 3])),
    "broadcast": lambda lib, i: (lib.tensor([[0], [2]]), lib.tensor([1, 3])),
    "slice-after": lambda lib, i: (lib.tensor([1, 1]), slice(1, 3)),
    "none": lambda lib, i: (None, lib.tensor([1, 1])),
    "int": lambda lib, i: (1, lib.tensor([3, 0, 0])),
    "empty": lambda lib, i: lib.tensor([], dtype=lib.int64),
    "ellipsis": lambda lib, i: (..., lib.tensor([4, 4, 0])),
    "mask": lambda lib, i: lib.tensor([True, False, True]),
    "mask-2": lambda lib, i: lib.tensor([[True, False, False, True], [False] * 4, [True] * 4]),
    "mask-and-index": lambda lib, i: (lib.tensor([True, False, True]), lib.tensor([1, 2])),
    "mask-inner": lambda lib, i: (slice(None), lib.tensor([True, False, True, True])),
}


@pytest.mark.parametrize("name", ADVANCED)
def test_advanced(name):
    make = ADVANCED[name]
    at.compare(lambda lib, x: x[make(lib, I.tolist())], [X])

    def write(lib, x, v):
        y = x * 1
        key = make(lib, I.tolist())
        y[key] = v
        return y

    at.compare(write, [X, np.array(2.5)])
    if name != "list":
        at.check_gradients(lambda lib, x: x[make(lib, I.tolist())] ** 2, [X[:, :, :]], second=False)


def test_advanced_second_order():
    at.check_gradients(lambda lib, x: x[lib.tensor([0, 0, 2])] ** 3, [X[:, :2, 0]])


def test_mask_assignment():
    for value in (0.0, np.array(3.0)):
        at.compare(lambda lib, x, v: _assign(x * 1, x > 0, v), [X, np.asarray(value)])
    t = mo.tensor(X)
    t[t > 0] = 0
    assert np.array_equal(t.numpy(), np.where(X > 0, 0, X))
    t[t < 0] = mo.arange(int((X < 0).sum())).double()
    assert t.numpy()[X < 0].tolist() == list(range(int((X < 0).sum())))


def _assign(y, key, value):
    y[key] = value
    return y


def test_assignment_broadcasts_and_casts():
    t = mo.zeros(2, 3)
    t[0] = mo.tensor([1, 2, 3])
    t[:, 1] = 9.5
    t[1] = [[4, 5, 6]]
    assert t.tolist() == [[1.0, 9.5, 3.0], [4.0, 5.0, 6.0]]
    t[...] = np.ones((2, 3))
    assert t.sum().item() == 6


G = np.array([[[0, 1], [2, 0]], [[1, 1], [0, 2]]])


def test_gather_scatter():
    at.compare(
        lambda lib, x: [x.gather(2, lib.tensor(G.tolist())), lib.gather(x, 0, lib.tensor(G.tolist()))], [X]
    )
    at.compare(lambda lib, x: x.index_select(1, lib.tensor([3, 0, 0])), [X])
    at.compare(lambda lib, x: lib.take_along_dim(x, x.detach().argmax(1, keepdim=True), 1), [X])
    at.compare(lambda lib, x, s: x.scatter_add(1, lib.tensor(G.tolist()), s), [X, X[:2, :2, :2]])
    at.compare(lambda lib, x, s: x.scatter(2, lib.tensor([[[0, 1]]]), s), [X, X[:1, :1, :2]])
    at.compare(lambda lib, x: (x * 1).scatter_(2, lib.tensor([[[0, 1]]]), 3.0), [X])
    at.check_gradients(lambda lib, x: x.gather(2, lib.tensor(G.tolist())) ** 3, [X[:2, :2, :3]])
    at.check_gradients(
        lambda lib, x, s: x.scatter_add(1, lib.tensor(G.tolist()), s) ** 2, [X[:2, :3, :2], X[:2, :2, :2]]
    )


def test_masks():
    m = X > 0
    at.compare(lambda lib, x: [x.masked_fill(x > 0, 2.0), x.masked_select(x > 0)], [X])
    at.compare(lambda lib, x: (x * 1).masked_fill_(x > 0, 2.0), [X])
    at.compare(lambda lib, x: [lib.nonzero(x > 0), *lib.where(x > 0)], [X])
    assert mo.tensor(m).nonzero().shape == (int(m.sum()), 3)
    at.compare(
        lambda lib, x: [lib.nn.functional.one_hot(x, 4) if lib is not mo else mo.one_hot(x, 4)],
        [np.array([0, 3, 1])],
    )


@pytest.mark.parametrize(
    "key",
    [
        3,
        -4,
        (0, 4),
        (0, 0, 0, 0),
        "a",
        1.5,
        (..., ...),
        slice(0, 1, 0),
        [0, 9],
        (slice(None), [4]),
        np.array([1.5]),
        [True, False],
        (None,) * 9,
    ],
    ids=str,
)
def test_bad_keys(key):
    t = mo.tensor(X)
    with pytest.raises((IndexError, TypeError, ValueError)):
        t[key]
    with pytest.raises((IndexError, TypeError, ValueError)):
        t[key] = 1.0
    # Values of index arrays are checked while writing; everything else before.
    if not isinstance(key, list) and not (isinstance(key, tuple) and [4] in key):
        assert np.array_equal(t.numpy(), X)


def test_bad_values():
    t = mo.zeros(2, 3)
    for value in (mo.ones(2), mo.ones(3, 3), "a", None):
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            t[0] = value
    with pytest.raises((IndexError, RuntimeError)):
        t.gather(1, mo.tensor([[5]]))
    with pytest.raises((IndexError, RuntimeError)):
        mo.zeros(3).scatter_add_(0, mo.tensor([7]), mo.ones(1))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, i: mo.gather(x, 0, i),
        lambda x, i: mo.index_select(x, 0, i),
        lambda x, i: x.scatter(0, i, 5.0),
        lambda x, i: x.scatter_add(0, i, x),
        lambda x, i: x.index_add(0, i, x),
        lambda x, i: x.index_copy(0, i, x),
        lambda x, i: x.index_reduce(0, i, x, "prod"),
    ],
)
def test_what_counts_from_the_front_alone(call):
    with pytest.raises(IndexError, match=r"is -1, wanted 0 <= value < 1"):
        call(mo.ones(1), mo.tensor([-1]))


def test_what_counts_from_the_end_too():
    x, last = mo.tensor([1.0, 2.0, 3.0]), mo.tensor([-1])
    assert (
        mo.take_along_dim(x, last, 0).item() == mo.take_along_dim(x, last).item() == x.take(last).item() == 3
    )
    assert x.index_fill(0, last, 7.0).tolist() == [1, 2, 7] and x[last].item() == 3
