"""markone.autograd.functional against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo

torch = pytest.importorskip("torch")

# f, g: functions; x, y, m: float64 inputs; A: autograd.functional.
WRITTEN = """
A.jacobian(f, x)
A.jacobian(f, (x, y))
A.jacobian(lambda a, b: (a * b, a.sum()), (x, y))
A.jacobian(lambda a: a.detach() * 2, x)
A.jacobian(lambda a: a @ a.T, m)
A.hessian(lambda a: (a ** 3).sum() * a[0], x)
A.hessian(lambda a, b: (a * b * b).sum(), (x, y))
A.vjp(f, x, y)
A.vjp(lambda a: (a * a).sum(), x)
A.vjp(lambda a, b: (a * b, a), (x, y), (y, x))
A.jvp(f, x, y)
A.jvp(lambda a, b: (a * b, a), (x, y), (y, x))
A.hvp(lambda a: (a ** 4).sum(), x, y)
A.vhp(lambda a, b: (a * b ** 2).sum(), (x, y), (y, x))
A.hvp(lambda a: a, x, y)
A.vjp(f, x)
A.vjp(f, x, m)
A.jacobian(lambda a: a.detach() * 2, x, strict=True)
A.hessian(lambda a: a, x)
A.jacobian(lambda a: 1, x)
A.jacobian(f, 1)
""".strip().splitlines()


def _of(lib: Any, text: str) -> Any:
    x, y = lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64), lib.tensor([1.0, 3.0, -0.5], dtype=lib.float64)
    names = {"A": lib.autograd.functional, "x": x, "y": y, "m": lib.stack([x, y])}

    def f(a: Any, b: Any = None) -> Any:
        return a.sin() * a[0] if b is None else a * b.exp()

    try:
        return eval(text, names | {"f": f})
    except Exception as error:
        return error


def _alike(got: Any, want: Any) -> None:
    if isinstance(want, tuple):
        assert isinstance(got, tuple) and len(got) == len(want)
        for g, w in zip(got, want):
            _alike(g, w)
    else:
        assert tuple(got.shape) == tuple(want.shape) and got.requires_grad == want.requires_grad
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


@pytest.mark.parametrize("text", WRITTEN)
def test_written_as_in_pytorch(text: str) -> None:
    got, want = _of(mo, text), _of(torch, text)
    if isinstance(want, Exception):
        assert isinstance(got, type(want)), repr(got)
    else:
        assert not isinstance(got, Exception), repr(got)
        _alike(got, want)


def test_differentiable_again() -> None:
    x = mo.tensor([1.0, 2.0], requires_grad=True)
    mo.autograd.functional.jacobian(lambda a: a**3, x, create_graph=True).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [6, 12])
