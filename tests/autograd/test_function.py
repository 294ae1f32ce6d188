"""Functions of one's own."""

import gc
import weakref

import pytest

import markone as mo
from markone.autograd import Function, gradcheck, gradgradcheck
from markone.autograd.function import once_differentiable


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class SumAndProduct(Function):
    @staticmethod
    def forward(ctx, a, b, scale):
        ctx.save_for_backward(a, b)
        ctx.scale = scale
        return (a + b) * scale, a * b

    @staticmethod
    def backward(ctx, gs, gp):
        a, b = ctx.saved_tensors
        assert ctx.needs_input_grad == (True, True, False)
        return gs * ctx.scale + gp * b, gs * ctx.scale + gp * a, None


def double(*values):
    return mo.tensor(list(values), dtype=mo.float64, requires_grad=True)


@pytest.mark.parametrize("kind", [Cube, Exp])
def test_first_and_second_order(kind):
    x = double(0.5, -1.0, 2.0)
    assert gradcheck(kind.apply, x)
    assert gradgradcheck(kind.apply, x)
    assert kind.apply(x).grad_fn.name() == f"{kind.__name__}Backward"


def test_several_results():
    a, b = double(0.5, -1.0), double(2.0, 3.0)
    assert gradcheck(lambda a, b: SumAndProduct.apply(a, b, 3.0), (a, b))
    assert gradgradcheck(lambda a, b: SumAndProduct.apply(a, b, 3.0), (a, b))
    SumAndProduct.apply(a, b, 3.0)[1].sum().backward()
    assert a.grad.tolist() == [2.0, 3.0]


def test_wrong_gradients_are_named():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g[:1]

    with pytest.raises(RuntimeError, match=r"Wrong.backward: gradient 0 has shape \[1\].*\[2\]"):
        Wrong.apply(double(1.0, 2.0)).sum().backward()

    class Two(Wrong):
        @staticmethod
        def backward(ctx, g):
            return g, g

    with pytest.raises(RuntimeError, match="2 gradients for 1 inputs"):
        Two.apply(double(1.0, 2.0)).sum().backward()


def test_saved_tensors_are_checked():
    x = double(1.0, 2.0)
    y = x * 1
    z = Cube.apply(y)
    y.zero_()
    with pytest.raises(RuntimeError, match="Cube: .*in-place"):
        z.sum().backward()
    z = Cube.apply(x).sum()
    z.backward()
    with pytest.raises(RuntimeError, match="Cube have been freed"):
        z.backward()


def test_once_differentiable():
    class Once(Cube):
        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x = double(2.0)
    (g,) = mo.autograd.grad(Once.apply(x).sum(), x, create_graph=True)
    assert g.item() == 12.0
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_marks_and_no_grad():
    class Split(Function):
        @staticmethod
        def forward(ctx, x):
            kept = x > 0
            top = x * 2
            ctx.mark_non_differentiable(top)
            return x * 3, top, kept

        @staticmethod
        def backward(ctx, g, _, __):
            return g * 3

    x = double(1.0, -1.0)
    a, b, c = Split.apply(x)
    assert a.requires_grad and not b.requires_grad and c.dtype is mo.bool
    a.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    with mo.no_grad():
        assert not Cube.apply(x).requires_grad


def test_no_cycle():
    gc.collect()
    gc.disable()
    try:
        x = double(1.0)
        y = Exp.apply(x)
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()
