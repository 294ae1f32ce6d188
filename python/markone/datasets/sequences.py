"""Tagged sentences and music."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Dataset
from ..ops import from_numpy
from ..tensor import Tensor
from .pictures import Change
from .source import Root, Source, raw, read_lines, read_text, split_of
from .synthetic import random_of, sentence

__all__ = ["ConlluSentence", "JSBChorales", "UDEnglishEWT", "read_conllu"]


@dataclass(frozen=True)
class ConlluSentence:
    """The columns of a sentence: one entry a word; heads count from 1, 0 is the root (-1 where none is
    given)."""

    words: list[str]
    lemmas: list[str]
    upos: list[str]
    xpos: list[str]
    heads: list[int]
    deprels: list[str]


def read_conllu(path: Path) -> list[ConlluSentence]:
    """The sentences of a CoNLL-U file. Ranges (3-4) and empty words (3.1) are left out.

    Raises:
        ValueError: a line that is no comment and has not ten columns, or numbers out of order; names file
            and line.
    """
    sentences: list[ConlluSentence] = []
    rows: list[list[str]] = []
    for number, line in enumerate([*read_lines(path), ""], 1):
        if not line.strip():
            if rows:
                words, lemmas, upos, xpos, _, above, deprels = map(list, list(zip(*rows, strict=True))[1:8])
                heads = [int(head) if head.isdigit() else -1 for head in above]
                sentences.append(ConlluSentence(words, lemmas, upos, xpos, heads, deprels))
                rows = []
            continue
        if line.startswith("#"):
            continue
        row = line.split("\t")
        if len(row) != 10:
            raise ValueError(f"{path}: line {number} has {len(row)} columns, CoNLL-U wants 10")
        if "-" in row[0] or "." in row[0]:
            continue
        if row[0] != str(len(rows) + 1):
            raise ValueError(f"{path}: line {number} is word {row[0]}, wants {len(rows) + 1}")
        rows.append(row)
    return sentences


class UDEnglishEWT(Dataset[tuple[Any, Any]]):
    """English sentences with their parts of speech (N. Silveira et al., LREC 2014; CC BY-SA 4.0): 12,544
    to train, 2,001 to develop, 2,077 to test.

    Sample i is (words, universal tags), two lists.

    Args:
        root: a folder with en_ewt-ud-{train,dev,test}.conllu; else $MARKONE_DATA/ud_english_ewt, the
            cache, the network (dev and test; the training file has to be there).
        split: 'train', 'dev' or 'test'.
        transform: of the words.
        target_transform: of the tags.
        download: whether to download.
        synthetic: 300 made sentences (60 outside of training) instead.

    Attributes:
        sentences: all columns.
    """

    source = Source(
        "ud_english_ewt",
        "get it from https://universaldependencies.org; or pass synthetic=True",
        {
            f"en_ewt-ud-{part}.conllu": (
                [
                    raw(
                        "UniversalDependencies/UD_English-EWT",
                        "15d613d8447b3478787d4c278730a1e48a945efb",
                        f"en_ewt-ud-{part}.conllu",
                    )
                ],
                sha256,
            )
            for part, sha256 in (
                ("dev", "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"),
                ("test", "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"),
            )
        },
    )

    def __init__(
        self,
        root: Root = None,
        split: str = "train",
        transform: Change = None,
        target_transform: Change = None,
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        split_of("UDEnglishEWT", split, ("train", "dev", "test"))
        self.transform, self.target_transform = transform, target_transform
        if not synthetic:
            path = self.source.find("UDEnglishEWT", f"en_ewt-ud-{split}.conllu", root, download)
            self.sentences = read_conllu(path)
            return
        self.sentences = []
        for i in range(300 if split == "train" else 60):
            words = sentence(random_of("ud" + split, i))
            tags, said = [w[0] for w in words], [w[1] for w in words]
            self.sentences.append(
                ConlluSentence(said, said, tags, tags, [-1] * len(words), ["_"] * len(words))
            )

    def __len__(self) -> int:
        return len(self.sentences)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        found = self.sentences[index]
        return (
            found.words if self.transform is None else self.transform(found.words),
            found.upos if self.target_transform is None else self.target_transform(found.upos),
        )


class JSBChorales(Dataset[Tensor]):
    """Bach's four-part chorales: 229 to train, 76 to validate, 77 to test (N. Boulanger-Lewandowski, Y.
    Bengio, P. Vincent, ICML 2012).

    With 'quarter', sample i is the piano roll float32 [T, 88]: 1 where a pitch (MIDI 21 .. 108) sounds in
    a quarter note. With '16th' it is int64 [T, 4]: soprano, alto, tenor, bass as MIDI pitches, -1 where
    silent.

    Args:
        root: a folder with jsb-chorales-quarter.json or Jsb16thSeparated.json; else
            $MARKONE_DATA/jsb_chorales, the cache, the network.
        split: 'train', 'valid' or 'test'.
        resolution: 'quarter' or '16th'.
        download: whether to download.
        synthetic: 40 made pieces (10 outside of training) instead.
    """

    lowest, pitches = 21, 88
    source = Source(
        "jsb_chorales",
        "",
        {
            name: (
                [raw("czhuang/JSB-Chorales-dataset", "9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d", name)],
                sha256,
            )
            for name, sha256 in (
                (
                    "jsb-chorales-quarter.json",
                    "2db9329f1881a1d3f49703ec556bf1d6f84b4f6c1d702c156536e93cf31e1c91",
                ),
                ("Jsb16thSeparated.json", "79294cc374f9252e95ef4b703161524c1c53dc1f712c236f00f1c1f5d54af5a7"),
            )
        },
    )

    def __init__(
        self,
        root: Root = None,
        split: str = "train",
        resolution: str = "quarter",
        download: bool = True,
        *,
        synthetic: bool = False,
    ) -> None:
        split_of("JSBChorales", split, ("train", "valid", "test"))
        split_of("JSBChorales: resolution", resolution, ("quarter", "16th"))
        self.resolution = resolution
        if synthetic:
            self.pieces = [_piece(split, i) for i in range(40 if split == "train" else 10)]
            return
        name = "jsb-chorales-quarter.json" if resolution == "quarter" else "Jsb16thSeparated.json"
        path = self.source.find("JSBChorales", name, root, download)
        try:
            content = json.loads(read_text(path))
            self.pieces = [[[int(pitch) for pitch in step] for step in piece] for piece in content[split]]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: wants JSON {{'train', 'valid', 'test': [[chord, ...], ...]}} ({error!r})"
            ) from None
        top = self.lowest + self.pitches
        for i, piece in enumerate(self.pieces):
            for step in piece:
                if resolution == "16th" and len(step) != 4:
                    raise ValueError(f"{path}: piece {i} has a step of {len(step)} voices, wants 4")
                if any(not self.lowest <= p < top and not (p == -1 and resolution == "16th") for p in step):
                    raise ValueError(
                        f"{path}: piece {i} has a pitch outside {self.lowest} .. {top - 1}: {step}"
                    )

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> Tensor:
        piece = self.pieces[index]
        if self.resolution == "16th":
            return from_numpy(np.array(piece, dtype=np.int64).reshape(-1, 4))
        roll = np.zeros((len(piece), self.pitches), dtype=np.float32)
        for row, chord in zip(roll, piece, strict=True):
            row[[pitch - self.lowest for pitch in chord]] = 1
        return from_numpy(roll)


def _piece(split: str, index: int) -> list[list[int]]:
    """Triads of C major, each going a fourth up, a fifth up or staying, over 32 steps."""
    random = random_of("jsb" + split, index)
    scale, degree, steps = (0, 2, 4, 5, 7, 9, 11), 0, []
    for _ in range(32):
        degree = (degree + (0, 3, 4)[random.integer(0, 3)]) % 7
        tones = [scale[(degree + 2 * k) % 7] for k in range(3)]
        steps.append([72 + tones[2], 60 + tones[1], 60 + tones[0], 48 + tones[0]])
    return steps
