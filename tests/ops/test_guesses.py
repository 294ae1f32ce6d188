"""What somebody who knows PyTorch writes without looking: the same values, types and classes of error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo

torch = pytest.importorskip("torch")

# x is float32 [[0, 1, 2], [3, 4, 5]], L the library and F its nn.functional.
WRITTEN = """
x.where(x > 2, 0)
x.where(condition=x > 2, other=L.zeros(3))
x.int().where(x > 2, 1.5)
x.reshape(shape=(3, 2))
x.view(size=(3, 2))
x.permute(dims=(1, 0))
x.expand(size=(2, 2, 3))
x.repeat(repeats=(1, 2))
x.new_zeros(size=(2,))
L.tile(x, dims=(2,))
L.flip(x, dims=[0, 1])
L.zeros(size=(2, 3))
L.ones(size=[2])
L.rand(size=(0, 2))
L.randn(size=(0,))
x.sum(axis=0)
x.mean(axis=(0, 1), keepdims=True)
L.cat([x, x], axis=1)
L.softmax(x, axis=1)
x.all(axis=0)
L.logsumexp(x, axis=0)
x.int().logsumexp(0)
x.byte().logsumexp(1)
L.round(x * 1.2345, decimals=2)
(x * 123).round(decimals=-1)
(x * 1.2345).round_(decimals=1)
L.isin(x.int(), 0.5)
L.isin(x.int(), L.tensor([1.5, 2.0]))
x.byte() // -1
x.byte() >= -2
x.byte() % -3
x.byte().clamp(max=-2)
x.int() > 2**40
x.byte().any()
x.byte().all(0)
x.bool().tril()
x.bool().argmax()
L.zeros(2, 4).view(L.float64)
x.double().view(L.float32)
x[0].view(L.uint8)
x.view(L.int64)
L.zeros(4, 2).t().view(L.float64)
x.copy_(3)
x.unsqueeze_(dim=0)
x.transpose_(dim0=0, dim1=1)
x.eq_(other=1)
x.int().clip_(min=-1.5)
x.bool().clamp(0, 1)
L.tensor([1.0, 2.0]) - True
1 - L.tensor([True])
x.sub_(True)
x.int().norm()
x.norm(p=None)
L.full_like(x.byte(), L.tensor(True))
x.int().fill_(float("inf"))
x.bool().fill_(0.5)
x.int().masked_fill(x > 2, float("-inf"))
L.amax(L.zeros(0, 3), 0)
x[0].diagonal()
x[1.5]
L.normal(x, -1.0)
L.normal(x, L.ones(3) * 0)
L.normal(0.0, 1.0)
L.multinomial(L.tensor([-1.0, 2.0]), 1)
L.addmm(x, L.ones(2, 2), L.ones(2, 1))
L.cov(x[:1])
L.corrcoef(x[:1])
L.tensor([3, 1, 3, 1, 2]).mode()
L.bincount(L.tensor([1, 2]), L.tensor([0.5, 0.5], dtype=L.bfloat16))
L.ones(0) & L.ones(0)
L.result_type(x.int(), 1.5)
L.result_type(L.tensor(1.0), x.int())
L.can_cast(L.float32, L.int32)
L.broadcast_shapes((2, 1), 3)
L.broadcast_shapes((2,), (3,))
L.is_tensor(x), L.is_floating_point(x), L.numel(x)
F.binary_cross_entropy(L.tensor([1.5]), L.tensor([1.0]))
F.binary_cross_entropy(L.tensor([0.5]), L.tensor([-0.1]))
F.binary_cross_entropy(L.tensor([float("nan")]), L.tensor([0.1]))
F.gaussian_nll_loss(x, x, x - 1)
F.gaussian_nll_loss(x, x, x * float("nan"))
F.cross_entropy(x, L.tensor([0, 1]), label_smoothing=1.5)
F.huber_loss(x, x, delta=0)
F.smooth_l1_loss(x, x, beta=-1)
L.linspace(0, 1, -1)
~x
L.rsub(x, 1), L.selu(x), L.celu(x), L.layer_norm(x, (3,)), L.threshold(x, 2.0, 0.5)
L.trapezoid(x.int()), L.trapezoid(x[0], x[1])
L.trapezoid(x, L.ones(2))
L.trapezoid(x[0, 0])
L.utils.data.default_collate([x, x[0]])
~x.int(), ~(x > 2)
L.logit(x / 6, eps=0.6)
L.logit(x / 5, eps=-1)
L.logit(x.int(), 0.1)
F.cross_entropy(x, L.tensor([0.0, 1.0]))
L.linalg.norm(x), L.linalg.vector_norm(x, 1, dim=0)
L.cuda.is_available() in (True, False), L.cuda.device_count() >= 0
""".strip().splitlines()


def _plain(value: Any) -> Any:
    """Types, shapes and values in what both libraries have."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if hasattr(value, "dtype"):
        return str(value.dtype).split(".")[-1], tuple(value.shape), np.asarray(value.tolist())
    return str(value).split(".")[-1]


def _of(lib: Any, text: str) -> Any:
    x = lib.arange(6.0).reshape(2, 3)
    try:
        return _plain(eval(text, {"L": lib, "F": lib.nn.functional, "x": x}))
    except Exception as error:
        return error


def _alike(got: Any, want: Any) -> None:
    if isinstance(want, list):
        assert len(got) == len(want)
        for g, w in zip(got, want):
            _alike(g, w)
    elif isinstance(want, tuple):
        assert got[:2] == want[:2]
        np.testing.assert_allclose(got[2], want[2], rtol=1e-6)
    else:
        assert got == want


@pytest.mark.parametrize("text", WRITTEN)
def test_written_as_in_pytorch(text: str) -> None:
    got, want = _of(mo, text), _of(torch, text)
    if isinstance(want, Exception):
        assert isinstance(got, type(want)), repr(got)
    else:
        assert not isinstance(got, Exception), repr(got)
        _alike(got, want)


def test_gradients_on_the_border_of_binary_cross_entropy() -> None:
    def gradients(lib: Any) -> tuple[Any, Any]:
        p = lib.tensor([0.0, 1.0, 0.5, 0.0, 1.0], requires_grad=True)
        y = lib.tensor([1.0, 0.0, 0.2, 0.0, 1.0], requires_grad=True)
        lib.nn.functional.binary_cross_entropy(p, y).backward()
        return p.grad.tolist(), y.grad.tolist()

    np.testing.assert_allclose(gradients(mo), gradients(torch), rtol=1e-5)


@pytest.mark.parametrize("number", [2, 0.5])
def test_gradient_of_xlogy_with_a_number(number: float) -> None:
    x = mo.tensor([1.0, 3.0], requires_grad=True)
    mo.xlogy(x, number).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.log(number), rtol=1e-6)
    x.grad = None
    mo.xlogy(number, x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), number / x.detach().numpy(), rtol=1e-6)


def test_range_check_names_the_first_bad_element() -> None:
    values = np.full((3, 20000), 0.5, np.float32)
    values[1, 5] = values[2, 7] = -2.5
    for layout in (values, np.asfortranarray(values)):
        with pytest.raises(RuntimeError, match=r"op: wants x, got -2\.5 at flat index 20005"):
            mo._C.check_range("op", "wants x", mo.from_numpy(layout)._array, 0.0, 1.0, False)
    values[:] = np.nan
    mo._C.check_range("op", "wants x", mo.from_numpy(values)._array, 0.0, 1.0, False)
    with pytest.raises(ValueError, match="got nan at flat index 0"):
        mo._C.check_range("op", "wants x", mo.from_numpy(values)._array, 0.0, 1.0, True)
    with pytest.raises(ValueError, match="got 7 at flat index 2"):
        mo._C.check_range("op", "wants x", mo.tensor([0, 6, 7])._array, 0.0, 6.0, True)
