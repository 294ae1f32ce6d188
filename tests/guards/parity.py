"""Keeps tests/parity.toml: every public name of PyTorch's Tensor, nn, nn.functional, optim, lr_scheduler and
init, either had here or left out for a reason.

``python tests/guards/parity.py`` (with PyTorch) writes what markone has and what `markone._left_out` leaves
out,
and prints the names that are in neither list. With `missing` it only prints.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import types
from pathlib import Path
from typing import Any

from markone._left_out import LEFT_OUT

FILE = Path(__file__).parents[1] / "parity.toml"
SPACES = {
    "Tensor": ("Tensor",),
    "nn": ("nn",),
    "nn.functional": ("nn", "functional"),
    "optim": ("optim",),
    "optim.lr_scheduler": ("optim", "lr_scheduler"),
    "nn.init": ("nn", "init"),
    "linalg": ("linalg",),
}


def space(library: Any, name: str) -> Any:
    """torch.nn.functional, markone.Tensor, ..."""
    for part in SPACES[name]:
        library = getattr(library, part)
    return library


def public_names(name: str) -> list[str]:
    """PyTorch's names in one of the spaces, without what its modules import for themselves."""
    import torch

    where = space(torch, name)
    names = []
    for n in sorted(vars(where) if isinstance(where, types.ModuleType) else dir(where)):
        value = inspect.getattr_static(where, n)
        if n.startswith("_"):
            continue
        if isinstance(where, types.ModuleType):
            if isinstance(value, types.ModuleType) and value.__name__ != f"{where.__name__}.{n}":
                continue
            home = getattr(value, "__module__", None) or ""
            if (home and not home.startswith("torch")) or n in ("Tensor", "Optional", "TYPE_CHECKING"):
                continue
            if not callable(value) and not isinstance(value, types.ModuleType):
                continue
        names.append(n)
    return names


def lists() -> dict[str, tuple[list[str], dict[str, str], list[str]]]:
    """For each space: the names that markone has, those left out with the reason, those in neither list."""
    import markone as mo

    out = {}
    for name in SPACES:
        names, where = public_names(name), space(mo, name)
        have = [n for n in names if hasattr(where, n)]
        left_out = {n: reason for n, reason in LEFT_OUT[name].items() if n not in have}
        out[name] = have, left_out, [n for n in names if n not in have and n not in left_out]
    return out


def written(parity: dict[str, tuple[list[str], dict[str, str], list[str]]]) -> str:
    """The file's text; one name a line, so that changes merge."""
    lines = [
        "# Every public name of PyTorch 2.13 in these spaces: had here, or left out for a reason.",
        "# Made by tests/guards/parity.py from what there is and python/markone/_left_out.py. Do not edit.",
    ]
    for name, (have, left_out, _) in parity.items():
        lines += ["", f'["{name}"]', "have = [", *(f'  "{n}",' for n in have), "]"]
        lines += [
            "",
            f'["{name}".left_out]',
            *(f"{n} = {json.dumps(r)}" for n, r in sorted(left_out.items())),
        ]
    return "\n".join(lines) + "\n"


# -- signatures


def torch_signatures(name: str, member: str) -> list[inspect.Signature] | None:
    """What PyTorch's function takes: by inspection, or from its stubs where built in; None if unknown."""
    import torch

    value = inspect.getattr_static(space(torch, name), member)
    value = getattr(space(torch, name), member) if not isinstance(value, property) else None
    if value is None:
        return None
    try:
        return [inspect.signature(value.__init__ if inspect.isclass(value) else value)]
    except (TypeError, ValueError):
        pass
    found = _stub_signatures(torch, "_C/__init__.pyi", member) if name == "Tensor" else []
    found = found or _stub_signatures(torch, "_C/_VariableFunctions.pyi", member)
    return found or None


_STUBS: dict[str, dict[str, list[inspect.Signature]]] = {}


def _stub_signatures(torch: Any, file: str, member: str) -> list[inspect.Signature]:
    if file not in _STUBS:
        table: dict[str, list[inspect.Signature]] = {}
        tree = ast.parse((Path(torch.__file__).parent / file).read_text(encoding="utf-8"))
        bodies = [n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TensorBase"] or [
            tree.body
        ]
        for function in (n for body in bodies for n in body if isinstance(n, ast.FunctionDef)):
            table.setdefault(function.name, []).append(_signature(function))
        _STUBS[file] = table
    return _STUBS[file].get(member, [])


def _signature(function: ast.FunctionDef) -> inspect.Signature:
    a, out, kind = function.args, [], inspect.Parameter
    positional = [*a.posonlyargs, *a.args]
    first_default = len(positional) - len(a.defaults)
    for i, p in enumerate(positional):
        default = kind.empty if i < first_default else ast.unparse(a.defaults[i - first_default])
        out.append(kind(p.arg, kind.POSITIONAL_OR_KEYWORD, default=default))
    if a.vararg:
        out.append(kind(a.vararg.arg, kind.VAR_POSITIONAL))
    for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        out.append(kind(p.arg, kind.KEYWORD_ONLY, default=kind.empty if d is None else ast.unparse(d)))
    if a.kwarg:
        out.append(kind(a.kwarg.arg, kind.VAR_KEYWORD))
    return inspect.Signature(out)


# Arguments of PyTorch that no function here has: deprecated, or of another device or memory.
IGNORED = {
    "self", "out", "layout", "pin_memory", "memory_format", "non_blocking", "names",
    "requires_grad", "device", "dtype", "inplace", "foreach", "fused", "capturable", "differentiable",
    "generator", "maximize", "sparse", "copy", "_stacklevel", "implementation", "verbose",
    "min_value", "max_value", "sparse_grad", "impl",
}  # fmt: skip


# Where PyTorch's stub does not say what its documentation does.
AS_DOCUMENTED = {
    "Tensor.requires_grad_": "requires_grad",
    "Tensor.split": "split_size_or_sections, as torch.split",
    "linalg.vander": "always increasing",
    "Tensor.tensor_split": "indices_or_sections, one argument for the three overloads",
}


def difference(theirs: list[inspect.Signature], ours: inspect.Signature) -> str:
    """ "" where some overload's arguments all exist here, in its order; else what is missing."""
    kinds = {p.kind for p in ours.parameters.values()}
    have = [p.name for p in ours.parameters.values()]
    reasons = []
    for signature in theirs:
        plain = [p for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        names = [p.name for p in plain if p.name not in IGNORED and p.name != "input"]
        missing = [n for n in names if n not in have]
        if missing and not (
            kinds & {inspect.Parameter.VAR_KEYWORD} or inspect.Parameter.VAR_POSITIONAL in kinds
        ):
            reasons.append("without " + ", ".join(missing))
            continue
        order = [n for n in have if n in names]
        wanted = [n for n in names if n in order]
        if order != wanted:
            reasons.append(f"in the order {order}, wants {wanted}")
            continue
        return ""
    return "; or ".join(dict.fromkeys(reasons))


def main() -> int:
    """Writes the file and prints what is in neither list."""
    parity = lists()
    for name, (have, left_out, absent) in parity.items():
        print(f"{name}: {len(have)} had, {len(left_out)} left out, {len(absent)} in neither list:")
        print("  " + " ".join(absent))
    if "missing" not in sys.argv:
        FILE.write_text(written(parity), encoding="utf-8")
    return any(absent for _, _, absent in parity.values())


if __name__ == "__main__":
    sys.exit(main())
