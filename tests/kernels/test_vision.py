"""Windows of any kind, resampling, grids and regions on every instruction set, with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import harness
from markone import _C
from reference_pool import adaptive, drawn, fractional_reference, largest, mean, plain, pooled
from reference_vision import aligned_regions, kept, pooled_regions, resized, sampled

BOTH = ("float32", "float64")
ALL = ("float32", "float64", "bfloat16")
VOLUME = (2, 3, 5, 6, 7)
CASES: list[harness.Case] = []


def transposed(
    forward: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...], g: np.ndarray
) -> np.ndarray:
    """The gradient of a linear map, from its results on the basis of one plane's input."""
    lead, plane = shape[:2], shape[2:]
    size = int(np.prod(plane))
    rows = forward(np.eye(size).reshape(size, 1, *plane)).reshape(size, -1)
    return (g.reshape(*lead, -1) @ rows.T).reshape(shape)


def add(name: str, inputs: Any, call: Any, reference: Any, slack: float = 16.0, **kwargs: Any) -> None:
    """Tolerance: `slack` times the largest input, for each element."""
    kwargs.setdefault("dtypes", BOTH)
    CASES.append(
        harness.Case(
            name,
            inputs,
            call,
            reference,
            lambda a: slack * max((np.abs(x).max(initial=0) for x in a if x.dtype.kind == "f"), default=0),
            **kwargs,
        )
    )


def normal(*shape: int) -> Any:
    return lambda rng: [rng.standard_normal(shape)]


def distinct(*shape: int) -> Any:
    """Whole numbers, so that no rounding makes two alike."""
    return lambda rng: [rng.permutation(int(np.prod(shape))).reshape(shape) - 50.0]


# -- windows

GEOMETRY: dict[str, Any] = {
    "two": ((2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1), False),
    "mixed": ((3, 2, 3), (1, 2, 2), (1, 1, 0), (1, 2, 2), False),
    "ceil": ((2, 3, 2), (2, 2, 3), (1, 1, 1), (1, 1, 1), True),
}
for label, (k, s, p, d, c) in GEOMETRY.items():
    spans = [plain(*v, c) for v in zip(VOLUME[2:], k, s, p, d, strict=True)]
    add(
        f"max_pool3d-{label}",
        distinct(*VOLUME),
        lambda x, g=(k, s, p, d, c): _C.max_pool3d(x[0], *g),
        lambda a, spans=spans: tuple(largest(a[0], spans)),
        0.0,
    )
    if d != (1, 1, 1):
        continue
    for include, divisor in ((True, None), (False, None), (True, 5)):
        how = (k, s, p, c, include, divisor)

        def average(x: np.ndarray, spans=spans, p=p, i=include, v=divisor) -> np.ndarray:
            return mean(x, spans, p, i, v or 0)

        out = tuple(len(v) for v in spans)
        add(
            f"avg_pool3d-{label}-{include}-{divisor}",
            normal(*VOLUME),
            lambda x, how=how: _C.avg_pool3d(x[0], *how),
            lambda a, f=average: f(a[0]),
            dtypes=ALL,
        )
        add(
            f"avg_pool3d_grad-{label}-{include}-{divisor}",
            normal(2, 3, *out),
            lambda x, how=how: _C.avg_pool3d_grad(x[0], VOLUME, *how),
            lambda a, f=average: transposed(f, VOLUME, a[0]),
            32.0,
        )
for size in ((4,), (3, 5), (2, 4, 3), (1, 1, 1), (7, 9)):
    shape = VOLUME[: 2 + len(size)]
    spans = [adaptive(n, m) for n, m in zip(shape[2:], size, strict=True)]
    add(
        f"adaptive_max-{size}",
        distinct(*shape),
        lambda x, size=size: _C.adaptive_max_pool(x[0], size),
        lambda a, spans=spans: tuple(largest(a[0], spans)),
        0.0,
    )
    add(
        f"adaptive_avg-{size}",
        normal(*shape),
        lambda x, size=size: _C.adaptive_avg_pool(x[0], size),
        lambda a, spans=spans: mean(a[0], spans),
        dtypes=ALL,
    )
    add(
        f"adaptive_avg_grad-{size}",
        normal(2, 3, *size),
        lambda x, shape=shape: _C.adaptive_avg_pool_grad(x[0], shape, len(shape) - 2),
        lambda a, spans=spans, shape=shape: transposed(lambda x: mean(x, spans), shape, a[0]),
        64.0,
    )
for kernel, out in (((2, 3), (3, 4)), ((2, 1, 2), (3, 4, 4)), ((5, 6), (1, 1))):
    shape = VOLUME[: 2 + len(out)]
    add(
        f"fractional-{kernel}-{out}",
        lambda rng, shape=shape: [
            *distinct(*shape)(rng),
            rng.integers(1, 2**20, (*shape[:2], len(shape) - 2)).astype(np.float32) / 2**20,
        ],
        lambda x, k=kernel, o=out: _C.fractional_max_pool(x[0], k, o, x[1]),
        lambda a, k=kernel, o=out: tuple(fractional_reference(a[0], a[1], k, o)),
        0.0,
    )


def by_chance(x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    chances = iter(u.reshape(-1))

    def one(v: np.ndarray, places: np.ndarray, _: Any) -> Any:
        at = drawn(v, next(chances))
        return v[at], places[at]

    y, index = pooled(x, [plain(5, 3, 2, 1), plain(6, 2, 1)], one)
    return y, index


add(
    "stochastic",
    # Sums of few whole numbers are exact, and no chance is at an edge.
    lambda rng: [
        rng.integers(-3, 5, VOLUME[:4]).astype(float),
        (rng.integers(0, 64, (2, 3, 3, 5)) + 0.5) / 64.0,
    ],
    lambda x: _C.stochastic_pool2d(x[0], x[1], (3, 2), (2, 1), (1, 0)),
    lambda a: by_chance(*a),
    0.0,
)

# -- resampling

for mode, name in (
    ("nearest", "nearest"),
    ("nearest-exact", "nearest-exact"),
    ("linear", "linear"),
    ("cubic", "bicubic"),
):
    for size in ((11,), (9, 40), (3, 2), (7, 4, 9)):
        for align, antialias in ((False, False), (True, False), (False, True)):
            if (align or antialias) and mode.startswith("nearest"):
                continue
            if mode.startswith("nearest") and size == (9, 40):
                continue  # 5 / 40 * 8 and its like are at an edge
            shape = VOLUME[: 2 + len(size)]

            def forward(x: np.ndarray, name=name, size=size, align=align, antialias=antialias) -> np.ndarray:
                return resized(x, name, size, None, align, antialias)

            how = ((), mode, align, antialias)
            label = f"{mode}-{size}-{align}-{antialias}"
            add(
                f"resample-{label}",
                normal(*shape),
                lambda x, size=size, how=how: _C.resample(x[0], size, *how),
                lambda a, f=forward: f(a[0]),
                32.0,
                dtypes=ALL if len(size) == 2 else ("float32",),
            )
            add(
                f"resample_grad-{label}",
                normal(2, 3, *size),
                lambda x, shape=shape, how=how: _C.resample_grad(x[0], shape, *how),
                lambda a, f=forward, shape=shape: transposed(f, shape, a[0]),
                400.0,
                dtypes=BOTH if len(size) == 2 else ("float32",),
            )

# -- grids


def places(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Eighths of a place from -3 to size + 3, none at a kink: exact in float32."""
    sizes = (8, 4, 2)
    at = np.empty(shape)
    for k in range(shape[-1]):
        whole = rng.integers(-2, sizes[k] + 2, shape[:-1]) + rng.choice(
            [0.125, 0.25, 0.375, 0.625, 0.75], shape[:-1]
        )
        at[..., k] = (whole + 0.5) * 2 / sizes[k] - 1
    return at


for mode in ("bilinear", "nearest", "bicubic"):
    for padding in ("zeros", "border", "reflection"):
        for dims in (2,) if mode == "bicubic" else (2, 3):
            shape = (2, 3, 4, 8) if dims == 2 else (2, 2, 2, 4, 8)
            out = (5, 60) if dims == 2 else (2, 3, 4)
            how = (mode, padding, False)
            label = f"{mode}-{padding}-{dims}d"

            def sample(x: np.ndarray, grid: np.ndarray, how=how) -> np.ndarray:
                return sampled(x, grid, *how)

            def input_gradient(g: np.ndarray, grid: np.ndarray, f=sample, shape=shape) -> np.ndarray:
                return np.concatenate(
                    [
                        transposed(
                            lambda x, i=i: f(x, np.repeat(grid[i : i + 1], len(x), 0)),
                            (1, *shape[1:]),
                            g[i : i + 1],
                        )
                        for i in range(shape[0])
                    ]
                )

            add(
                f"grid_sample-{label}",
                lambda rng, s=shape, o=out, n=dims: [rng.standard_normal(s), places(rng, s[0], *o, n)],
                lambda x, how=how: _C.grid_sample(x[0], x[1], *how),
                lambda a, f=sample: f(*a),
                200.0,
            )
            small = (2, 3) if dims == 2 else (2, 1, 2)
            add(
                f"grid_input_grad-{label}",
                lambda rng, s=shape, o=small, n=dims: [
                    rng.standard_normal((*s[:2], *o)),
                    places(rng, s[0], *o, n),
                ],
                lambda x, how=how, s=shape: _C.grid_sample_input_grad(x[0], x[1], s, *how),
                lambda a, f=input_gradient: f(*a),
                200.0,
            )

            def grid_gradient(g: np.ndarray, x: np.ndarray, grid: np.ndarray, f=sample) -> np.ndarray:
                out, step = np.empty(grid.shape), 1e-6
                for k in range(grid.shape[-1]):
                    shift = np.zeros(grid.shape[-1])
                    shift[k] = step
                    slope = (f(x, grid + shift) - f(x, grid - shift)) / (2 * step)
                    out[..., k] = (g * slope).sum(1)
                return out

            CASES.append(
                harness.Case(
                    f"grid_grid_grad-{label}",
                    lambda rng, s=shape, o=small, n=dims: [
                        rng.standard_normal((*s[:2], *o)),
                        rng.standard_normal(s),
                        places(rng, s[0], *o, n),
                    ],
                    lambda x, how=how: _C.grid_sample_grid_grad(*x, *how),
                    lambda a, f=grid_gradient: f(*a),
                    # The reference is a difference: good to about 1e-8.
                    lambda a: 1000.0 * np.abs(a[1]).max() * np.abs(a[0]).max(),
                    dtypes=("float32",),
                )
            )

# -- boxes

ROIS = np.array(
    [[0, 1.25, 2.0, 9.75, 8.25], [1, 0, 0, 4.5, 5], [1, -3.25, 5, 30.5, 11.75], [0, 7.25, 7, 7.5, 7.25]],
    np.float64,
)
for scale, ratio, shifted in ((1.0, -1, False), (0.5, 2, True)):
    how = ((2, 3), scale, ratio, shifted)
    add(
        f"roi_align-{scale}-{ratio}",
        lambda rng: [rng.standard_normal((2, 3, 6, 7)), ROIS],
        lambda x, how=how: _C.roi_align(x[0], x[1], *how),
        lambda a, how=how: aligned_regions(a[0], a[1], *how),
    )

    def spread(g: np.ndarray, rois: np.ndarray, how=how) -> np.ndarray:
        """A plane at a time, by the basis."""
        out = np.zeros((2, 3, 6, 7))
        for image in (0, 1):
            mine = rois[:, 0] == image
            own = rois[mine].copy()
            own[:, 0] = 0
            for at in np.ndindex(6, 7):
                x = np.zeros((1, 1, 6, 7))
                x[(0, 0, *at)] = 1
                y = aligned_regions(x, own, *how)
                out[(image, slice(None), *at)] = (g[mine] * y).sum((0, 2, 3))
        return out

    add(
        f"roi_align_grad-{scale}-{ratio}",
        lambda rng: [rng.standard_normal((4, 3, 2, 3)), ROIS],
        lambda x, how=how: _C.roi_align_grad(x[0], x[1], (2, 3, 6, 7), *how),
        lambda a, f=spread: f(*a),
        32.0,
    )
    add(
        f"roi_pool-{scale}",
        lambda rng: [*distinct(2, 3, 6, 7)(rng), ROIS],
        lambda x, s=scale: _C.roi_pool(x[0], x[1], (2, 3), s)[0],
        lambda a, s=scale: pooled_regions(a[0], a[1], (2, 3), s),
        0.0,
    )


def roi_places(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.standard_normal((4, 3, 2, 3)), ROIS, rng.integers(-1, 42, (4, 3, 2, 3))]


def roi_added(g: np.ndarray, rois: np.ndarray, index: np.ndarray) -> np.ndarray:
    out = np.zeros((2, 3, 42))
    for k, c, i, j in np.ndindex(*g.shape):
        if index[k, c, i, j] >= 0:
            out[int(rois[k, 0]), c, index[k, c, i, j]] += g[k, c, i, j]
    return out.reshape(2, 3, 6, 7)


add("roi_pool_grad", roi_places, lambda x: _C.roi_pool_grad(*x, (2, 3, 6, 7)), lambda a: roi_added(*a))
for count, kinds in ((0, 1), (1, 1), (37, 1), (130, 3)):

    def scene(rng: np.random.Generator, n=count, kinds=kinds) -> list[np.ndarray]:
        low = rng.integers(0, 20, (n, 2))
        boxes = np.concatenate([low, low + rng.integers(1, 12, (n, 2))], 1).astype(float)
        return [boxes, rng.permutation(n).astype(np.int64), rng.integers(0, kinds, n)]

    def keep(boxes: np.ndarray, order: np.ndarray, groups: np.ndarray) -> np.ndarray:
        falling = np.empty(len(order))
        falling[order] = -np.arange(len(order))
        return np.isin(order, kept(boxes, falling, 0.3, groups))

    add(
        f"nms-{count}",
        scene,
        lambda x: _C.nms(x[0], x[1], x[2], 0.3),
        lambda a, f=keep: f(*a),
    )

test_all = harness.make_tests(CASES)


@pytest.mark.parametrize("isa", _C.available_isas())
def test_bad_values_are_reported(isa: str) -> None:
    boxes = harness.array(np.ones((3, 4), np.float32))
    rois = harness.array(np.array([[0, 0, 0, 1, 1], [7, 0, 0, 1, 1]], np.float32))
    x = harness.array(np.ones((1, 1, 3, 3), np.float32))
    g = harness.array(np.ones((1, 1, 1, 1), np.float32))
    with harness.using(isa):
        with pytest.raises(IndexError, match="nms: order at flat index 1 is 3"):
            _C.nms(boxes, harness.array(np.array([0, 3, 1])), None, 0.5)
        for call in (_C.roi_align, _C.roi_pool):
            with pytest.raises(IndexError, match="boxes at flat index 5 is 7"):
                call(x, rois, (2, 2))
        with pytest.raises(IndexError, match="roi_pool_grad: boxes or indices at flat index 0 is 9"):
            one = harness.array(np.zeros((1, 5), np.float32))
            _C.roi_pool_grad(g, one, harness.array(np.full((1, 1, 1, 1), 9)), (1, 1, 3, 3))
        with pytest.raises(IndexError, match="fractional_max_pool: samples at flat index 1 is 1"):
            u = harness.array(np.array([[[0.5, 1.0]]], np.float32))
            _C.fractional_max_pool(x, (1, 1), (2, 2), u)
