"""Tensors, modules and optimisers on the device, as a user writes them."""

import io

import numpy as np
import pytest

import cuda.against  # noqa: F401  skips where there is no device
import markone as mo
from markone import nn
from markone.nn import functional as F


def test_moving_and_making():
    x = mo.tensor([[1.0, 2.0]], device="cuda")
    assert x.is_cuda and x.device == mo.device("cuda:0") and x.get_device() == 0
    assert x.cpu().device == mo.device("cpu") and x.to("cuda") is x and x.cpu().cuda().is_cuda
    made = (mo.zeros(2, 3, device="cuda"), mo.arange(5, device="cuda"), mo.rand(4, device="cuda"))
    assert all(t.is_cuda for t in (*made, mo.full((2,), 3, device="cuda"), mo.eye(2, device="cuda")))
    assert mo.zeros_like(x).is_cuda and x.new_ones(3).is_cuda and mo.randn_like(x).is_cuda
    assert x.sum().item() == 3.0 and x.tolist() == [[1.0, 2.0]] and (x + 1).cpu().numpy().sum() == 5
    assert "2." in repr(x) and "cuda:0" in repr(x)
    with pytest.raises(TypeError, match="numpy: the tensor is on cuda:0"):
        x.numpy()
    with pytest.raises(RuntimeError, match="add: .*cuda:0 and cpu"):
        x + mo.ones(1, 2)
    with pytest.raises(RuntimeError, match="there is no cuda:7"):
        mo.zeros(1, device="cuda:7")


def test_gradients_cross_devices():
    x = mo.tensor([1.0, 2.0], requires_grad=True)
    (x.cuda() ** 2).sum().backward()
    assert x.grad.device == x.device and x.grad.tolist() == [2.0, 4.0]


def test_random_numbers_are_the_cpu_s():
    for make in (mo.rand, mo.randn, mo.randperm):
        mo.manual_seed(3)
        want = make(7)
        mo.manual_seed(3)
        assert make(7, device="cuda").tolist() == want.tolist()
    generator = mo.Generator(device=mo.device("cuda"))
    assert mo.rand(3, generator=generator, device="cuda").is_cuda
    with pytest.raises(RuntimeError, match="rand: the generator is on cuda:0"):
        mo.rand(3, generator=generator)


def test_cuda_module():
    assert mo.cuda.is_available() and mo.cuda.device_count() == 1 and mo.cuda.current_device() == 0
    before = mo.cuda.memory_allocated()
    x = mo.zeros(1000, device="cuda")
    assert mo.cuda.memory_allocated() >= before + 4000 and mo.cuda.memory_reserved() >= 4000
    del x
    assert mo.cuda.memory_allocated() == before
    assert mo.cuda.get_device_properties().multi_processor_count > 0 and mo.cuda.get_device_name()
    start, end = mo.cuda.Event(), mo.cuda.Event()
    start.record()
    end.record()
    mo.cuda.synchronize()
    assert start.elapsed_time(end) >= 0


def network():
    mo.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10)
    )


@pytest.mark.parametrize("optimiser", [mo.optim.SGD, mo.optim.Adam, mo.optim.RMSprop])
def test_training_is_the_cpu_s(optimiser):
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((6, 1, 8, 8), np.float32), rng.integers(0, 10, 6)
    losses = []
    for device in ("cpu", "cuda"):
        model = network().to(device)
        step = optimiser(model.parameters(), lr=0.01)
        x, y = mo.tensor(images, device=device), mo.tensor(labels, device=device)
        losses.append([])
        for _ in range(3):
            loss = F.cross_entropy(model(x), y)
            step.zero_grad()
            loss.backward()
            step.step()
            losses[-1].append(loss.item())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_recurrent_and_embedding():
    mo.manual_seed(2)
    words, lstm = nn.Embedding(11, 5), nn.LSTM(5, 7, batch_first=True)
    tokens = mo.tensor([[1, 2, 3], [4, 5, 6]])
    want = lstm(words(tokens))[0].sum()
    want.backward()
    grads = [p.grad.clone() for p in (*words.parameters(), *lstm.parameters())]
    words.zero_grad()
    lstm.zero_grad()
    words.cuda()
    lstm.cuda()
    got = lstm(words(tokens.cuda()))[0].sum()
    got.backward()
    np.testing.assert_allclose(got.item(), want.item(), rtol=1e-5)
    for p, g in zip((*words.parameters(), *lstm.parameters()), grads, strict=True):
        np.testing.assert_allclose(p.grad.cpu().numpy(), g.numpy(), rtol=1e-4, atol=1e-6)


def test_bad_labels_are_reported_when_waited_for():
    x, labels = mo.zeros(2, 3, device="cuda"), mo.tensor([0, 9], device="cuda")
    F.cross_entropy(x, labels)
    with pytest.raises(Exception, match="cross_entropy: .*9"):
        mo.cuda.synchronize()


def test_saved_and_loaded():
    file = io.BytesIO()
    mo.save({"x": mo.arange(3, device="cuda")}, file)
    file.seek(0)
    assert mo.load(file, map_location="cuda")["x"].is_cuda
