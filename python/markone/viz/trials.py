"""What a hyperparameter search found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from markone.viz.figure import BLUE, INK, ORANGE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def trials(study: Any, title: str = "", score: str = "score", log: bool = False) -> Figure:
    """The score of every trial over each hyperparameter, a panel each; the best is starred.

    Args:
        study: a `mo.tune.Study` with trials that came to a score.
        title: printed above.
        score: what the score is.
        log: a logarithmic score.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    good = study.ranked()
    if not good:
        raise ValueError("trials: got a study without a score")
    names = list(study.space)
    figure = new_figure(0.5 + 2.8 * len(names), 3.3)
    values = np.array([t.score for t in good])
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False, sharey=True)[0], names):
        drawn = [t.values[name] for t in good]
        kinds = sorted({str(v) for v in drawn})
        words = not all(isinstance(v, int | float) and not isinstance(v, bool) for v in drawn)
        x = np.array([kinds.index(str(v)) if words else v for v in drawn], dtype=float)
        axes.scatter(x, values, s=24, color=BLUE, alpha=0.65, linewidth=0)
        axes.scatter(x[:1], values[:1], s=130, marker="*", color=ORANGE, edgecolor="white", zorder=3)
        if words:
            axes.set_xticks(range(len(kinds)), kinds)
            axes.set_xlim(-0.5, len(kinds) - 0.5)
        elif x.min() > 0 and x.max() / x.min() > 20:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        elif (x == x.round()).all():
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if log:
            axes.set_yscale("log")
        style(axes)
        axes.set_xlabel(name, color=INK)
    figure.axes[0].set_ylabel(score)
    if title:
        figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure
