"""The network diagram of a worked backward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.figure import BLUE, GRID, INK, MUTED, ORANGE, RED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Where along a link its numbers may stand; the one farthest from all other text is taken.
_PLACES = (0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68, 0.26, 0.74, 0.2, 0.8)


def _apart(at: tuple[float, float], points: np.ndarray) -> float:
    """How far a text is from the nearest of these points, in half sizes of a text."""
    return float(np.hypot((points[:, 0] - at[0]) / 0.55, (points[:, 1] - at[1]) / 0.32).min())


def network(explanation: Any, title: str = "", precision: int = 3) -> Figure:
    """Units as circles, with net input, output and δ; links as lines, with weight and gradient.

    A line's colour is its weight's sign, its width the weight's size.

    Args:
        explanation: of `mo.explain(loss)`; the first example of its batch is shown.
        title: printed above.
        precision: digits after the point.

    Raises:
        ValueError: there are no units in it, or more than 40 (draw `mo.graph` then).
    """
    units, weights = explanation.units, explanation.weights
    if not 0 < len(units) <= 40:
        raise ValueError(f"network: got {len(units)} units, wants 1 .. 40")
    column = {u.number: 0 for u in units}
    for w in weights:
        if w.source is not None:
            column[w.target] = max(column[w.target], column[w.source] + 1)
    columns = [[u for u in units if column[u.number] == c] for c in range(max(column.values()) + 1)]
    tallest = max(map(len, columns))
    place = {
        u.number: (3.0 * c, 2.0 * ((len(group) - 1) / 2 - i))
        for c, group in enumerate(columns)
        for i, u in enumerate(group)
    }
    figure = new_figure(1.4 + 2.9 * len(columns), 1.1 + 1.75 * tallest)
    axes = figure.subplots()
    axes.set_axis_off()
    largest = max((abs(w.value) for w in weights), default=1.0) or 1.0

    def number(value: float) -> str:
        return f"{value:.{precision}f}".replace("-", "−")

    biases = {w.target: w for w in weights if w.source is None}
    taken = [(x, y) for x, y in place.values()] + [(x, y - 0.6) for x, y in place.values()]
    links = [w for w in weights if w.source is not None]
    ends = np.array([[place[w.source], place[w.target]] for w in links]).reshape(-1, 2, 2)
    along = np.linspace(0, 1, 41)[:, None]
    for i, w in enumerate(links):
        (x0, y0), (x1, y1) = place[w.source], place[w.target]
        colour = BLUE if w.value >= 0 else RED
        width = 0.6 + 3 * abs(w.value) / largest
        axes.plot([x0, x1], [y0, y1], color=colour, linewidth=width, alpha=0.55, zorder=1)
        text = f"{w.name} {number(w.value)}"
        if w.gradient is not None:
            text += f"\n∂ {number(w.gradient)}"
        others = [(1 - along) * a + along * b for a, b in np.delete(ends, i, axis=0)]
        at = max(
            ((x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in _PLACES),
            key=lambda p: min(_apart(p, np.array(taken)), 1.2, *(0.9 * _apart(p, line) for line in others)),
        )
        taken.append(at)
        axes.text(
            *at,
            text,
            fontsize=7.5,
            color=INK,
            ha="center",
            va="center",
            bbox={"facecolor": "white", "edgecolor": GRID, "boxstyle": "round,pad=0.18", "alpha": 0.93},
            zorder=2,
        )
    for u in units:
        x, y = place[u.number]
        axes.scatter(
            [x], [y], s=620, color="#fff4e5" if u.layer >= 0 else "#e8f0fd", edgecolor=MUTED, zorder=3
        )
        axes.text(
            x, y, str(u.number), ha="center", va="center", fontsize=11, color=INK, fontweight="bold", zorder=4
        )
        lines = [f"a {number(float(u.a[0]))}"] if u.a is not None else []
        if u.layer >= 0:
            lines = [
                *([f"z {number(float(u.z[0]))}"] if u.z is not None else []),
                *lines,
                f"δ {float(u.delta[0]):.4f}".replace("-", "−"),
            ]
        if u.number in biases:
            lines.append(f"{biases[u.number].name} {number(biases[u.number].value)}")
        axes.text(
            x,
            y - 0.33,
            "\n".join(lines),
            ha="center",
            va="top",
            fontsize=8,
            color=ORANGE if u.layer >= 0 else MUTED,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
        )
    xs, ys = np.array(list(place.values())).T
    axes.set_xlim(xs.min() - 0.7, xs.max() + 0.7)
    axes.set_ylim(ys.min() - 1.25, ys.max() + 0.45)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold")
    return figure
