"""In-place operations: versions, leaves, views."""

import numpy as np
import pytest

import markone as mo


def leaf(*values):
    return mo.tensor(list(values), requires_grad=True)


def test_a_changed_saved_value_is_named():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y.add_(1.0)
    with pytest.raises(RuntimeError, match=r"mul: .*in-place.*\[2\]"):
        z.sum().backward()


def test_a_changed_output_is_named():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.mul_(2.0)
    with pytest.raises(RuntimeError, match="exp"):
        y.sum().backward()


def test_leaves_may_not_be_written():
    x = leaf(1.0, 2.0)
    for write in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.__setitem__(0, 1.0), lambda: x[:1].mul_(2)):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    with mo.no_grad():
        x.add_(1)
        x[0] = 7.0
    assert x.tolist() == [7.0, 3.0] and x.is_leaf
    a = mo.zeros(2)
    a += 1
    assert a.tolist() == [1.0, 1.0]


def test_recorded_writes_have_the_right_gradients():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 1
    y *= w
    y += x
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 5.0]
    assert w.grad.tolist() == [1.0, 2.0]


def test_own_operand():
    x = leaf(3.0)
    y = x * 1
    y.mul_(y)
    y.backward()
    assert x.grad.tolist() == [6.0]


def test_writing_into_a_plain_tensor_records_it():
    w = leaf(1.0, 2.0, 3.0)
    out = mo.zeros(2, 3)
    out[0] = w * 2
    out[1, 1:] = w[:2]
    assert out.requires_grad
    (out * mo.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).sum().backward()
    assert w.grad.tolist() == [2.0 + 5.0, 4.0 + 6.0, 6.0]


def test_views_follow_their_base():
    w = leaf(2.0)
    a = mo.ones(2, 2)
    row = a[0]
    assert not row.requires_grad
    a.mul_(w)
    assert row.requires_grad and row.grad_fn is not None
    row.sum().backward()
    assert w.grad.tolist() == [2.0]


def test_writes_through_views_of_views():
    x = leaf(*np.arange(6.0).tolist())
    y = (x * 1).reshape(2, 3)
    column = y.t()[1]
    column.mul_(10)
    assert y.tolist() == [[0.0, 10.0, 2.0], [3.0, 40.0, 5.0]]
    (y * y).sum().backward()
    expected = 2 * np.arange(6.0)
    expected[[1, 4]] *= 100
    assert np.allclose(x.grad.numpy(), expected)


def test_index_writes():
    x = leaf(1.0, 2.0, 3.0)
    v = leaf(10.0, 20.0)
    y = x * 1
    y[mo.tensor([2, 0])] = v
    (y * mo.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 0.0]
    assert v.grad.tolist() == [3.0, 1.0]


def test_a_view_from_no_grad_cannot_take_a_recorded_write():
    x = leaf(1.0, 2.0)
    y = x * 1
    with mo.no_grad():
        v = y[:1]
    with pytest.raises(RuntimeError, match="no_grad"):
        v.mul_(leaf(2.0))


def test_detach_shares_memory_and_versions():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="in-place"):
        z.sum().backward()


def test_wrong_results_do_not_fit():
    with pytest.raises((RuntimeError, TypeError)):
        mo.ones(2, dtype=mo.int64).add_(1.5)
    with pytest.raises((RuntimeError, ValueError)):
        mo.ones(2).add_(mo.ones(2, 2))
    with pytest.raises((RuntimeError, ValueError)):
        (leaf(1.0, 2.0) * 1).add_(mo.ones(2, 2))


def test_read_only_memory():
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    t = mo.from_numpy(array)
    for write in (lambda: t.add_(1), lambda: t.zero_(), lambda: t.__setitem__(0, 1.0)):
        with pytest.raises((RuntimeError, ValueError, BufferError), match="read-only"):
            write()
    assert array.tolist() == [0.0] * 3


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_against_torch(seed):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (mo, torch):
        rng = np.random.default_rng(seed)
        x = lib.tensor(rng.standard_normal(12).tolist(), dtype=lib.float64, requires_grad=True)
        w = lib.tensor(rng.standard_normal(4).tolist(), dtype=lib.float64, requires_grad=True)
        base = (x * 1).reshape(3, 4)
        live = [base]
        for _ in range(8):
            source = live[rng.integers(len(live))]
            step = rng.integers(6)
            if step == 0 and source.ndim > 1:
                live.append(source[int(rng.integers(source.shape[0]))])
            elif step == 1:
                live.append(source[..., 1:] if source.shape[-1] > 1 else source)
            elif step == 2:
                source.mul_(1.5)
            elif step == 3 and source.shape[-1] <= 4:
                source.add_(w[: source.shape[-1]])
            elif step == 4:
                source[..., 0] = w[0] * 2
            else:
                live.append(source * 1)
        sum((t * t).sum() for t in live).backward()
        results.append((x.grad.numpy(), w.grad.numpy() if w.grad is not None else None))
    for ours, theirs in zip(*results):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
