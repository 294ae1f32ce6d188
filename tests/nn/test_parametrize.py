"""Weight and spectral normalisation, parametrisations, folded batch norm and lazy norms, against torch.nn."""

import copy

import numpy as np
import pytest

import markone as mo
from markone import nn

torch = pytest.importorskip("torch")


def load(ours, theirs):
    """The same names, shapes and values."""
    state = {k: v.detach().numpy() for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)


def same_steps(ours, theirs, shape, steps=3):
    """Outputs, gradients and states agree over a few steps of gradient descent."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    a = mo.optim.SGD(ours.parameters(), lr=0.1)
    b = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for _ in range(steps):
        y, z = ours(mo.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=2e-4, atol=2e-5)
        a.zero_grad()
        b.zero_grad()
        (y * y).sum().backward()
        (z * z).sum().backward()
        a.step()
        b.step()
    for (k, v), (_, w) in zip(ours.state_dict().items(), theirs.state_dict().items()):
        np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-3, atol=1e-4, err_msg=k)


MAKE = {
    "weight_norm": lambda lib, m: lib.nn.utils.parametrizations.weight_norm(m),
    "weight_norm_all": lambda lib, m: lib.nn.utils.parametrizations.weight_norm(m, dim=None),
    "spectral_norm": lambda lib, m: lib.nn.utils.parametrizations.spectral_norm(m, n_power_iterations=2),
    "old_weight_norm": lambda lib, m: lib.nn.utils.weight_norm(m, dim=1),
    "old_spectral_norm": lambda lib, m: lib.nn.utils.spectral_norm(m),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("layer", ["linear", "conv"])
def test_against_torch(kind, layer):
    def make(lib):
        m = lib.nn.Linear(4, 3) if layer == "linear" else lib.nn.Conv2d(2, 3, 3)
        return MAKE[kind](lib, m)

    ours, theirs = make(mo), make(torch)
    load(ours, theirs)
    same_steps(ours, theirs, (5, 4) if layer == "linear" else (2, 2, 5, 5))
    ours.eval(), theirs.eval()
    same_steps(ours, theirs, (5, 4) if layer == "linear" else (2, 2, 5, 5), steps=1)


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(0, 1)

    def right_inverse(self, a):
        return a.triu()


def test_a_map_of_ones_own():
    layer = nn.Linear(3, 3)
    bias = layer.bias
    nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    assert (
        nn.utils.parametrize.is_parametrized(layer, "weight") and type(layer).__name__ == "ParametrizedLinear"
    )
    assert nn.utils.parametrize.type_before_parametrizations(layer) is nn.Linear
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    w = layer.weight
    assert (w == w.t()).all() and layer.bias is bias
    layer.weight = mo.ones(3, 3)
    assert (layer.weight == 1).all()
    layer(mo.ones(1, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    with nn.utils.parametrize.cached():
        assert layer.weight is layer.weight
    again = copy.deepcopy(layer)
    assert (again.weight == 1).all()
    nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter) and (layer.weight == 1).all()
    assert nn.utils.parametrize.is_parametrized(again)
    with pytest.raises(ValueError, match="Linear has no parameter or buffer 'wait'"):
        nn.utils.parametrize.register_parametrization(layer, "wait", Symmetric())
    with pytest.raises(ValueError, match="makes 'weight'"):
        nn.utils.parametrize.register_parametrization(layer, "weight", nn.Flatten(0))
    assert type(layer) is nn.Linear
    with pytest.raises(ValueError, match="remove_parametrizations"):
        nn.utils.parametrize.remove_parametrizations(layer, "weight")


def test_removing_keeps_the_value():
    for add, remove in (
        (nn.utils.weight_norm, nn.utils.remove_weight_norm),
        (nn.utils.spectral_norm, nn.utils.remove_spectral_norm),
    ):
        layer = nn.Linear(4, 3)
        plain = list(layer.state_dict())
        add(layer)
        with pytest.raises(RuntimeError, match="already"):
            add(layer)
        layer.eval()
        x = mo.randn(2, 4)
        before = layer(x)
        remove(layer)
        assert sorted(layer.state_dict()) == sorted(plain)
        assert mo.allclose(layer(x), before)
        with pytest.raises(ValueError, match=remove.__name__):
            remove(layer)


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_folds_into_the_layer_before(affine):
    for layer, norm, fuse, shape in (
        (
            nn.Conv2d(2, 3, 3, bias=affine),
            nn.BatchNorm2d(3, affine=affine),
            nn.utils.fuse_conv_bn_eval,
            (2, 2, 5, 5),
        ),
        (
            nn.Linear(4, 3, bias=affine),
            nn.BatchNorm1d(3, affine=affine),
            nn.utils.fuse_linear_bn_eval,
            (2, 4),
        ),
    ):
        with pytest.raises(RuntimeError, match="evaluation mode"):
            fuse(layer, norm)
        for _ in range(3):
            norm(layer(mo.randn(*shape)))
        if affine:
            nn.init.uniform_(norm.weight)
            nn.init.uniform_(norm.bias)
        layer.eval(), norm.eval()
        x = mo.randn(*shape)
        one = fuse(layer, norm)
        assert one is not layer and mo.allclose(one(x), norm(layer(x)), atol=1e-5)


@pytest.mark.parametrize(
    "kind",
    ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"],
)
def test_lazy_norms(kind):
    axes = int(kind[-2])
    x = mo.randn(2, 3, *[4] * axes)
    layer = getattr(nn, f"Lazy{kind}")(affine=True, track_running_stats=True)
    assert layer.has_uninitialized_params() and layer.num_features == 0
    y = layer(x)
    plain = getattr(nn, kind)(3, affine=True, track_running_stats=True)
    assert type(layer) is type(plain) and layer.num_features == 3
    assert mo.equal(y, plain(x)) and list(layer.state_dict()) == list(plain.state_dict())
