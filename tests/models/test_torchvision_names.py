"""The names and shapes of torchvision's weights, written out from its modules, and the values of the same
networks written over torch's own functions."""

import numpy as np
import pytest

import markone as mo
from markone import models

NORM = {"weight": (), "bias": (), "running_mean": (), "running_var": (), "num_batches_tracked": None}


def layer(name, *shape, bias=True):
    """weight [shape], bias [shape[0]]."""
    return {f"{name}.weight": shape, **({f"{name}.bias": shape[:1]} if bias else {})}


def norm(name, maps):
    return {f"{name}.{key}": () if shape is None else (maps,) for key, shape in NORM.items()}


def alexnet():
    convs = {
        0: (64, 3, 11, 11),
        3: (192, 64, 5, 5),
        6: (384, 192, 3, 3),
        8: (256, 384, 3, 3),
        10: (256, 256, 3, 3),
    }
    want = {}
    for i, shape in convs.items():
        want |= layer(f"features.{i}", *shape)
    for i, shape in {1: (4096, 9216), 4: (4096, 4096), 6: (1000, 4096)}.items():
        want |= layer(f"classifier.{i}", *shape)
    return want


# Where torchvision's Sequential has its convolutions; a batch normalisation is right after each.
VGG_PLACES = {
    "vgg11": (0, 3, 6, 8, 11, 13, 16, 18),
    "vgg13": (0, 2, 5, 7, 10, 12, 15, 17, 20, 22),
    "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
    "vgg11_bn": (0, 4, 8, 11, 15, 18, 22, 25),
    "vgg13_bn": (0, 3, 7, 10, 14, 17, 21, 24, 28, 31),
    "vgg16_bn": (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40),
    "vgg19_bn": (0, 3, 7, 10, 14, 17, 20, 23, 27, 30, 33, 36, 40, 43, 46, 49),
}
VGG_MAPS = {
    11: (64, 128, 256, 256, 512, 512, 512, 512),
    13: (64, 64, 128, 128, 256, 256, 512, 512, 512, 512),
    16: (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    19: (64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512),
}


def vgg(name):
    want, before = {}, 3
    for place, maps in zip(VGG_PLACES[name], VGG_MAPS[int(name[3:5])], strict=True):
        want |= layer(f"features.{place}", maps, before, 3, 3)
        if name.endswith("bn"):
            want |= norm(f"features.{place + 1}", maps)
        before = maps
    for i, shape in {0: (4096, 25088), 3: (4096, 4096), 6: (1000, 4096)}.items():
        want |= layer(f"classifier.{i}", *shape)
    return want


def resnet(blocks, bottleneck):
    want = layer("conv1", 64, 3, 7, 7, bias=False) | norm("bn1", 64)
    before = 64
    for stage, count in enumerate(blocks, 1):
        maps = 32 * 2**stage
        after = 4 * maps if bottleneck else maps
        for i in range(count):
            at = f"layer{stage}.{i}"
            if bottleneck:
                shapes = [(maps, before, 1, 1), (maps, maps, 3, 3), (after, maps, 1, 1)]
            else:
                shapes = [(maps, before, 3, 3), (maps, maps, 3, 3)]
            for n, shape in enumerate(shapes, 1):
                want |= layer(f"{at}.conv{n}", *shape, bias=False) | norm(f"{at}.bn{n}", shape[0])
            if i == 0 and before != after:
                want |= layer(f"{at}.downsample.0", after, before, 1, 1, bias=False)
                want |= norm(f"{at}.downsample.1", after)
            before = after
    return want | layer("fc", 1000, before)


def googlenet():
    def conv(name, maps, before, kernel):
        return layer(f"{name}.conv", maps, before, kernel, kernel, bias=False) | norm(f"{name}.bn", maps)

    want = conv("conv1", 64, 3, 7) | conv("conv2", 64, 64, 1) | conv("conv3", 192, 64, 3)
    for name, (before, one, to3, three, to5, five, pool) in {
        "3a": (192, 64, 96, 128, 16, 32, 32),
        "3b": (256, 128, 128, 192, 32, 96, 64),
        "4a": (480, 192, 96, 208, 16, 48, 64),
        "4b": (512, 160, 112, 224, 24, 64, 64),
        "4c": (512, 128, 128, 256, 24, 64, 64),
        "4d": (512, 112, 144, 288, 32, 64, 64),
        "4e": (528, 256, 160, 320, 32, 128, 128),
        "5a": (832, 256, 160, 320, 32, 128, 128),
        "5b": (832, 384, 192, 384, 48, 128, 128),
    }.items():
        at = f"inception{name}"
        want |= conv(f"{at}.branch1", one, before, 1)
        want |= conv(f"{at}.branch2.0", to3, before, 1) | conv(f"{at}.branch2.1", three, to3, 3)
        want |= conv(f"{at}.branch3.0", to5, before, 1) | conv(f"{at}.branch3.1", five, to5, 3)
        want |= conv(f"{at}.branch4.1", pool, before, 1)
    for name, before in (("aux1", 512), ("aux2", 528)):
        want |= conv(f"{name}.conv", 128, before, 1)
        want |= layer(f"{name}.fc1", 1024, 2048) | layer(f"{name}.fc2", 1000, 1024)
    return want | layer("fc", 1000, 1024)


WANTED = {
    "alexnet_torchvision": alexnet,
    **{name: (lambda name=name: vgg(name)) for name in VGG_PLACES},
    "resnet18": lambda: resnet((2, 2, 2, 2), False),
    "resnet34": lambda: resnet((3, 4, 6, 3), False),
    "resnet50": lambda: resnet((3, 4, 6, 3), True),
    "googlenet_torchvision": googlenet,
}


@pytest.mark.parametrize("name", WANTED)
def test_names_and_shapes_are_torchvisions(name, undrawn):
    state = models.get(name)().state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == WANTED[name]()


def test_a_file_of_torchvisions_names_loads(tmp_path):
    """The file is written by the names above, not by the model."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    values = {
        key: np.array(7) if key.endswith("tracked") else rng.standard_normal(shape).astype(np.float32)
        for key, shape in WANTED["resnet18"]().items()
    }
    save_file(values, str(tmp_path / "resnet18.safetensors"))
    model = models.resnet18(weights=tmp_path / "resnet18.safetensors")
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), values[key])


# -- Values. torchvision is not needed: its forward passes, over torch's functions and the same state.


def batch_norm(torch, s, name, x, eps=1e-5):
    return torch.nn.functional.batch_norm(
        x,
        s[f"{name}.running_mean"],
        s[f"{name}.running_var"],
        s[f"{name}.weight"],
        s[f"{name}.bias"],
        eps=eps,
    )


def torch_resnet(torch, s, x, small):
    F = torch.nn.functional

    def conv(name, x, stride=1):
        weight = s[f"{name}.weight"]
        return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2)

    x = F.relu(batch_norm(torch, s, "bn1", conv("conv1", x, 1 if small else 2)))
    if not small:
        x = F.max_pool2d(x, 3, 2, 1)
    for stage in range(1, 5):
        i = 0
        while f"layer{stage}.{i}.conv1.weight" in s:
            at, y = f"layer{stage}.{i}", x
            stride = 2 if stage > 1 and i == 0 else 1
            last = 3 if f"{at}.conv3.weight" in s else 2
            for n in range(1, last + 1):
                strided = stride if n == (2 if last == 3 else 1) else 1
                y = batch_norm(torch, s, f"{at}.bn{n}", conv(f"{at}.conv{n}", y, strided))
                y = F.relu(y) if n < last else y
            if f"{at}.downsample.0.weight" in s:
                x = batch_norm(torch, s, f"{at}.downsample.1", conv(f"{at}.downsample.0", x, stride))
            x = F.relu(x + y)
            i += 1
    return F.linear(x.mean((2, 3)), s["fc.weight"], s["fc.bias"])


def torch_googlenet(torch, s, x, torchvision):
    F = torch.nn.functional

    def conv(name, x, stride=1):
        weight = s[f"{name}.conv.weight"]
        x = F.conv2d(x, weight, s.get(f"{name}.conv.bias"), stride, weight.shape[-1] // 2)
        return F.relu(batch_norm(torch, s, f"{name}.bn", x, 0.001) if torchvision else x)

    def lrn(x):
        return x if torchvision else F.local_response_norm(x, 5, 1e-4, 0.75, 1.0)

    def pool(x, kernel=3):
        return F.max_pool2d(x, kernel, 2, ceil_mode=True)

    x = lrn(pool(conv("conv1", x, 2)))
    x = pool(lrn(conv("conv3", conv("conv2", x))))
    for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        at = f"inception{name}"
        pooled = F.max_pool2d(x, 3, 1, 1)
        two = conv(f"{at}.branch2.1", conv(f"{at}.branch2.0", x))
        three = conv(f"{at}.branch3.1", conv(f"{at}.branch3.0", x))
        x = torch.cat([conv(f"{at}.branch1", x), two, three, conv(f"{at}.branch4.1", pooled)], 1)
        if name == "3b":
            x = pool(x)
        if name == "4e":
            x = pool(x, 2 if torchvision else 3)
    return F.linear(x.mean((2, 3)), s["fc.weight"], s["fc.bias"])


@pytest.mark.parametrize(
    ("name", "options", "forward"),
    [
        ("resnet18", {}, lambda torch, s, x: torch_resnet(torch, s, x, False)),
        ("resnet50", {}, lambda torch, s, x: torch_resnet(torch, s, x, False)),
        ("resnet34", {"small": True}, lambda torch, s, x: torch_resnet(torch, s, x, True)),
        ("googlenet", {}, lambda torch, s, x: torch_googlenet(torch, s, x, False)),
        ("googlenet_torchvision", {}, lambda torch, s, x: torch_googlenet(torch, s, x, True)),
    ],
)
def test_same_values_as_over_torchs_functions(name, options, forward):
    torch = pytest.importorskip("torch")
    mo.manual_seed(0)
    model = models.get(name)(7, width=0.125, **options).eval()
    rng = np.random.default_rng(1)
    for key, value in model.state_dict().items():  # statistics that are not 0 and 1
        if key.endswith(("running_mean", "running_var")):
            value.copy_(mo.from_numpy(rng.uniform(0.2, 1.0, tuple(value.shape)).astype(np.float32)))
    x = rng.standard_normal((2, 3, 64, 64)).astype(np.float32)
    state = {key: torch.from_numpy(np.array(value.numpy())) for key, value in model.state_dict().items()}
    want = forward(torch, state, torch.from_numpy(x)).numpy()
    with mo.no_grad():
        got = model(mo.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


def test_transform_input_undoes_the_normalisation():
    model = models.googlenet_torchvision(5, width=0.125).eval()
    x = np.random.default_rng(0).random((1, 3, 40, 40), np.float32)
    mean, std = (
        np.array(v, np.float32).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with mo.no_grad():
        want = model(mo.from_numpy((x - 0.5) / 0.5))
        model.transform_input = True
        got = model(mo.from_numpy((x - mean) / std))
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-3, atol=1e-4)
