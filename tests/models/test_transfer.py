"""Freezing layers and replacing the last one."""

import numpy as np
import pytest

import markone as mo
from markone import models
from markone.nn import functional as F


def step(model, x, y):
    model.train()
    optimizer = mo.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()


def test_only_what_is_not_frozen_changes():
    mo.manual_seed(0)
    model = models.resnet20(width=0.25)
    head = models.new_head(model, 3)
    assert head is model.fc and head.out_features == 3
    names = models.freeze(model, until="layer3")
    assert all(name.startswith(("conv1.", "bn1.", "layer1.", "layer2.")) for name in names)
    before = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    x = mo.from_numpy(np.random.default_rng(0).standard_normal((6, 3, 16, 16)).astype(np.float32))
    step(model, x, mo.arange(6) % 3)
    changed = {
        key for key, value in model.state_dict().items() if not np.array_equal(value.numpy(), before[key])
    }
    assert changed == {key for key in before if key.startswith(("layer3.", "fc."))}


def test_freezing_by_name():
    model = models.lenet5()
    assert models.freeze(model, ["features"]) == [
        f"features.{n}" for n in ("c1.weight", "c1.bias", "c3.weight", "c3.bias")
    ]
    assert next(n for n, p in model.named_parameters() if p.requires_grad) == "classifier.c5.weight"
    inside = models.lenet5()
    assert models.freeze(inside, until="features.c3") == ["features.c1.weight", "features.c1.bias"]
    assert len(models.freeze(models.lenet5())) == 10


def test_errors():
    model = models.lenet5()
    with pytest.raises(ValueError, match="freeze: the model has no module 'layer1', it has features"):
        models.freeze(model, ["layer1"])
    with pytest.raises(ValueError, match="freeze: wants layers or until, not both"):
        models.freeze(model, ["features"], until="classifier")
    with pytest.raises(ValueError, match="new_head: Sequential has no full layer"):
        models.new_head(mo.nn.Sequential(mo.nn.ReLU()), 3)
    with pytest.raises(ValueError, match="new_head: got num_classes=0"):
        models.new_head(model, 0)
