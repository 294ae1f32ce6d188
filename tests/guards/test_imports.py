"""Which Python module may import which, and what `import markone` may load."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "python" / "markone"

LEAVES = {"_C", "_context", "_dtypes", "_left_out", "_repr"}
CORE = LEAVES | {"tensor"}
GRAPH = CORE | {"autograd"}
OPS = GRAPH | {"ops"}
DATA = OPS | {"data", "datasets", "transforms"}
NN = OPS | {"nn"}
OPTIM = GRAPH | {"ops", "optim"}
# Each part of the package and the parts that it may import beside itself.
MAY_IMPORT = {
    "_C": set(),
    "_context": LEAVES,
    "_dtypes": LEAVES,
    "_left_out": LEAVES,
    "_repr": CORE,
    "_types": CORE,
    "tensor": CORE,
    "autograd": CORE,
    "ops": GRAPH,
    "nn": NN,
    "amp": OPS,
    "optim": OPTIM,
    "linalg": OPS,
    "utils": OPS | {"data"},
    "cuda": LEAVES,
    "data": OPS,
    "datasets": DATA,
    "transforms": OPS | {"data", "vision"},  # random augmentation is keyed as data's samplers are
    "vision": OPS | {"nn"},  # its layers are modules
    "tune": set(),
    "compile": GRAPH,
    "interop": NN,
    "viz": NN | {"optim"},
    # Everything below it, so it may also say `mo.no_grad()` as its users do.
    "train": NN | OPTIM | DATA | {"amp", "compile", "__init__"},
    "models": NN,
    "classic": NN | OPTIM | {"__init__"},
    "lessons": None,
    "bench": None,  # anything
    "cli": None,
    "__init__": None,
    "__main__": None,
}
# One module of a part that may import more: an averaged model is a module.
ALSO = {"markone.optim.swa_utils": {"nn"}}
# What a function may import when it runs and its module may not.
MAY_IMPORT_LATER = {
    "train": {"viz"},
    # `loss.backward()` is a method of the Tensor, and what it does is the graph's.
    "tensor": {"autograd", "ops"},
    "autograd": {"ops"},
}


def part_of(module: str) -> str:
    """'markone.nn.layers' belongs to 'nn'."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(source: str, module: str, is_package: bool) -> list[tuple[str, bool, int]]:
    """(part of markone, whether only when a function runs, line) of each import in `source`."""
    found = []
    tree = ast.parse(source)
    later, type_only = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            later.update(id(child) for child in ast.walk(node))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            type_only.update(id(child) for child in ast.walk(node))
    base = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        names = []
        if id(node) in type_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*start, *([node.module] if node.module else [])])
            # `from markone import nn` names a part, `from markone.nn import Linear` a thing in one.
            names = [f"{origin}.{alias.name}" for alias in node.names] if origin == "markone" else [origin]
        for name in names:
            if name.split(".")[0] == "markone":
                found.append((part_of(name), id(node) in later, node.lineno))
    return found


def wrong_imports(source: str, module: str, is_package: bool = False) -> list[str]:
    part = part_of(module)
    if part not in MAY_IMPORT:
        return [f"{module}: the rules say nothing about '{part}'; tests/guards/test_imports.py is the place"]
    allowed = MAY_IMPORT[part]
    wrong = []
    for target, later, line in imports(source, module, is_package):
        if allowed is None or target == part or target in allowed | ALSO.get(module, set()):
            continue
        if later and target in MAY_IMPORT_LATER.get(part, set()):
            continue
        wrong.append(
            f"{module}:{line} imports {target}; {part} may import {', '.join(sorted(allowed)) or 'nothing'}"
        )
    return wrong


def test_imports_keep_to_their_rooms():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        wrong += wrong_imports(path.read_text(encoding="utf-8"), module, is_package)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("markone.tensor", "from markone.ops import add"),
        ("markone.tensor", "def f():\n    from markone import nn"),
        ("markone.ops.conv", "import markone.nn.functional"),
        ("markone.nn.conv", "from ..train import Trainer"),
        ("markone.nn.conv", "from markone import models"),
        ("markone.train.loop", "from markone.viz import plot"),
        ("markone.optim.sgd", "from markone.nn import Module"),
        ("markone.brandnew", ""),
    ],
)
def test_a_wrong_import_is_found(module, source):
    assert wrong_imports(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("markone.train.loop", "def f():\n    from markone.viz import plot"),
        ("markone.nn.conv", "from ..ops import conv2d"),
        ("markone.nn.conv", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import markone.train"),
        ("markone.cli.main", "import markone.models, numpy"),
    ],
)
def test_a_right_import_passes(module, source):
    assert not wrong_imports(source, module)


# What costs time or is an extra: loaded by what uses it, never by `import markone`.
HEAVY = {
    "matplotlib", "PIL", "pooch", "tqdm", "tyro", "safetensors", "torch", "scipy", "sklearn", "pandas",
    "hypothesis", "pytest", "unittest", "multiprocessing", "urllib.request", "http.client", "ssl", "asyncio",
}  # fmt: skip
MOST_MODULES = 120  # that `import markone` loads beyond `import numpy`; each costs about half a millisecond


def test_import_is_light():
    program = (
        "import sys, json, numpy\n"
        "before = set(sys.modules)\n"
        "import markone\n"
        "print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, loaded = json.loads(done.stdout)
    heavy = [m for m in loaded if m in HEAVY or m.split(".")[0] in HEAVY]
    assert not heavy, f"`import markone` loads {heavy}"
    assert len(loaded) <= MOST_MODULES, f"`import markone` loads {len(loaded)} modules: {loaded}"
    assert "markone._C" in loaded
    assert "numpy" in before


def peers_in(source: str) -> list[str]:
    """The libraries among what `source` imports, at whatever place, that markone is measured against."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
    return [name for name in names if name.split(".")[0] in ("torch", "torchvision", "tensorflow", "jax")]


def test_peers_are_imported_by_benchmarks_alone():
    assert set(peers_in("def f():\n    from torch.nn import Linear\nimport numpy, jax")) == {
        "torch.nn",
        "jax",
    }
    found = {
        str(path.relative_to(PACKAGE)): peers
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "bench" and (peers := peers_in(path.read_text("utf-8")))
    }
    assert not found
