"""What code that runs in a loader's thread can ask about it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

__all__ = ["WorkerInfo", "enter_worker", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """A worker thread of a loader.

    Attributes:
        id: 0 .. num_workers - 1.
        num_workers: how many there are.
        seed: the loader's seed plus `id`. Random augmentation should use `markone.data.sample_random`, which
            does not depend on the worker.
        dataset: the loader's, shared by all of its workers.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_current = threading.local()


def enter_worker(info: WorkerInfo) -> None:
    """Says what `get_worker_info` answers in this thread."""
    _current.info = info


def get_worker_info() -> WorkerInfo | None:
    """The loader's worker that this thread is; None in any other thread."""
    return getattr(_current, "info", None)
