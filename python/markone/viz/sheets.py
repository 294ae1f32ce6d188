"""Pictures of pictures: sheets of named images, histograms, surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.figure import BLUE, INK, MUTED, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _pixels(name: str, image: Any) -> np.ndarray:
    """[H, W] or [H, W, 3] from a tensor or array [H, W], [1, H, W] or [3, H, W]."""
    array = np.asarray(image.detach().numpy() if hasattr(image, "detach") else image)
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] == 3):
        raise ValueError(f"image_sheet: {name!r} has shape {list(array.shape)}, wants [H, W], [1 or 3, H, W]")
    return array.astype(np.float64)


def image_sheet(
    images: Mapping[str, Any],
    title: str = "",
    columns: int = 4,
    limits: tuple[float, float] | None = None,
    colours: str = "gray",
    side: float = 2.3,
) -> Figure:
    """Named images on a sheet.

    Args:
        images: [H, W], [1, H, W] or [3, H, W] by name.
        title: printed above.
        columns: images a row.
        limits: the values shown as black and white; None takes each image's own least and largest.
        colours: Matplotlib's name of the colours of images without colour, such as "RdBu" for signed values.
        side: of an image, in inches.
    """
    if not images:
        raise ValueError("image_sheet: got no image")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = new_figure(side * columns + 0.2, (side + 0.28) * rows + (0.4 if title else 0.1))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, image) in zip(grid, images.items()):
        pixels = _pixels(name, image)
        low, high = limits or (float(np.nanmin(pixels)), float(np.nanmax(pixels)))
        if pixels.ndim == 3:
            pixels = np.clip((pixels - low) / max(high - low, 1e-12), 0, 1)
        axes.imshow(pixels, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(name, loc="left", fontsize=9, color=INK)
    for axes in grid:
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    for axes in grid[len(images) :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure


def histogram_pairs(images: Mapping[str, tuple[Any, Any]], title: str = "") -> Figure:
    """Each image above its histogram; values are (image, counts [bins]) by name."""
    if not images:
        raise ValueError("histogram_pairs: got no image")
    figure = new_figure(2.7 * len(images) + 0.2, 4.6)
    grid = figure.subplots(2, len(images), squeeze=False, gridspec_kw={"height_ratios": (1.5, 1)})
    for (above, below), (name, (image, counts)) in zip(grid.T, images.items()):
        pixels = _pixels(name, image)
        top = 255 if pixels.max() > 1 else 1
        above.imshow(pixels / top if pixels.ndim == 3 else pixels, cmap="gray", vmin=0, vmax=top)
        above.set_axis_off()
        above.set_title(name, loc="left", fontsize=10, color=INK)
        values = np.asarray(counts.numpy() if hasattr(counts, "numpy") else counts, dtype=np.float64)
        below.bar(
            np.arange(len(values)) * 256 / len(values),
            values,
            width=256 / len(values),
            color=BLUE,
            align="edge",
        )
        below.set_xlim(0, 256)
        below.set_yticks([])
        style(below, grid="")
        below.set_xlabel("grey level", fontsize=8, color=MUTED)
    if title:
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure


def surface(image: Any, title: str = "") -> Figure:
    """An image [H, W] as a surface over the plane: the brighter, the higher."""
    pixels = _pixels("surface", image)
    if pixels.ndim != 2:
        raise ValueError(f"surface: got an image of shape {list(pixels.shape)}, wants one without colour")
    figure = new_figure(5.6, 4.6)
    axes: Any = figure.add_subplot(projection="3d")
    step = max(1, max(pixels.shape) // 64)
    part = pixels[::step, ::step]
    across, down = np.meshgrid(np.arange(part.shape[1]) * step, np.arange(part.shape[0]) * step)
    axes.plot_surface(across, down, part, cmap="viridis", linewidth=0, rcount=64, ccount=64)
    axes.invert_yaxis()
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.set_zlabel("f(x, y)")
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    return figure
