"""What all pictures share: making a figure, colours, saving."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2430", "#69707d", "#e6e8ec"
BLUE, ORANGE, GREEN, RED = "#2f6fde", "#e07b28", "#2c9c6a", "#d0453e"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, drawn by Agg when it is saved.

    Raises:
        ImportError: matplotlib is not installed; says how to get it.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "viz: pictures need matplotlib; install it with: pip install 'markone[viz]'"
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style(axes: Axes, grid: str = "y") -> None:
    """Quiet axes: no box, light grid lines behind the data."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def save(figure: Any, path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Writes the figure to `path`; its ending says which format. An Animation is written as a GIF."""
    figure.savefig(Path(path), dpi=dpi)
