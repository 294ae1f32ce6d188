"""Sheets of small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.figure import INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pixels_of(owner: str, picture: Any) -> np.ndarray:
    """float64 [H, W] or [H, W, 3] from a Tensor or array [H, W], [1 or 3, H, W] or [H, W, 1 or 3].

    Raises:
        ValueError: it has another shape, or no pixel; the message begins with `owner`.
    """
    array = np.asarray(picture.detach().cpu().numpy() if hasattr(picture, "detach") else picture)
    shape = list(array.shape)
    if array.ndim == 3 and shape[0] in (1, 3) and not (shape[2] in (1, 3) and shape[1] > 3):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,)) or not array.size:
        raise ValueError(f"{owner}: got a picture of shape {shape}, wants [H, W] or [1 or 3, H, W]")
    return array.astype(np.float64)


def images(
    pictures: Any,
    titles: Sequence[str] = (),
    title: str = "",
    columns: int | None = None,
    symmetric: bool = False,
    side: float | None = None,
    limits: tuple[float, float] | None = None,
    colours: str | None = None,
) -> Figure:
    """Pictures in rows.

    Args:
        pictures: each grey [H, W] or [1, H, W] or in colour [3, H, W] or [H, W, 3], of any sizes: a sequence,
            an array of them, or a mapping from names, which then stand above.
        titles: one above each picture, or none.
        title: printed above all.
        columns: pictures of a row (default: 8, of a mapping 4).
        symmetric: for weights: blue below 0, red above, the same scale for all.
        side: width of a picture, in inches.
        limits: the values shown as black and white (default: each picture's own least and largest).
        colours: Matplotlib's name of the colours of grey pictures, such as "magma".

    Raises:
        ValueError: there is no picture, or not as many titles as pictures, or one is none.
    """
    named = isinstance(pictures, Mapping)
    if named:
        titles, pictures = [str(name) for name in pictures], pictures.values()
    sheet = [pixels_of("images", p) for p in pictures]
    if not sheet or (titles and len(titles) != len(sheet)):
        raise ValueError(f"images: got {len(sheet)} pictures and {len(titles)} titles, wants some, as many")
    columns = min(columns or (4 if named else 8), len(sheet))
    rows = -(-len(sheet) // columns)
    side = side or (2.3 if named else 1.45 if titles else 0.9)
    figure = new_figure(
        0.3 + side * columns, (0.45 if title else 0.1) + (side + (0.25 if titles else 0)) * rows
    )
    if symmetric:
        largest = max(float(np.abs(p).max()) for p in sheet) or 1.0
        limits, colours = (-largest, largest), colours or "RdBu_r"
    for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
        if i >= len(sheet):
            continue
        low, high = limits or (float(np.nanmin(sheet[i])), float(np.nanmax(sheet[i])))
        shown = sheet[i]
        if shown.ndim == 3:  # Matplotlib scales grey pictures alone
            shown = np.clip((shown - low) / max(high - low, 1e-12), 0, 1)
        axes.imshow(shown, cmap=colours or "gray", vmin=low, vmax=high, interpolation="nearest")
        if titles:
            axes.set_title(titles[i], fontsize=8 if side < 2 else 9, color=MUTED if side < 2 else INK, pad=3)
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure
