"""What every test starts from: the same threads, instruction set and random state, whatever ran before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from markone import _C


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow and large too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("markexpr") or ""
    for mark in ("slow", "large"):
        if config.getoption("--slow") or mark in chosen:
            continue
        skip = pytest.mark.skip(reason=f"{mark}: run with --slow or -m {mark}")
        for item in items:
            if item.get_closest_marker(mark):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    isa, threads = _C.isa(), _C.num_threads()
    np.random.seed(0)  # noqa: NPY002 - for code that uses it unasked
    if hasattr(_C, "default_generator"):
        generator = _C.default_generator
        (generator() if callable(generator) else generator).manual_seed(0)
    yield
    _C.set_guarded(False)
    if _C.isa() != isa:
        _C.set_isa(isa)
    if _C.num_threads() != threads:
        _C.set_num_threads(threads)


@pytest.fixture
def data_folder() -> Path:
    """The folder that MARKONE_DATA names; the test is skipped where there is none."""
    name = os.environ.get("MARKONE_DATA")
    if not name:
        pytest.skip("MARKONE_DATA is not set")
    folder = Path(name)
    if not folder.is_dir():
        pytest.fail(f"MARKONE_DATA names {name}, which is no folder")
    return folder
