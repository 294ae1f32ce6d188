"""Every kernel case of tests/kernels on the device: right. The emulation takes minutes for all
of them (MARKONE_ALL_CASES=1): one in six is taken else."""

import importlib
import os
from pathlib import Path

import pytest

import harness
from cuda.against import CUDA
from markone import _C

HERE = Path(__file__).resolve().parent.parent / "kernels"


def cases():
    for file in sorted(HERE.glob("test_*.py")):
        importlib.import_module(f"kernels.{file.stem}")
    step = 1 if os.environ.get("MARKONE_ALL_CASES") else 6
    for case in list(dict.fromkeys(harness.made_cases))[::step]:
        # The emulation is slow, and the cases that are, are so by their size.
        for dtype in () if case.large or case.slow else case.dtypes:
            yield pytest.param(case, dtype, id="-".join(part for part in (case.name, dtype) if part))


@pytest.mark.parametrize("case, dtype", list(cases()))
def test_case(case, dtype):
    with harness.on_device(CUDA):
        harness.check_right(case, dtype, _C.isa())
