"""What may happen around the steps of a Trainer: saving, stopping, reporting.

Of two callbacks at the same moment the one with the higher `priority` goes first: WRITER adds figures to the
row of the epoch, EDITOR decides on them, READER only looks; a Checkpoint comes last and sees what all did.
"""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from markone.train import checkpoint

if TYPE_CHECKING:
    from markone.train.trainer import Trainer

__all__ = [
    "EDITOR",
    "READER",
    "WRITER",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "LearningCurve",
    "Progress",
]

WRITER, EDITOR, READER, LAST = 300, 200, 100, 0


class Callback:
    """Base of all callbacks: overrides any of the hooks, each of which gets the Trainer."""

    priority = READER

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Before the first step of a `fit`, resumed or not."""

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Before the first step of an epoch, or before the rest of one after a resume."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After each step; `trainer.step` counts it already."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After an epoch and its validation; `trainer.history[-1]` is its row."""

    def on_interrupt(self, trainer: Trainer) -> None:
        """After Ctrl-C or SIGTERM, between two steps."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """At the end of a `fit`, also of one that failed."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


def better(value: float, best: float | None, maximize: bool, min_delta: float = 0.0) -> bool:
    """Whether `value` beats `best` by more than `min_delta`; NaN beats nothing."""
    if math.isnan(value):
        return False
    return best is None or (value > best + min_delta if maximize else value < best - min_delta)


# Ends of the names of figures of which less is better.
_DOWN = ("loss", "error", "mse", "mae", "perplexity")


def goes_up(monitor: str, mode: str) -> bool:
    """Whether more of this figure is better: by `mode` 'max' or 'min', or ('auto') by its name."""
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"monitor: got mode='{mode}', wants 'auto', 'min' or 'max'")
    return mode == "max" or (mode == "auto" and not monitor.endswith(_DOWN))


def monitored(trainer: Trainer, monitor: str, who: str, row: dict[str, float] | None = None) -> float:
    """The figure `monitor` of the last epoch, or of the `row` that is being made."""
    row = trainer.history[-1] if row is None else row
    if monitor not in row:
        raise ValueError(f"{who}: there is no '{monitor}' in the epoch's row, which has {', '.join(row)}")
    return row[monitor]


class EarlyStopping(Callback):
    """Stops when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    `picture`: a file for the curves of training and validation with the best epoch marked (needs matplotlib).
    """

    priority = EDITOR

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        picture: str | os.PathLike[str] | None = None,
    ) -> None:
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.maximize = goes_up(monitor, mode)
        self.picture = picture
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.waited = 0

    def on_epoch_end(self, trainer: Trainer) -> None:
        value = monitored(trainer, self.monitor, "EarlyStopping")
        if better(value, self.best, self.maximize, self.min_delta):
            self.best, self.best_epoch, self.waited = value, trainer.epoch, 0
        else:
            self.waited += 1
            if self.waited >= self.patience:
                trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.picture is not None and trainer.history:
            from markone import viz

            viz.save(viz.learning_curve(trainer.history, best_epoch=self.best_epoch), self.picture)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]


class Checkpoint(Callback):
    """Keeps `folder/last.safetensors` and, where `monitor` is among the figures, `folder/best.safetensors`.

    Args:
        folder: must be there.
        monitor: the figure that decides which epoch is the best; None for no best file.
        mode: 'min', 'max', or 'auto' by the figure's name.
        every_seconds, every_steps: also save `last` within an epoch, this often; None for never.
    """

    priority = LAST

    def __init__(
        self,
        folder: str | os.PathLike[str],
        monitor: str | None = "val_loss",
        mode: str = "auto",
        every_seconds: float | None = 30.0,
        every_steps: int | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.monitor = monitor
        self.maximize = goes_up(monitor or "", mode)
        self.every_seconds = math.inf if every_seconds is None else every_seconds
        self.every_steps = every_steps
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._saved_at = 0.0

    @property
    def last(self) -> Path:
        """The newest state."""
        return self.folder / "last.safetensors"

    @property
    def best_path(self) -> Path:
        """The state after the best epoch."""
        return self.folder / "best.safetensors"

    def on_fit_begin(self, trainer: Trainer) -> None:
        for path in (self.last, self.best_path):
            checkpoint.remove_leftovers(path)
        self._saved_at = time.monotonic()

    def on_step_end(self, trainer: Trainer) -> None:
        due = self.every_steps is not None and trainer.step % self.every_steps == 0
        if due or time.monotonic() - self._saved_at >= self.every_seconds:
            self._save(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.monitor is not None:
            value = monitored(trainer, self.monitor, "Checkpoint")
            if better(value, self.best, self.maximize):
                self.best, self.best_epoch = value, trainer.epoch
                trainer.save(self.best_path)
        self._save(trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        trainer.save(self.last)
        trainer.saved_to = str(self.last)
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch = state["best"], state["best_epoch"]


class LearningCurve(Callback):
    """Draws the history to the picture `path` at the end of the training (needs matplotlib)."""

    def __init__(self, path: str | os.PathLike[str], title: str = "") -> None:
        self.path = Path(path)
        self.title = title

    def on_fit_end(self, trainer: Trainer) -> None:
        if trainer.history:
            from markone import viz

            viz.save(viz.learning_curve(trainer.history, title=self.title), self.path)


class Progress(Callback):
    """A bar for the epoch at work, on a terminal only, and a printed row for each one that is done.

    Args:
        file: where rows go (default: standard output); the bar goes to standard error if that is a terminal.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = file
        self._bar: Any = None
        self._columns: list[str] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._columns = []

    def on_epoch_begin(self, trainer: Trainer) -> None:
        if not sys.stderr.isatty():
            return
        from tqdm import tqdm

        try:
            total = len(trainer.train_loader)
        except TypeError:
            total = None
        text = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        self._bar = tqdm(
            total=total, initial=trainer.position, desc=text, unit="step", leave=False, dynamic_ncols=True
        )

    def on_step_end(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._bar.update(1)

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._close()
        row = trainer.history[-1]
        file = self.file or sys.stdout
        if list(row) != self._columns:
            self._columns = list(row)
            print("  ".join(f"{self._heading(name):>{self._width(name)}}" for name in row), file=file)
        cells = []
        for name, value in row.items():
            if isinstance(value, int):
                text = str(value)
            elif name == "seconds":
                text = f"{value:.2f}"
            else:
                text = f"{value:.4f}" if abs(value) >= 0.01 or value == 0 else f"{value:.2e}"
            cells.append(f"{text:>{self._width(name)}}")
        print("  ".join(cells), file=file, flush=True)

    def on_fit_end(self, trainer: Trainer) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @staticmethod
    def _heading(name: str) -> str:
        return name.replace("_", " ")

    def _width(self, name: str) -> int:
        return max(len(self._heading(name)), 8 if name not in ("epoch", "step") else 5)
