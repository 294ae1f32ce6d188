"""Decision boundaries, and how they came about."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.figure import INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# One a class; told apart also by people who do not see red and green as different.
CLASS_COLOURS = ("#d0453e", "#2f6fde", "#2c9c6a", "#e0a028", "#8a5bd0", "#48a9b8", "#c25c9b", "#7a7f8a")
_MARKERS = "so^Dv<>p"
_NAMED = {"red": CLASS_COLOURS[0], "blue": CLASS_COLOURS[1], "green": CLASS_COLOURS[2]}

Predict = Callable[[np.ndarray], Any]


class Animation:
    """Frames of one figure, drawn one by one.

    Args:
        figure: what is drawn on.
        frames: how many.
        draw: draws the frame of a number.
    """

    def __init__(self, figure: Figure, frames: int, draw: Callable[[int], None]) -> None:
        self.figure, self.frames, self.draw = figure, frames, draw

    def savefig(self, path: str | os.PathLike[str], dpi: int = 80) -> None:
        """As a figure has it, for `viz.save`: writes a GIF; ValueError for another ending."""
        if Path(path).suffix.lower() != ".gif":
            raise ValueError(f"save: an animation is written as .gif, got '{path}'")
        self.save_gif(path, dpi=dpi)

    def save_gif(self, path: str | os.PathLike[str], milliseconds: int = 250, dpi: int = 80) -> None:
        """Writes a GIF that loops; the last frame stays longer."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        pictures = []
        for i in range(self.frames):
            self.draw(i)
            self.figure.set_dpi(dpi)
            canvas = FigureCanvasAgg(self.figure)
            canvas.draw()  # type: ignore[no-untyped-call]
            pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
            pictures.append(Image.fromarray(pixels[..., :3].copy()).quantize(64))
        times = [milliseconds] * (len(pictures) - 1) + [6 * milliseconds]
        pictures[0].save(Path(path), save_all=True, append_images=pictures[1:], duration=times, loop=0)


def _limits(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = x.min(axis=0), x.max(axis=0)
    room = 0.12 * np.maximum(high - low, 1e-9)
    return low - room, high + room


def _check(name: str, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    x, labels = np.asarray(X, dtype=np.float64), np.asarray(y)
    if x.ndim != 2 or x.shape[1] != 2 or labels.shape != (len(x),) or len(x) == 0:
        raise ValueError(f"{name}: got X {x.shape} and y {labels.shape}, wants points [N, 2] and labels [N]")
    return x, labels


def _draw(
    axes: Axes, predict: Predict, x: np.ndarray, labels: np.ndarray, classes: np.ndarray, dots: int
) -> None:
    low, high = _limits(x)
    across, up = np.linspace(low[0], high[0], dots), np.linspace(low[1], high[1], dots)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    # A class that is called red is red.
    colour = [
        _NAMED.get(str(c).lower(), CLASS_COLOURS[i % len(CLASS_COLOURS)]) for i, c in enumerate(classes)
    ]
    codes = np.searchsorted(classes, np.asarray(predict(grid))).reshape(dots, dots)
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colour])
    colours = 1 - (1 - rgb[codes]) * 0.22
    axes.imshow(
        colours,
        extent=(low[0], high[0], low[1], high[1]),
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
    )
    if len(np.unique(codes)) > 1:
        axes.contour(across, up, codes, levels=np.arange(len(classes) - 1) + 0.5, colors=INK, linewidths=1.1)
    for i, c in enumerate(classes):
        at = labels == c
        axes.scatter(
            x[at, 0],
            x[at, 1],
            s=34,
            marker=_MARKERS[i % len(_MARKERS)],
            color=colour[i],
            edgecolor="white",
            linewidth=0.7,
            label=str(c),
            zorder=3,
        )
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.tick_params(colors=MUTED, labelsize=9)
    for spine in axes.spines.values():
        spine.set_color(MUTED)


def decision_boundary(
    predict: Predict | Mapping[str, Predict], X: Any, y: Any, title: str = "", dots: int = 300
) -> Figure:
    """Points [N, 2] on the regions that `predict` gives each class, one panel a predictor.

    Args:
        predict: points [M, 2] → labels [M]; or several by name.
        X, y: the points and their labels; or the labels by the predictors' names.
        title: printed above.
        dots: how finely the plane is sampled, in each direction.
    """
    panels = predict if isinstance(predict, Mapping) else {"": predict}
    targets = y if isinstance(y, dict) else dict.fromkeys(panels, y)
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    figure = new_figure(0.4 + 3.9 * columns, 0.5 + 3.6 * rows)
    axes_list = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, one) in zip(axes_list, panels.items()):
        x, labels = _check("decision_boundary", X, targets[name])
        _draw(axes, one, x, labels, np.unique(labels), dots)
        axes.set_title(name, loc="left", color=INK, fontsize=10)
    for axes in axes_list[len(panels) :]:
        axes.set_visible(False)
    axes_list[0].legend(loc="upper left", fontsize=8, framealpha=0.9)
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure


def decision_history(
    predicts: Sequence[Predict], X: Any, y: Any, titles: Sequence[str], dots: int = 120
) -> Animation:
    """A film of the decision boundary: a frame a predictor, with its title."""
    x, labels = _check("decision_history", X, y)
    if len(predicts) != len(titles) or not predicts:
        raise ValueError(f"decision_history: got {len(predicts)} predictors and {len(titles)} titles")
    figure = new_figure(4.6, 4.3)
    axes = figure.subplots()

    def draw(i: int) -> None:
        axes.clear()
        _draw(axes, predicts[i], x, labels, np.unique(labels), dots)
        axes.set_title(titles[i], loc="left", color=INK, fontsize=9)

    return Animation(figure, len(predicts), draw)
