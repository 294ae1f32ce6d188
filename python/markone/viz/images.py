"""Sheets of small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.figure import INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def images(
    pictures: Any,
    titles: Sequence[str] = (),
    title: str = "",
    columns: int = 8,
    symmetric: bool = False,
    height: float | None = None,
) -> Figure:
    """Pictures in rows: grey [N, H, W] or colour [N, H, W, 3], or a sequence of such of various sizes.

    Args:
        titles: one above each picture, or none.
        title: printed above all.
        columns: pictures of a row.
        symmetric: for weights: blue below 0, red above, the same scale for all; else each from its least to
            its largest value.
        height: of a picture, in inches.

    Raises:
        ValueError: there is no picture, or not as many titles as pictures.
    """
    sheet = [np.asarray(p.detach() if hasattr(p, "detach") else p) for p in pictures]
    if not sheet or (titles and len(titles) != len(sheet)):
        raise ValueError(f"images: got {len(sheet)} pictures and {len(titles)} titles, wants some, as many")
    columns = min(columns, len(sheet))
    rows = -(-len(sheet) // columns)
    side = height or (1.45 if titles else 0.9)
    figure = new_figure(
        0.3 + side * columns, (0.45 if title else 0.1) + (side + (0.25 if titles else 0)) * rows
    )
    largest = max(float(np.abs(p).max()) for p in sheet) or 1.0
    scale: dict[str, Any] = (
        {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest} if symmetric else {"cmap": "gray"}
    )
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
        if i >= len(sheet):
            continue
        axes.imshow(sheet[i], interpolation="nearest", **scale)
        if titles:
            axes.set_title(titles[i], fontsize=7.5, color=MUTED, pad=3)
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure
