"""Runs one expression in markone and in PyTorch: values, gradients, and the gradient checks."""

from __future__ import annotations

import numpy as np
import pytest

import markone as mo
from markone.autograd import gradcheck, gradgradcheck


def same(ours, theirs, rtol=2e-5, atol=2e-6):
    """Tensors, numbers or tuples of them are alike, dtype and shape too."""
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            same(a, b, rtol, atol)
        return
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_allclose(
        ours.detach().double().numpy(), theirs.detach().double().numpy(), rtol=rtol, atol=atol
    )


def compare(function, arrays, *, dtype="float32", rtol=2e-5, atol=2e-6, leaves=True):
    """`function(lib, *tensors)` in both libraries, and the gradient of its results' weighted sum."""
    torch = pytest.importorskip("torch")
    results = []
    for lib in (mo, torch):
        tensors = []
        for array in arrays:
            array = np.asarray(array)
            floating = array.dtype.kind == "f"
            t = lib.tensor(array.tolist(), dtype=getattr(lib, dtype if floating else array.dtype.name))
            t = t.reshape(array.shape)
            tensors.append(t.requires_grad_() if floating and leaves else t)
        out = function(lib, *tensors)
        outs = out if isinstance(out, (tuple, list)) else (out,)
        total = None
        for i, y in enumerate(outs):
            if y.dtype.is_floating_point and y.requires_grad:
                weights = lib.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape)
                term = (y * weights).sum() * (i + 1)
                total = term if total is None else total + term
        if total is not None:
            total.backward()
        results.append((outs, [t.grad for t in tensors]))
    same(results[0][0], results[1][0], rtol, atol)
    for ours, theirs in zip(results[0][1], results[1][1]):
        assert (ours is None) == (theirs is None), "one library has a gradient, the other none"
        if ours is not None:
            same(ours, theirs, rtol, atol)


def check_gradients(function, arrays, second=True):
    """gradcheck, and gradgradcheck unless `second` is false, in float64."""
    tensors = [
        mo.tensor(np.asarray(a), dtype=mo.float64, requires_grad=True)
        if np.asarray(a).dtype.kind == "f"
        else mo.tensor(np.asarray(a))
        for a in arrays
    ]
    assert gradcheck(lambda *t: function(mo, *t), tensors)
    if second:
        assert gradgradcheck(lambda *t: function(mo, *t), tensors)
