"""Any key that PyTorch takes gives the same elements and takes the same assignment, gradients included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import markone as mo

torch = pytest.importorskip("torch")


@st.composite
def keys(draw):
    """A shape, and a key for it as a list of plain descriptions."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    dims = draw(st.integers(0, len(shape)))
    together = draw(st.sampled_from([(), (1,), (3,), (2, 1), (2, 3)]))
    front = draw(st.integers(0, dims))  # where an Ellipsis may stand
    dots = draw(st.booleans())
    sizes = [*shape[:front], *shape[len(shape) - (dims - front) :]] if dots else list(shape[:dims])
    out: list = []
    at = 0
    while at < len(sizes):
        if dots and at == front and not any(e is ... for e in out):
            out.append(...)
        n = sizes[at]
        kind = draw(st.sampled_from(["int", "slice", "index", "index", "mask", "none", "mask2"]))
        if kind == "none" and len(shape) + sum(e is None for e in out) < 6:
            out.append(None)
            continue
        at += 1
        if kind == "int":
            out.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            ends = st.none() | st.integers(-5, 5)
            out.append(slice(draw(ends), draw(ends), draw(st.none() | st.integers(1, 3))))
        elif kind == "mask" and not any(isinstance(e, np.ndarray) for e in out):
            out.append(np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))))
            together = (int(out[-1].sum()),)
        elif kind == "index" or kind == "none":
            if any(isinstance(e, np.ndarray) and e.dtype == bool for e in out):
                together = (1,)
            count = int(np.prod(together))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            out.append(np.array(values, np.int64).reshape(together))
        else:
            out.append(slice(None))
    if dots and not any(e is ... for e in out):
        out.append(...)
    return shape, out


def _key(lib, key):
    return tuple(
        lib.tensor(e.tolist(), dtype=getattr(lib, e.dtype.name)).reshape(e.shape)
        if isinstance(e, np.ndarray)
        else e
        for e in key
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(keys())
def test_any_key(case):
    shape, key = case
    data = np.arange(float(np.prod(shape))).reshape(shape)
    results = []
    for lib in (mo, torch):
        x = lib.tensor(data.tolist(), dtype=lib.float64).reshape(shape).requires_grad_()
        try:
            y = x[_key(lib, key)]
            picked = y.detach().numpy().copy()
            (y * y).sum().backward()
            z, v = x * 1, lib.linspace(1.0, 2.0, max(y.shape[-1], 1) if y.ndim else 1, dtype=lib.float64)
            # Where places may be named twice one number: PyTorch leaves open which of several counts.
            plain = y.ndim and y.shape[-1] and not any(isinstance(e, np.ndarray) for e in key)
            z[_key(lib, key)] = v if plain else v[0]
            (g,) = (torch.autograd if lib is torch else mo.autograd).grad(
                (z * z).sum(), [x], allow_unused=True
            )
            # Where all was written over, one gives None and the other zeros.
            g = np.zeros(shape) if g is None else g.numpy()
            results.append((picked, x.grad.numpy().copy(), z.detach().numpy().copy(), g))
        except (IndexError, RuntimeError, ValueError) as error:
            results.append(error)
    ours, theirs = results
    assert isinstance(ours, Exception) == isinstance(theirs, Exception), (shape, key, ours, theirs)
    if isinstance(ours, tuple):
        for a, b in zip(ours, theirs):
            np.testing.assert_allclose(a, b, err_msg=str((shape, key)))
