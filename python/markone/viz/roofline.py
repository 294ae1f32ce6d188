"""The roofline: each operation's rate over its arithmetic intensity, under the machine's two limits.

Williams, Waterman, Patterson: "Roofline: an insightful visual performance model", CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markone.viz.figure import BLUE, INK, MUTED, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["roofline"]

# More names than this cover each other; those that take longest have theirs.
_NAMED = 14


def roofline(
    points: Sequence[tuple[str, float, float, float]],
    peak_flops: float,
    peak_bytes: float,
    title: str = "",
) -> Figure:
    """A point for each (name, flops, bytes, seconds) with flops and bytes above zero; log axes.

    Args:
        points: of one call each, or the sums over several.
        peak_flops: operations a second that the machine can do. peak_bytes: bytes a second from memory.
    """
    figure = new_figure(8.0, 5.2)
    axes = figure.add_subplot()
    shown = [p for p in points if p[1] > 0 and p[2] > 0 and p[3] > 0]
    x = [flops / moved for _, flops, moved, _ in shown]
    y = [flops / seconds / 1e9 for _, flops, _, seconds in shown]
    ridge = peak_flops / peak_bytes
    left = min([*x, ridge / 8]) / 2
    right = max([*x, ridge * 8]) * 2
    axes.plot(
        [left, ridge, right],
        [left * peak_bytes / 1e9, peak_flops / 1e9, peak_flops / 1e9],
        color=INK,
        linewidth=1.6,
    )
    axes.annotate(
        f"{peak_flops / 1e9:.0f} GFLOP/s", (right, peak_flops / 1e9), ha="right", va="bottom", color=INK,
        fontsize=9, xytext=(0, 3), textcoords="offset points",
    )  # fmt: skip
    axes.annotate(
        f"{peak_bytes / 1e9:.0f} GB/s from memory", (left, left * peak_bytes / 1e9), ha="left", va="bottom",
        color=INK, fontsize=9, rotation=0, xytext=(10, -4), textcoords="offset points",
    )  # fmt: skip
    axes.scatter(x, y, s=28, color=BLUE, alpha=0.75, edgecolors="white", linewidths=0.6, zorder=3)
    longest = sorted(range(len(shown)), key=lambda i: -shown[i][3])[:_NAMED]
    for i in longest:
        axes.annotate(
            shown[i][0], (x[i], y[i]), fontsize=7, color=MUTED, xytext=(5, -2), textcoords="offset points"
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="arithmetic intensity, operations a byte",
        ylabel="GFLOP/s",
        title=title,
        xlim=(left, right),
    )
    style(axes, grid="both")
    return figure
