"""NumPy as a peer, forward passes alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from markone.bench.build import values
from markone.bench.case import Case
from markone.bench.others import NUMPY


def build(case: Case) -> Callable[[], Any]:
    """The timed function."""
    if case.fn == "import":
        from markone.bench.programs import PROGRAMS

        return PROGRAMS["import"](np, case, "cpu").call
    fn, rng = NUMPY[case.fn], np.random.default_rng(0)
    tensors = [(s, values(s, rng)) for s in (*case.inputs, *case.weights)]
    positional = [*(x for s, x in tensors if s.name is None), *case.rest]
    keywords = {**case.args, **{s.name: x for s, x in tensors if s.name is not None}}
    return lambda: fn(np, *positional, **keywords)
