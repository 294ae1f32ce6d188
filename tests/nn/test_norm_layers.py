"""Normalisation layers against PyTorch's with the same state, through training and evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo

torch = pytest.importorskip("torch")

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("BatchNorm1d", (3,), {}, (4, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (4, 3, 5)),
    ("BatchNorm2d", (3,), {"eps": 1e-3, "momentum": 0.3}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"affine": False}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 4, 5)),
    ("BatchNorm3d", (2,), {}, (2, 2, 2, 3, 2)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 5)),
    ("InstanceNorm1d", (3,), {"affine": True}, (3, 5)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 4, 5)),
    ("InstanceNorm3d", (2,), {}, (2, 2, 2, 3, 2)),
    ("LayerNorm", ((4, 5),), {}, (2, 4, 5)),
    ("LayerNorm", (5,), {"bias": False}, (3, 5)),
    ("LayerNorm", (5,), {"elementwise_affine": False}, (3, 5)),
    ("RMSNorm", (5,), {}, (3, 5)),
    ("GroupNorm", (2, 4), {}, (3, 4, 5)),
    ("GroupNorm", (4, 4), {"affine": False}, (3, 4, 2, 2)),
    ("LocalResponseNorm", (3,), {"alpha": 0.1}, (2, 5, 3, 3)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]}-{c[2]}")
def test_as_pytorch(case: Any) -> None:
    name, args, options, shape = case
    ours = getattr(mo.nn, name)(*args, **options).double()
    theirs = getattr(torch.nn, name)(*args, **options).double()
    assert repr(ours).split("(")[0] == name
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.tensor(rng.standard_normal(tuple(p.shape))))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    for mode in (True, True, False, True):
        ours.train(mode)
        theirs.train(mode)
        x, g = 1 + rng.standard_normal(shape), rng.standard_normal(shape)
        a, b = mo.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        y.backward(mo.tensor(g))
        z.backward(torch.tensor(g))
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-8)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-8, atol=1e-8)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-9, err_msg=key)


def test_cross_map_is_local_response() -> None:
    """PyTorch's own of this name never drops channel 0 from its running sum, so it is no peer."""
    x = mo.tensor(np.random.default_rng(0).standard_normal((2, 5, 3, 3)))
    ours, peer = mo.nn.CrossMapLRN2d(3, 0.1), torch.nn.LocalResponseNorm(3, 0.1)
    np.testing.assert_allclose(ours(x).numpy(), peer(torch.tensor(x.numpy())).numpy(), rtol=1e-12)


def test_wrong_input() -> None:
    with pytest.raises(ValueError, match="BatchNorm2d: wants an input with 4 dimensions"):
        mo.nn.BatchNorm2d(3)(mo.ones(2, 3))
    with pytest.raises(ValueError, match="GroupNorm: cannot split"):
        mo.nn.GroupNorm(3, 4)
    with pytest.raises(ValueError, match="expected more than 1 value per channel"):
        mo.nn.BatchNorm1d(3)(mo.ones(1, 3))
