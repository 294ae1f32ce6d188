"""Lazy layers: they take their sizes from the first input or from a state dict, and become ordinary ones."""

import copy

import numpy as np
import pytest

import markone as mo
from markone import nn


def test_linear_takes_its_size_from_the_first_input() -> None:
    layer = nn.LazyLinear(3, dtype=mo.float64)
    assert isinstance(layer.weight, nn.UninitializedParameter)
    assert layer.has_uninitialized_params()
    params = list(layer.parameters())
    mo.manual_seed(1)
    y = layer(mo.ones(4, 5, dtype=mo.float64))
    assert y.shape == (4, 3) and type(layer) is nn.Linear and layer.in_features == 5
    assert not layer._hooked
    # The same objects, so an optimiser made before keeps them; and the same numbers as a Linear's.
    assert all(a is b for a, b in zip(params, layer.parameters()))
    assert type(layer.weight) is nn.Parameter and layer.weight.dtype is mo.float64
    mo.manual_seed(1)
    assert mo.equal(nn.Linear(5, 3, dtype=mo.float64).weight, layer.weight)
    y.sum().backward()
    assert layer.weight.grad.shape == (3, 5)


def test_a_state_dict_brings_the_shapes() -> None:
    full = nn.Linear(5, 3)
    lazy = nn.LazyLinear(3)
    empty = lazy.state_dict()
    assert isinstance(empty["weight"], nn.UninitializedParameter)
    nn.LazyLinear(3).load_state_dict(empty)
    with pytest.raises(RuntimeError, match="weight' has no shape yet"):
        full.load_state_dict(empty)
    lazy.load_state_dict(full.state_dict())
    x = mo.randn(2, 5)
    assert mo.equal(lazy(x), full(x)) and lazy.in_features == 5
    other = nn.LazyLinear(3)
    other.load_state_dict(full.state_dict(), assign=True)
    assert mo.equal(other(x), full(x))


def test_what_has_no_shape_says_so() -> None:
    layer = nn.LazyLinear(3)
    for use in (lambda w: w.shape, lambda w: w.sum(), lambda w: w + 1, lambda w: w.tolist()):
        with pytest.raises(RuntimeError, match="UninitializedParameter: has no shape"):
            use(layer.weight)
    assert repr(layer.weight) == "<UninitializedParameter>"
    layer.double()
    assert layer.weight.dtype is mo.float64
    twin = copy.deepcopy(layer)
    assert twin(mo.ones(1, 2, dtype=mo.float64)).dtype is mo.float64
    assert layer.has_uninitialized_params() and type(twin) is nn.Linear


def test_against_torch() -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.LazyLinear(4), nn.LazyLinear(4)
    assert repr(ours) == repr(theirs)
    x = np.ones((2, 6), np.float32)
    theirs(torch.tensor(x))
    ours.load_state_dict(theirs.state_dict())
    np.testing.assert_allclose(
        ours(mo.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), 1e-5
    )
    assert repr(ours) == repr(theirs)


def test_a_subclass_has_to_say_how() -> None:
    from markone.nn.lazy import LazyModuleMixin

    class Half(LazyModuleMixin):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", nn.UninitializedBuffer())

        def forward(self, x):
            return x * self.scale

    with pytest.raises(NotImplementedError, match="Half: a lazy module has to write"):
        Half()(mo.ones(2))

    class Silent(Half):
        def initialize_parameters(self, x):
            pass

    with pytest.raises(RuntimeError, match="Silent: .* left parameters"):
        Silent()(mo.ones(2))

    class Scale(Half):
        def initialize_parameters(self, x):
            self.scale.materialize(x.shape)
            self.scale.fill_(3)

    assert Scale()(mo.ones(2)).tolist() == [3, 3]
