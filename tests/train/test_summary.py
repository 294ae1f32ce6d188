"""summary(): shapes, parameters and multiply-adds against counts by hand."""

import pytest

import markone as mo
from markone import train


def test_lenet_by_hand():
    model = mo.models.lenet5()
    model.train()
    s = train.summary(model, (2, 1, 28, 28))
    want, size = 0, 28
    for layer in model.modules():
        if isinstance(layer, mo.nn.Conv2d):
            out = (size + 2 * layer.padding[0] - layer.kernel_size[0]) // layer.stride[0] + 1
            want += 2 * layer.weight.numel() * out * out
            size = out
        elif isinstance(layer, mo.nn.MaxPool2d):
            size //= 2
        elif isinstance(layer, mo.nn.Linear):
            want += 2 * layer.weight.numel()
    assert s.mult_adds == want == sum(row.mult_adds for row in s.layers)
    assert s.parameters == s.trainable == sum(p.numel() for p in model.parameters())
    assert s.layers[0].shape == [2, 6, 28, 28] and s.layers[-1].shape[0] == 2
    assert s.parameter_bytes == 4 * s.parameters and s.output_bytes == sum(row.bytes for row in s.layers)
    assert model.training
    text = str(s)
    assert f"parameters: {s.parameters:,}" in text and "(Conv2d)" in text


def test_kinds_of_convolution_by_hand():
    cases = [
        (mo.nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (1, 4, 9, 9), 6 * 2 * 9 * 25),
        (mo.nn.Linear(5, 7), (3, 4, 5), 12 * 35),
    ]
    for layer, size, want in cases:
        assert train.summary(layer, size).mult_adds == want


def test_products_outside_of_layers_and_shared_layers_count():
    class Own(mo.nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = mo.nn.Linear(4, 4)
            self.scale = mo.nn.Parameter(mo.ones(4, 4))

        def forward(self, a, b):
            return self.shared(self.shared(a)) @ self.scale + b

    own = Own()
    own.scale.requires_grad_(False)
    s = train.summary(own, [(2, 4), (2, 4)])
    assert [row.parameters for row in s.layers] == [20, 0]
    assert s.mult_adds == 3 * 2 * 16 and (s.parameters, s.trainable) == (36, 20)


def test_inputs():
    net = mo.nn.Linear(3, 2).double()
    assert train.summary(net, (1, 3)).layers[0].bytes == 16
    assert train.summary(net, input_data=mo.zeros(5, 3, dtype=mo.float64)).layers[0].shape == [5, 2]
    with pytest.raises(ValueError, match="summary: wants input_size or input_data"):
        train.summary(net)
    with pytest.raises((RuntimeError, ValueError)):
        train.summary(net, (1, 4))
    assert len(mo.ones(2) + 1) == 2  # the failed run left no recording open
    train.summary(net, (1, 3))


def test_tensors_in_the_place_of_sizes_are_inputs():
    model = mo.nn.Linear(3, 2)
    assert str(mo.summary(model, mo.ones(4, 3))) == str(mo.summary(model, (4, 3)))
    with pytest.raises(TypeError, match="diagnose: wants a batch"):
        mo.diagnose(model, mo.ones(4, 3), mo.nn.functional.mse_loss)
