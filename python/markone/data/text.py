"""Text as numbers: tokenisers and vocabularies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Vocabulary", "char_tokenizer", "whitespace_tokenizer", "word_tokenizer"]

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def whitespace_tokenizer(text: str) -> list[str]:
    """What stands between blanks."""
    return text.split()


def char_tokenizer(text: str) -> list[str]:
    """The characters, blanks too."""
    return list(text)


def word_tokenizer(text: str) -> list[str]:
    """Lower-case words (an apostrophe inside belongs to the word), and each punctuation mark on its own."""
    return _WORD.findall(text.lower())


class Vocabulary:
    """Tokens and their numbers: the special ones first, then by falling frequency, equal ones by name.

    Args:
        tokens: in the order of their numbers, no two the same.
        unknown: the token whose number every other one gets; None: a token that is not there is an error.

    Built from text: `Vocabulary.build(sentences, specials=("<pad>", "<unk>"), unknown="<unk>")`.
    """

    def __init__(self, tokens: Iterable[str], unknown: str | None = None) -> None:
        self.tokens = list(tokens)
        self.numbers = {token: number for number, token in enumerate(self.tokens)}
        if len(self.numbers) != len(self.tokens):
            twice = [token for token, n in Counter(self.tokens).items() if n > 1]
            raise ValueError(f"Vocabulary: tokens that come twice: {twice[:5]}")
        if unknown is not None and unknown not in self.numbers:
            raise ValueError(f"Vocabulary: the unknown token {unknown!r} is not among the tokens")
        self.unknown = unknown

    @classmethod
    def build(
        cls,
        sentences: Iterable[Iterable[str]],
        *,
        specials: Sequence[str] = (),
        unknown: str | None = None,
        min_count: int = 1,
        max_tokens: int | None = None,
    ) -> Vocabulary:
        """Counts the tokens of all sentences.

        Args:
            sentences: lists of tokens, or strings, whose characters are the tokens.
            specials: the first tokens, counted or not.
            unknown: as in `Vocabulary`; made the last special one where it is not among them.
            min_count: rarer tokens are left out.
            max_tokens: the largest size, special ones included.
        """
        first = list(specials)
        if unknown is not None and unknown not in first:
            first.append(unknown)
        counts = Counter(token for sentence in sentences for token in sentence)
        for token in first:
            counts.pop(token, None)
        ranked = sorted(
            (token for token, n in counts.items() if n >= min_count),
            key=lambda token: (-counts[token], token),
        )
        if max_tokens is not None:
            if max_tokens < len(first):
                raise ValueError(
                    f"Vocabulary.build: max_tokens is {max_tokens}, below the {len(first)} special tokens"
                )
            ranked = ranked[: max_tokens - len(first)]
        return cls(first + ranked, unknown)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self.numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __getitem__(self, token: str) -> int:
        """The number of a token."""
        number = self.numbers.get(token)
        if number is None:
            if self.unknown is None:
                raise KeyError(f"Vocabulary: {token!r} is not there, and there is no unknown token")
            number = self.numbers[self.unknown]
        return number

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """The numbers of tokens (of a string: of its characters)."""
        return [self[token] for token in tokens]

    def decode(self, numbers: Iterable[int], *, skip: Iterable[str] = ()) -> list[str]:
        """The tokens of numbers, without those in `skip`."""
        left_out = set(skip)
        found = []
        for number in numbers:
            if not 0 <= int(number) < len(self.tokens):
                raise IndexError(f"Vocabulary.decode: {number} is outside the {len(self.tokens)} tokens")
            token = self.tokens[int(number)]
            if token not in left_out:
                found.append(token)
        return found

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens, unknown={self.unknown!r})"
