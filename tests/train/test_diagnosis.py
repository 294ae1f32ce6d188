"""diagnose() on networks that are ill in a known way, and trace_non_finite() on ones that overflow."""

import math

import numpy as np
import pytest

import markone as mo
from markone import train
from markone.nn import functional as F


def net(*middle, width=16, scale=1.0):
    mo.manual_seed(0)
    model = mo.nn.Sequential(mo.nn.Linear(8, width), *middle, mo.nn.Linear(width, 5))
    with mo.no_grad():
        model[0].weight.mul_(scale)
    return model


def batch(n=32):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 8)).astype(np.float32)
    return mo.from_numpy(x), mo.from_numpy(rng.integers(0, 5, n))


def test_a_healthy_network_and_its_figures():
    model = net(mo.nn.ReLU())
    x, y = batch()
    d = train.diagnose(model, (x, y), F.cross_entropy, lr=0.1)
    assert d.chance_loss == pytest.approx(math.log(5)) and d.findings == []
    hidden = model[1](model[0](x)).detach().numpy()
    layer = d.layers[1]
    assert (layer.name, layer.kind, layer.shape) == ("1", "ReLU", (32, 16))
    assert layer.mean == pytest.approx(hidden.mean(), rel=1e-5)
    assert layer.variance == pytest.approx(hidden.var(), rel=1e-5)
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    assert d.loss == loss.item()
    for report, (name, p) in zip(d.parameters, model.named_parameters()):
        g, w = p.grad.numpy(), p.detach().numpy()
        assert report.name == name and report.gradient_norm == pytest.approx(np.linalg.norm(g), rel=1e-5)
        assert report.update_ratio == pytest.approx(0.1 * np.linalg.norm(g) / np.linalg.norm(w), rel=1e-5)
    text = str(d)
    assert "1 (ReLU)" in text and "0.weight" in text and "- nothing unusual" in text


def test_dead_units():
    model = net(mo.nn.ReLU())
    with mo.no_grad():
        model[0].bias[:8] = -100.0
    d = train.diagnose(model, batch(), F.cross_entropy)
    assert d.layers[1].dead == 0.5
    assert any("1 (ReLU): 50 % of its units are always 0" in text for text in d.findings)
    conv = mo.nn.Sequential(mo.nn.Conv2d(1, 4, 3), mo.nn.ReLU(), mo.nn.Flatten(), mo.nn.Linear(4 * 36, 2))
    with mo.no_grad():
        conv[0].bias.fill_(1.0)
        conv[0].bias[3] = -100.0
    d = train.diagnose(conv, (mo.rand(3, 1, 8, 8), mo.tensor([0, 1, 0])), F.cross_entropy)
    assert d.layers[1].dead == 0.25


def test_saturation_and_a_large_start():
    d = train.diagnose(net(mo.nn.Tanh(), scale=50.0), batch(), F.cross_entropy)
    assert d.layers[1].saturated > 0.8 and any("saturated" in text for text in d.findings)
    loud = net(mo.nn.ReLU(), scale=100.0)
    d = train.diagnose(loud, batch(), F.cross_entropy)
    assert any("above that of knowing nothing" in text for text in d.findings)


def test_vanishing_with_depth():
    mo.manual_seed(0)
    layers = []
    for _ in range(8):
        linear = mo.nn.Linear(16, 16)
        with mo.no_grad():
            linear.weight.mul_(0.2)
            linear.bias.zero_()
        layers += [linear, mo.nn.Tanh()]
    model = mo.nn.Sequential(mo.nn.Linear(8, 16), *layers, mo.nn.Linear(16, 5))
    d = train.diagnose(model, batch(), F.cross_entropy)
    assert any("variance of the activations vanishes with depth" in text for text in d.findings)
    layers = [f for _ in range(8) for f in (mo.nn.Linear(16, 16), mo.nn.Sigmoid())]
    model = mo.nn.Sequential(mo.nn.Linear(8, 16), *layers, mo.nn.Linear(16, 5))
    d = train.diagnose(model, batch(), F.cross_entropy)
    assert any("gradients vanish on the way down" in text for text in d.findings)


def test_updates_of_the_optimiser_and_everything_put_back():
    model = net(mo.nn.ReLU(), mo.nn.Dropout(0.5))
    model.eval()
    optimizer = mo.optim.Adam(model.parameters(), lr=0.5)
    model[0].weight.grad = mo.ones(16, 8)
    before = {k: v.numpy().tobytes() for k, v in model.state_dict().items()}
    random = mo.get_rng_state().tolist()

    def moments():
        return [
            {k: np.asarray(v).tolist() for k, v in entry.items()}
            for entry in optimizer.state_dict()["state"].values()
        ]

    state = moments()
    d = train.diagnose(model, batch(), F.cross_entropy, optimizer)
    assert {k: v.numpy().tobytes() for k, v in model.state_dict().items()} == before
    assert moments() == state and mo.get_rng_state().tolist() == random
    assert not model.training and model[0].weight.grad.tolist() == mo.ones(16, 8).tolist()
    assert model[3].weight.grad is None
    # Adam's first step moves every weight by the rate.
    first = d.parameters[0]
    assert first.update_ratio == pytest.approx(0.5 * math.sqrt(128) / first.weight_norm, rel=1e-3)
    assert d.update == "Adam" and any("an update changes it by" in text for text in d.findings)


class Overflow(mo.nn.Module):
    def forward(self, x):
        return x + (x.abs() * 100).exp().sum() * 0 if self.training else x


def terms(output, target):
    return {"fit": F.cross_entropy(output, target), "size": (output * 1e30).square().mean()}


def test_what_is_not_finite_is_traced():
    assert train.trace_non_finite(net(mo.nn.ReLU()), batch(), F.cross_entropy) is None
    found = train.trace_non_finite(net(Overflow()), batch(), F.cross_entropy)
    assert found == "the first operation that made it: exp: gave infinity in Sequential.1 (Overflow)"
    found = train.trace_non_finite(net(mo.nn.ReLU()), batch(), terms)
    assert "square: gave infinity" in found and "(the loss term 'size' shows it)" in found
    model = net(mo.nn.ReLU())
    with mo.no_grad():
        model[2].bias.fill_(math.nan)
    assert "the weight '2.bias'" in train.trace_non_finite(model, batch(), F.cross_entropy)
    assert all(p.grad is None for p in model.parameters())


def test_infinity_on_purpose_is_no_anomaly():
    x = mo.rand(3, 3).requires_grad_()
    mask = mo.tensor([[False, True, True]] * 3)
    with mo.autograd.detect_anomaly(check_inf=True):
        x.masked_fill(mask, -math.inf).softmax(dim=1).sum().backward()
        with pytest.raises(RuntimeError, match="^log: gave infinity$"):
            (x * 0).log()
    with mo.autograd.detect_anomaly():
        (x * 0).log()
