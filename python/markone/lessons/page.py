"""What a lesson writes on: text, tables, our numbers beside the slide's, pictures."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Page"]


class Page:
    """The page of one run of a lesson: printed as it goes, pictures saved in `out`.

    Args:
        out: the folder of the pictures.
        short: the run may be no longer than a few seconds, so a lesson trains less.
        seed: of all that a lesson draws.
        quiet: print nothing (for tests).

    Attributes:
        wrong: what differed from the course's figures; empty when all agree.
        pictures: the files written.
        lines: what was printed; from `start` on what the run itself printed, after title and text.
    """

    def __init__(self, out: Path, short: bool = False, seed: int = 0, quiet: bool = False) -> None:
        self.out, self.short, self.seed, self.quiet = out, short, seed, quiet
        self.wrong: list[str] = []
        self.pictures: list[Path] = []
        self.lines: list[str] = []
        self.start = 0

    def print(self, line: str = "") -> None:
        """One line."""
        self.lines.append(line)
        if not self.quiet:
            print(line, flush=True)

    def title(self, text: str) -> None:
        """A heading."""
        self.print()
        self.print(text)
        self.print("─" * len(text))

    def text(self, text: str) -> None:
        """A paragraph, folded to the terminal's width."""
        width = min(shutil.get_terminal_size((100, 24)).columns, 100)
        for line in textwrap.wrap(" ".join(text.split()), width):
            self.print(line)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Columns as wide as they need; numbers to the right."""
        cells = [[_cell(value) for value in row] for row in rows]
        wide = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head))]
        self.print("  ".join(h.ljust(w) for h, w in zip(head, wide)).rstrip())
        for row in cells:
            self.print(
                "  ".join(c.rjust(w) if _numeric(c) else c.ljust(w) for c, w in zip(row, wide)).rstrip()
            )

    def compare(
        self,
        rows: Iterable[tuple[str, Any, Any] | tuple[str, Any, Any, str]],
        digits: int = 3,
        against: str = "course",
    ) -> None:
        """(what, ours, the other's[, a slip or a remark]): a table with a mark where both agree.

        Numbers, also in arrays, agree when they are equal as printed with `digits` decimals. `against` says
        whose the others are, such as "formula", and heads their column.
        """
        table = []
        for what, ours, other, *note in rows:
            same = _equal(ours, other, digits)
            if not same:
                self.wrong.append(f"{what}: {_show(ours, digits)}, {against} {_show(other, digits)}")
            table.append(
                [what, _show(ours, digits), _show(other, digits), "✓" if same else "✗", *note, ""][:5]
            )
        self.table(("", "markone", against, "", ""), table)

    def check(self, what: str, holds: bool) -> None:
        """A statement that must be true."""
        self.print(f"{'✓' if holds else '✗'} {what}")
        if not holds:
            self.wrong.append(what)

    def picture(self, name: str, figure: Any) -> None:
        """Saves a Matplotlib figure, or an animation (mo.viz's), as NAME.png or NAME.gif."""
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"{name}.{'gif' if hasattr(figure, 'save_gif') else 'png'}"
        if hasattr(figure, "save_gif"):
            figure.save_gif(path)
        else:
            figure.savefig(path, dpi=110)
        self.pictures.append(path)
        self.print(f"→ {path}")

    def next(self, *ideas: str) -> None:
        """The last words: what to try now."""
        self.title("Try next")
        for idea in ideas:
            self.print(f"• {' '.join(idea.split())}")


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _numeric(text: str) -> bool:
    return bool(text) and text.lstrip("+-−.").replace(".", "").replace("e-", "").replace(" %", "").isdigit()


def _show(value: Any, digits: int) -> str:
    if isinstance(value, str | bool | int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return _number(float(value), digits)
    array = np.asarray(value.detach().numpy() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "fiub":
        return str(value)
    if array.ndim == 0:
        return _show(array.item(), digits)
    parts = [_show(item, digits) for item in array]
    return " ".join(parts) if array.ndim == 1 else "; ".join(parts)


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _equal(ours: Any, other: Any, digits: int) -> bool:
    return _show(ours, digits) == _show(other, digits)


def sample_picture(page: Page, name: str = "Afghan hound") -> Any:
    """A grey picture [H, W] of bytes: from $MARKONE_DATA/imagenet_samples, else made by rule (said so)."""
    import markone as mo
    from markone.datasets import ImageNetSamples
    from markone.datasets.synthetic import random_of, scene

    try:
        pictures = ImageNetSamples()
        image = pictures[pictures.names.index(name)][0]
        colour = image.numpy().astype(np.float64)
        if image.is_floating_point():
            colour = colour * 255
    except FileNotFoundError:
        page.text("(MARKONE_DATA has no imagenet_samples: a made scene stands in for the photograph.)")
        colour = scene(random_of("lesson", len(name)), (256, 256), 3).image.astype(np.float64)
        colour = colour.transpose(2, 0, 1) if colour.shape[-1] == 3 else colour
    grey = np.tensordot((0.299, 0.587, 0.114), colour, 1)
    return mo.tensor(np.round(grey).astype(np.uint8))
