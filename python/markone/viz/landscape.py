"""Two-dimensional slices of a network's loss."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.autograd import no_grad
from markone.ops import from_numpy
from markone.viz.figure import INK, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Slice:
    """A slice of the loss: `values[i, j]` is the loss at θ + `steps[j]` · first + `steps[i]` · second."""

    steps: np.ndarray
    values: np.ndarray


def _direction(parameters: list[Any], random: np.random.Generator) -> list[np.ndarray]:
    """Random numbers; each filter or row scaled to the norm of the network's, none for the biases."""
    out = []
    for p in parameters:
        values = p.detach().numpy()
        drawn = random.standard_normal(values.shape).astype(values.dtype)
        if values.ndim < 2:
            out.append(np.zeros_like(values))
            continue
        axes = tuple(range(1, values.ndim))
        norm = np.sqrt((values**2).sum(axes, keepdims=True))
        out.append(drawn * norm / (np.sqrt((drawn**2).sum(axes, keepdims=True)) + 1e-10))
    return out


def loss_slice(
    net: Any,
    loss: Callable[[], Any],
    extent: float = 1.0,
    points: int = 25,
    seed: int = 0,
    directions: Any = None,
) -> Slice:
    """The loss around a network's weights θ, over two random directions of filter-normalised length (Li, Xu,
    Taylor, Studer, Goldstein, "Visualizing the loss landscape of neural nets", 2018).

    The network is as before afterwards.

    Args:
        net: a Module.
        loss: gives the loss of the net as it is now, a scalar Tensor or number, without a graph.
        extent: steps go from −extent to extent.
        points: of each direction.
        seed: of the directions.
        directions: two lists of arrays, one a parameter, instead of random ones.

    Raises:
        ValueError: fewer than 3 points, an extent that is not positive.
    """
    if points < 3 or extent <= 0:
        raise ValueError(f"loss_slice: got points {points}, extent {extent}, wants at least 3 and above 0")
    parameters = list(net.parameters())
    random = np.random.default_rng(seed)
    first, second = directions or (_direction(parameters, random), _direction(parameters, random))
    start = [p.detach().numpy().copy() for p in parameters]
    steps = np.linspace(-extent, extent, points)
    values = np.empty((points, points))
    try:
        with no_grad():
            for i, up in enumerate(steps):
                for j, across in enumerate(steps):
                    for p, s, a, b in zip(parameters, start, first, second):
                        p.copy_(from_numpy((s + across * a + up * b).astype(s.dtype)))
                    values[i, j] = float(loss())
    finally:
        with no_grad():
            for p, s in zip(parameters, start):
                p.copy_(from_numpy(s))
    return Slice(steps, values)


def loss_landscape(slices: Slice | Mapping[str, Slice], title: str = "", log: bool = True) -> Figure:
    """Slices of `loss_slice` as surfaces with their contours below, side by side on one scale.

    Args:
        slices: one, or several by name.
        title: printed above.
        log: heights are the loss's logarithms.
    """
    from matplotlib.ticker import MaxNLocator

    named = slices if isinstance(slices, Mapping) else {"": slices}
    if not named:
        raise ValueError("loss_landscape: got no slice")
    heights = {name: np.log10(np.maximum(s.values, 1e-12)) if log else s.values for name, s in named.items()}
    low, high = min(h.min() for h in heights.values()), max(h.max() for h in heights.values())
    figure = new_figure(0.4 + 4.4 * len(named), 7.4)
    for i, (name, s) in enumerate(named.items()):
        across, up = np.meshgrid(s.steps, s.steps)
        surface: Any = figure.add_subplot(2, len(named), i + 1, projection="3d")
        surface.plot_surface(
            across, up, heights[name], cmap="viridis", vmin=low, vmax=high, linewidth=0, rcount=60, ccount=60
        )
        surface.set_zlim(low, high)
        surface.view_init(elev=38, azim=-60)
        for axis in (surface.xaxis, surface.yaxis, surface.zaxis):
            axis.set_major_locator(MaxNLocator(4))
        surface.set_title(name, loc="left", color=INK, fontsize=10)
        surface.tick_params(labelsize=7, colors=MUTED, pad=0)
        if log:
            surface.set_zlabel("log10 loss", fontsize=8)
        flat = figure.add_subplot(2, len(named), len(named) + i + 1)
        levels = np.linspace(low, high, 25) if high > low else None
        picture = flat.contourf(across, up, heights[name], levels=levels, cmap="viridis")
        flat.contour(across, up, heights[name], levels=levels, colors="white", linewidths=0.35)
        flat.plot(0, 0, marker="*", color="#e07b28", markersize=11, markeredgecolor="white")
        flat.set_aspect("equal")
        flat.set_xlabel("first direction")
        flat.set_ylabel("second direction" if i == 0 else "")
        flat.tick_params(labelsize=8, colors=MUTED)
        if i == len(named) - 1:
            bar = figure.colorbar(picture, ax=flat, fraction=0.046)
            bar.set_label("log10 loss" if log else "loss", fontsize=8)
            bar.ax.tick_params(labelsize=7)
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure
