"""MNIST and data sets in its format."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ..tensor import Tensor
from .idx import read_idx
from .images import LabelledImages
from .source import Source
from .synthetic import class_images

__all__ = ["MNIST", "FashionMNIST"]


class MNIST(LabelledImages):
    """Handwritten digits: 60,000 training and 10,000 test images of 28x28, 10 classes.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86(11), 1998.

    Args:
        root: a folder with the four IDX files (gzipped or not; also in root/mnist or root/MNIST/raw). Where
            it is None or has none, $MARKONE_DATA/mnist and the cache are looked in, then they are downloaded
            (into root or the cache) and checked against their SHA-256.
        train: the training images, else the test images.
        transform: of an image, float32 [1, 28, 28] in 0..1 (not a PIL image as in torchvision).
        target_transform: of a label.
        download: whether to download.
        size: resize (bilinear) to this height and width.
        synthetic: 500 gratings (100 to test) instead; needs no file. For digits without a file see `Digits`.

    Raises:
        FileNotFoundError: the files are nowhere and `download` is False.
        ValueError: a file is cut off or not what it should be; the message names it.
        ImportError, RuntimeError: the download did not work.
    """

    name = "mnist"
    mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    sha256: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    }

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
        *,
        size: int | tuple[int, int] | None = None,
        synthetic: bool = False,
    ) -> None:
        self.root = None if root is None else Path(root).expanduser()
        self.train = train
        if synthetic:
            images, labels = class_images(self.name, int(train), 500 if train else 100, 10, 1, 28)
            super().__init__(images[:, 0], labels, transform, target_transform, size)
            return
        part = "train" if train else "t10k"
        images_at = self._locate(f"{part}-images-idx3-ubyte.gz", download)
        labels_at = self._locate(f"{part}-labels-idx1-ubyte.gz", download)
        images = read_idx(images_at, (None, None, None))
        labels = read_idx(labels_at, (images.shape[0],))
        for path, array in ((images_at, images), (labels_at, labels)):
            if array.dtype != "uint8":
                raise ValueError(f"{path}: elements are {array.dtype}, wants uint8")
        if labels.size and labels.max() >= len(self.classes):
            raise ValueError(
                f"{labels_at}: has label {labels.max()}, wants labels 0 .. {len(self.classes) - 1}"
            )
        super().__init__(images, labels, transform, target_transform, size)

    def _locate(self, file: str, fetch: bool) -> Path:
        files = {name: ([mirror + name for mirror in self.mirrors], sha) for name, sha in self.sha256.items()}
        source = Source(self.name, "", files, [f"{type(self).__name__}/raw"])
        return source.find(type(self).__name__, file, self.root, fetch)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Articles of clothing in MNIST's format (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747; MIT licence).

    Args: as `MNIST`; the folder's name is fashion-mnist.
    """

    name = "fashion-mnist"
    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    mirrors = (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
    sha256: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    }
