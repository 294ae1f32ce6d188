"""The pattern of most convolutional networks, as a builder."""

from __future__ import annotations

from collections.abc import Sequence

from markone import nn
from markone.models.common import checked_classes

__all__ = ["conv_pattern"]


def conv_pattern(
    input_size: Sequence[int],
    num_classes: int,
    *,
    convs: int = 2,
    blocks: int = 2,
    hidden: int = 1,
    maps: int | Sequence[int] = 32,
    units: int = 128,
    kernel_size: int = 3,
    pool: bool = True,
    batch_norm: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """INPUT → [[CONV → RELU]·K → POOL?]·L → [FC → RELU]·M → FC as an `nn.Sequential`.

    LeNet-5 is about K = 1, L = 2, M = 2; AlexNet and VGG follow the pattern too.

    Args:
        input_size: channels, height and width of the images.
        num_classes: scores of the last full layer.
        convs: K, convolutions a block; they keep the size (odd kernels).
        blocks: L, blocks.
        hidden: M, full layers before the last.
        maps: of each block's convolutions, one number (doubled from block to block) or one a block.
        units: of each full layer but the last.
        kernel_size: of the convolutions, odd.
        pool: whether a block ends with max pooling 2x2, which halves the size.
        batch_norm: normalise between convolution and ReLU.
        dropout: after each hidden full layer's ReLU.

    Raises:
        ValueError: numbers below their least, or more poolings than the image has halves.
    """
    if len(input_size) != 3 or min(input_size) < 1:
        raise ValueError(f"conv_pattern: got input_size={list(input_size)}, wants channels, height, width")
    checked_classes("conv_pattern", num_classes)
    for name, value, least in (
        ("convs", convs, 1),
        ("blocks", blocks, 0),
        ("hidden", hidden, 0),
        ("units", units, 1),
    ):
        if value < least:
            raise ValueError(f"conv_pattern: got {name}={value}, wants {least} or more")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"conv_pattern: got kernel_size={kernel_size}, wants an odd number")
    counts = [maps * 2**i for i in range(blocks)] if isinstance(maps, int) else list(maps)
    if len(counts) != blocks:
        raise ValueError(f"conv_pattern: got {len(counts)} numbers of maps for {blocks} blocks")
    before, height, width = input_size
    layers: list[nn.Module] = []
    for count in counts:
        for _ in range(convs):
            layers.append(nn.Conv2d(before, count, kernel_size, padding=kernel_size // 2))
            if batch_norm:
                layers.append(nn.BatchNorm2d(count))
            layers.append(nn.ReLU())
            before = count
        if pool:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
            if min(height, width) < 1:
                raise ValueError(f"conv_pattern: {blocks} poolings leave nothing of {list(input_size)}")
    layers.append(nn.Flatten())
    features = before * height * width
    for _ in range(hidden):
        layers += [nn.Linear(features, units), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        features = units
    return nn.Sequential(*layers, nn.Linear(features, num_classes))
