"""Plain line pictures: one style for every curve of a lesson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.decision import CLASS_COLOURS
from markone.viz.figure import INK, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lines(
    curves: Mapping[str, Sequence[float] | np.ndarray | tuple[Any, Any]],
    x: str = "epoch",
    y: str = "",
    title: str = "",
    log: bool = False,
    points: bool = False,
) -> Figure:
    """Named curves in one picture.

    Args:
        curves: values by name, against 0, 1, …; or (x values, y values) by name.
        x, y: what the axes show.
        title: printed above.
        log: a logarithmic y axis.
        points: mark each value.
    """
    if not curves:
        raise ValueError("lines: got no curve")
    figure = new_figure(6.4, 3.9)
    axes = figure.subplots()
    for i, (name, values) in enumerate(curves.items()):
        across, up = values if isinstance(values, tuple) else (range(len(values)), values)
        axes.plot(
            across,
            up,
            color=CLASS_COLOURS[(i + 1) % len(CLASS_COLOURS)],
            linewidth=1.7,
            marker="o" if points else "",
            markersize=3.5,
            label=name,
        )
    style(axes)
    if log:
        axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    return figure
