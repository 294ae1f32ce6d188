"""The course: each lesson is a file of this folder, named as the command names it.

`markone lesson` lists them, `markone lesson NAME` runs one, docs/tutorials has them as text.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markone import ops
from markone.lessons.page import Page

__all__ = ["COURSE", "Lesson", "Page", "find", "lessons"]

# In the order of the course: its parts, and the lessons of each.
COURSE: dict[str, tuple[str, ...]] = {
    "Single units": ("threshold_unit", "perceptron", "two_perceptrons", "delta_rule", "logistic_regression"),
    "Multilayer perceptrons and training": (
        "activations",
        "backprop_example",
        "backpropagation",
        "gradient_checking",
        "identity_8_3_8",
        "toy_data",
        "universality",
        "initialisation",
        "losses",
        "regularisation",
        "inputs",
        "optimisers",
        "tuning",
        "loss_landscape",
        "mlp_digits",
    ),
    "Images and filters": ("image_function", "linear_filters", "convolution_arithmetic", "pooling"),
    "Convolutional networks": (
        "learned_features",
        "neocognitron",
        "lenet",
        "published_networks",
        "deconvolution",
        "skip_connections",
        "transfer",
        "annotation",
    ),
}


@dataclass(frozen=True)
class Lesson:
    """A lesson: `row` of the course's list, `title`, and `text`, from the docstring of its file."""

    name: str
    part: str
    row: str
    title: str
    text: str

    def run(self, out: Path, short: bool = False, seed: int = 0, quiet: bool = False) -> Page:
        """Runs it on a new page, which is returned."""
        page = Page(out, short, seed, quiet)
        module: Any = importlib.import_module(f"markone.lessons.{self.name}")
        page.title(f"{self.title} ({self.row})")
        for paragraph in self.text.split("\n\n"):
            if paragraph.startswith("    "):
                page.print(paragraph)
            else:
                page.text(paragraph)
            page.print()
        page.start = len(page.lines)
        state = ops.get_rng_state()
        ops.manual_seed(seed)
        try:
            module.lesson(page)
        finally:
            ops.set_rng_state(state)
        return page


def lessons() -> list[Lesson]:
    """Every lesson, in order."""
    return [_read(name, part) for part, names in COURSE.items() for name in names]


def find(name: str) -> Lesson:
    """The lesson of this name; `-` and `_` are the same.

    Raises:
        ValueError: there is none; names the nearest.
    """
    known = {name: part for part, names in COURSE.items() for name in names}
    wanted = name.replace("-", "_")
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, 1, 0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no lesson is called {name!r}{hint} (`markone lesson` lists them)")
    return _read(wanted, known[wanted])


def _read(name: str, part: str) -> Lesson:
    """Title, row and text stand in the file's docstring: 'Title (row A2).' and then paragraphs."""
    import ast

    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    head, _, text = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")
    title, _, row = head.rstrip(".").rpartition(" (")
    return Lesson(name, part, row.rstrip(")"), title, text)
