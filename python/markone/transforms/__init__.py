"""Transforms of images, with their boxes and masks (names of `torchvision.transforms.v2`).

They work on tensors [..., C, H, W] of bytes or floats, on dicts and on tuples; see `Transform`. One with
`batched = True` does the same to a whole batch as to each image; a data set then makes a batch in one call.
Random ones draw from `markone.data.sample_random`, which a loader keys by (seed, epoch, index).
"""

from .base import Transform
from .boxes import ClampBoundingBoxes, SanitizeBoundingBoxes
from .compose import (
    Compose,
    Identity,
    Lambda,
    RandomApply,
    RandomChoice,
    RandomOrder,
    ToDtype,
    ToImage,
    ToTensor,
)
from .geometry import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
)
from .pixels import (
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    Normalize,
    RandomErasing,
    RandomGrayscale,
)
from .warps import ElasticTransform, RandomAffine, RandomRotation

__all__ = [
    "CenterCrop",
    "ClampBoundingBoxes",
    "ColorJitter",
    "Compose",
    "ElasticTransform",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "Identity",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomOrder",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "SanitizeBoundingBoxes",
    "ToDtype",
    "ToImage",
    "ToTensor",
    "Transform",
]
