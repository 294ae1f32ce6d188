"""Runs markone and its peers alternately, so that a change in the machine's speed meets all of them alike."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markone.bench.case import Case
from markone.bench.machine import Limit, Machine
from markone.bench.work import Work, work_of

__all__ = ["PEERS", "Peer", "Result", "Settings", "Workers", "compare", "installed", "peer_takes"]

# What each peer is imported as; a peer that is not installed is left out.
PEERS = {
    "torch": "torch",
    "torch_compile": "torch",
    "onnxruntime": "onnxruntime",
    "jax": "jax",
    "numpy": "numpy",
}
# torch.compile takes half a minute a case and a C++ compiler: it is timed where it is asked for by name.
_BY_NAME = ("torch_compile",)
# A pause before each turn: idle threads of OpenMP spin for some five milliseconds after the last call.
_PAUSE = 0.01


# How peers are kept from wider instructions than AVX2; onnxruntime has no such switch.
_ONLY_AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}


@dataclass(frozen=True)
class Settings:
    """How a run measures."""

    threads: int = 1
    isa: str | None = None
    limit_peers: bool = False  # to that instruction set too
    device: str = "cpu"
    rounds: int = 15
    seconds: float = 0.05  # of a turn, about
    warm: float = 0.2
    peers: tuple[str, ...] = tuple(name for name in PEERS if name not in _BY_NAME)
    # "wall", or "cpu": the processor time of the process, which other processes' turns do not lengthen.
    clock: str = "wall"


@dataclass
class Result:
    """One case: its work, its limit on this machine, and seconds by label, one value a round."""

    case: Case
    work: Work
    limit: Limit | None
    seconds: dict[str, list[float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def median(self, label: str = "markone") -> float:
        """Median seconds of one repetition."""
        return statistics.median(self.seconds[label])

    def spread(self, label: str = "markone") -> float:
        """Half the distance between the quartiles, as a share of the median."""
        low, _, high = _quartiles(self.seconds[label])
        return (high - low) / 2 / self.median(label)

    def ratio(self, label: str) -> float:
        """Median over the rounds of label's time / markone's time: above 1 markone is ahead."""
        return statistics.median(self._ratios(label))

    def ratio_range(self, label: str) -> tuple[float, float]:
        """The quartiles of the same."""
        low, _, high = _quartiles(self._ratios(label))
        return low, high

    def _ratios(self, label: str) -> list[float]:
        return [theirs / ours for theirs, ours in zip(self.seconds[label], self.seconds["markone"])]


def _quartiles(values: list[float]) -> list[float]:
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


class Peer:
    """A library in its own process, which sleeps unless it is asked."""

    def __init__(self, library: str, settings: Settings) -> None:
        count = str(settings.threads)
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MARKONE_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, count) | {"BENCH_THREADS": count}
        if settings.isa:
            environment["MARKONE_ISA"] = settings.isa
        if settings.limit_peers:
            environment |= _ONLY_AVX2
        self.library, self.clock = library, settings.clock
        self.process = subprocess.Popen(
            [sys.executable, "-m", "markone.bench.worker", library, count, settings.device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """The worker's answer, or RuntimeError when it has ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        line = ""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            raise RuntimeError(f"bench: the process for {self.library} ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def build(self, case: Case, warm: float) -> dict[str, Any]:
        """Makes the case ready; has `refused` where the library cannot."""
        return self.ask(build=case.to_json(), warm=warm)

    def time(self, count: int) -> float:
        """Seconds of one of `count` repetitions."""
        time.sleep(_PAUSE)
        answer = self.ask(time=count, clock=self.clock)
        if "refused" in answer:
            raise RuntimeError(f"bench: {self.library} failed while timed: {answer['refused']}")
        return float(answer["seconds"])

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


class Workers:
    """The processes of a run, one a library, started when first needed and used for every case."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._peers: dict[str, Peer] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for peer in self._peers.values():
            peer.close()

    def get(self, label: str, library: str) -> Peer:
        """The process of a contestant; labels share none, so that each has its case ready at once."""
        if label not in self._peers:
            self._peers[label] = Peer(library, self.settings)
        return self._peers[label]


def installed() -> list[str]:
    """The peers that can be imported."""
    return [name for name, module in PEERS.items() if importlib.util.find_spec(module)]


def peer_takes(library: str, case: Case) -> bool:
    """Whether the peer knows the case at all; one that does not is not mentioned."""
    if library == "torch":
        return case.fn not in ("trainer",)
    if library == "torch_compile":
        return case.fn in ("training_step", "inference")
    from markone.bench.others import known

    return known(library, case)


def _contestants(case: Case, settings: Settings) -> dict[str, tuple[str, Case]]:
    """Label to (library, its case): markone, its variants, then the peers."""
    found = {"markone": ("markone", case)}
    for label, changes in case.against.items():
        found[label] = ("markone", replace(case, **changes))
    for library in installed():
        if library in settings.peers and peer_takes(library, case):
            found[library] = (library, case)
    return found


def compare(case: Case, workers: Workers, machine: Machine) -> Result:
    """Times `case` in markone and each peer that knows it, alternately.

    Raises CaseError where markone itself refuses the case.
    """
    from markone.bench.case import CaseError

    settings, ready, shape = workers.settings, {}, ()
    skipped = {}
    for label, (library, variant) in _contestants(case, settings).items():
        peer = workers.get(label, library)
        answer = peer.build(variant, settings.warm)
        if "refused" in answer:
            if label == "markone":
                raise CaseError(f"bench: {case.key}: {answer['refused']}")
            skipped[label] = answer["refused"]
            continue
        if label == "markone":
            shape = tuple(answer["shape"] or ())
        ready[label] = peer
    work = work_of(case, shape)
    limit = machine.limit(work.flops, work.read, work.written, in_place=work.in_place)
    result = Result(case, work, limit, {label: [] for label in ready}, skipped)
    counts = {label: max(1, int(settings.seconds / peer.time(1))) for label, peer in ready.items()}
    for _ in range(settings.rounds):
        for label, peer in ready.items():
            result.seconds[label].append(peer.time(counts[label]))
    return result


def compare_all(cases: Sequence[Case], settings: Settings, machine: Machine) -> list[Result]:
    """Of each case in turn."""
    with Workers(settings) as workers:
        return [compare(case, workers, machine) for case in cases]
