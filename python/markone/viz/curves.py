"""Curves over a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markone.viz.figure import BLUE, INK, MUTED, ORANGE, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOT_FIGURES = ("epoch", "step", "lr", "seconds")


def learning_curve(
    history: Sequence[dict[str, float]], title: str = "", best_epoch: int | None = None
) -> Figure:
    """One panel a figure (loss, accuracy, ...), training and validation in each, over the epochs.

    Args:
        history: a Trainer's `history`: a dict an epoch with `epoch`, `train_<figure>` and `val_<figure>`, and
            other figures.
        title: printed above.
        best_epoch: marked by a line: where early stopping would have the weights from.

    Raises:
        ValueError: the history is empty or has no figures.
    """
    names: list[str] = []
    for column in (column for row in history for column in row if column not in _NOT_FIGURES):
        name = column.partition("_")[2] if column.startswith(("train_", "val_")) else column
        if name not in names:
            names.append(name)
    if not names:
        raise ValueError(f"learning_curve: got {len(history)} epochs without figures, wants some")
    figure = new_figure(4.8 * len(names) + 0.4, 3.8)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        ends = []
        for column, label, colour in (
            (f"train_{name}", "training", BLUE),
            (f"val_{name}", "validation", ORANGE),
            (name, name.replace("_", " "), INK),
        ):
            points = [(row["epoch"], row[column]) for row in history if column in row]
            if not points:
                continue
            x, y = zip(*points)
            percent = [100 * value for value in y] if name.endswith("accuracy") else list(y)
            axes.plot(
                x,
                percent,
                color=colour,
                linewidth=1.8,
                marker="o" if len(x) < 60 else "",
                markersize=3.5,
                label=label,
            )
            ends.append((label, percent[-1]))
        if best_epoch is not None:
            axes.axvline(best_epoch, color=MUTED, linewidth=1.2, linestyle="--", label=f"best: {best_epoch}")
        style(axes)
        unit = " (%)" if name.endswith("accuracy") else ""
        errors = [row[kind + name] for row in history for kind in ("train_", "val_") if kind + name in row]
        if errors and not unit and min(errors) > 0:
            _log_scale(axes)
        last = ",  ".join(
            f"{label} {value:.2f} %" if unit else f"{label} {value:.4g}" for label, value in ends
        )
        axes.set_title(
            f"{name.replace('_', ' ')}{unit}", loc="left", color=INK, fontsize=11, fontweight="bold", pad=20
        )
        axes.text(0, 1.03, f"at the end: {last}", transform=axes.transAxes, color=MUTED, fontsize=8.5)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False, fontsize=9)
    if title:
        figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    return figure


def learning_rates(
    rates: Sequence[float], losses: Sequence[float], suggestion: float | None = None
) -> Figure:
    """The loss over the learning rate of a range test, the suggested rate marked.

    Raises:
        ValueError: there are no points, or not as many losses as rates.
    """
    if not rates or len(rates) != len(losses):
        raise ValueError(
            f"learning_rates: got {len(rates)} rates and {len(losses)} losses, wants some, as many"
        )
    figure = new_figure(5.6, 3.8)
    axes = figure.subplots()
    axes.plot(rates, losses, color=BLUE, linewidth=1.8)
    axes.set_xscale("log")
    if suggestion is not None:
        axes.axvline(suggestion, color=ORANGE, linewidth=1.4, linestyle="--")
        axes.text(0, 1.03, f"steepest descent at {suggestion:.2e}", transform=axes.transAxes, color=MUTED)
    style(axes)
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss (running mean)")
    return figure


def _log_scale(axes: Any) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
