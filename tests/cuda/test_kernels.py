"""Every kernel case of tests/kernels on the device: right, and inside its buffers."""

import importlib
from pathlib import Path

import pytest

import harness
from cuda.against import CUDA
from markone import _C

HERE = Path(__file__).resolve().parent.parent / "kernels"


def cases():
    for file in sorted(HERE.glob("test_*.py")):
        importlib.import_module(f"kernels.{file.stem}")
    for case in {case: None for case in harness.made_cases}:
        # The emulation is slow, and the cases that are, are so by their size.
        for dtype in () if case.large or case.slow else case.dtypes:
            yield pytest.param(case, dtype, id="-".join(part for part in (case.name, dtype) if part))


@pytest.mark.parametrize("case, dtype", list(cases()))
def test_case(case, dtype):
    with harness.on_device(CUDA):
        harness.check_right(case, dtype, _C.isa())
