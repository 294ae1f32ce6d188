"""LeNet-5: sizes, the registry, one batch learnt by heart."""

import numpy as np
import pytest

import markone as mo
from markone import models
from markone.nn import functional as F


def test_parameters_of_each_layer():
    model = models.lenet5()
    counts = {}
    for name, p in model.named_parameters():
        layer = name.split(".")[1]
        counts[layer] = counts.get(layer, 0) + p.numel()
    assert counts == {"c1": 156, "c3": 2416, "c5": 48120, "f6": 10164, "output": 850}
    assert sum(counts.values()) == 61706


def test_shape_after_each_stage():
    model = models.lenet5(7)
    shapes = {}

    def note(name):
        return lambda module, inputs, output: shapes.__setitem__(name, tuple(output.shape))

    for part in (model.features, model.classifier):
        for name, layer in part.named_children():
            layer.register_forward_hook(note(name))
    assert tuple(model(mo.zeros(2, 1, 28, 28)).shape) == (2, 7)
    assert shapes == {
        "c1": (2, 6, 28, 28),
        "relu1": (2, 6, 28, 28),
        "s2": (2, 6, 14, 14),
        "c3": (2, 16, 10, 10),
        "relu3": (2, 16, 10, 10),
        "s4": (2, 16, 5, 5),
        "flatten": (2, 400),
        "c5": (2, 120),
        "relu5": (2, 120),
        "f6": (2, 84),
        "relu6": (2, 84),
        "output": (2, 7),
    }


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"lenet5: input has shape \[2, 1, 32, 32\], wants \[N, 1, 28, 28\]"):
        models.lenet5()(mo.zeros(2, 1, 32, 32))
    with pytest.raises(ValueError, match="got num_classes=0, wants at least 1"):
        models.lenet5(0)


def test_registry():
    assert "lenet5" in models.names() and models.get("lenet5") is models.lenet5
    with pytest.raises(ValueError, match="'LeNet' is not a model; did you mean lenet5"):
        models.get("LeNet")


def test_one_batch_is_learnt_by_heart():
    mo.manual_seed(0)
    model = models.lenet5()
    x = mo.from_numpy(np.random.default_rng(0).random((16, 1, 28, 28), np.float32))
    y = mo.arange(16) % 10
    optimizer = mo.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(120):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02


def test_same_values_as_pytorch():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    mo.manual_seed(1)
    ours = models.lenet5()
    theirs = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    theirs.load_state_dict(
        {
            key: torch.from_numpy(value.numpy().copy())
            for key, value in zip(theirs.state_dict(), ours.state_dict().values())
        }
    )
    x = np.random.default_rng(0).standard_normal((5, 1, 28, 28)).astype(np.float32)
    y = np.array([0, 3, 9, 1, 1])
    loss = F.cross_entropy(ours(mo.from_numpy(x)), mo.from_numpy(y))
    loss.backward()
    want = nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
    want.backward()
    assert loss.item() == pytest.approx(want.item(), rel=1e-5)
    for p, q in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-3, atol=2e-6)
