"""markone.linalg: norms and products, against NumPy and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from surface import Op, distinct, normal


def _matrix_norm(order: Any, axis: Any = (-2, -1)) -> Any:
    return lambda x: np.linalg.norm(x, order, axis)


OPS = [
    *(
        Op(
            "linalg.vector_norm",
            lambda lib, x, p=p, o=o: lib.linalg.vector_norm(x, p, **o),
            lambda x, p=p, o=o: np.linalg.norm(
                x if "dim" in o else x.ravel(), p, o.get("dim"), o.get("keepdim", False)
            ),
            [distinct(3, 4, step=0.2)],
            label=f"{p}-{len(o)}",
        )
        for p, o in (
            (2, {}), (1, {"dim": 1}), (3, {"dim": 0, "keepdim": True}), (np.inf, {"dim": -1}), (-np.inf, {}),
        )
    ),
    *(
        Op(
            "linalg.matrix_norm",
            lambda lib, x, p=p: lib.linalg.matrix_norm(x, p),
            _matrix_norm(p),
            [distinct(2, 3, 4, step=0.2)],
            label=f"{p}",
        )
        for p in ("fro", 1, -1, np.inf, -np.inf)
    ),
    Op(
        "linalg.matrix_norm",
        lambda lib, x: lib.linalg.matrix_norm(x, 1, dim=(2, 0), keepdim=True),
        lambda x: np.linalg.norm(x, 1, (2, 0), keepdims=True),
        [distinct(2, 3, 4, step=0.2)],
        label="dims",
    ),
    Op("linalg.norm", lambda lib, x: lib.linalg.norm(x), lambda x: np.sqrt((x**2).sum()), [normal(2, 3, 4)]),
    Op(
        "linalg.norm",
        lambda lib, x: lib.linalg.norm(x, 1),
        _matrix_norm(1),
        [distinct(3, 4)],
        label="matrix",
    ),
    Op(
        "linalg.norm",
        lambda lib, x: lib.linalg.norm(x, 3, dim=1),
        lambda x: np.linalg.norm(x, 3, 1),
        [distinct(3, 4)],
        label="vectors",
    ),
    Op(
        "linalg.vecdot",
        lambda lib, x, y: lib.linalg.vecdot(x, y, dim=0),
        lambda x, y: (x * y).sum(0),
        [normal(3, 4), normal(3, 1)],
    ),
    Op(
        "linalg.cross",
        lambda lib, x, y: lib.linalg.cross(x, y),
        np.cross,
        [normal(4, 3), normal(4, 3)],
    ),
    Op(
        "linalg.diagonal",
        lambda lib, x: lib.linalg.diagonal(x, offset=1),
        lambda x: np.diagonal(x, 1, -2, -1),
        [normal(2, 3, 4)],
    ),
    Op(
        "linalg.vander",
        lambda lib, x: lib.linalg.vander(x, N=4),
        lambda x: np.vander(x, 4, True),
        [normal(3)],
    ),
    Op(
        "linalg.multi_dot",
        lambda lib, *x: lib.linalg.multi_dot(x),
        lambda *x: np.linalg.multi_dot(x),
        [normal(2, 9), normal(9, 3), normal(3, 8), normal(8, 4)],
    ),
    Op(
        "linalg.multi_dot",
        lambda lib, *x: lib.linalg.multi_dot(x),
        lambda *x: np.linalg.multi_dot(x),
        [normal(3), normal(3, 4), normal(4)],
        label="vectors",
    ),
    Op(
        "linalg.matrix_power",
        lambda lib, x: lib.linalg.matrix_power(x, 3),
        lambda x: x @ x @ x,
        [normal(3, 3)],
    ),
    Op("linalg.matmul", lambda lib, x, y: lib.linalg.matmul(x, y), np.matmul, [normal(2, 3), normal(3, 2)]),
]  # fmt: skip
test_all = surface.make_tests(OPS)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: mo.linalg.matrix_norm(mo.ones(2, 2), "nuc"), NotImplementedError, "singular values"),
        (lambda: mo.linalg.matrix_norm(mo.ones(2)), RuntimeError, "linalg.matrix_norm"),
        (lambda: mo.linalg.matrix_norm(mo.ones(2, 2), dim=(0, -2)), RuntimeError, "differ"),
        (lambda: mo.linalg.matrix_norm(mo.ones(2, 2), 3), RuntimeError, "'fro', 1"),
        (lambda: mo.linalg.norm(mo.ones(2, 2, 2), 2), RuntimeError, "1-D or 2-D"),
        (lambda: mo.linalg.norm(mo.ones(2), "fro"), RuntimeError, "of matrices"),
        (lambda: mo.linalg.vector_norm(mo.ones(2).long()), RuntimeError, "norm"),
        (lambda: mo.linalg.multi_dot([mo.ones(2, 2)]), RuntimeError, "at least 2"),
        (lambda: mo.linalg.multi_dot([mo.ones(2, 3), mo.ones(2, 3)]), RuntimeError, "do not fit"),
        (lambda: mo.linalg.svd, AttributeError, "left out on purpose, matrix decompositions"),
        (lambda: mo.linalg.nothing, AttributeError, "no attribute 'nothing'$"),
    ],
)
def test_bad_input(call: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        call()
