"""Articles of news groups as counts of their words."""

from __future__ import annotations

import os
import re
import tarfile
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data import Dataset
from ..ops import from_numpy
from ..tensor import Tensor
from .source import Root, Source, read_lines, read_npz
from .synthetic import random_of

__all__ = ["Newsgroups20"]

_COUNTS = "20news_bydate_bow2000.npz"
# Words that say nothing of the subject, and what is left of "isn't", "we've" and their like.
_STOP = frozenset(
    """about above after again against ain all also and any are aren because been before being below between
    both but can cannot could couldn did didn does doesn doing don down during each few for from further get
    had hadn has hasn have haven having her here hers herself him himself his how into isn its itself just
    like may might more most much must mustn myself needn nor not now off once one only other our ours
    ourselves out over own said same say she should shouldn some such than that the their theirs them
    themselves then there these they this those through too under until very was wasn were weren what when
    where which while who whom why will with won would wouldn you your yours yourself yourselves""".split()
)


def words_of(article: str) -> list[str]:
    """The words of an article's subject and text: runs of 3 to 20 letters, lower case, no stop words."""
    head, _, body = article.replace("\r\n", "\n").partition("\n\n")
    subject = [line[8:] for line in head.split("\n") if line.lower().startswith("subject:")]
    found = re.findall(r"(?<![a-z])[a-z]{3,20}(?![a-z])", "\n".join([*subject, body]).lower())
    return [word for word in found if word not in _STOP]


def count_words(path: Path, words: int = 2000, documents: int = 10) -> None:
    """Counts the articles of 20news-bydate.tar.gz and writes what `Newsgroups20` reads beside it: the
    `words` most frequent of the training part that at least `documents` articles have.

    Raises:
        ValueError: not that archive, or cut off.
    """
    articles: dict[str, list[tuple[str, Counter[str]]]] = {"train": [], "test": []}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                match = re.fullmatch(r"(?:.*/)?20news-bydate-(train|test)/([^/]+)/[^/]+", member.name)
                content = archive.extractfile(member) if match and member.isfile() else None
                if match and content is not None:
                    found = words_of(content.read().decode("latin-1"))
                    articles[match[1]].append((match[2], Counter(found)))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not the whole archive 20news-bydate ({error})") from None
    if not articles["train"] or not articles["test"]:
        raise ValueError(f"{path}: has no articles in 20news-bydate-train or 20news-bydate-test")
    total: Counter[str] = Counter()
    having: Counter[str] = Counter()
    for _, counts in articles["train"]:
        total.update(counts)
        having.update(counts.keys())
    frequent = sorted((w for w in total if having[w] >= documents), key=lambda w: (-total[w], w))[:words]
    places = {word: i for i, word in enumerate(sorted(frequent))}
    groups = sorted({group for group, _ in articles["train"]})
    arrays: dict[str, np.ndarray] = {}
    for part, listed in articles.items():
        rows = [sorted((places[w], n) for w, n in counts.items() if w in places) for _, counts in listed]
        pairs = np.array([pair for row in rows for pair in row], dtype=np.int64).reshape(-1, 2)
        arrays[f"{part}_indptr"] = np.cumsum([0, *map(len, rows)]).astype(np.int32)
        arrays[f"{part}_indices"] = pairs[:, 0].astype(np.uint16)
        arrays[f"{part}_counts"] = np.minimum(pairs[:, 1], 255).astype(np.uint8)
        arrays[f"{part}_labels"] = np.array([groups.index(group) for group, _ in listed], dtype=np.uint8)
    folder = path.parent
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in places))
    (folder / "groups.txt").write_text("".join(group + "\n" for group in groups))
    # The counts are what says that the folder is whole: they come last, and at once.
    with tempfile.TemporaryDirectory(dir=folder) as made:
        np.savez_compressed(Path(made) / _COUNTS, **arrays)  # type: ignore[arg-type]
        os.replace(Path(made) / _COUNTS, folder / _COUNTS)


class Newsgroups20(Dataset[tuple[Tensor, int]]):
    """Articles of 20 news groups as counts of the 2,000 most frequent words (K. Lang 1995): 11,314 to
    train, 7,532 to test.

    Sample i is (counts float32 [2000], number of the group).

    Args:
        root: a folder with 20news_bydate_bow2000.npz, vocab.txt and groups.txt, or with 20news-bydate.tar.gz,
            from which they are made; else $MARKONE_DATA/newsgroups20, the cache, the network.
        train: the training articles, else the test ones.
        download: whether to download (14 MB).
        synthetic: 400 made articles (100 to test) of 4 groups and 200 words instead.

    Attributes:
        words: the words' names; classes: the groups' names; targets: int64 [N].
    """

    source = Source(
        "newsgroups20",
        "",
        {
            "20news-bydate.tar.gz": (
                [
                    "http://qwone.com/~jason/20Newsgroups/20news-bydate.tar.gz",
                    "https://ndownloader.figshare.com/files/5975967",
                ],
                "8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
            )
        },
    )

    def __init__(
        self, root: Root = None, train: bool = True, download: bool = True, *, synthetic: bool = False
    ) -> None:
        if synthetic:
            self._make(train)
            return
        path = self.source.find("Newsgroups20", ("20news-bydate.tar.gz", _COUNTS), root, download)
        if path.name != _COUNTS and not (path.parent / _COUNTS).exists():
            count_words(path)
        path = path.parent / _COUNTS
        self.words = read_lines(path.parent / "vocab.txt")
        self.classes = read_lines(path.parent / "groups.txt")
        part = "train" if train else "test"
        names = [f"{part}_{name}" for name in ("indptr", "indices", "counts", "labels")]
        arrays = read_npz(path, dict.fromkeys(names, ("iu", 1)))
        starts, self._places, self._counts, labels = (arrays[name] for name in names)
        self._starts = starts.astype(np.int64)
        whole = (
            len(self._starts) == len(labels) + 1
            and self._starts[0] == 0
            and np.all(np.diff(self._starts) >= 0)
        )
        if not whole or not self._starts[-1] == len(self._places) == len(self._counts):
            raise ValueError(f"{path}: the arrays of '{part}' do not belong together")
        if self._places.size and int(self._places.max()) >= len(self.words):
            raise ValueError(f"{path}: has word {self._places.max()}, vocab.txt only {len(self.words)}")
        if labels.size and int(labels.max()) >= len(self.classes):
            raise ValueError(f"{path}: has label {labels.max()}, groups.txt only {len(self.classes)}")
        self.targets = from_numpy(labels.astype(np.int64))

    def _make(self, train: bool) -> None:
        self.words = [f"word{i}" for i in range(200)]
        self.classes = [f"group{i}" for i in range(4)]
        count = 400 if train else 100
        labels = np.arange(count, dtype=np.int64) % 4
        random = random_of("newsgroups", int(train))
        # Two words in three come from the group's own fifty.
        drawn = (random.random(30 * count).reshape(count, 30) * 50).astype(np.int64)
        own = random.random(30 * count).reshape(count, 30) < 2 / 3
        group = np.where(
            own, labels[:, None], (random.random(30 * count).reshape(count, 30) * 4).astype(np.int64)
        )
        places, counts = zip(*(np.unique(row, return_counts=True) for row in group * 50 + drawn), strict=True)
        self._starts = np.concatenate([[0], np.cumsum([len(p) for p in places])])
        self._places, self._counts = np.concatenate(places), np.concatenate(counts)
        self.targets = from_numpy(labels)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def _rows(self, indices: Sequence[int]) -> Tensor:
        rows = np.zeros((len(indices), len(self.words)), dtype=np.float32)
        for row, i in zip(rows, indices, strict=True):
            part = slice(self._starts[i], self._starts[i + 1])
            row[self._places[part]] = self._counts[part]
        return from_numpy(rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"Newsgroups20: index {index} is outside the {len(self)} articles")
        index %= len(self)
        return self._rows([index])[0], int(self.targets[index].item())

    def get_batch(self, indices: Sequence[int]) -> list[Tensor]:
        return [self._rows(indices), self.targets[from_numpy(np.asarray(indices, dtype=np.int64))]]
