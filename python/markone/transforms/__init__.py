"""Transforms of images (names of `torchvision.transforms`), on tensors [..., C, H, W].

A transform with `batched = True` does the same to a whole batch as to each image; a data set then makes a
batch in one call. Random ones draw from `markone.data.sample_random`, which a loader keys by (seed, epoch,
index).
"""

from .compose import Compose, Lambda, ToTensor
from .geometry import Pad, RandomAffine, RandomCrop, RandomHorizontalFlip, Resize
from .pixels import Normalize

__all__ = [
    "Compose",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "Resize",
    "ToTensor",
]
