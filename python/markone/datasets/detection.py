"""Pictures with boxes: PASCAL VOC's format, and the blood cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..ops import from_numpy
from ..tensor import Tensor
from .archive import Archive, snapshot
from .pictures import Change, Pictures, target_of
from .source import Root, Source, read_image, read_lines, split_of
from .synthetic import random_of, scene

__all__ = ["BCCD", "VOCDetection", "read_voc"]

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def read_voc(path: Path) -> list[tuple[str, tuple[float, float, float, float], bool]]:
    """The objects of a VOC annotation: name, box, difficult.

    VOC counts pixels from 1 and a box holds its last pixel; here x1 = xmin - 1 and x2 = xmax. Boxes
    without area (xmax ≤ xmin or ymax ≤ ymin) are left out.

    Raises:
        ValueError: not such a file; the message names it and what is missing.
    """
    try:
        tree = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: not XML, or cut off ({error})") from None
    objects = []
    for i, item in enumerate(tree.iter("object")):
        name, box = item.findtext("name"), item.find("bndbox")
        if name is None or box is None:
            raise ValueError(f"{path}: object {i} has no name or no bndbox")
        try:
            x1, y1, x2, y2 = (float(box.findtext(side) or "") for side in ("xmin", "ymin", "xmax", "ymax"))
        except ValueError:
            raise ValueError(f"{path}: object {i} has no number for each of xmin, ymin, xmax, ymax") from None
        if x2 > x1 and y2 > y1:
            difficult = (item.findtext("difficult") or "0").strip() == "1"
            objects.append((name, (max(x1 - 1, 0.0), max(y1 - 1, 0.0), x2, y2), difficult))
    return objects


class VOCDetection(Pictures):
    """Pictures and boxes in PASCAL VOC's folders: Annotations/*.xml, JPEGImages/*.jpg, ImageSets/Main/*.txt.

    M. Everingham et al., "The PASCAL visual object classes (VOC) challenge", IJCV 2010.

    A target is a dict: boxes float32 [N, 4] (x1, y1, x2, y2, the first pixel reaching from 0 to 1), labels
    int64 [N], 0 .. classes - 1, difficult bool [N], image_id.

    Args:
        root: the folder that holds these three, or VOCdevkit/VOC<year> with them; nothing is downloaded.
        year: of the folder's name.
        image_set: the list in ImageSets: 'train', 'trainval', 'val', 'test'.
        transform, target_transform, transforms: as in `Pictures`.
        classes: their names in order; VOC's 20.
        keep_difficult: whether objects that VOC calls difficult are in the targets.
        synthetic: 40 made scenes (20 outside of training) instead; needs no file.
    """

    classes: tuple[str, ...] = VOC_CLASSES
    source = Source(
        "voc",
        "get it from http://host.robots.ox.ac.uk/pascal/VOC/ and unpack it there; or pass synthetic=True",
        below=(),
    )
    splits: tuple[str, ...] = ("train", "trainval", "val", "test")
    size = (120, 160)

    def __init__(
        self,
        root: Root = None,
        year: str = "2007",
        image_set: str = "train",
        transform: Change = None,
        target_transform: Change = None,
        transforms: Callable[..., Any] | None = None,
        *,
        classes: Sequence[str] | None = None,
        keep_difficult: bool = True,
        synthetic: bool = False,
    ) -> None:
        super().__init__(transform, target_transform, transforms)
        self.image_set = split_of(type(self).__name__, image_set, self.splits)
        if classes is not None:
            self.classes = tuple(classes)
        self.keep_difficult = keep_difficult
        self.folder: Path | None = None
        if synthetic:
            self.ids = [str(i) for i in range(40 if "train" in image_set else 20)]
            return
        self.folder = self._folder(root, year)
        lists = self.folder / "ImageSets" / "Main"
        path = lists / f"{image_set}.txt"
        if not path.is_file():
            raise FileNotFoundError(f"{type(self).__name__}: there is no list {path}")
        # A list of one class has a second column.
        self.ids = [line.split()[0] for line in read_lines(path) if line.strip()]

    def _folder(self, root: Root, year: str) -> Path:
        names = (f"VOCdevkit/VOC{year}/Annotations", f"VOC{year}/Annotations", "Annotations")
        return self.source.find(type(self).__name__, names, root).parent

    def __len__(self) -> int:
        return len(self.ids)

    def annotation(self, index: int) -> list[tuple[str, tuple[float, float, float, float], bool]]:
        """The objects of a picture, without reading it."""
        assert self.folder is not None
        return read_voc(self.folder / "Annotations" / f"{self.ids[index]}.xml")

    def load(self, index: int) -> tuple[Tensor, Any]:
        if self.folder is None:
            part = self.splits.index(self.image_set)
            made = scene(random_of(type(self).__name__, part, index), self.size, len(self.classes))
            target = target_of(made.boxes, made.kinds, index)
            target["difficult"] = from_numpy(np.zeros(len(made.kinds), dtype=bool))
            return read_image(made.image), target
        objects = [o for o in self.annotation(index) if self.keep_difficult or not o[2]]
        numbers = {name: i for i, name in enumerate(self.classes)}
        for name, _, _ in objects:
            if name not in numbers:
                raise ValueError(
                    f"{self.folder / 'Annotations' / self.ids[index]}.xml: '{name}' is not among the classes "
                    f"{list(self.classes)}"
                )
        target = target_of(
            np.array([box for _, box, _ in objects]), [numbers[n] for n, _, _ in objects], index
        )
        target["difficult"] = from_numpy(np.array([d for _, _, d in objects], dtype=bool))
        return read_image(self.folder / "JPEGImages" / f"{self.ids[index]}.jpg"), target

    def extra_repr(self) -> str:
        return f"Image set: {self.image_set}"


class BCCD(VOCDetection):
    """364 microscope pictures (640 x 480) of blood with boxes around red cells, white cells and platelets.

    Shenggan et al., BCCD dataset, 2017 (MIT licence). Two boxes without area are left out.

    Args:
        root: a folder with BCCD/ in it, or that folder; else $MARKONE_DATA/bccd, the cache, the network.
        image_set: 'train' (205), 'val' (87), 'trainval' or 'test' (72).
        transform, target_transform, transforms: as in `Pictures`; targets as in `VOCDetection`.
        download: whether to download (9 MB).
        synthetic: made scenes instead.
    """

    classes = ("RBC", "WBC", "Platelets")
    source = Source(
        "bccd",
        "",
        archive=Archive(
            [snapshot("Shenggan/BCCD_Dataset", "d272fb14cdff6e473fafeeeba32aba5f560e9e43")],
            (r"[^/]+/(BCCD/(Annotations/.+\.xml|JPEGImages/.+\.jpg|ImageSets/Main/.+\.txt))", r"\1"),
            contents="3b1db28db9d7a990d024a116ac2a0b2f31cd4580658607f226c33030df352911",
        ),
    )

    def __init__(
        self,
        root: Root = None,
        image_set: str = "train",
        transform: Change = None,
        target_transform: Change = None,
        transforms: Callable[..., Any] | None = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        self._download = download
        super().__init__(root, "", image_set, transform, target_transform, transforms, synthetic=synthetic)

    def _folder(self, root: Root, year: str) -> Path:
        return self.source.find("BCCD", ("BCCD/Annotations", "Annotations"), root, self._download).parent
