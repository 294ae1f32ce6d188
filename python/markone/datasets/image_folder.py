"""Pictures sorted into folders, in a zip, or with captions."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import Tensor
from .archive import Archive, snapshot
from .pictures import Change, Pictures
from .source import Root, Source, raw, read_image, read_lines, split_of
from .synthetic import class_images, random_of, scene

__all__ = ["Flickr8k", "ImageFolder", "ImageNetSamples", "Omniglot"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")


# Of JPEG, PNG, PPM and PGM, BMP, TIFF, WebP.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", *(b"P%d" % i for i in range(1, 7)), b"BM", b"II", b"MM", b"RIFF")


class ImageFolder(Pictures):
    """Pictures in a folder a class: root/dog/any/where/1.png. Classes and files are in the order of their
    names.

    Args:
        root: the folder of the classes' folders.
        transform, target_transform: as in `Pictures`.
        is_valid_file: whether a path is a picture; by its ending where None.
        allow_empty: whether a class may have none.
        mode: 'RGB' or 'L' (grey).

    Raises:
        FileNotFoundError: no folders, or (without `allow_empty`) one without pictures.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Change = None,
        target_transform: Change = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
        *,
        mode: str = "RGB",
    ) -> None:
        super().__init__(transform, target_transform)
        self.root = Path(root).expanduser()
        self.mode = mode
        if not self.root.is_dir():
            raise FileNotFoundError(f"ImageFolder: there is no folder {self.root}")
        folders = sorted(p for p in self.root.iterdir() if p.is_dir())
        if not folders:
            raise FileNotFoundError(f"ImageFolder: {self.root} has no folders, one a class")
        self.classes = [folder.name for folder in folders]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        valid = is_valid_file or (lambda name: name.lower().endswith(IMG_EXTENSIONS))
        self.samples: list[tuple[str, int]] = []
        for i, folder in enumerate(folders):
            files = sorted(str(p) for p in folder.rglob("*") if p.is_file() and valid(str(p)))
            if not files and not allow_empty:
                raise FileNotFoundError(f"ImageFolder: {folder} has no pictures")
            self.samples += [(file, i) for file in files]
        self.targets = [label for _, label in self.samples]

    def check(self) -> None:
        """Looks at the first bytes of every file.

        Raises:
            ValueError: one does not begin as a picture of its kind does.
        """
        for path, _ in self.samples:
            with open(path, "rb") as file:
                begin = file.read(4)
            if not begin.startswith(_BEGINNINGS):
                raise ValueError(f"ImageFolder: {path} is not a picture, it begins with {begin!r}")

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> tuple[Tensor, Any]:
        file, label = self.samples[index]
        return read_image(Path(file), self.mode), label


def _whole(first: Path) -> list[list[str]]:
    """The rows of index.tsv for a folder with a picture of each class; classes are in the order of their
    WordNet numbers."""
    files = sorted(path.name for path in first.parent.glob("n*_*.JPEG"))
    if len({file.split("_")[0] for file in files}) != 1000 or len(files) != 1000:
        raise ValueError(
            f"{first.parent}: {len(files)} files n<number>_<name>.JPEG, wants one of each of 1,000"
        )
    return [[str(i), *file.removesuffix(".JPEG").split("_", 1), file] for i, file in enumerate(files)]


class ImageNetSamples(Pictures):
    """50 pictures (256 x 256) of 50 of ImageNet's 1,000 classes, to show what networks say of them.

    J. Deng et al. 2009; O. Russakovsky et al. 2015. Sample i is (image, number of the class among the 1,000).

    Args:
        root: a folder with index.tsv (class_index, wnid, name, file) and the files, or with one file a class
            of all 1,000, n01440764_tench.JPEG ...; else $MARKONE_DATA/imagenet_samples, the cache, the
            network.
        transform, target_transform: as in `Pictures`.
        download: whether to download one picture, of any size, of each of the 1,000 classes
            (https://github.com/EliSchwartz/imagenet-sample-images; for research and education).
        synthetic: 50 gratings of 64 x 64 instead.
    """

    source = Source(
        "imagenet_samples",
        "",
        below=("imagenet-sample-images",),
        archive=Archive(
            [snapshot("EliSchwartz/imagenet-sample-images", "bc69043e2862758a1906c6a24a792bb28c6bb2ff")],
            (r"[^/]+/(n\d+_.+\.JPEG)", r"\1"),
            count=1000,
        ),
    )

    def __init__(
        self,
        root: Root = None,
        transform: Change = None,
        target_transform: Change = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        super().__init__(transform, target_transform)
        self.items: list[Path | np.ndarray]
        if synthetic:
            images, labels = class_images("imagenet", 0, 50, 50, 3, 64)
            self.items, self.targets = list(images), (20 * labels).tolist()
            self.names = [f"grating {i}" for i in range(50)]
            return
        index = self.source.find("ImageNetSamples", ("index.tsv", "n01440764_tench.JPEG"), root, download)
        rows = (
            [line.split("\t") for line in read_lines(index)[1:]] if index.suffix == ".tsv" else _whole(index)
        )
        for i, row in enumerate(rows):
            if len(row) != 4 or not row[0].isdigit():
                raise ValueError(f"{index}: line {i + 2} is {row}, wants class_index, wnid, name, file")
        self.items = [index.parent / row[3] for row in rows]
        self.targets = [int(row[0]) for row in rows]
        self.names = [row[2].replace("_", " ") for row in rows]

    def __len__(self) -> int:
        return len(self.items)

    def load(self, index: int) -> tuple[Tensor, Any]:
        return read_image(self.items[index]), self.targets[index]


class Omniglot(Pictures):
    """Handwritten characters, 20 drawings of each, 105 x 105: here the five alphabets of the set
    background_small1.

    B. Lake, R. Salakhutdinov, J. Tenenbaum, Science 2015 (MIT licence).

    Sample i is (image [1, 105, 105], number of the character); ink is 1, paper 0.

    Args:
        root: a folder with images_background_small1.zip; else $MARKONE_DATA/omniglot, the cache, the network.
        transform, target_transform: as in `Pictures`.
        download: whether to download (1.3 MB).
        synthetic: 20 gratings of each of 20 kinds, 35 x 35, instead.

    Attributes:
        characters: alphabet/character of each number.
        targets: the number of each picture.
    """

    source = Source(
        "omniglot",
        "",
        {
            "images_background_small1.zip": (
                [
                    raw(
                        "brendenlake/omniglot",
                        "057f034baf2ecb8530bc5710e5a23584d2a519cc",
                        "python/images_background_small1.zip",
                    )
                ],
                "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
            )
        },
    )

    def __init__(
        self,
        root: Root = None,
        transform: Change = None,
        target_transform: Change = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        super().__init__(transform, target_transform)
        self.items: list[bytes | np.ndarray]
        self.files: list[str]
        if synthetic:
            images, labels = class_images("omniglot", 0, 400, 20, 1, 35)
            self.items, self.targets = list(images), labels.tolist()
            self.characters = [f"made/character{i:02d}" for i in range(20)]
            self.files = [""] * 400
            return
        path = self.source.find("Omniglot", "images_background_small1.zip", root, download)
        try:
            with zipfile.ZipFile(path) as archive:
                self.files = sorted(n for n in archive.namelist() if n.endswith(".png") and n.count("/") >= 3)
                self.items = [archive.read(name) for name in self.files]
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"{path}: the zip file is damaged or cut off ({error})") from None
        if not self.files:
            raise ValueError(f"{path}: holds no alphabet/character/*.png")
        kinds = ["/".join(name.split("/")[-3:-1]) for name in self.files]
        self.characters = sorted(set(kinds))
        numbers = {kind: i for i, kind in enumerate(self.characters)}
        self.targets = [numbers[kind] for kind in kinds]

    def __len__(self) -> int:
        return len(self.items)

    def load(self, index: int) -> tuple[Tensor, Any]:
        item = self.items[index]
        image = read_image(item, "L", self.files[index])
        return (image if isinstance(item, np.ndarray) else 255 - image), self.targets[index]


class Flickr8k(Pictures):
    """Pictures with five captions each (M. Hodosh, P. Young, J. Hockenmaier, JAIR 2013).

    Sample i is (image, list of its captions).

    Args:
        root: a folder with images/*.jpg, captions.token.txt (lines "file#i<TAB>caption") and
            {train,dev,test}.txt, or with the authors' files: Flicker8k_Dataset/*.jpg, Flickr8k.token.txt and
            Flickr_8k.{train,dev,test}Images.txt; else $MARKONE_DATA/flickr8k_mini (800, 100, 100 pictures
            of 128 x 128). Nothing is downloaded: the authors give the files to those who ask.
        split: 'train', 'dev' or 'test'.
        transform, target_transform: as in `Pictures`.
        synthetic: made scenes of 64 x 64 with captions instead.
    """

    splits = ("train", "dev", "test")
    source = Source(
        "flickr8k_mini",
        "they are not downloaded, the authors give them to those who ask "
        "(https://hockenmaier.cs.illinois.edu/8k-pictures.html); or pass synthetic=True",
        below=("Flickr8k",),
    )

    def __init__(
        self,
        root: Root = None,
        split: str = "train",
        transform: Change = None,
        target_transform: Change = None,
        *,
        synthetic: bool = False,
    ) -> None:
        super().__init__(transform, target_transform)
        self.split = split_of("Flickr8k", split, self.splits)
        self.folder: Path | None = None
        self.captions: dict[str, list[str]] = {}
        if synthetic:
            self.files = [str(i) for i in range(60 if split == "train" else 20)]
            return
        names = self.source.find("Flickr8k", (f"{split}.txt", f"Flickr_8k.{split}Images.txt"), root)
        find = self.source.find
        tokens = find("Flickr8k", ("captions.token.txt", "Flickr8k.token.txt"), names.parent)
        self.folder = find("Flickr8k", ("images", "Flicker8k_Dataset"), names.parent)
        for i, line in enumerate(read_lines(tokens)):
            place, tab, caption = line.partition("\t")
            if not tab or "#" not in place:
                raise ValueError(f"{tokens}: line {i + 1} is {line[:60]!r}, wants 'file#number<TAB>caption'")
            self.captions.setdefault(place.rpartition("#")[0], []).append(caption.strip())
        self.files = [line.strip() for line in read_lines(names) if line.strip()]
        for file in self.files:
            if file not in self.captions:
                raise ValueError(f"{names}: {file} has no caption in {tokens}")

    def __len__(self) -> int:
        return len(self.files)

    def load(self, index: int) -> tuple[Tensor, Sequence[str]]:
        if self.folder is not None:
            file = self.files[index]
            return read_image(self.folder / file), list(self.captions[file])
        made = scene(random_of("flickr8k", self.splits.index(self.split), index), (64, 64), 9, 3)
        listed = " and ".join(f"a {name}" for name in made.names)
        forms = ("{}", "there is {}", "a picture of {}", "one can see {}", "{} on a pale ground")
        return read_image(made.image), [form.format(listed) + " ." for form in forms]
