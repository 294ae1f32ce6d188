"""Published networks: `mo.models.vgg16()`, or by name `mo.models.get("vgg16")()`.

Each builder takes `num_classes`, `weights` (a safetensors file) and the options of its class. Shapes,
parameter counts and what differs from the paper stand with each class.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from markone.models.activations import activations
from markone.models.alexnet import (
    AlexNet,
    AlexNetTorchvision,
    alexnet,
    alexnet_slide,
    alexnet_torchvision,
    alexnet_ungrouped,
)
from markone.models.deconvnet import Occlusion, Reconstruction, deconvolve, occlusion_map
from markone.models.googlenet import (
    GoogLeNet,
    GoogLeNetOutputs,
    Inception,
    googlenet,
    googlenet_loss,
    googlenet_torchvision,
)
from markone.models.lenet import LeNet5, lenet5
from markone.models.lenet_1998 import LeNet5Original, lenet5_1998, lenet5_loss
from markone.models.neocognitron import Neocognitron, neocognitron
from markone.models.pattern import conv_pattern
from markone.models.resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    ResNetCIFAR,
    plain18,
    plain20,
    plain34,
    plain56,
    resnet18,
    resnet20,
    resnet34,
    resnet50,
    resnet56,
)
from markone.models.transfer import freeze, new_head
from markone.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from markone.models.weights import load_weights, read_weights
from markone.models.zfnet import ZFNet, zfnet, zfnet_wide

__all__ = [
    "VGG",
    "AlexNet",
    "AlexNetTorchvision",
    "BasicBlock",
    "Bottleneck",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "Inception",
    "LeNet5",
    "LeNet5Original",
    "Neocognitron",
    "Occlusion",
    "Reconstruction",
    "ResNet",
    "ResNetCIFAR",
    "ZFNet",
    "activations",
    "alexnet",
    "alexnet_slide",
    "alexnet_torchvision",
    "alexnet_ungrouped",
    "conv_pattern",
    "deconvolve",
    "freeze",
    "get",
    "googlenet",
    "googlenet_loss",
    "googlenet_torchvision",
    "lenet5",
    "lenet5_1998",
    "lenet5_loss",
    "load_weights",
    "names",
    "neocognitron",
    "new_head",
    "occlusion_map",
    "plain18",
    "plain20",
    "plain34",
    "plain56",
    "read_weights",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet56",
    "unknown_name",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "zfnet",
    "zfnet_wide",
]

# The builders, a row of the course a line.
_BUILDERS: dict[str, Callable[..., Any]] = {
    builder.__name__: builder
    for builder in (
        *(neocognitron, lenet5, lenet5_1998),
        *(alexnet, alexnet_ungrouped, alexnet_slide, alexnet_torchvision),
        *(zfnet, zfnet_wide),
        *(vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn),
        *(googlenet, googlenet_torchvision),
        *(resnet18, resnet34, resnet50, plain18, plain34, resnet20, resnet56, plain20, plain56),
    )
}


def names() -> list[str]:
    """The models that `get` knows."""
    return sorted(_BUILDERS)


def get(name: str) -> Callable[..., Any]:
    """The function that builds the model `name`.

    Raises:
        ValueError: there is none of this name; the nearest is suggested.
    """
    if name not in _BUILDERS:
        raise ValueError(unknown_name("model", name, names()))
    return _BUILDERS[name]


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """`'lenet' is not a model; did you mean lenet5? Known: lenet5`."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]}? " if near else ""
    return (
        f"'{name}' is not {'an' if what[0] in 'aeiou' else 'a'} {what}; {suggestion}Known: {', '.join(known)}"
    )
