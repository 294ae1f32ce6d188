"""Threads that compute ahead: results in the order of the tasks, a bounded number of them in flight.

The workers hold the shared state and nothing else, so that the consumer can be dropped at any moment: its end
(exhaustion, an early break, an exception, the garbage collector) closes the state, which wakes and ends them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .._context import add_note

__all__ = ["ordered_prefetch"]


class _Shared:
    """What consumer and workers share; everything is read and written with `changed` held."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.tasks: deque[tuple[int, Any]] = deque()
        self.results: dict[int, tuple[Any, BaseException | None]] = {}
        self.closed = False

    def ended(self) -> bool:
        """Whether the consumer has gone."""
        return self.closed

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.tasks.clear()
            self.results.clear()
            self.changed.notify_all()


def _work(shared: _Shared, function: Callable[[Any], Any], start: Callable[[], None] | None) -> None:
    fault: BaseException | None = None
    try:
        if start is not None:
            start()
    except BaseException as error:
        fault = error
    while True:
        with shared.changed:
            while not shared.tasks and not shared.ended():
                shared.changed.wait()
            if shared.ended():
                return
            number, task = shared.tasks.popleft()
        value: Any = None
        failure = fault
        if failure is None:
            try:
                value = function(task)
            except BaseException as error:
                failure = error
        if failure is not None:
            name = threading.current_thread().name
            add_note(failure, f"raised in the data loader's thread '{name}' for {task}")
        with shared.changed:
            if shared.ended():
                return
            shared.results[number] = value, failure
            shared.changed.notify_all()
        # Kept while waiting for the next task, they would keep a batch or a traceback alive.
        del value, failure, task


def ordered_prefetch(
    function: Callable[[Any], Any],
    tasks: Iterator[Any],
    *,
    workers: int,
    ahead: int,
    timeout: float = 0,
    worker_init: Callable[[int], None] | None = None,
) -> Iterator[Any]:
    """Yields `function(task)` for every task, in the order of the tasks, computed by threads.

    Args:
        function: called in the worker threads; must not refer to the iterator that this returns.
        tasks: iterated in the consumer's thread, one step a result taken.
        workers: how many threads.
        ahead: how many tasks may be unfinished or waiting to be taken.
        timeout: seconds to wait for one result; 0 means for ever.
        worker_init: called in each thread with its number before its first task.

    Raises:
        Exception: what `function` raised, with the worker's traceback, at the place of its task in the order.
        RuntimeError: the timeout is over.
    """
    shared = _Shared()
    for w in range(workers):
        start = None if worker_init is None else (lambda w=w: worker_init(w))
        name = f"markone-loader-{w}"
        threading.Thread(target=_work, args=(shared, function, start), name=name, daemon=True).start()
    issued = taken = 0
    exhausted = False
    try:
        while True:
            fresh: list[tuple[int, Any]] = []
            while not exhausted and issued + len(fresh) - taken < ahead:
                try:
                    fresh.append((issued + len(fresh), next(tasks)))
                except StopIteration:
                    exhausted = True
            with shared.changed:
                if fresh:
                    shared.tasks.extend(fresh)
                    issued += len(fresh)
                    shared.changed.notify_all()
                if taken == issued:
                    return
                if not shared.changed.wait_for(partial(shared.results.__contains__, taken), timeout or None):
                    raise RuntimeError(f"DataLoader: no batch within {timeout} s (the timeout)")
                value, error = shared.results.pop(taken)
            taken += 1
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # the traceback refers to this frame
            taken_out = [value]
            del value
            yield taken_out.pop()  # so that this frame does not keep it while the consumer works
    finally:
        shared.close()
