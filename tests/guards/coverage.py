"""Writes docs/coverage.md: which checks every public operation passes, from the cases of tests/surface.py.

``python tests/guards/coverage.py`` runs every check of every case (minutes) and writes the table; it fails
where one fails. test_coverage.py fails while a public operation has no case and no reason, or the table
misses one.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

TESTS = Path(__file__).parents[1]
FILE = TESTS.parent / "docs" / "coverage.md"
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

import surface  # noqa: E402
from markone import nn, ops  # noqa: E402

# Public functions that are no operations on tensors' values, and where they are tested instead.
NOT_OPERATIONS: dict[str, str] = {
    name: reason
    for reason, names in {
        "creation: tests/ops/test_creation.py": """arange as_tensor empty empty_like eye from_dlpack
            from_numpy full full_like linspace logspace ones ones_like tensor zeros zeros_like new_empty
            new_full new_ones new_tensor new_zeros""",
        "random: tests/kernels/test_random.py": """bernoulli dropout get_rng_state initial_seed
            manual_seed multinomial normal rand rand_like randint randint_like randn randn_like randperm seed
            set_rng_state""",
        "moves and copies: tests/core": "clone contiguous detach to type_as",
    }.items()
    for name in names.split()
}

HEAD = """# Coverage of the operations

Made by `python tests/guards/coverage.py`, which runs every check below; do not edit. Each operation is
checked on every case against a float64 NumPy reference and for the same bits in every memory layout; its
gradient and the gradient's gradient against central differences in float64; values, types and gradients
against PyTorch. Words instead of `yes` say why a check does not apply. `tests/kernels` checks the kernels
below on every instruction set.

| operation | cases | values in | gradient | second order | PyTorch agrees |
| --- | --- | --- | --- | --- | --- |
"""


def all_ops() -> list[surface.Op]:
    """Every case of every test file that has a list OPS."""
    found: list[surface.Op] = []
    for path in sorted(TESTS.rglob("test_*.py")):
        if not re.search(r"^OPS\b", path.read_text(encoding="utf-8"), re.M):
            continue
        spec = importlib.util.spec_from_file_location(f"coverage_{path.parent.name}_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += [op for op in module.OPS if isinstance(op, surface.Op)]
    return found


def title(name: str) -> str:
    """The name in the table: the short one where `mo.x` and `mo.nn.functional.x` are one function."""
    short = name.removeprefix("nn.functional.")
    same = short != name and ops.FUNCTIONS.get(short) is getattr(nn.functional, short, None)
    return short if same else name


def wanted() -> Iterator[str]:
    """The public operations that need a case: aliases and in-place forms go with what they stand for."""
    seen: set[int] = set()
    for name, function in sorted(ops.FUNCTIONS.items()):
        if name.endswith("_") or name in ops._ALIASES or name in NOT_OPERATIONS:
            continue
        seen.add(id(function))
        yield name
    for name, function in sorted(vars(nn.functional).items()):
        if isinstance(function, FunctionType) and not name.startswith("_") and id(function) not in seen:
            if name not in NOT_OPERATIONS and not name.endswith("_") and name in _public_functional():
                yield f"nn.functional.{name}"


def _public_functional() -> set[str]:
    """What the functional modules export and does not stand among the operations already."""
    names: set[str] = set()
    for module in vars(nn.functional).values():
        names |= set(getattr(module, "__all__", ()))
    return {n for n in names if getattr(nn.functional, n, None) is not ops.FUNCTIONS.get(n)}


def rows(cases: list[surface.Op]) -> dict[str, str]:
    """The table's row of each operation, without running a check."""
    by_name: dict[str, list[surface.Op]] = {}
    for case in cases:
        by_name.setdefault(title(case.name), []).append(case)
    out = {}
    for name, group in sorted(by_name.items()):
        checks = {check for case in group for check in case.checks()}

        kinds = {a.dtype.name for case in group for a in case.arrays()}
        floating = "float64" in kinds
        dtypes = " ".join(sorted({d for case in group for d in case.dtypes} if floating else kinds)) or "–"

        def cell(
            check: str,
            field: str,
            have: set[str] = checks,
            group: list[surface.Op] = group,
            floating: bool = floating,
        ) -> str:
            reasons = sorted({getattr(case, field) for case in group} - {""})
            if check in have and not (field == "no_second" and reasons):
                return "yes"
            return "; ".join(reasons) or ("no case" if floating else "integers")

        second = cell("second", "no_second") if "second" in checks else "–"
        gradient = cell("gradient", "no_grad") if "gradient" in checks else cell("gradient", "no_grad") or "–"
        cells = [f"`{name}`", str(len(group)), dtypes, gradient, second, cell("torch", "no_torch")]
        out[name] = "| " + " | ".join(cells) + " |\n"
    return out


def main() -> int:
    """Runs every check, writes the table; 1 where a check failed."""
    failed: list[Any] = []
    cases = all_ops()
    for case in cases:
        for check in case.checks():
            try:
                surface.RUN[check](case)
            except Exception as error:
                failed.append(f"{case.id} {check}: {str(error).splitlines()[0] if str(error) else error!r}")
    if failed:
        print("\n".join(failed))
        return 1
    FILE.write_text(HEAD + "".join(rows(cases).values()), encoding="utf-8")
    print(f"{len(cases)} cases of {len(rows(cases))} operations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
