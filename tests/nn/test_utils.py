"""Clipping and flattening of parameters, against PyTorch."""

import math

import numpy as np
import pytest

import markone as mo
from markone import nn
from markone.nn import utils

torch = pytest.importorskip("torch")


def parameters():
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for shape in ((3, 4), (5,), (2, 2, 2)):
        w, g = (rng.standard_normal(shape).astype(np.float32) for _ in "wg")
        ours.append(nn.Parameter(mo.tensor(w)))
        ours[-1].grad = mo.tensor(g)
        theirs.append(torch.nn.Parameter(torch.tensor(w)))
        theirs[-1].grad = torch.tensor(g)
    ours.append(nn.Parameter(mo.ones(2)))  # without gradient
    theirs.append(torch.nn.Parameter(torch.ones(2)))
    return ours, theirs


@pytest.mark.parametrize("norm", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_clip_grad_norm(norm, limit):
    ours, theirs = parameters()
    got = utils.clip_grad_norm_(ours, limit, norm)
    want = torch.nn.utils.clip_grad_norm_(theirs, limit, norm)
    np.testing.assert_allclose(got.item(), want.item(), rtol=1e-5)
    for p, q in zip(ours[:3], theirs[:3]):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5)


def test_clip_grad_norm_nonfinite():
    ours, _ = parameters()
    with mo.no_grad():
        ours[0].grad.fill_(math.nan)
    with pytest.raises(RuntimeError, match="nan"):
        utils.clip_grad_norm_(ours, 1.0, error_if_nonfinite=True)
    assert utils.clip_grad_norm_([nn.Parameter(mo.ones(1))], 1.0).item() == 0


@pytest.mark.parametrize("norm", [2.0, 0.0, 1.0, math.inf, -math.inf])
def test_total_norm_and_clipping_with_it(norm):
    ours, theirs = parameters()
    mine = utils.get_total_norm([p.grad for p in ours[:3]], norm)
    their = torch.nn.utils.get_total_norm([q.grad for q in theirs[:3]], norm)
    np.testing.assert_allclose(mine.item(), their.item(), rtol=1e-5)
    utils.clip_grads_with_norm_(ours, 0.7, mine)
    torch.nn.utils.clip_grads_with_norm_(theirs, 0.7, their)
    for p, q in zip(ours[:3], theirs[:3]):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5)


def test_the_old_name_warns():
    ours, theirs = parameters()
    with pytest.warns(FutureWarning, match="clip_grad_norm_"):
        got = utils.clip_grad_norm(ours, 0.5)
    with pytest.warns(FutureWarning):
        want = torch.nn.utils.clip_grad_norm(theirs, 0.5)
    np.testing.assert_allclose(got.item(), want.item(), rtol=1e-5)
    np.testing.assert_allclose(ours[0].grad.numpy(), theirs[0].grad.numpy(), rtol=1e-5)


def test_clip_grad_value():
    ours, theirs = parameters()
    utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    for p, q in zip(ours[:3], theirs[:3]):
        assert np.array_equal(p.grad.numpy(), q.grad.numpy())


def test_vector():
    ours, theirs = parameters()
    v = utils.parameters_to_vector(ours)
    assert np.array_equal(v.detach().numpy(), torch.nn.utils.parameters_to_vector(theirs).detach().numpy())
    utils.vector_to_parameters(mo.arange(27, dtype=mo.float32), ours)
    assert ours[1].tolist() == [12, 13, 14, 15, 16]
    with pytest.raises(ValueError, match="27 elements"):
        utils.vector_to_parameters(mo.ones(5), ours)
