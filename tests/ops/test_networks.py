"""Products, convolutions, pooling, softmax and losses against PyTorch, with gradients of both orders."""

import numpy as np
import pytest

import against_torch as at
import markone as mo

R = np.random.default_rng(3)


def n(*shape):
    return R.standard_normal(shape)


def functional(lib):
    from types import SimpleNamespace

    if lib is not mo:
        return lib.nn.functional
    return SimpleNamespace(**mo.ops.FUNCTIONS)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)),
        ((4,), (4,)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 5)),
        ((0, 4), (4, 5)),
        ((3, 0), (0, 5)),
        ((2, 3, 4), (1, 4, 5)),
    ],
)
def test_matmul(a, b):
    at.compare(lambda lib, x, y: x @ y, [n(*a), n(*b)], atol=1e-5)
    at.compare(
        lambda lib, x, y: lib.matmul(x.transpose(0, -1), y.transpose(0, -1).transpose(0, -1)),
        [n(*a[::-1]) if len(a) == 2 else n(*a), n(*b)],
        atol=1e-5,
    ) if len(a) == 2 else None
    if 0 not in a:
        at.check_gradients(lambda lib, x, y: x @ y, [n(*a), n(*b)])


def test_products():
    at.compare(
        lambda lib, a, b: [lib.mm(a, b), lib.addmm(b, a, b, beta=0.5, alpha=2)], [n(3, 3), n(3, 3)], atol=1e-5
    )
    at.compare(lambda lib, a, b: [lib.bmm(a, b), lib.baddbmm(a, a, b)], [n(2, 3, 3), n(2, 3, 3)], atol=1e-5)
    at.compare(lambda lib, a, b: [lib.mv(a, b), lib.outer(b, b), lib.dot(b, b)], [n(2, 3), n(3)], atol=1e-5)
    for bad in (
        lambda: mo.mm(mo.ones(2), mo.ones(2)),
        lambda: mo.bmm(mo.ones(1, 2, 2), mo.ones(3, 2, 2)),
        lambda: mo.ones(2, 3) @ mo.ones(2, 3),
        lambda: mo.ones(()) @ mo.ones(3),
        lambda: mo.ones(3) @ 2,
    ):
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            bad()


def test_linear():
    for shape in [(5, 4), (4,), (2, 3, 4), (0, 4)]:
        at.compare(
            lambda lib, x, w, b: functional(lib).linear(x, w, b), [n(*shape), n(3, 4), n(3)], atol=1e-5
        )
        at.compare(lambda lib, x, w: functional(lib).linear(x, w), [n(*shape), n(3, 4)], atol=1e-5)
    at.check_gradients(lambda lib, x, w, b: functional(lib).linear(x, w, b), [n(2, 2, 4), n(3, 4), n(3)])
    with pytest.raises((RuntimeError, ValueError), match="linear"):
        mo.ops.linear(mo.ones(2, 3), mo.ones(2, 4))


@pytest.mark.parametrize(
    ("kwargs", "x", "w"),
    [
        ({}, (2, 3, 6, 5), (4, 3, 3, 3)),
        ({"stride": 2, "padding": 1}, (2, 3, 6, 5), (4, 3, 3, 3)),
        ({"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)}, (1, 2, 7, 6), (3, 2, 3, 2)),
        ({"groups": 2}, (2, 4, 5, 5), (6, 2, 3, 3)),
        ({"padding": "same"}, (1, 2, 5, 6), (3, 2, 2, 3)),
        ({}, (3, 6, 5), (4, 3, 1, 1)),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_conv2d(kwargs, x, w):
    call = lambda lib, x, w, b: functional(lib).conv2d(x, w, b, **kwargs)  # noqa: E731
    at.compare(call, [n(*x), n(*w), n(w[0])], rtol=1e-4, atol=1e-5)
    small = [n(*(min(s, 4) if i >= len(x) - 2 else s for i, s in enumerate(x))), n(*w), n(w[0])]
    at.check_gradients(
        call, small if kwargs.get("dilation") is None else [n(*x), n(*w), n(w[0])], second=len(x) == 3
    )
    if len(x) == 4 and x[0] == 1:
        at.check_gradients(lambda lib, x, w: functional(lib).conv2d(x, w, None, **kwargs), [n(*x), n(*w)])


def test_conv2d_second_order_through_gradients():
    """The gradient of a gradient penalty, against PyTorch."""

    def penalty(lib, x, w):
        y = functional(lib).conv2d(x, w, None, stride=2, padding=1)
        grad = mo.autograd.grad if lib is mo else lib.autograd.grad
        (g,) = grad((y * y).sum(), x, create_graph=True)
        return (g * g).sum()

    at.compare(penalty, [n(2, 2, 5, 5), n(3, 2, 3, 3)], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kwargs", [{}, {"stride": 1, "padding": 1}, {"ceil_mode": True}, {"stride": (2, 1)}])
def test_pooling(kwargs):
    x = R.permutation(2 * 3 * 7 * 6).reshape(2, 3, 7, 6) / 10.0
    at.compare(lambda lib, x: functional(lib).max_pool2d(x, 3, **kwargs), [x])
    at.compare(lambda lib, x: functional(lib).max_pool2d(x[0], (2, 3), return_indices=True, **kwargs), [x])
    at.compare(lambda lib, x: functional(lib).avg_pool2d(x, 3, **kwargs), [x])
    at.compare(lambda lib, x: functional(lib).avg_pool2d(x, 3, count_include_pad=False, **kwargs), [x])
    at.check_gradients(lambda lib, x: functional(lib).max_pool2d(x, 3, **kwargs) ** 2, [x[:1, :1]])
    at.check_gradients(lambda lib, x: functional(lib).avg_pool2d(x, 3, **kwargs) ** 2, [x[:1, :1]])


def test_adaptive_and_resize():
    x = n(2, 3, 7, 6)
    for size in [(1, 1), (7, 3), (3, 4), (None, 2), 5]:
        at.compare(lambda lib, x: functional(lib).adaptive_avg_pool2d(x, size), [x], atol=1e-5)
    for align in (False, True):
        at.compare(
            lambda lib, x: (
                mo.ops.resize_bilinear(x, (5, 9), align)
                if lib is mo
                else lib.nn.functional.interpolate(x, (5, 9), mode="bilinear", align_corners=align)
            ),
            [x],
            atol=1e-5,
        )
    at.check_gradients(lambda lib, x: mo.ops.resize_bilinear(x, (5, 3)) ** 2, [x[:1, :1, :3, :4]])


def test_softmax():
    x = n(3, 4, 2) * 5
    for dim in (0, 1, -1):
        at.compare(lambda lib, x: [x.softmax(dim), lib.log_softmax(x, dim)], [x])
        at.check_gradients(lambda lib, x: [x.softmax(dim), x.log_softmax(dim)], [x[:, :2]])
    at.compare(lambda lib, x: x.softmax(0), [np.array([1e4, -1e4, 0.0])])
    at.compare(lambda lib, x: [lib.softmax(x, -1), functional(lib).log_softmax(x, 0)], [np.zeros((0, 3))])
    with pytest.raises((RuntimeError, IndexError)):
        mo.softmax(mo.ones(2), 3)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(reduction, smoothing, weighted):
    weight = np.array([0.5, 2.0, 1.0])

    def loss(lib, x, t):
        w = lib.tensor(weight.tolist(), dtype=x.dtype) if weighted else None
        return functional(lib).cross_entropy(
            x, t, w, ignore_index=2, reduction=reduction, label_smoothing=smoothing
        )

    t = np.array([0, 2, 1, 1])
    at.compare(loss, [n(4, 3), t])
    at.compare(loss, [n(2, 3, 2), t.reshape(2, 2)])
    at.compare(loss, [n(3), np.array(1)])
    at.check_gradients(loss, [n(4, 3), t])
    at.compare(
        lambda lib, x, p: functional(lib).cross_entropy(
            x,
            p,
            lib.tensor(weight.tolist()) if weighted else None,
            reduction=reduction,
            label_smoothing=smoothing,
        ),
        [n(4, 3), np.full((4, 3), 1 / 3)],
    )


def test_losses():
    for reduction in ("mean", "sum", "none"):
        f = lambda lib: functional(lib)  # noqa: E731
        at.compare(
            lambda lib, x, y: [
                f(lib).mse_loss(x, y, reduction=reduction),
                f(lib).l1_loss(x, y, reduction=reduction),
            ],
            [n(3, 2), n(3, 2)],
        )
        at.compare(
            lambda lib, x, y: f(lib).binary_cross_entropy_with_logits(x, y, reduction=reduction),
            [n(3, 2) * 30, np.abs(np.tanh(n(3, 2)))],
        )
        at.compare(
            lambda lib, x, t: f(lib).nll_loss(lib.log_softmax(x, 1), t, reduction=reduction, ignore_index=1),
            [n(3, 2), np.array([0, 1, 1])],
        )
        at.compare(
            lambda lib, x, y: f(lib).binary_cross_entropy(x.sigmoid(), y, reduction=reduction),
            [n(3), np.array([0.0, 1.0, 0.3])],
        )
    at.check_gradients(
        lambda lib, x, y: mo.ops.binary_cross_entropy_with_logits(x, y), [n(3), np.abs(np.tanh(n(3)))]
    )
    at.check_gradients(lambda lib, x, y: mo.ops.mse_loss(x, y), [n(3), n(3)])
    for bad in (
        lambda: mo.ops.mse_loss(mo.ones(2), mo.ones(3)),
        lambda: mo.ops.cross_entropy(mo.ones(2, 3), mo.tensor([0, 3])),
        lambda: mo.ops.cross_entropy(mo.ones(2, 3), mo.tensor([0, -1])),
        lambda: mo.ops.cross_entropy(mo.ones(2, 3), mo.tensor([0])),
        lambda: mo.ops.cross_entropy(mo.ones(2, 3), mo.tensor([0, 1]), reduction="max"),
        lambda: mo.ops.nll_loss(mo.ones(2, 3), mo.tensor([0, 7])),
    ):
        with pytest.raises((RuntimeError, ValueError, IndexError)):
            bad()


def test_dropout():
    mo.manual_seed(0)
    x = mo.ones(1000, dtype=mo.float64, requires_grad=True)
    y = mo.ops.dropout(x, 0.25)
    kept = (y != 0).double()
    assert 650 < kept.sum().item() < 850
    assert mo.allclose(y, kept / 0.75)
    y.sum().backward()
    assert mo.allclose(x.grad, kept / 0.75)
    assert mo.ops.dropout(x, 0.5, training=False) is x
    assert mo.ops.dropout(x, 1.0).sum().item() == 0
    with pytest.raises(ValueError, match="dropout"):
        mo.ops.dropout(x, 1.5)
