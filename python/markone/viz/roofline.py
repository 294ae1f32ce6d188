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

# So many names fit beside the picture: those that take longest, the longest first.
_NAMED = 24


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
    figure = new_figure(10.5, 5.4)
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
    axes.scatter(x, y, s=24, color=BLUE, alpha=0.45, edgecolors="white", linewidths=0.6, zorder=3)
    longest = sorted(range(len(shown)), key=lambda i: -shown[i][3])[:_NAMED]
    axes.scatter(
        [x[i] for i in longest], [y[i] for i in longest], s=120, color=BLUE, edgecolors="white", zorder=4
    )
    for number, i in enumerate(longest, 1):
        axes.annotate(
            str(number), (x[i], y[i]), fontsize=6.5, color="white", ha="center", va="center", zorder=5
        )
        axes.text(
            1.02, 1.0 - (number - 0.5) / _NAMED, f"{number}  {shown[i][0]}", fontsize=7.5, color=MUTED,
            transform=axes.transAxes, va="center",
        )  # fmt: skip
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
