"""Callbacks that write an epoch's figures elsewhere: CSV, JSON lines, TensorBoard."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markone.train import checkpoint
from markone.train.callbacks import Callback

if TYPE_CHECKING:
    from markone.train.trainer import Trainer

__all__ = ["CSVLogger", "JSONLogger", "TensorBoardLogger"]


class CSVLogger(Callback):
    """A row an epoch in `path`. After a resume the file is cut back to the rows that the checkpoint knows."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._columns: list[str] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._rewrite(trainer.history)

    def on_epoch_end(self, trainer: Trainer) -> None:
        row = trainer.history[-1]
        if list(row) != self._columns:
            self._rewrite(trainer.history)
            return
        with open(self.path, "a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def _rewrite(self, rows: list[dict[str, float]]) -> None:
        self._columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO(newline="")
        if self._columns:
            writer = csv.DictWriter(text, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        checkpoint.write_atomically(self.path, text.getvalue().encode())


class JSONLogger(Callback):
    """A JSON object an epoch, each on its line, in `path`; cut back after a resume as CSVLogger's file is."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_fit_begin(self, trainer: Trainer) -> None:
        text = "".join(json.dumps(row) + "\n" for row in trainer.history)
        checkpoint.write_atomically(self.path, text.encode())

    def on_epoch_end(self, trainer: Trainer) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps(trainer.history[-1]) + "\n")


class TensorBoardLogger(Callback):
    """The figures of each epoch as TensorBoard scalars in `folder` (needs tensorboardX).

    Raises:
        ImportError: tensorboardX is not installed; says how to get it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoardLogger: needs tensorboardX; install it with: pip install 'markone[tensorboard]'"
            ) from error
        self.folder = Path(folder)
        self._writer_class: Any = SummaryWriter
        self._writer: Any = None

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self._writer is None:
            # Events after the epoch that a resume starts from are hidden.
            purge = trainer.epoch if trainer.epoch > 1 else None
            self._writer = self._writer_class(str(self.folder), purge_step=purge)
        for name, value in trainer.history[-1].items():
            if name not in ("epoch", "step"):
                group, _, figure = name.partition("_")
                self._writer.add_scalar(f"{figure}/{group}" if figure else name, value, trainer.epoch)
        self._writer.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
