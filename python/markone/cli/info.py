"""`markone info`."""

from __future__ import annotations

import os
import platform

import numpy as np

from markone import _C


def run() -> None:
    """Prints what this installation is and what it runs on."""
    build = _C.build_info()
    rows = {
        "version": _C.__version__,
        "processor": _C.cpu_name(),
        "instruction set": f"{_C.isa()} (of {', '.join(_C.available_isas())}; MARKONE_ISA chooses)",
        "threads": f"{_C.num_threads()} (this process may use {_C.default_num_threads()})",
        "devices": "cpu, cuda" if build["cuda"] else "cpu (built without CUDA)",
        "build": f"compiler {build['compiler']}, assertions {'on' if build['assertions'] else 'off'}",
        "python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.platform()}",
        "data folder": os.environ.get("MARKONE_DATA") or "none (MARKONE_DATA is not set)",
    }
    for name, value in rows.items():
        print(f"{name:<16} {value}")
