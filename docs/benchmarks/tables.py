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


def named(ratios: dict[str, float]) -> str:
    return ", ".join(f"{case} {ratio:.2f}" for case, ratio in sorted(ratios.items(), key=lambda x: x[1]))


def table(file: Path) -> str:
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    ratios = {r["case"]: r["ratio"][PEER] for r in results if PEER in r["ratio"]}
    groups: dict[str, dict[str, float]] = {}
    for case, ratio in ratios.items():
        groups.setdefault(case.split("/")[0], {})[case] = ratio
    lines = ["| group | cases | geometric mean | worst | below 0.97 |", "| --- | --- | --- | --- | --- |"]
    lines += [row(group, of) for group, of in groups.items()] + [row("all", ratios)]
    below = {case: ratio for case, ratio in ratios.items() if ratio < LINE}
    words = f"Below {LINE}: {named(below)}."
    again = file.with_name(f"{file.stem}-again.json")
    if again.exists():
        content = json.loads(again.read_text(encoding="utf-8"))
        longer = {r["case"]: r["ratio"][PEER] for r in content["results"] if r["case"] in below}
        still = {case: ratio for case, ratio in longer.items() if ratio < LINE}
        rounds, seconds = (content["settings"][key] for key in ("rounds", "turn_seconds"))
        words = (
            f"Of the {len(below)} below {LINE}, measured again by themselves ({rounds} rounds of "
            f"{1000 * seconds:.0f} ms, `--again`), these still are: {named(still)}."
        )
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
