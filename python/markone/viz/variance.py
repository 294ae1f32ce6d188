"""How large the values are in each layer of a network, and the gradients that come back to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.decision import CLASS_COLOURS
from markone.viz.figure import INK, MUTED, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def layer_variances(net: Any, x: Any) -> tuple[list[float], list[float]]:
    """The variance of each activation layer's output for the inputs x, and of the gradient that comes back.

    A layer of activations is a child of the Sequential `net` that has no parameters. The gradient is that of
    ½ ‖output‖² / rows.
    """
    outputs = []
    for child in net:
        x = child(x)
        if not list(child.parameters()):
            x.retain_grad()
            outputs.append(x)
    (0.5 * (x * x).sum() / len(x)).backward()
    net.zero_grad()
    return [float(h.detach().var().item()) for h in outputs], [float(h.grad.var().item()) for h in outputs]


def activation_variance(variances: Mapping[str, tuple[list[float], list[float]]], title: str = "") -> Figure:
    """The variances by depth (of `layer_variances`), forward to the left and backward to the right.

    Args:
        variances: (of the activations, of the gradients) by the name of the rule.
        title: printed above.
    """
    if not variances:
        raise ValueError("activation_variance: got no network")
    figure = new_figure(11.6, 4.0)
    sides = figure.subplots(1, 2)
    for side, (axes, what) in enumerate(zip(sides, ("activations", "gradients, the last layer's being 1"))):
        for i, (name, pair) in enumerate(variances.items()):
            values = np.asarray(pair[side])
            depth = np.arange(1, len(values) + 1)
            values = values / (values[-1] if side else 1)
            shown = np.where(values > 1e-300, values, np.nan)
            axes.plot(depth, shown, color=CLASS_COLOURS[(i + 1) % len(CLASS_COLOURS)], linewidth=1.7,
                      marker="o", markersize=3, label=name)  # fmt: skip
        axes.axhline(1, color=MUTED, linewidth=0.7, linestyle=":")
        axes.set_yscale("log")
        style(axes)
        axes.set_xlabel("layer")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(f"variance of the {what}", loc="left", color=INK, fontsize=10)
    figure.legend(
        *sides[0].get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside right center"
    )
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure
