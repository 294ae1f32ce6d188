"""What this machine can do at best: multiply-adds from registers, and streams through memory of each mix of
reads and writes. Measured when first asked for, kept for the process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from markone import _C

__all__ = ["Limit", "Machine", "describe"]

# A task of the multiply-add kernel is 192 elements; some for each thread to take.
_CHAIN = 192 * 4
# Mixes of streams that are told apart: (read, written), from a reduction to a fill.
_MIXES = ((1, 0), (4, 1), (3, 1), (2, 1), (3, 2), (4, 3), (1, 1), (2, 3), (1, 2), (1, 4), (0, 1))
# Working sets beyond this are the memory's; the caches of every machine that we know are smaller.
_LARGEST = 1 << 28


@dataclass(frozen=True)
class Limit:
    """The least time that a piece of work can take here, and what sets it."""

    seconds: float
    by: str  # "arithmetic" or "memory"


class Machine:
    """The peaks of `threads` threads with the instruction set in use; each measured once."""

    def __init__(self, threads: int | None = None, tries: int = 7) -> None:
        self.threads = threads or _C.num_threads()
        self.tries = tries
        self._flops: dict[str, float] = {}
        self._streams: dict[tuple[int, int, int, bool], float] = {}

    def flops(self, dtype: str = "float32") -> float:
        """Multiplications and additions a second, by fused multiply-adds."""
        if dtype not in self._flops:
            x = _C.from_numpy(np.ones(_CHAIN * self.threads, dtype))
            steps = 20_000
            seconds = self._best(lambda: _C.fma_chain(x, steps))
            self._flops[dtype] = 2.0 * _CHAIN * self.threads * steps / seconds
        return self._flops[dtype]

    def stream(self, read: float, written: float, in_place: bool = False) -> float:
        """Bytes a second of a stream with this mix of reads and writes over as many bytes in all, with stores
        through the caches or past them, whichever is faster; in place where what is written was read."""
        total = max(read + written, 1.0)
        reads, writes = min(_MIXES, key=lambda m: abs(m[0] / sum(m) - read / total))
        size = min(_LARGEST, 1 << max(12, round(np.log2(total))))
        key = (reads, writes, size, in_place and reads >= writes > 0)
        if key not in self._streams:
            self._streams[key] = self._measure(*key)
        return self._streams[key]

    def _measure(self, reads: int, writes: int, size: int, in_place: bool) -> float:
        n = max(16, size // (4 * (reads + writes)) // 16 * 16)
        count = reads if in_place else reads + writes
        arrays = [_C.clone(_C.from_numpy(np.zeros(n, np.float32))) for _ in range(count)]
        repeats = max(1, (1 << 22) // size)
        targets = arrays[:writes] if in_place else arrays[reads:]

        def run(past: bool) -> float:
            return self._best(lambda: _C.memory_stream(arrays[:reads], targets, past, repeats)) / repeats

        fastest = min(run(past) for past in ((False, True) if writes else (False,)))
        return 4.0 * n * (reads + writes) / fastest

    def _best(self, call: Any) -> float:
        before = _C.num_threads()
        _C.set_num_threads(self.threads)
        try:
            call()
            # Alone, a thread's own time: other processes' turns are none of the machine's limits.
            clock = time.thread_time if self.threads == 1 else time.perf_counter
            times = []
            for _ in range(self.tries):
                start = clock()
                call()
                times.append(clock() - start)
            return max(min(times), 1e-9)
        finally:
            _C.set_num_threads(before)

    def limit(
        self, flops: float, read: float, written: float, dtype: str = "float32", in_place: bool = False
    ) -> Limit | None:
        """The roofline's time for this work, None for none."""
        arithmetic = flops / self.flops(dtype) if flops else 0.0
        memory = (read + written) / self.stream(read, written, in_place) if read + written else 0.0
        if not arithmetic and not memory:
            return None
        return Limit(max(arithmetic, memory), "arithmetic" if arithmetic >= memory else "memory")

    def summary(self) -> dict[str, float]:
        """GFLOP/s and GB/s, by name."""
        big = float(_LARGEST)
        return {
            "float32 GFLOP/s": self.flops() / 1e9,
            "float64 GFLOP/s": self.flops("float64") / 1e9,
            "read GB/s": self.stream(big, 0) / 1e9,
            "write GB/s": self.stream(0, big) / 1e9,
            "read:write 1:1 GB/s": self.stream(big / 2, big / 2) / 1e9,
            "read:write 2:1 GB/s": self.stream(big * 2 / 3, big / 3) / 1e9,
        }


def describe() -> dict[str, Any]:
    """Processor, instruction set, versions and date, for the head of a table or file."""
    import importlib.metadata
    import platform
    from datetime import date

    versions = {}
    for name in ("numpy", "torch", "jax", "onnxruntime"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return {
        "processor": _C.cpu_name(),
        "isa": _C.isa(),
        "cores": _C.default_num_threads(),
        "markone": _C.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "date": date.today().isoformat(),
        "peers": versions,
    }
