"""Every public operation with its gradient, recorded and replayed on inputs elsewhere in memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface

FOLDERS = ("ops", "nn")


def every_op() -> list[surface.Op]:
    """One case of each operation of the test files beside this folder, float32."""
    found: dict[str, surface.Op] = {}
    for folder in FOLDERS:
        for path in sorted((Path(__file__).parents[1] / folder).glob("test_*.py")):
            if "OPS = " not in path.read_text(encoding="utf-8"):
                continue
            spec: Any = importlib.util.spec_from_file_location(f"cases_{path.stem}", path)
            module: Any = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for op in module.OPS:
                if op.name not in found or "empty" in found[op.name].id:
                    found[op.name] = op
    return list(found.values())


def arrays(tree: Any) -> list[Any]:
    if isinstance(tree, mo.Tensor):
        return [
            tree.detach().float().numpy().copy()
            if tree.dtype is mo.bfloat16
            else tree.detach().numpy().copy()
        ]
    if isinstance(tree, tuple | list):
        return [a for item in tree for a in arrays(item)]
    return []


def check(op: surface.Op) -> str:
    """Empty, or why the operation cannot be recorded."""
    given = op.arrays()
    differentiable = [a.dtype.kind == "f" and not op.no_grad for a in given]

    def call(*inputs: Any) -> Any:
        out = op.call(mo, *inputs)
        tensors = [t for t in surface._tuple(out) if isinstance(t, mo.Tensor) and t.requires_grad]
        if tensors:
            sum((t * t).sum() for t in tensors).backward()
        return out, [x.grad for x in inputs if x.requires_grad]

    def fresh() -> list[Any]:
        out = []
        for a, wanted in zip(given, differentiable, strict=True):
            tensor = mo.tensor(a.astype(np.float32) if a.dtype == np.float64 else a)
            out.append(tensor.requires_grad_() if wanted else tensor)
        return out

    step = mo.compile(call)
    mo.manual_seed(5)
    want = [arrays(call(*fresh())) for _ in range(4)]
    mo.manual_seed(5)
    held = []
    for expected in want:
        held.append(fresh())  # kept, so that the next ones are elsewhere
        try:
            got = step(*held[-1])
        except mo.CompileError as error:
            return str(error)
        for a, b in zip(arrays(got), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    assert step.recordings
    return ""


EVERY = every_op()
# What looks at values in Python, so that its result's shape or course depends on them.
VALUES = (
    "numpy: cannot be recorded",
    "nonzero: cannot be recorded",
    "manual_seed: cannot be recorded",
    "__dlpack__: cannot be recorded",
)


@pytest.mark.parametrize("part", range(8))
def test_every_operation_is_replayed_with_the_same_bits(part: int) -> None:
    refused = []
    for op in EVERY[part::8]:
        try:
            reason = check(op)
        except Exception as error:
            raise AssertionError(f"{op.id}: {type(error).__name__}: {error}") from error
        if reason:
            refused.append(op.id)
            assert reason.startswith(VALUES), f"{op.id}: {reason}"
    assert len(refused) < len(EVERY[part::8]) // 4, refused
