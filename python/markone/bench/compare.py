"""Runs markone and its peers alternately, so that a change in the machine's speed meets all of them alike."""

from __future__ import annotations

import importlib
import importlib.util
import statistics
import subprocess
import sys
from dataclasses import dataclass

# What each peer is imported as; a peer that is not installed is left out.
PEER_MODULES = {"markone": "markone", "numpy": "numpy", "torch": "torch"}
# The modules of this folder that have a table CASES: {case: {peer: builder}}.
GROUPS = ("startup", "step")


@dataclass
class Result:
    """Seconds of one case, one value a round, by peer."""

    case: str
    seconds: dict[str, list[float]]

    def median(self, peer: str) -> float:
        """Median seconds of one repetition."""
        return statistics.median(self.seconds[peer])

    def ratio(self, peer: str) -> float:
        """Median over the rounds of peer's time / markone's time: more than 1 means that markone is ahead."""
        pairs = zip(self.seconds[peer], self.seconds["markone"], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)


class Peer:
    """A worker process that times one case on request."""

    def __init__(self, group: str, case: str, peer: str, threads: int) -> None:
        command = [sys.executable, "-m", "markone.bench.worker", group, case, peer, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = f"{group} {case} in {peer}"
        self.expect_line()  # ready

    def expect_line(self) -> str:
        """The worker's next line, or RuntimeError when it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"bench: the process for {self.name} ended with {self.process.wait()}")
        return line

    def time(self, count: int) -> float:
        """Seconds for one of `count` repetitions."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return float(self.expect_line())

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.communicate()


def compare(group: str, case: str, threads: int = 1, rounds: int = 15, seconds: float = 0.2) -> Result:
    """Time `case` in markone and each installed peer, alternately, `rounds` times about `seconds` each."""
    cases = importlib.import_module(f"markone.bench.{group}").CASES
    names = [name for name in cases[case] if importlib.util.find_spec(PEER_MODULES[name])]
    peers = {name: Peer(group, case, name, threads) for name in names}
    try:
        counts = {name: max(1, int(seconds / peer.time(1))) for name, peer in peers.items()}
        result = Result(case, {name: [] for name in names})
        for _ in range(rounds):
            for name, peer in peers.items():
                result.seconds[name].append(peer.time(counts[name]))
        return result
    finally:
        for peer in peers.values():
            peer.close()


def print_table(group: str, results: list[Result], threads: int) -> None:
    """One row a case: markone's median, each peer's median and its ratio."""
    plural = "s" if threads > 1 else ""
    print(f"{group}, {threads} thread{plural}; ratio = peer's time / markone's, above 1 is ahead")
    for result in results:
        row = f"{result.case:<28} markone {result.median('markone') * 1e3:9.3f} ms"
        for peer in result.seconds:
            if peer != "markone":
                row += f"   {peer} {result.median(peer) * 1e3:9.3f} ms   ratio {result.ratio(peer):5.2f}"
        print(row)
