"""CIFAR-10, and other sets of labelled pictures in one array."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import Tensor
from .images import LabelledImages
from .mat import read_mat
from .source import Root, Source, raw, read_bytes, read_npz
from .synthetic import class_images

__all__ = ["CIFAR10", "OlivettiFaces", "read_cifar"]

_ROW = 1 + 3 * 32 * 32


def read_cifar(content: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The binary version's rows, one label byte and three planes of 32 x 32: images uint8 [N, 3, 32, 32],
    labels.

    Raises:
        ValueError: not whole rows, or a label above 9; the message begins with `name`.
    """
    if not content or len(content) % _ROW:
        raise ValueError(
            f"{name}: {len(content)} bytes, wants whole rows of {_ROW} (a label, 3 x 32 x 32 pixels)"
        )
    rows = np.frombuffer(content, dtype=np.uint8).reshape(-1, _ROW)
    if rows[:, 0].max() > 9:
        raise ValueError(f"{name}: has label {rows[:, 0].max()}, wants labels 0 .. 9")
    return rows[:, 1:].reshape(-1, 3, 32, 32).copy(), rows[:, 0].astype(np.int64)


class CIFAR10(LabelledImages):
    """Pictures of ten kinds of things, 32 x 32: 50,000 to train and 10,000 to test.

    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

    Args:
        root: a folder with the binary version: cifar-10-binary.tar.gz, or data_batch_1.bin ... and
            test_batch.bin (packed or not; also in root/cifar10, root/cifar-10-batches-bin). Where it is
            None or has none, $MARKONE_DATA/cifar10 and the cache are looked in, then the archive is
            downloaded (170 MB).
        train: the training images, else the test images.
        transform: of an image, float32 [3, 32, 32] in 0..1.
        target_transform: of a label.
        download: whether to download.
        size: resize (bilinear) to this height and width.
        synthetic: 500 gratings (100 to test) instead; needs no file.

    Where a folder has only some of the training batches, these are the data set; of the test part a file
    test_first1000.bin (the first 1,000 images) will do.
    """

    classes = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    source = Source(
        "cifar10",
        "get cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html",
        {
            "cifar-10-binary.tar.gz": (
                ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            )
        },
        ["cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"],
    )

    def __init__(
        self,
        root: Root = None,
        train: bool = True,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
        *,
        size: int | tuple[int, int] | None = None,
        synthetic: bool = False,
    ) -> None:
        self.train = train
        if synthetic:
            images, labels = class_images("cifar10", int(train), 500 if train else 100, 10, 3, 32)
        else:
            parts = self._batches(root, download)
            images, labels = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        super().__init__(images, labels, transform, target_transform, size)

    def _batches(self, root: Root, download: bool) -> list[tuple[np.ndarray, np.ndarray]]:
        wanted = [f"data_batch_{i}.bin" for i in range(1, 6)] if self.train else ["test_batch.bin"]
        found: list[Path] = []
        for name in wanted if self.train else [*wanted, "test_first1000.bin"]:
            try:
                found.append(self.source.find("CIFAR10", name, root))
            except FileNotFoundError:
                continue
        if found:
            return [read_cifar(read_bytes(path), str(path)) for path in (found if self.train else found[:1])]
        path = self.source.find("CIFAR10", "cifar-10-binary.tar.gz", root, download)
        try:
            with tarfile.open(path) as archive:
                parts = []
                for name in wanted:
                    member = archive.extractfile(f"cifar-10-batches-bin/{name}")
                    assert member is not None
                    parts.append(read_cifar(member.read(), f"{path}: {name}"))
                return parts
        except (tarfile.TarError, KeyError, EOFError, AssertionError) as error:
            raise ValueError(f"{path}: not the whole CIFAR-10 archive ({error})") from None

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


def _stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    arrays = read_npz(path, {"images": ("u", 3), "labels": ("iu", 1)})
    return arrays["images"], arrays["labels"]


def _faces(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The faces of olivettifaces.mat, whose columns are pictures that lie on their sides, ten a person."""
    faces = read_mat(path, "faces")
    if (
        faces.ndim != 2
        or faces.shape[0] != 64 * 64
        or (faces.size and not 0 <= faces.min() <= faces.max() <= 255)
    ):
        raise ValueError(f"{path}: 'faces' is {list(faces.shape)}, wants [4096, pictures] of 0 .. 255")
    images = np.rint(faces.T.reshape(-1, 64, 64).transpose(0, 2, 1)).astype(np.uint8)
    return images, np.arange(len(images)) // 10


class OlivettiFaces(LabelledImages):
    """400 grey faces of 64 x 64, 40 people with ten pictures each (AT&T Laboratories Cambridge).

    F. Samaria, A. Harter, "Parameterisation of a stochastic model for human face identification", 1994.

    Args:
        root: a folder with olivetti_faces.npz (images uint8 [400, 64, 64], labels [400]) or
            olivettifaces.mat; else $MARKONE_DATA/olivetti_faces, the cache, the network.
        transform: of an image, float32 [1, 64, 64] in 0..1.
        target_transform: of a label, the person's number.
        download: whether to download (S. Roweis' olivettifaces.mat, 1.5 MB).
        size: resize (bilinear) to this height and width.
        synthetic: gratings instead; needs no file.
    """

    classes = tuple(str(person) for person in range(40))
    source = Source(
        "olivetti_faces",
        "",
        {
            "olivettifaces.mat": (
                [
                    "https://ndownloader.figshare.com/files/5976027",
                    "https://cs.nyu.edu/~roweis/data/olivettifaces.mat",
                    raw("sjgershm/DBM", "a30d9abb523aab874a299b8b1aa21e7df2023f60", "olivettifaces.mat"),
                ],
                "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794",
            )
        },
    )

    def __init__(
        self,
        root: Root = None,
        transform: Callable[[Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
        *,
        size: int | tuple[int, int] | None = None,
        synthetic: bool = False,
    ) -> None:
        if synthetic:
            images, labels = class_images("olivetti", 0, 400, 40, 1, 64)
            images = images[:, 0]
        else:
            names = ("olivettifaces.mat", "olivetti_faces.npz")
            path = self.source.find("OlivettiFaces", names, root, download)
            images, labels = _faces(path) if path.suffix == ".mat" else _stored(path)
            if len(images) != len(labels) or (labels.size and labels.max() > 39):
                raise ValueError(
                    f"{path}: {len(images)} images, {len(labels)} labels, wants one of 0 .. 39 each"
                )
        super().__init__(images, labels, transform, target_transform, size)
