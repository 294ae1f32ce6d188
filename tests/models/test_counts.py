"""Parameters, multiply-adds and the shape after each stage of the published networks."""

import pytest

import markone as mo
from markone import models

pytestmark = pytest.mark.usefixtures("undrawn")

# Parameters, multiply-adds (None: only parameters are counted here), side of the image.
COUNTS = {
    "lenet5": (61_706, 416_520, 28),
    "alexnet": (60_965_224, 724_406_816, 227),
    "alexnet_ungrouped": (62_378_344, 1_135_256_096, 227),
    "alexnet_torchvision": (61_100_840, 714_188_480, 224),
    "zfnet": (62_357_608, None, 224),
    "vgg11": (132_863_336, None, 224),
    "vgg11_bn": (132_868_840, None, 224),
    "vgg13": (133_047_848, None, 224),
    "vgg13_bn": (133_053_736, None, 224),
    "vgg16": (138_357_544, 15_470_264_320, 224),
    "vgg16_bn": (138_365_992, None, 224),
    "vgg19": (143_667_240, None, 224),
    "vgg19_bn": (143_678_248, None, 224),
    "googlenet_torchvision": (13_004_888, 1_498_376_192, 224),
    "resnet18": (11_689_512, 1_814_073_344, 224),
    "resnet34": (21_797_672, None, 224),
    "resnet50": (25_557_032, 4_089_184_256, 224),
    "resnet20": (269_722, 40_551_040, 32),
    "resnet56": (853_018, None, 32),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_and_multiply_adds(name):
    parameters, mult_adds, side = COUNTS[name]
    model = models.get(name)()
    assert sum(p.numel() for p in model.parameters()) == parameters
    if mult_adds is not None:
        assert mo.summary(model, (1, 1 if name == "lenet5" else 3, side, side)).mult_adds == mult_adds


def counted(module):
    return sum(p.numel() for p in module.parameters())


def test_vgg16_before_and_in_its_full_layers():
    model = models.vgg16()
    assert counted(model.features) == 14_714_688
    assert counted(model.classifier) == 123_642_856


def test_googlenet_without_its_heads():
    model = models.googlenet(aux_logits=False)
    assert counted(model) == 6_998_552
    count = mo.summary(model, (1, 3, 224, 224)).mult_adds
    assert round(count / 1e9, 3) == 1.583
    assert round(60_965_224 / counted(model), 1) == 8.7  # the slide and the paper say 12
    assert round(count / 724_406_816, 2) == 2.18
    heads = models.googlenet()
    assert counted(heads) - counted(heads.aux1) - counted(heads.aux2) == 6_998_552
    assert mo.summary(heads, (1, 3, 224, 224)).mult_adds == count  # they rest in eval mode


def test_what_the_reductions_of_an_inception_block_save():
    from markone.models.googlenet import TABLE

    def count(reduce):
        block = models.Inception(192, TABLE["3a"], reduce=reduce)
        return mo.summary(block, (1, 192, 28, 28))

    with_them, without = count(True), count(False)
    pixels = 28 * 28
    assert with_them.mult_adds == pixels * (192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32)
    assert without.mult_adds == pixels * 192 * (64 + 9 * 128 + 25 * 32)
    assert with_them.layers[-1].shape != without.layers[-1].shape  # the pooled maps are not projected


def test_the_skips_of_the_cifar_form_cost_nothing():
    assert counted(models.plain20()) == counted(models.resnet20()) == 269_722
    assert counted(models.plain56()) == 853_018
    # Plain-18 lacks only the projections and their normalisation.
    lost = sum(a * b + 2 * b for a, b in ((64, 128), (128, 256), (256, 512)))
    assert counted(models.plain18()) == 11_689_512 - lost


def shapes(model, size, layers=None):
    found = models.activations(model, mo.zeros(*size), layers)
    return {name: tuple(value.shape[1:]) for name, value in found.items()}


def stages(model, side, layers):
    return [shape[:2] for shape in shapes(model, (1, 3, side, side), layers).values()]


def test_shape_after_each_stage_of_alexnet():
    layers = [
        f"features.{name}"
        for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    ]
    sides = (55, 27, 27, 13, 13, 13, 13, 6)
    maps = (96, 96, 256, 256, 384, 384, 256, 256)
    assert stages(models.alexnet(), 227, layers) == list(zip(maps, sides))
    slide = models.alexnet_slide()
    assert stages(slide, 227, layers) == list(zip(maps, (55, 27, 23, 11, 9, 7, 5, 2)))
    assert slide.classifier.fc6.in_features == 1024 and slide.classifier.fc7.out_features == 1000


def test_shape_after_each_stage_of_zfnet():
    layers = [
        f"features.{name}"
        for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    ]
    sides = (110, 55, 26, 13, 13, 13, 13, 6)
    assert stages(models.zfnet(), 224, layers) == list(zip((96, 96, 256, 256, 384, 384, 256, 256), sides))
    wide = models.zfnet_wide(width=0.125)
    assert stages(wide, 224, layers) == list(zip((12, 12, 32, 32, 64, 128, 64, 64), sides))
    assert counted(models.zfnet_wide()) == 107_627_624


def test_shape_after_each_stage_of_vgg16():
    ends = [f"features.{i}" for i in (4, 9, 16, 23, 30)]
    want = [(8, 112), (16, 56), (32, 28), (64, 14), (64, 7)]
    assert stages(models.vgg16(width=0.125, hidden=8), 224, ends) == want


def test_shape_after_each_stage_of_googlenet():
    layers = (
        "conv1 maxpool1 conv2 conv3 maxpool2 inception3a inception3b maxpool3 inception4a inception4b "
        "inception4c inception4d inception4e maxpool4 inception5a inception5b avgpool"
    ).split()
    maps = (64, 64, 64, 192, 192, 256, 480, 480, 512, 512, 512, 528, 832, 832, 832, 1024, 1024)
    sides = (112, 56, 56, 56, 28, 28, 28, 14, 14, 14, 14, 14, 14, 7, 7, 7, 1)
    assert stages(models.googlenet(), 224, layers) == list(zip(maps, sides))


def test_shape_after_each_stage_of_resnet():
    layers = ["conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"]
    sides = (112, 56, 56, 28, 14, 7, 1)
    assert stages(models.resnet18(), 224, layers) == list(zip((64, 64, 64, 128, 256, 512, 512), sides))
    want = list(zip((8, 8, 32, 64, 128, 256, 256), sides))
    assert stages(models.resnet50(width=0.125), 224, layers) == want
    layers = ["conv1", "layer1", "layer2", "layer3"]
    assert stages(models.resnet20(), 32, layers) == [(16, 32), (16, 32), (32, 16), (64, 8)]


def test_lenet5_of_1998():
    model = models.lenet5_1998()
    own = {
        name: sum(p.numel() for p in layer.parameters()) for name, layer in model.features.named_children()
    }
    assert {name: n for name, n in own.items() if n} == {
        "c1": 156,
        "s2": 12,
        "c3": 1516,
        "s4": 32,
        "c5": 48120,
    }
    assert counted(model) == 60_000
    found = shapes(model, (1, 1, 32, 32))
    assert [found[f"features.{name}"] for name in ("c1", "s2", "c3", "s4", "c5")] == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (120, 1, 1),
    ]
    assert found["classifier.f6"] == (84,) and found["classifier.output"] == (10,)
