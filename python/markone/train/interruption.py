"""Ctrl-C and SIGTERM during a training: they wait for the end of the step, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Interrupted", "Signals"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a request to stop ended the training between two steps; `exit_code` is the shell's."""

    def __init__(self, message: str, signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.exit_code = 128 + int(signal_number)


class Signals:
    """Notes the first signal in `caught`; a second one interrupts at once."""

    def __init__(self) -> None:
        self.caught: int | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, signals of the main thread are noted; afterwards they do what they did before."""
        self.caught = None
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, _frame: Any) -> None:
            if self.caught is not None:
                raise KeyboardInterrupt
            self.caught = number

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop_if_asked(self) -> None:
        """Raises Interrupted once a signal came."""
        if self.caught is not None:
            raise Interrupted("interrupted", self.caught)
