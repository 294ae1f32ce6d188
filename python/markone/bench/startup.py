"""How long a new interpreter takes to import each library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

Case = dict[str, Callable[[int], Callable[[], Any]]]


def _imports(module: str) -> Callable[[int], Callable[[], Any]]:
    def build(threads: int) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    return build


CASES: dict[str, Case] = {"import": {name: _imports(name) for name in ("markone", "numpy", "torch")}}
