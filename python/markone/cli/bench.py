"""`markone bench`: cases of groups and networks against the peers that are installed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markone import _C
from markone.bench.case import (
    GROUPS,
    PASSES,
    Case,
    CaseError,
    group_cases,
    network_cases,
    network_names,
    own_case,
)
from markone.bench.compare import PEERS, Result, Settings, Workers, compare, installed
from markone.bench.report import Table, read_json, regressions, summary_lines, time_text, write_json
from markone.cli.errors import UsageError

# What a quick run gives up: rounds, the length of a turn, the warm-up.
QUICK = {"rounds": 5, "seconds": 0.01, "warm": 0.02}
# What --again measures once more: below this a difference is more than the noise of a quiet machine.
_BEHIND = 0.97
_ARGUMENTS = ("padding", "stride", "dilation", "groups", "hidden")


@dataclass(frozen=True)
class Options:
    """The command line."""

    names: tuple[str, ...] = ()
    shape: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()
    fn: str | None = None
    arg: tuple[str, ...] = ()
    padding: int | None = None
    stride: int | None = None
    dilation: int | None = None
    groups: int | None = None
    kernel: int | None = None
    hidden: int | None = None
    passes: tuple[str, ...] = ()
    filter: str | None = None
    batch: int | None = None
    threads: int = 1
    isa: str | None = None
    limit_peers: bool = False
    device: str = "cpu"
    peers: tuple[str, ...] | None = None
    impl: str | None = None
    rounds: int | None = None
    clock: str = "wall"
    quick: bool = False
    json: Path | None = None
    plot: Path | None = None
    compare: Path | None = None
    again: Path | None = None
    list: bool = False


def run(options: Options) -> None:
    """Prints a row a case, then the geometric mean and the worst case against each peer."""
    _check(options)
    cases = _cases(options)
    if options.list:
        for case in cases:
            print(f"{case.key:<48} {case.shape_text}")
        return
    old = None if options.compare is None else _old(options.compare)
    settings = _settings(options)
    if options.isa is not None:
        _C.set_isa(options.isa)
    load = [case for case in cases if case.group == "load"]
    timed = _race(options, [case for case in cases if case.group != "load"])
    results = _measure(timed, settings, old, options) if timed else []
    if load:
        _measure_load(load, settings)
    for line in summary_lines(results):
        print(line)
    if old is not None:
        slower = regressions(results, old)
        print(f"{len(slower)} slower than in {options.compare}" + (":" if slower else ""))
        for line in slower:
            print(f"  {line}")


def _old(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return read_json(path)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check(options: Options) -> None:
    from markone.models import unknown_name

    for name in options.names:
        known = (*GROUPS, *network_names())
        if name not in known:
            raise UsageError(unknown_name("group of benchmarks or network", name, known))
    for name, value in (("threads", options.threads), ("rounds", options.rounds), ("batch", options.batch)):
        if value is not None and value < 1:
            raise UsageError(f"got --{name} {value}, wants 1 or more")
    if options.isa is not None and options.isa not in _C.available_isas():
        raise UsageError(f"got --isa {options.isa}, this machine has {', '.join(_C.available_isas())}")
    if options.limit_peers and options.isa != "avx2":
        raise UsageError("--limit-peers wants --isa avx2, the set that peers can be kept to")
    if options.device not in ("cpu", "cuda"):
        raise UsageError(f"got --device {options.device}, wants cpu or cuda")
    if options.device != "cpu" and not _C.build_info()["cuda"]:
        raise UsageError(f"got --device {options.device}, but this markone was built without CUDA; wants cpu")
    if options.clock not in ("wall", "cpu"):
        raise UsageError(f"got --clock {options.clock}, wants wall or cpu")
    if options.clock == "cpu" and options.threads > 1:
        raise UsageError(
            "got --clock cpu with more than one thread, whose processor times add up; wants wall"
        )
    for name in options.peers or ():
        if name not in (*PEERS, "none"):
            raise UsageError(unknown_name("peer", name, (*PEERS, "none")))
    for which in options.passes:
        if which not in PASSES:
            raise UsageError(unknown_name("pass", which, PASSES))


def _settings(options: Options) -> Settings:
    settings = Settings(
        threads=options.threads,
        isa=options.isa,
        limit_peers=options.limit_peers,
        device=options.device,
        clock=options.clock,
    )
    if options.quick:
        settings = replace(settings, **QUICK)  # type: ignore[arg-type]
    if options.rounds is not None:
        settings = replace(settings, rounds=options.rounds)
    if options.peers is not None:
        settings = replace(settings, peers=tuple(p for p in options.peers if p != "none"))
    return settings


# -- Cases


def _cases(options: Options) -> list[Case]:
    if options.shape:
        return _own(options)
    networks = [name for name in options.names if name in network_names()]
    groups = [name for name in options.names if name in GROUPS]
    cases = []
    for name in networks:  # with groups: only their layers
        cases += [c for c in network_cases(name, options.batch) if not groups or c.group in groups]
    if not networks:
        for group in groups or [g for g in GROUPS if g != "load"]:
            cases += group_cases(group)
    if options.filter is not None:
        cases = [c for c in cases if options.filter in c.key]
    if options.passes:
        cases = [c for c in cases if c.which in options.passes]
    if options.again is not None:
        old = _old(options.again)
        behind = {key for key, row in old.items() if any(r < _BEHIND for r in row["ratio"].values())}
        cases = [c for c in cases if c.key in behind]
    if not cases:
        raise UsageError("no case is left of what was asked for; --list shows what there is")
    return cases


def _own(options: Options) -> list[Case]:
    if len(options.names) != 1 or options.names[0] not in GROUPS:
        raise UsageError(
            "--shape wants one group before it, such as `markone bench conv --shape 8x3x32x32 ...`"
        )
    args: dict[str, Any] = {
        name: getattr(options, name) for name in _ARGUMENTS if getattr(options, name) is not None
    }
    if options.kernel is not None:
        args["kernel_size"] = options.kernel
    for text in options.arg:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"got --arg {text}, wants NAME=VALUE")
        try:
            args[name] = json.loads(value)
        except json.JSONDecodeError:
            args[name] = value
    shapes, weights = ([_shape(text) for text in texts] for texts in (options.shape, options.weight))
    try:
        return own_case(options.names[0], shapes, weights, args, options.fn, options.passes or ("forward",))
    except CaseError as error:
        raise UsageError(str(error)) from error


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(n) for n in text.lower().replace(",", "x").split("x"))
    except ValueError:
        raise UsageError(f"got shape {text}, wants whole numbers as in 32x64x56x56") from None
    if any(n < 0 for n in shape):
        raise UsageError(f"got shape {text}, wants no negative size")
    return shape


# The list of implementations that a case's pass chooses from.
_LISTS = {
    "forward": {"conv": "conv", "conv_transpose": "conv_input_grad"},
    "input_grad": {"conv": "conv_input_grad", "conv_transpose": "conv"},
    "weight_grad": {"conv": "conv_weight_grad", "conv_transpose": "conv_weight_grad"},
}


def _implementations(case: Case) -> tuple[str, Sequence[str]] | None:
    """(the operation, its implementations) that decide the time of a case."""
    lists = dict(_C.implementation_lists())
    name = case.fn.rsplit(".", 1)[-1].rstrip("123d") if "conv" in case.fn else case.fn.rsplit(".", 1)[-1]
    op = _LISTS.get(case.which, {}).get(name, name)
    op = {"linear": "matmul"}.get(op, op)
    return (op, lists[op]) if op in lists else None


def _race(options: Options, cases: list[Case]) -> list[Case]:
    """With --impl each case also runs with these implementations forced, each a contestant of its own."""
    if options.impl is None:
        return cases
    wanted, raced = options.impl.split(","), []
    for case in cases:
        found = _implementations(case)
        if found is None:
            continue
        op, names = found
        chosen = [n for n in names if options.impl == "all" or n in wanted]
        raced.append(replace(case, against={**case.against, **{n: {"impl": f"{op}:{n}"} for n in chosen}}))
    if not any(case.against for case in raced):
        lists = "; ".join(f"{op}: {', '.join(names)}" for op, names in _C.implementation_lists())
        raise UsageError(f"got --impl {options.impl}, which none of these cases has; there are {lists}")
    return raced


# -- Measuring


def _measure(
    cases: list[Case], settings: Settings, old: dict[str, dict[str, Any]] | None, options: Options
) -> list[Result]:
    from markone.bench.machine import Machine, describe

    machine = Machine(settings.threads)
    head = _head(settings, describe())
    absent = [name for name in PEERS if name not in installed()]
    print(_heading(head, settings, machine, absent))
    results: list[Result] = []
    group = ""
    with Workers(settings) as workers:
        for case in cases:
            labels = [*case.against, *(p for p in installed() if p in settings.peers)]
            if case.group != group:
                group = case.group
                print(f"\n{group}\n{Table(labels, old).heading()}")
            try:
                result = compare(case, workers, machine)
            except CaseError as error:
                print(f"{case.title:<30} refused: {error}", flush=True)
                continue
            results.append(result)
            print(Table(labels, old).row(result), flush=True)
            for label, reason in result.skipped.items():
                print(f"{'':<30} {label}: {reason}", flush=True)
    print()
    head["peaks"] = {name: round(value, 1) for name, value in machine.summary().items()}
    if options.json is not None:
        write_json(options.json, results, head)
    if options.plot is not None:
        _plot(options.plot, results, machine, head)
    return results


def _head(settings: Settings, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": about,
        "settings": {
            "threads": settings.threads,
            "isa": settings.isa or about["isa"],
            "limit_peers": settings.limit_peers,
            "device": settings.device,
            "rounds": settings.rounds,
            "clock": settings.clock,
            "turn_seconds": settings.seconds,
        },
    }


def _heading(head: dict[str, Any], settings: Settings, machine: Any, absent: list[str]) -> str:
    about = head["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["peers"].items())
    peaks = ", ".join(f"{name} {value:.1f}" for name, value in machine.summary().items())
    plural = "s" if settings.threads > 1 else ""
    isa = head["settings"]["isa"] + (", as are the peers" if settings.limit_peers else "")
    lines = [
        f"{about['processor']}, {isa}, {settings.threads} thread{plural} of each library;"
        f" markone {about['markone']}, {versions}, Python {about['python']}; {about['date']}",
        f"measured peaks: {peaks}",
        f"medians of {settings.rounds} alternations, {settings.clock} clock; peak: share of the limit that"
        " arithmetic and memory set; ratio = peer's time / markone's, above 1 is ahead"
        + (f"; not installed: {', '.join(absent)}" if absent else ""),
    ]
    return "\n".join(lines)


def _plot(path: Path, results: list[Result], machine: Any, head: dict[str, Any]) -> None:
    from markone.viz import roofline

    points = [
        (r.case.key, r.work.flops, r.work.read + r.work.written, r.median()) for r in results if r.work.flops
    ]
    figure = roofline(points, machine.flops(), machine.stream(1 << 28, 0), title=head["machine"]["processor"])
    figure.savefig(path, dpi=150)


def _measure_load(cases: list[Case], settings: Settings) -> None:
    from markone.bench.load import measure_load

    cores = os.cpu_count()
    print(f"load: beside a busy process on each of {cores} cores, {max(2, settings.threads)} threads")
    print(f"{'case':<12} {'library':<10} {'quiet':>10} {'loaded':>10} {'slower':>7}")
    for result in measure_load(cases, settings):
        for library in result.quiet:
            print(
                f"{result.case.name:<12} {library:<10} {time_text(result.quiet[library]):>10} "
                f"{time_text(result.loaded[library]):>10} {result.slowdown(library):6.1f}x",
                flush=True,
            )
