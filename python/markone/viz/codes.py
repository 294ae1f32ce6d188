"""How the hidden values of a few patterns came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.decision import CLASS_COLOURS
from markone.viz.figure import INK, MUTED, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def code_history(
    history: Any, names: Sequence[str] = (), title: str = "", every: int = 1, most: int = 8
) -> Figure:
    """The hidden values [epochs, patterns, units] by epoch: a panel a pattern, a line a unit.

    At the right of each panel stands its last code, rounded to 0 and 1.

    Args:
        history: the values, in 0 .. 1.
        names: of the patterns.
        title: printed above.
        every: epochs between two rows of the history.
        most: panels drawn at most.
    """
    values = np.asarray(history, dtype=np.float64)
    if values.ndim != 3 or values.size == 0:
        raise ValueError(f"code_history: got shape {list(values.shape)}, wants [epochs, patterns, units]")
    count = min(values.shape[1], most)
    columns = min(count, 4)
    rows = -(-count // columns)
    figure = new_figure(0.5 + 2.8 * columns, 0.6 + 1.8 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    epochs = every * np.arange(len(values))
    for i, axes in enumerate(grid.ravel()):
        if i >= count:
            axes.set_visible(False)
            continue
        for unit in range(values.shape[2]):
            colour = CLASS_COLOURS[(unit + 1) % len(CLASS_COLOURS)]
            axes.plot(epochs, values[:, i, unit], color=colour, linewidth=1.5, label=f"unit {unit + 1}")
        axes.axhline(0.5, color=MUTED, linewidth=0.7, linestyle=":")
        code = "".join(str(int(v)) for v in values[-1, i].round())
        name = names[i] if names else f"pattern {i + 1}"
        axes.set_title(f"{name} → {code}", loc="left", color=INK, fontsize=10)
        axes.set_ylim(-0.04, 1.04)
        style(axes)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    for row in grid:
        row[0].set_ylabel("hidden value")
    units = grid[0, 0].get_legend_handles_labels()
    figure.legend(*units, frameon=False, fontsize=9, loc="outside upper right", ncols=values.shape[2])
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure
