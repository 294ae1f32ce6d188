"""Reconstruction against the paper's three steps written out, and occlusion against hiding by hand."""

import numpy as np
import pytest

import markone as mo
from markone import models, nn
from markone.nn import functional as F


@pytest.fixture
def net():
    mo.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 9, 5),
    )


def test_a_reconstruction_is_unpooling_rectification_and_transposed_filters(net):
    x = mo.randn(4, 3, 12, 12)
    found = models.deconvolve(net, x, "4")
    with mo.no_grad():
        first = F.relu(net[0](x))
        pooled, switches = F.max_pool2d(first, 2, return_indices=True)
        answer = F.relu(net[3](pooled))
        for n in range(4):
            best = answer[n].numpy()
            k, i, j = np.unravel_index(best.argmax(), best.shape)
            assert (found.channels[n], found.places[n], found.values[n]) == (k, (i, j), best.max())
            seed = np.zeros_like(best)
            seed[k, i, j] = best.max()
            down = F.relu(mo.from_numpy(seed).unsqueeze(0))
            down = F.conv_transpose2d(down, net[3].weight, stride=2, padding=1, output_padding=1)
            down = F.relu(F.max_unpool2d(down, switches[n : n + 1], 2))
            down = F.conv_transpose2d(down, net[0].weight, padding=1)
            np.testing.assert_allclose(found.images[n].numpy(), down[0].numpy(), atol=1e-5)
    rows, columns = found.crop(0)
    assert rows.stop - rows.start <= 8 and columns.stop - columns.start <= 8
    assert found.images[0, :, rows, columns].abs().sum().item() == pytest.approx(
        found.images[0].abs().sum().item()
    )


def test_the_plain_rule_is_the_gradient(net):
    x = mo.randn(2, 3, 12, 12, requires_grad=True)
    found = models.deconvolve(net, x, "6", 3, rule="gradient")
    scores = net(x)[:, 3]
    (0.5 * scores**2).sum().backward()  # whose seed is the score itself, as in deconvolve
    np.testing.assert_allclose(found.images.numpy(), x.grad.numpy(), atol=1e-6)
    guided = models.deconvolve(net, x, "6", 3, rule="guided").images.numpy()
    assert not np.allclose(guided, found.images.numpy())


def test_the_network_is_left_as_it_was(net):
    net.train()
    net[1].inplace = True
    models.deconvolve(net, mo.randn(1, 3, 12, 12), "3", 0)
    assert net.training and net[1].inplace and all(p.grad is None for p in net.parameters())
    assert not net[1]._forward_hooks


def test_published_networks_can_be_looked_into():
    mo.manual_seed(0)
    zfnet = models.zfnet(10, width=0.05, grid=1, hidden=8)
    found = models.deconvolve(zfnet, mo.randn(2, 3, 64, 64), "features.relu5")
    assert found.images.abs().sum().item() > 0 and len(found.places) == 2
    resnet = models.resnet20(width=0.25)
    assert models.deconvolve(resnet, mo.randn(1, 3, 16, 16), "layer3").images.abs().sum().item() > 0


def test_occlusion(net):
    image = mo.randn(3, 12, 12)
    seen = models.occlusion_map(net, image, 2, size=4, stride=3, fill=0.5, layer="4", channel=1, batch=5)
    assert seen.probability.shape == seen.label.shape == seen.activity.shape == (4, 4)
    hidden = image.numpy().copy()
    hidden[:, 1:5, 4:8] = 0.5  # the square about (3, 6)
    with mo.no_grad():
        scores = net(mo.from_numpy(hidden[None]))
        chances = F.softmax(scores.double(), 1)[0]
        assert seen.probability[1, 2] == pytest.approx(chances[2].item(), abs=1e-6)
        assert seen.label[1, 2] == chances.argmax().item()
        assert seen.activity[1, 2] == pytest.approx(
            net[:5](mo.from_numpy(hidden[None]))[0, 1].sum().item(), 1e-4
        )
        whole = F.softmax(net(image.unsqueeze(0)).double(), 1)[0]
    assert seen.whole == pytest.approx(whole[2].item())
    best = models.occlusion_map(net, image, size=1, stride=6)
    assert best.whole == pytest.approx(whole.max().item()) and best.activity is None


def test_bad_input(net):
    x = mo.zeros(1, 3, 12, 12)
    for kwargs, match in (
        ({"layer": "9"}, "no layer '9'"),
        ({"layer": "4", "channel": 8}, r"got channel=8, layer '4' has 0 .. 7"),
        ({"layer": "4", "rule": "deconv"}, "got rule='deconv'"),
    ):
        with pytest.raises(ValueError, match=match):
            models.deconvolve(net, x, **kwargs)
    with pytest.raises(ValueError, match="deconvolve: x has shape"):
        models.deconvolve(net, x[0], "4")
    for kwargs, match in (
        ({"target": 5}, r"got target=5, the model has classes 0 .. 4"),
        ({"size": 0}, "got size=0"),
        ({"layer": "4", "channel": 9}, "got channel=9"),
    ):
        with pytest.raises(ValueError, match=f"occlusion_map: {match}"):
            models.occlusion_map(net, x[0], **kwargs)
    with pytest.raises(ValueError, match="occlusion_map: image has shape"):
        models.occlusion_map(net, x)
    with pytest.raises(ValueError, match="gives no scores"):
        models.occlusion_map(net[:5], x[0])
