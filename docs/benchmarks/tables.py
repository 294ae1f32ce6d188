"""Writes the tables of README.md from the .json files that it names: after each line that begins with a
file's name comes its table, a row a group, and the cases below 0.97.

    python docs/benchmarks/tables.py
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).parent
PEER, LINE = "torch", 0.97


def row(group: str, ratios: dict[str, float]) -> str:
    worst = min(ratios, key=lambda case: ratios[case])
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    below = sum(ratio < LINE for ratio in ratios.values())
    name = worst.split("/", 1)[1]
    return f"| {group} | {len(ratios)} | {mean:.2f} | {ratios[worst]:.2f} ({name}) | {below} |"


def table(file: Path) -> str:
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    ratios = {r["case"]: r["ratio"][PEER] for r in results if PEER in r["ratio"]}
    groups: dict[str, dict[str, float]] = {}
    for case, ratio in ratios.items():
        groups.setdefault(case.split("/")[0], {})[case] = ratio
    lines = ["| group | cases | geometric mean | worst | below 0.97 |", "| --- | --- | --- | --- | --- |"]
    lines += [row(group, of) for group, of in groups.items()] + [row("all", ratios)]
    below = sorted((ratio, case) for case, ratio in ratios.items() if ratio < LINE)
    words = "Below 0.97: " + ", ".join(f"{case} {ratio:.2f}" for ratio, case in below) + "."
    return "\n".join([*lines, "", *textwrap.wrap(words, 118, break_on_hyphens=False)])


def main() -> None:
    path = FOLDER / "README.md"
    text = path.read_text(encoding="utf-8")
    # A paragraph that begins with the file, then what stood there, to the next such paragraph or the end.
    pattern = re.compile(r"(^`([\w-]+\.json)`:.*?\n\n)\| group .*?(?=^`[\w-]+\.json`:|\Z)", re.M | re.S)
    text = pattern.sub(lambda m: f"{m[1]}{table(FOLDER / m[2])}\n\n", text)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
