"""One peer in a process of its own: reads how many repetitions to time, answers with seconds per repetition.

``python -m markone.bench.worker GROUP CASE PEER THREADS`` prints ``ready`` when the case is built and warm;
then each line with a count on standard input is answered by the seconds that one repetition took on average.
"""

from __future__ import annotations

import importlib
import sys
import time


def main(group: str, case: str, peer: str, threads: str) -> None:
    """Serve timings until standard input ends."""
    cases = importlib.import_module(f"markone.bench.{group}")
    run = cases.CASES[case][peer](int(threads))
    deadline = time.perf_counter() + 0.5
    while True:  # warm-up: caches, allocators, thread pools, clock
        run()
        if time.perf_counter() > deadline:
            break
    print("ready", flush=True)
    for line in sys.stdin:
        count = int(line)
        start = time.perf_counter()
        for _ in range(count):
            run()
        print((time.perf_counter() - start) / count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
