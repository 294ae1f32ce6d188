"""`markone bench`: cases of a group against the peers that are installed."""

from __future__ import annotations

import importlib.util

from markone.bench.compare import GROUPS, PEER_MODULES, compare, print_table
from markone.cli.errors import UsageError


def run(group: str, cases: tuple[str, ...], threads: int, rounds: int) -> None:
    """Prints a row a case."""
    from markone.models import unknown_name

    if group not in GROUPS:
        raise UsageError(unknown_name("group of benchmarks", group, GROUPS))
    table = importlib.import_module(f"markone.bench.{group}").CASES
    for case in cases:
        if case not in table:
            raise UsageError(unknown_name("case", case, table))
    for name, value in (("threads", threads), ("rounds", rounds)):
        if value < 1:
            raise UsageError(f"got --{name} {value}, wants 1 or more")
    absent = [name for name in PEER_MODULES if importlib.util.find_spec(name) is None]
    print(f"medians of {rounds} alternations" + (f"; not installed: {', '.join(absent)}" if absent else ""))
    print_table(group, [compare(group, case, threads, rounds) for case in cases or table], threads)
