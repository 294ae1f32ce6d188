"""One library in a process of its own, which builds a case on request and times it on request.

``python -m markone.bench.worker LIBRARY THREADS DEVICE`` answers each line on standard input with one line of
JSON: ``{"build": case, "warm": seconds}`` with the shape of the result, ``{"time": count}`` with the seconds
of one repetition, averaged; or with ``{"refused": reason}``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TextIO

from markone.bench.case import Case, CaseError


def _force(library: str, case: Case) -> None:
    """markone takes the implementation that the case names, and chooses freely where it names none."""
    from markone import _C

    name, _, implementation = (case.impl or "").partition(":")
    for op, _ in _C.implementation_lists():
        _C.force_implementation(op, implementation if op == name else "")


def _builder(library: str) -> Callable[[Case, str], tuple[Callable[[], Any], Any]]:
    if library in ("markone", "torch"):
        from markone.bench.build import build

        return lambda case, device: build(library, case, device)
    if library == "torch_compile":
        from markone.bench.build import build

        return lambda case, device: build("torch", replace(case, fn=f"compiled_{case.fn}"), device)
    peer: Any = importlib.import_module(f"markone.bench.peer_{library}")

    def peers(case: Case, device: str) -> tuple[Callable[[], Any], Any]:
        if any(spec.dtype for spec in (*case.inputs, *case.weights)):
            raise CaseError(f"{case.name} is not float32")
        return peer.build(case), None

    return peers


def _set_threads(library: str, threads: int) -> None:
    if library in ("markone", "torch", "torch_compile"):
        lib: Any = importlib.import_module(library.removesuffix("_compile"))
        lib.set_num_threads(threads)
    if library == "jax" and hasattr(os, "sched_setaffinity"):
        # XLA has no number of threads to set: it takes the cores that it may use.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def serve(library: str, threads: int, device: str, requests: TextIO, answers: TextIO) -> None:
    """Until the requests end."""
    _set_threads(library, threads)
    build = _builder(library)
    run: Callable[[], Any] | None = None

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal run
        if "build" in request:
            run = None
            gc.collect()
            case = Case.from_json(request["build"])
            if library == "markone":
                _force(library, case)
            run, output = build(case, device)
            start = time.perf_counter()
            while True:  # caches, allocators, thread pools, clock
                run()
                if time.perf_counter() - start > request["warm"]:
                    break
            return {"shape": None if output is None else list(output.shape)}
        assert run is not None
        count = int(request["time"])
        clock = time.process_time if request.get("clock") == "cpu" else time.perf_counter
        start = clock()
        for _ in range(count):
            run()
        return {"seconds": (clock() - start) / count}

    for line in requests:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # whatever a library says against a case is the answer
            reply = {"refused": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(reply), file=answers, flush=True)


def main(library: str, threads: str, device: str) -> None:
    """What a library prints goes to standard error, so that the answers stay readable."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(library, int(threads), device, sys.stdin, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
