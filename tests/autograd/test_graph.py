"""The backward pass: accumulation, retain_graph, create_graph, inputs, freeing."""

import gc
import threading
import weakref

import numpy as np
import pytest

import markone as mo


def leaf(*values):
    return mo.tensor(list(values), requires_grad=True)


def test_gradients_add_up_over_uses_and_calls():
    x = leaf(1.0, 2.0, 3.0)
    y = x * x + x
    y.backward(mo.ones(3))
    assert x.grad.tolist() == [3.0, 5.0, 7.0]
    before = x.grad
    (x * 2).sum().backward()
    assert x.grad is before
    assert x.grad.tolist() == [5.0, 7.0, 9.0]


def test_diamond_runs_each_node_once():
    calls = []
    x = leaf(2.0)
    a = x * 3
    a.register_hook(lambda g: calls.append(g.item()))
    (a * a + a).sum().backward()
    assert calls == [13.0]
    assert x.grad.item() == 39.0


def test_gradients_do_not_share_memory():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = mo.ones(2)
    (a + b).backward(seed)
    a.grad.zero_()
    assert b.grad.tolist() == [1.0, 1.0]
    assert seed.tolist() == [1.0, 1.0]


def test_backward_wants_a_gradient_for_many_elements():
    with pytest.raises(RuntimeError, match=r"one element.*\[2\]"):
        (leaf(1.0, 2.0) * 2).backward()
    with pytest.raises(RuntimeError, match="shape"):
        (leaf(1.0, 2.0) * 2).backward(mo.ones(3))
    with pytest.raises(RuntimeError, match="does not require"):
        mo.ones(1).backward()
    with pytest.raises(RuntimeError, match="float64"):
        (leaf(1.0) * 2).backward(mo.ones(1, dtype=mo.float64))


def test_second_backward_names_the_freed_operation():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="mul have been freed already.*retain_graph"):
        y.backward()


def test_inputs_limits_who_gets_a_gradient():
    a, b = leaf(1.0), leaf(2.0)
    c = a * b
    (c * c).sum().backward(inputs=[a])
    assert a.grad.item() == 8.0
    assert b.grad is None


def test_grad_returns_and_leaves_grad_alone():
    a, b = leaf(3.0), leaf(2.0)
    c = a * b
    ga, gc_ = mo.autograd.grad((c * c).sum(), [a, c])
    assert ga.item() == 24.0
    assert gc_.item() == 12.0
    assert a.grad is None and b.grad is None


def test_grad_of_unused_inputs():
    a, b = leaf(3.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="input 1"):
        mo.autograd.grad((a * 2).sum(), [a, b])
    assert mo.autograd.grad((a * 2).sum(), [a, b], allow_unused=True)[1] is None
    assert mo.autograd.grad((a * 2).sum(), [a, b], materialize_grads=True)[1].tolist() == [0.0]


def test_second_and_third_derivatives():
    x = mo.tensor(2.0, requires_grad=True)
    y = x * x * x * x
    (g,) = mo.autograd.grad(y, x, create_graph=True)
    (h,) = mo.autograd.grad(g, x, create_graph=True)
    (i,) = mo.autograd.grad(h, x)
    assert (g.item(), h.item(), i.item()) == (32.0, 48.0, 48.0)


def test_gradient_of_the_given_gradient():
    x, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = mo.autograd.grad(x * x, x, v, create_graph=True)
    g.sum().backward()
    assert v.grad.tolist() == [2.0, 4.0]
    assert x.grad.tolist() == [6.0, 8.0]


def test_hooks_may_replace_the_gradient():
    x = leaf(1.0, 2.0)
    with x.register_hook(lambda g: g * 10):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [20.0, 20.0]
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    y = x * 2
    y.register_hook(lambda g: mo.ones(3))
    with pytest.raises(RuntimeError, match="hook"):
        y.sum().backward()


def test_retain_grad_and_post_accumulate_hook():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (y * y).sum().backward()
    assert y.grad.tolist() == [6.0, 12.0]
    assert seen == [[18.0, 36.0]]
    handle.remove()


def test_modes_are_per_thread_and_put_back():
    x = leaf(1.0)
    seen = []

    def other():
        seen.append((mo.is_grad_enabled(), (x * 2).requires_grad))

    with mo.no_grad():
        assert not (x * 2).requires_grad
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        with mo.enable_grad():
            assert (x * 2).requires_grad
        assert not mo.is_grad_enabled()
    assert seen == [(True, True)]

    @mo.no_grad()
    def f():
        return x * 2

    @mo.no_grad
    def g():
        return x * 2

    @mo.no_grad()
    def h():
        yield x * 2
        yield mo.is_grad_enabled()

    assert not f().requires_grad and not g().requires_grad
    states = [(t, mo.is_grad_enabled()) for t in h()]
    assert not states[0][0].requires_grad and states[1] == (False, True)
    mo.set_grad_enabled(False)
    try:
        assert not (x * 2).requires_grad
    finally:
        mo.set_grad_enabled(True)
    with pytest.raises(KeyError), mo.no_grad():
        raise KeyError
    assert mo.is_grad_enabled()


def test_mixed_types_give_each_input_its_own():
    a = mo.tensor([1.0, 2.0], requires_grad=True)
    b = mo.tensor([3.0, 4.0], dtype=mo.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype is mo.float32 and b.grad.dtype is mo.float64
    assert a.grad.tolist() == [3.0, 4.0]


def test_graphs_are_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(*np.linspace(0, 1, 16).tolist())
        y = ((x * x).exp() + x.sigmoid()).reshape(4, 4).transpose(0, 1)[1:].sum()
        node = weakref.ref(y.grad_fn)
        deep = weakref.ref(y.grad_fn.next_functions[0][0])
        z = weakref.ref(y)
        y.backward()
        del y
        assert z() is None and node() is None and deep() is None
        (g,) = mo.autograd.grad((x * x).exp().sum(), x, create_graph=True)
        node = weakref.ref(g.grad_fn)
        del g
        assert node() is None
        w = mo.zeros(4)
        w[1] = (x * x).sum()
        kept = weakref.ref(w)
        w.sum().backward()
        del w
        assert kept() is None
        x = None
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_chain_of_100000_nodes(create_graph):
    count = 100_000 if not create_graph else 20_000
    x = mo.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(count):
        y = y + 1.0
    y.backward(create_graph=create_graph)
    assert x.grad.item() == 1.0
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None
    y = x
    for _ in range(count):
        y = y * 1.0
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None


def test_deepcopy_and_pickle():
    import copy
    import pickle

    x = leaf(1.0, 2.0)
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    y.data.zero_()
    assert x.tolist() == [1.0, 2.0] and y.requires_grad and y.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="leaf"):
        copy.deepcopy(x * 2)
    with pytest.raises(TypeError, match="safetensors"):
        pickle.dumps(x)


def test_setting_grad_is_checked():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"shape \[3\]"):
        x.grad = mo.ones(3)
    with pytest.raises(TypeError, match="list"):
        x.grad = [1.0]
    x.grad = mo.ones(2)
    assert np.array_equal(x.grad, np.ones(2))
    with pytest.raises(RuntimeError, match="floating"):
        mo.arange(3).requires_grad_()
    with pytest.raises(RuntimeError, match="detach"):
        (x * 2).requires_grad = False
