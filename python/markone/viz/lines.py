"""Plain line pictures: one style for every curve of a lesson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.decision import CLASS_COLOURS
from markone.viz.figure import INK, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, Sequence[float] | np.ndarray | tuple[Any, Any]]


def _draw(axes: Axes, curves: Curves, points: bool, legend: bool) -> None:
    whole = True
    for i, (name, values) in enumerate(curves.items()):
        across, up = values if isinstance(values, tuple) else (range(len(values)), values)
        whole &= all(float(x).is_integer() for x in across)
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
    if whole:
        axes.locator_params(axis="x", integer=True)
    if legend and len(curves) > 1:
        axes.legend(frameon=False, fontsize=9)


def lines(
    curves: Curves,
    x: str = "epoch",
    y: str = "",
    title: str = "",
    log: bool = False,
    points: bool = False,
    log_x: bool = False,
) -> Figure:
    """Named curves in one picture.

    Args:
        curves: values by name, against 0, 1, …; or (x values, y values) by name.
        x, y: what the axes show.
        title: printed above.
        log, log_x: a logarithmic y axis, x axis.
        points: mark each value.
    """
    if not curves:
        raise ValueError("lines: got no curve")
    figure = new_figure(6.4, 3.9)
    axes = figure.subplots()
    _draw(axes, curves, points, legend=True)
    if log:
        axes.set_yscale("log")
    if log_x:
        axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    return figure


def panels(
    pictures: Mapping[str, Curves],
    x: str = "",
    y: str = "",
    title: str = "",
    columns: int = 4,
    log: bool = False,
    points: bool = False,
    dots: Mapping[str, tuple[Any, Any]] | None = None,
    share: bool = False,
) -> Figure:
    """Small pictures of curves side by side, by name; one legend, of the first.

    Args:
        pictures: the curves of each, as `lines` takes them.
        x, y: what the axes show.
        title: printed above all.
        columns: pictures of a row.
        log: logarithmic y axes.
        points: mark each value.
        dots: data (x values, y values) behind the curves, by the picture's name.
        share: the same axes for all.
    """
    if not pictures:
        raise ValueError("panels: got no picture")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = new_figure(0.4 + 2.9 * columns, 0.6 + 2.3 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).ravel()
    for i, (axes, (name, curves)) in enumerate(zip(grid, pictures.items())):
        if dots and name in dots:
            axes.scatter(*dots[name], s=9, color="#9aa3b2", linewidth=0, zorder=0)
        _draw(axes, curves, points, legend=i == 0)
        if log:
            axes.set_yscale("log")
        axes.set_title(name, loc="left", color=INK, fontsize=10)
        if i + columns >= len(pictures):
            axes.set_xlabel(x)
        if i % columns == 0:
            axes.set_ylabel(y)
    for axes in grid[len(pictures) :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure


def bars(values: Mapping[str, float], y: str = "", title: str = "", reference: float | None = None) -> Figure:
    """A horizontal bar a name, its value beside it; `reference` draws a line to compare with."""
    if not values:
        raise ValueError("bars: got no value")
    figure = new_figure(6.4, 0.9 + 0.42 * len(values))
    axes = figure.subplots()
    names = list(values)[::-1]
    heights = [values[name] for name in names]
    axes.barh(names, heights, color=CLASS_COLOURS[1], height=0.62)
    for i, height in enumerate(heights):
        axes.text(height, i, f" {height:.3g}", va="center", fontsize=9, color=INK)
    if reference is not None:
        axes.axvline(reference, color=CLASS_COLOURS[0], linewidth=1.2, linestyle="--")
    style(axes, grid="x")
    axes.margins(x=0.12)
    axes.set_xlabel(y)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    return figure
