"""gradcheck finds wrong gradients and names them; detect_anomaly names the first NaN."""

import pytest

import markone as mo
from markone.autograd import Function, detect_anomaly, gradcheck, gradgradcheck
from markone.autograd.gradcheck import GradcheckError


class Wrong(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x * mo.tensor([[1.0, 1.0], [1.0, 1.5]], dtype=mo.float64)


def test_the_worst_element_is_named():
    x = mo.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=mo.float64, requires_grad=True)
    with pytest.raises(
        GradcheckError, match=r"output 0\[1, 1\] / d input 0\[1, 1\] is 12, .*give 8.*1 of 16"
    ):
        gradcheck(Wrong.apply, x)
    assert not gradcheck(Wrong.apply, x, raise_exception=False)
    assert gradcheck(lambda x: x * x, x)
    assert gradgradcheck(lambda x: x * x * x, x)


def test_a_wrong_second_derivative_is_found():
    class Flat(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x.detach()

    x = mo.tensor([1.0, 2.0], dtype=mo.float64, requires_grad=True)
    assert gradcheck(Flat.apply, x)
    with pytest.raises(GradcheckError):
        gradgradcheck(Flat.apply, x)


def test_wrong_inputs():
    with pytest.raises(ValueError, match="float64"):
        gradcheck(lambda x: x, mo.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match="no input"):
        gradcheck(lambda x: x, mo.ones(2))


def test_the_first_nan_is_named():
    x = mo.tensor([-1.0, 4.0], requires_grad=True)
    with detect_anomaly(), pytest.raises(RuntimeError, match="^sqrt: gave NaN$"):
        (x.sqrt() * 2).sum()
    with detect_anomaly(), pytest.raises(RuntimeError, match="^log: gave NaN$"), mo.no_grad():
        x.log()
    with detect_anomaly():
        y = mo.tensor([float("nan")])
        with pytest.raises(RuntimeError, match="mul: gave NaN from an input that holds NaN"):
            y * 2
    z = mo.tensor([0.0], requires_grad=True)
    with detect_anomaly(), pytest.raises(RuntimeError, match="backward gave NaN"):
        (z.sqrt() * 0.0).sum().backward()
    assert not mo.isnan(x.sqrt())[1]


def test_the_layer_is_named():
    from types import SimpleNamespace

    from markone._context import running
    from markone.autograd.anomaly import AnomalyError

    inner = SimpleNamespace(_modules={})
    running.modules += [SimpleNamespace(_modules={"features": inner}), inner]
    try:
        with detect_anomaly(), pytest.raises(AnomalyError, match=r"sqrt: gave NaN in .*\.features") as caught:
            mo.tensor([-1.0]).sqrt()
        assert caught.value.op == "sqrt" and "features" in caught.value.layer
    finally:
        running.modules.clear()
