"""How gracefully a library slows down when every core has a busy process beside it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from markone.bench.case import Case
from markone.bench.compare import Peer, Settings, Workers, installed

__all__ = ["LoadResult", "measure_load"]

# Ends by itself when the process that started it does.
_BUSY = "import os, sys\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100000))\n"


@dataclass
class LoadResult:
    """Seconds of a case by library, alone and with company."""

    case: Case
    quiet: dict[str, float]
    loaded: dict[str, float]

    def slowdown(self, library: str) -> float:
        """Loaded time / quiet time; with a busy process on each core 2 is a fair share."""
        return self.loaded[library] / self.quiet[library]


@contextmanager
def busy_cores() -> Iterator[None]:
    """A busy process for each core that this one may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _rounds(peers: dict[str, Peer], counts: dict[str, int], rounds: int) -> dict[str, float]:
    """Median seconds of each, taking turns."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, peer in peers.items():
            times[name].append(peer.time(counts[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def measure_load(cases: Sequence[Case], settings: Settings) -> Iterator[LoadResult]:
    """Each case in markone and PyTorch with two threads at least: quiet rounds, then loaded ones."""
    settings = replace(settings, threads=max(2, settings.threads))
    libraries = ["markone", *(p for p in installed() if p == "torch" and p in settings.peers)]
    with Workers(settings) as workers:
        for case in cases:
            peers = {library: workers.get(library, library) for library in libraries}
            for library, peer in peers.items():
                answer = peer.build(case, settings.warm)
                if "refused" in answer:
                    raise RuntimeError(f"bench: {library}: {answer['refused']}")
            counts = {name: max(1, int(settings.seconds / peer.time(1))) for name, peer in peers.items()}

            quiet = _rounds(peers, counts, settings.rounds)
            with busy_cores():
                loaded = _rounds(peers, counts, settings.rounds)
            yield LoadResult(case, quiet, loaded)
