"""The ways of optimisers through a plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from markone.viz.decision import CLASS_COLOURS
from markone.viz.figure import INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def descents(
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ways: Mapping[str, np.ndarray],
    title: str = "",
    columns: int = 4,
) -> Figure:
    """Each way [steps, 2] on the contours of loss(x, y), a panel a way; the end is starred.

    Args:
        loss: heights, of arrays of x and y.
        ways: by name.
        title: printed above.
        columns: panels of a row.
    """
    if not ways:
        raise ValueError("descents: got no way")
    every = np.concatenate(list(ways.values()))
    low, high = every.min(0), every.max(0)
    room = 0.1 * np.maximum(high - low, 1e-9)
    x, y = np.meshgrid(*(np.linspace(a - r, b + r, 120) for a, b, r in zip(low, high, room)))
    heights = loss(x, y)
    levels = np.quantile(heights, np.linspace(0.01, 0.98, 14))
    columns = min(columns, len(ways))
    rows = -(-len(ways) // columns)
    figure = new_figure(0.4 + 2.9 * columns, 0.6 + 2.1 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for i, (axes, (name, way)) in enumerate(zip(grid, ways.items())):
        axes.contour(x, y, heights, levels=np.unique(levels), colors="#c3cad6", linewidths=0.8)
        colour = CLASS_COLOURS[(i + 1) % len(CLASS_COLOURS)]
        axes.plot(*way.T, color=colour, linewidth=1.3, marker="o", markersize=2.5)
        axes.plot(*way[-1], color=colour, marker="*", markersize=11, markeredgecolor="white")
        axes.set_title(name, loc="left", color=INK, fontsize=10)
        axes.tick_params(colors=MUTED, labelsize=8)
    for axes in grid[len(ways) :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure
