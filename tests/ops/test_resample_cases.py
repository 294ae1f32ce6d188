"""Resampling against matrices of weights, grids against sums over taps; PyTorch; differences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from reference_vision import resized, sampled
from surface import Op, distinct, integers, normal, uniform

F = mo.nn.functional
# PyTorch warns of the old names and of grids of one row.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*affine_grid behavior has changed"),
    pytest.mark.filterwarnings("ignore:.*deprecated"),
]


SHAPES = {1: (2, 2, 5), 2: (2, 2, 5, 4), 3: (1, 2, 3, 4, 3)}
MODES = {
    1: ("nearest", "nearest-exact", "linear", "area"),
    2: ("nearest", "nearest-exact", "bilinear", "bicubic", "area"),
    3: ("nearest", "nearest-exact", "trilinear", "area"),
}
OPS: list[Op] = []


def add(spatial: int, mode: str, label: str, antialias: bool = False, align: Any = None, **how: Any) -> None:
    shape = SHAPES[spatial]

    def reference(x: np.ndarray) -> np.ndarray:
        factors = how.get("scale_factor")
        if factors is None:
            size = how["size"] if isinstance(how["size"], tuple) else (how["size"],) * spatial
        else:
            factors = factors if isinstance(factors, tuple) else (factors,) * spatial
            size = tuple(math.floor(n * f) for n, f in zip(x.shape[2:], factors))
            if how.get("recompute_scale_factor"):
                factors = None
        return resized(x, mode, size, factors, bool(align), antialias)

    OPS.append(
        Op(
            "nn.functional.interpolate",
            lambda lib, x: lib.nn.functional.interpolate(
                x, mode=mode, align_corners=align, antialias=antialias, **how
            ),
            reference,
            [normal(*shape)],
            label=f"{mode}-{spatial}d-{label}{'-aa' if antialias else ''}{'-align' if align else ''}",
        )
    )


for spatial, modes in MODES.items():
    for mode in modes:
        smooth = mode not in ("nearest", "nearest-exact", "area")
        for align in (None, True) if smooth else (None,):
            add(spatial, mode, "larger", align=align, size=7)
            add(spatial, mode, "smaller", align=align, size=(2, 3, 2)[:spatial])
        add(spatial, mode, "factor", scale_factor=1.7)
        add(spatial, mode, "one", size=1)
for mode in ("bilinear", "bicubic"):
    for align in (False, True):
        add(2, mode, "smaller", antialias=True, align=align, size=(2, 3))
        add(2, mode, "larger", antialias=True, align=align, size=(7, 9))
    add(2, mode, "factors", scale_factor=(0.7, 2.3))
    add(2, mode, "recomputed", scale_factor=(0.7, 2.3), recompute_scale_factor=True)
    add(2, mode, "factors", antialias=True, scale_factor=(0.45, 1.3))
OPS += [
    Op(
        "nn.functional.interpolate",
        lambda lib, x: lib.nn.functional.interpolate(x, size=(3, 9)),
        lambda x: x[:, :, [0, 1, 3]][..., [0, 0, 0, 1, 1, 2, 2, 3, 3]],
        [integers(0, 255, 1, 2, 5, 4, dtype="uint8")],
        label="uint8",
        no_grad="integers",
    ),
    Op(
        "nn.functional.interpolate",
        lambda lib, x: lib.nn.functional.interpolate(x, size=(3, 2), mode="bilinear"),
        lambda x: np.zeros((0, 2, 3, 2)),
        [normal(0, 2, 5, 4)],
        label="empty",
    ),
    Op(
        "nn.functional.upsample",
        lambda lib, x: lib.nn.functional.upsample(x, scale_factor=2, mode="bilinear"),
        lambda x: resized(x, "bilinear", (10, 8), None, False, False),
        [normal(*SHAPES[2])],
    ),
    Op(
        "nn.functional.upsample_nearest",
        lambda lib, x: lib.nn.functional.upsample_nearest(x, scale_factor=2),
        lambda x: x.repeat(2, -1).repeat(2, -2),
        [normal(*SHAPES[2])],
    ),
    Op(
        "nn.functional.upsample_bilinear",
        lambda lib, x: lib.nn.functional.upsample_bilinear(x, (7, 7)),
        lambda x: resized(x, "bilinear", (7, 7), None, True, False),
        [normal(*SHAPES[2])],
    ),
    *(
        Op(
            "resize_bilinear",
            lambda lib, x, align=align: mo.resize_bilinear(x[0], (7, 3), align),
            lambda x, align=align: resized(x, "bilinear", (7, 3), None, align, False)[0],
            [normal(*SHAPES[2])],
            label="align" if align else "",
            no_torch="markone's own name",
        )
        for align in (False, True)
    ),
]

# -- grids


def off_kinks(*shape: int, seed: int = 0) -> np.ndarray:
    """Places inside and outside, none near a whole one (nearest, borders and bilinear have kinks there)."""
    rng = np.random.default_rng(seed)
    sizes = (4, 5, 3)  # columns, rows, depth of the inputs below
    grid = np.empty(shape)
    for k in range(shape[-1]):
        whole = rng.integers(-2, sizes[k] + 1, shape[:-1])
        at = whole + rng.choice([0.15, 0.2, 0.3, 0.7, 0.8], shape[:-1])
        grid[..., k] = (at + 0.5) * 2 / sizes[k] - 1
    return grid


for mode, padding, align in itertools.product(
    ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True)
):
    for spatial in (2,) if mode == "bicubic" else (2, 3):
        shape = (2, 2, 5, 4) if spatial == 2 else (1, 2, 3, 5, 4)
        grid = off_kinks(shape[0], *(2, 3, 2)[:spatial], spatial)
        if align:  # the same places: -1 and 1 are the outer elements' centres here
            n = np.array((4, 5, 3)[:spatial], float)
            grid = (((grid + 1) * n - 1) / 2) * 2 / (n - 1) - 1
        OPS.append(
            Op(
                "nn.functional.grid_sample",
                lambda lib, x, g, how=(mode, padding, align): lib.nn.functional.grid_sample(x, g, *how),
                lambda x, g, how=(mode, padding, align): sampled(x, g, *how),
                [normal(*shape), grid],
                label=f"{mode}-{padding}-{spatial}d{'-align' if align else ''}",
                no_second="the grid's gradient has none",
                tolerance=64.0,
                dtypes=("float64",) if mode == "nearest" else ("float32", "float64"),
            )
        )
STILL = off_kinks(2, 2, 3, 2, seed=5)
for size in ((2, 2, 3, 4), (2, 1, 1, 5), (2, 2, 3, 1, 2)):
    dims = len(size) - 2
    for align in (False, True):

        def affine(theta: np.ndarray, size=size, align=align) -> np.ndarray:
            out = np.zeros((size[0], *size[2:], len(size) - 2))
            for at in np.ndindex(*size[2:]):
                own = [
                    0.0 if n == 1 else 2 * i / (n - 1) - 1 if align else (2 * i + 1) / n - 1
                    for i, n in zip(at, size[2:])
                ]
                out[(slice(None), *at)] = theta @ np.array([*own[::-1], 1.0])
            return out

        OPS.append(
            Op(
                "nn.functional.affine_grid",
                lambda lib, t, size=size, align=align: lib.nn.functional.affine_grid(t, size, align),
                affine,
                [normal(size[0], dims, dims + 1)],
                label=f"{'x'.join(map(str, size))}{'-align' if align else ''}",
            )
        )
OPS += [
    Op(
        "nn.functional.grid_sample",
        # A grid that needs no gradient: the input's gradient has one of its own.
        lambda lib, x: lib.nn.functional.grid_sample(
            x * x, lib.tensor(STILL.tolist(), dtype=x.dtype), align_corners=False
        ),
        lambda x: sampled(x * x, STILL, "bilinear", "zeros", False),
        [normal(2, 2, 5, 4)],
        label="still",
        tolerance=64.0,
    ),
    Op(
        "nn.functional.grid_sample",
        lambda lib, x, g: lib.nn.functional.grid_sample(x, g, align_corners=True),
        lambda x, g: np.zeros((0, 2, 2, 3)),
        [normal(0, 2, 5, 4), uniform(0, 2, 3, 2)],
        label="empty",
        no_second="the grid's gradient has none",
        no_grad="empty",
        no_torch="PyTorch's gradient is an error",
    ),
]

test_all = surface.make_tests(OPS)


def test_identity_grid_gives_the_image_back() -> None:
    x = mo.tensor(np.random.default_rng(0).standard_normal((1, 2, 5, 7)))
    for align in (False, True):
        grid = F.affine_grid(mo.tensor([[[1.0, 0, 0], [0, 1, 0]]], dtype=mo.float64), (1, 2, 5, 7), align)
        y = F.grid_sample(x, grid, align_corners=align)
        np.testing.assert_allclose(y.numpy(), x.numpy(), atol=1e-12)


def test_grids_of_nan_and_infinity_read_nothing_outside() -> None:
    x = mo.ones(1, 1, 3, 3)
    for mode, padding in itertools.product(
        ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    ):
        for value in (np.nan, np.inf, -np.inf, 1e30, -1e30):
            grid = mo.full((1, 1, 1, 2), value).requires_grad_()
            y = F.grid_sample(x.clone().requires_grad_(), grid, mode, padding)
            y.sum().backward()
            assert y.shape == (1, 1, 1, 1)


def test_layers_are_the_functions() -> None:
    x = mo.tensor(distinct(2, 2, 5, 4)(np.random.default_rng(0)))
    nn = mo.nn
    assert (
        nn.Upsample(scale_factor=2, mode="bicubic")(x) == F.interpolate(x, scale_factor=2, mode="bicubic")
    ).all()
    assert (nn.UpsamplingNearest2d(scale_factor=2)(x) == F.upsample_nearest(x, scale_factor=2)).all()
    assert (nn.UpsamplingBilinear2d((7, 3))(x) == F.upsample_bilinear(x, (7, 3))).all()


X = mo.ones(1, 2, 3, 4)


@pytest.mark.parametrize(
    "name, call",
    [
        ("interpolate", lambda: F.interpolate(X)),
        ("interpolate", lambda: F.interpolate(X, 2, 2.0)),
        ("interpolate", lambda: F.interpolate(X, (2, 2, 2))),
        ("interpolate", lambda: F.interpolate(X, 0)),
        ("interpolate", lambda: F.interpolate(X, 1.5)),
        ("interpolate", lambda: F.interpolate(X, 2, mode="linear")),
        ("interpolate", lambda: F.interpolate(X, 2, mode="lanczos")),
        ("interpolate", lambda: F.interpolate(X, 2, align_corners=True)),
        ("interpolate", lambda: F.interpolate(X, 2, antialias=True)),
        ("interpolate", lambda: F.interpolate(X, 2, recompute_scale_factor=True)),
        ("interpolate", lambda: F.interpolate(X, scale_factor=-1.0)),
        ("interpolate", lambda: F.interpolate(X, scale_factor=(2.0, 2.0, 2.0))),
        ("interpolate", lambda: F.interpolate(mo.ones(3, 4), 2)),
        ("interpolate", lambda: F.interpolate(X.long(), 2, mode="bilinear")),
        ("resize_bilinear", lambda: mo.resize_bilinear(mo.ones(3), 2)),
        ("grid_sample", lambda: F.grid_sample(X, mo.ones(2, 1, 1, 2))),
        ("grid_sample", lambda: F.grid_sample(X, mo.ones(1, 1, 1, 3))),
        ("grid_sample", lambda: F.grid_sample(X, mo.ones(1, 1, 1, 2, dtype=mo.float64))),
        ("grid_sample", lambda: F.grid_sample(X, mo.ones(1, 1, 1, 2), "cubic")),
        ("grid_sample", lambda: F.grid_sample(X, mo.ones(1, 1, 1, 2), padding_mode="wrap")),
        ("grid_sample", lambda: F.grid_sample(X[None], mo.ones(1, 1, 1, 1, 3), "bicubic")),
        ("affine_grid", lambda: F.affine_grid(mo.ones(1, 2, 2), (1, 1, 2, 2))),
        ("affine_grid", lambda: F.affine_grid(mo.ones(1, 2, 3), (1, 1, 2))),
    ],
)
def test_bad_input(name: str, call: Any) -> None:
    with pytest.raises((ValueError, RuntimeError, TypeError, NotImplementedError), match=f"^{name}: "):
        call()
