"""The confusion table as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from markone.viz.figure import INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_table(table: np.ndarray, classes: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """The counts as int64 [C, C] and a name for each class."""
    counts = np.asarray(table)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.shape[0] == 0 or (counts < 0).any():
        raise ValueError(
            f"confusion_table: got shape {list(counts.shape)}, wants square counts [C, C] of 0 or more"
        )
    names = [str(i) for i in range(len(counts))] if classes is None else [str(name) for name in classes]
    if len(names) != len(counts):
        raise ValueError(f"confusion_table: got {len(names)} class names for {len(counts)} classes")
    return counts.astype(np.int64), names


def confusion_table(table: np.ndarray, classes: Sequence[str] | None = None, title: str = "") -> Figure:
    """Counts [C, C] (row: the true class, column: what it was taken for) as a picture.

    Colours show the share of the row; mistakes have a colour of their own, so that a single one is seen.
    """
    counts, names = check_table(table, classes)
    size = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(size, dtype=bool)
    # White to blue along the diagonal; from a visible orange to red for mistakes.
    colours = np.ones((size, size, 3))
    blue, orange, red = (np.array(c) / 255 for c in ((47, 111, 222), (253, 224, 198), (208, 69, 62)))
    colours[right] = 1 - (1 - blue) * (0.15 + 0.75 * share[right, None])
    mistakes = (counts > 0) & ~right
    strength = np.minimum(share[mistakes, None] * 5, 1)
    colours[mistakes] = orange + (red - orange) * strength

    side = max(4.2, 0.48 * size + 1.6)
    figure = new_figure(side + 0.6, side)
    axes = figure.subplots()
    axes.imshow(colours, interpolation="nearest")
    if size <= 25:
        for i, j in np.argwhere(counts > 0):
            dark = colours[i, j].mean() < 0.62
            axes.text(
                j, i, str(counts[i, j]), ha="center", va="center", fontsize=9, color="white" if dark else INK
            )
    axes.set_xticks(range(size), names, rotation=0 if max(map(len, names)) <= 3 else 90)
    axes.set_yticks(range(size), [f"{name}" for name in names])
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#eceef1", linewidth=1)
    axes.tick_params(which="both", length=0, colors=MUTED, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel("taken for", color=INK)
    axes.set_ylabel("true class", color=INK)
    recall = axes.secondary_yaxis("right")
    recall.set_yticks(range(size), [f"{100 * value:.1f}" for value in share.diagonal()])
    recall.tick_params(length=0, colors=MUTED, labelsize=8.5)
    recall.set_ylabel("right, % of the row", color=MUTED, fontsize=9)
    recall.spines["right"].set_visible(False)
    total, good = int(counts.sum()), int(counts.trace())
    summary = f"{good} of {total} right ({100 * good / max(total, 1):.2f} %), {total - good} mistakes"
    axes.set_title(f"{title}\n{summary}" if title else summary, loc="left", color=INK, fontsize=11)
    return figure
