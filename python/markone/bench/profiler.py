"""`mo.profile()`: what every kernel of a block took, and how near it came to this machine's limits."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from markone import _C
from markone.bench.machine import Machine

__all__ = ["KernelRow", "profile"]

_machine: Machine | None = None
_machine_lock = threading.Lock()


def _this_machine(threads: int) -> Machine:
    """The peaks, measured once a process and number of threads."""
    global _machine
    with _machine_lock:
        if _machine is None or _machine.threads != threads:
            _machine = Machine(threads, tries=3)
        return _machine


@dataclass(frozen=True)
class _Event:
    """One call, as `_C.end_profile` gives it."""

    op: str
    kernel: str
    plan: tuple[str, tuple[tuple[str, str], ...]] | None
    begin: int
    end: int
    flops: float
    read: int
    written: int
    thread: int
    threads: int
    in_place: bool
    weight: int


@dataclass(frozen=True)
class KernelRow:
    """All calls of one kernel for one operation.

    Attributes:
        op: what was called: "conv2d". kernel: what ran: "gemm_f32_6x16_avx2".
        implementation: the one that was chosen from the operation's list, None where it has no list.
        refused: (implementation, reason) of those that stood before it.
        calls: how many. seconds: all of them together (see profile: of short replays, by a sample).
        flops, read_bytes, written_bytes: all of them together, as the operation estimates them.
        limit_seconds: the least that this machine needs for it, by its arithmetic and its streams.
    """

    op: str
    kernel: str
    implementation: str | None
    refused: tuple[tuple[str, str], ...]
    calls: int
    seconds: float
    flops: float
    read_bytes: int
    written_bytes: int
    limit_seconds: float

    @property
    def gflops(self) -> float:
        """10^9 operations a second."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def gbytes(self) -> float:
        """10^9 bytes a second, read and written."""
        return (self.read_bytes + self.written_bytes) / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def peak(self) -> float:
        """The limit's time over this time: 1 is all that the machine can do."""
        return self.limit_seconds / self.seconds if self.seconds else 0.0


class profile:
    """Times every kernel call of a block, on all threads::

        with mo.profile() as p:
            step()
        print(p)
        p.chrome_trace("trace.json")  # for chrome://tracing or https://ui.perfetto.dev
        p.roofline("roofline.png")

    The first table of a process takes some tenths of a second: it measures the machine's peaks. What a kernel
    reads and writes is known from its arguments, whole arrays once; its operations are the formula's.

    Replays of `mo.compile` whose kernels take less time than reading the clock around them are not timed
    every time, so that profiling stays below some 2 % of them: the first 16 are, then one in so many, and its
    kernels count for all since the last.

    Raises:
        RuntimeError: on entry while another profile is on, in any thread; when results are asked for before
            the block has ended.
    """

    def __init__(self) -> None:
        self._events: list[_Event] | None = None
        self._rows: list[KernelRow] | None = None
        self._on = False
        self.seconds = 0.0  # of the block, kernels and all else

    def __enter__(self) -> profile:
        _C.begin_profile()
        self._on, self._events, self._rows = True, None, None
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start
        self._on = False
        self._events = [_Event(*row) for row in _C.end_profile()]

    def _done(self) -> list[_Event]:
        if self._events is None:
            state = "its block has not ended" if self._on else "it has no block yet"
            raise RuntimeError(f"profile: no results, {state}")
        return self._events

    @property
    def rows(self) -> list[KernelRow]:
        """A row a kernel, the longest first."""
        if self._rows is None:
            groups: dict[tuple[Any, ...], list[_Event]] = {}
            for event in self._done():
                groups.setdefault((event.op, event.kernel, event.plan), []).append(event)
            self._rows = sorted((_row(events) for events in groups.values()), key=lambda row: -row.seconds)
        return self._rows

    def table(self, most: int | None = None) -> str:
        """The rows as text, at most so many of them; the time of everything else is the last line."""
        rows = self.rows[:most]
        width = max([len(row.op) for row in rows] + [9])
        wide = max([len(row.kernel) for row in rows] + [6])
        lines = [
            f"{'operation':<{width}} {'kernel':<{wide}} {'calls':>7} {'time':>9} {'share':>6} {'each':>9}"
            f" {'GFLOP/s':>8} {'GB/s':>6} {'peak':>5}  implementation"
        ]
        for row in rows:
            why = "; ".join(f"{name}: {reason}" for name, reason in row.refused)
            lines.append(
                f"{row.op:<{width}} {row.kernel:<{wide}} {row.calls:>7} {_ms(row.seconds):>9}"
                f" {row.seconds / self.seconds:>6.1%} {_ms(row.seconds / row.calls):>9}"
                f" {row.gflops:>8.1f} {row.gbytes:>6.1f} {row.peak:>5.0%}"
                f"  {row.implementation or '-'}{f' (not {why})' if why else ''}"
            )
        kernels = sum(row.seconds for row in self.rows)
        calls = sum(row.calls for row in self.rows)
        lines.append(
            f"{calls} calls took {_ms(kernels)} of {_ms(self.seconds)}; the rest is Python and the graph"
        )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Writes the calls on their threads' time lines (Trace Event Format, JSON)."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": list(self._trace()), "displayTimeUnit": "ns"}, file)

    def _trace(self) -> Iterator[dict[str, Any]]:
        for event in self._done():
            about: dict[str, Any] = {"kernel": event.kernel, "flops": event.flops, "threads": event.threads}
            about |= {"stands for calls": event.weight} if event.weight > 1 else {}
            about |= {"read bytes": event.read, "written bytes": event.written}
            if event.plan is not None:
                about |= {"implementation": event.plan[0], "refused": dict(event.plan[1])}
            yield {
                "name": event.op,
                "cat": "kernel",
                "ph": "X",
                "ts": event.begin / 1e3,
                "dur": (event.end - event.begin) / 1e3,
                "pid": 1,
                "tid": event.thread,
                "args": about,
            }

    def roofline(self, path: str | os.PathLike[str]) -> None:
        """Writes a picture: each kernel's rate over its intensity, under the machine's limits. Needs viz."""
        from markone.viz import roofline

        points = [
            (f"{row.op} ({row.kernel})", row.flops, float(row.read_bytes + row.written_bytes), row.seconds)
            for row in self.rows
        ]
        machine = _this_machine(max([event.threads for event in self._done()] + [1]))
        figure = roofline(points, machine.flops(), machine.stream(1 << 28, 0), title=_C.cpu_name())
        figure.savefig(Path(path), dpi=150)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def _row(events: list[_Event]) -> KernelRow:
    first, count = events[0], sum(e.weight for e in events)
    flops, read, written = (
        sum(getattr(e, name) * e.weight for e in events) for name in ("flops", "read", "written")
    )
    dtype = "float64" if "_f64" in first.kernel else "float32"
    machine = _this_machine(max(e.threads for e in events))
    limit = machine.limit(flops / count, read / count, written / count, dtype, first.in_place)
    plan = first.plan or (None, ())
    return KernelRow(
        op=first.op,
        kernel=first.kernel,
        implementation=plan[0],
        refused=plan[1],
        calls=count,
        seconds=sum((e.end - e.begin) * e.weight for e in events) / 1e9,
        flops=flops,
        read_bytes=read,
        written_bytes=written,
        limit_seconds=limit.seconds * count if limit else 0.0,
    )
