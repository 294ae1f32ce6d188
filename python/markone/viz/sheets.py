"""Pictures of pictures: histograms, surfaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.figure import BLUE, INK, MUTED, new_figure, style
from markone.viz.images import pixels_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def histogram_pairs(images: Mapping[str, tuple[Any, Any]], title: str = "") -> Figure:
    """Each image above its histogram; values are (image, counts [bins]) by name."""
    if not images:
        raise ValueError("histogram_pairs: got no image")
    figure = new_figure(2.7 * len(images) + 0.2, 4.6)
    grid = figure.subplots(2, len(images), squeeze=False, gridspec_kw={"height_ratios": (1.5, 1)})
    for (above, below), (name, (image, counts)) in zip(grid.T, images.items()):
        pixels = pixels_of("histogram_pairs", image)
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
    pixels = pixels_of("surface", image)
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
    axes.tick_params(labelsize=7, pad=0)
    for name in ("x", "y", "z"):
        axes.locator_params(axis=name, nbins=5)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    return figure
