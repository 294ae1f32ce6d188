"""What a run found: a table, a JSON file and its comparison with an older one, a roofline picture."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from markone.bench.compare import Result

__all__ = ["Table", "read_json", "regressions", "summary_lines", "write_json"]

FORMAT = 1
_CASE, _SHAPE = 30, 38


def time_text(seconds: float) -> str:
    """'1.234 ms', four digits."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            value = seconds * scale
            return (
                f"{value:.{max(0, 3 - len(str(int(value))) + 0)}f} {unit}"
                if value < 1000
                else f"{value:.0f} {unit}"
            )
    raise AssertionError


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


class Table:
    """Prints a row as soon as its case is measured."""

    def __init__(self, labels: Sequence[str], old: dict[str, dict[str, Any]] | None = None) -> None:
        self.labels, self.old, self.group = labels, old, ""

    def heading(self) -> str:
        """The names of the columns."""
        row = f"{'case':<{_CASE}} {'shape':<{_SHAPE}} {'time':>9} {'±':>4} {'GFLOP/s':>8} {'GB/s':>6}"
        row += f" {'peak':>5}"
        row += "".join(f" {label:>11} {'ratio':>6} {'quartiles':>11}" for label in self.labels)
        return row + (f" {'old':>9} {'now/old':>7}" if self.old is not None else "")

    def row(self, result: Result) -> str:
        """One case."""
        case, seconds = result.case, result.median()
        work, moved = result.work, result.work.read + result.work.written
        flops = f"{work.flops / seconds / 1e9:8.1f}" if work.flops else f"{'':8}"
        rate = f"{moved / seconds / 1e9:6.1f}" if moved else f"{'':6}"
        share = f"{result.limit.seconds / seconds:5.0%}" if result.limit else f"{'':5}"
        row = f"{_cut(case.title, _CASE):<{_CASE}} {_cut(case.shape_text, _SHAPE):<{_SHAPE}}"
        row += f" {time_text(seconds):>9} {result.spread():4.0%} {flops} {rate} {share}"
        for label in self.labels:
            if label not in result.seconds:
                row += f" {'-':>11} {'':6} {'':11}"
                continue
            low, high = result.ratio_range(label)
            row += (
                f" {time_text(result.median(label)):>11} {result.ratio(label):6.2f} {low:5.2f}-{high:<5.2f}"
            )
        if self.old is not None:
            before = self.old.get(case.key)
            row += (
                f" {time_text(median_of(before)):>9} {seconds / median_of(before):7.2f}"
                if before
                else f" {'new':>9}"
            )
        return row.rstrip()


def summary_lines(results: Iterable[Result]) -> list[str]:
    """For each peer: how many cases, the geometric mean of the ratios, the worst, how many are behind."""
    found: dict[str, dict[str, float]] = {}
    for result in results:
        for label in result.seconds:
            if label != "markone":
                found.setdefault(label, {})[result.case.key] = result.ratio(label)
    lines = []
    for label, ratios in found.items():
        worst = min(ratios, key=ratios.__getitem__)
        mean = math.exp(statistics.fmean(math.log(r) for r in ratios.values()))
        behind = sum(r < 0.97 for r in ratios.values())
        lines.append(
            f"over {label}: geometric mean {mean:.2f} of {len(ratios)} cases,"
            f" worst {ratios[worst]:.2f} ({worst}), {behind} below 0.97"
        )
    return lines


def median_of(entry: dict[str, Any], label: str = "markone") -> float:
    """Of a JSON result."""
    return statistics.median(entry["seconds"][label])


def write_json(path: Path, results: Sequence[Result], head: dict[str, Any]) -> None:
    """The head (machine, settings, peaks) and every case with all of its times."""
    rows = [
        {
            "case": result.case.key,
            "shape": result.case.shape_text,
            "flops": result.work.flops,
            "read_bytes": result.work.read,
            "written_bytes": result.work.written,
            "limit_seconds": result.limit.seconds if result.limit else None,
            "limit_by": result.limit.by if result.limit else None,
            "seconds": {label: [float(f"{s:.4g}") for s in times] for label, times in result.seconds.items()},
            "ratio": {label: round(result.ratio(label), 3) for label in result.seconds if label != "markone"},
            "skipped": result.skipped,
        }
        for result in results
    ]
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
    start = json.dumps({"format": FORMAT, **head}, indent=1, ensure_ascii=False)[:-2]
    path.write_text(f'{start},\n "results": [\n{lines}\n ]\n}}\n', encoding="utf-8")


def read_json(path: Path) -> dict[str, dict[str, Any]]:
    """The cases of a file that write_json wrote, by key. Raises ValueError for another file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read as results of `markone bench --json`: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} holds no results of `markone bench --json` (format {FORMAT})")
    return {row["case"]: row for row in content["results"]}


def regressions(results: Iterable[Result], old: dict[str, dict[str, Any]], least: float = 1.05) -> list[str]:
    """The cases that are slower than in the old file: by more than 5 %, and by more than both spreads.

    Where both runs have PyTorch, the times are first put in proportion to PyTorch's: a slower hour of the
    machine is no regression.
    """
    lines = []
    for result in results:
        before = old.get(result.case.key)
        if before is None:
            continue
        grown = result.median() / median_of(before)
        note = ""
        if "torch" in result.seconds and "torch" in before["seconds"]:
            grown /= result.median("torch") / median_of(before, "torch")
            note = " beside PyTorch"
        spread = max(result.spread(), _spread(before["seconds"]["markone"]))
        if grown > max(least, 1 + 2 * spread):
            lines.append(f"{result.case.key}: {grown:.2f} times the old time{note}")
    return lines


def _spread(times: list[float]) -> float:
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return (high - low) / 2 / middle
