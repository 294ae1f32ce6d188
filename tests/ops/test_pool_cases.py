"""Every pooling and unpooling against plain loops over windows, PyTorch and differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import markone as mo
import surface
from reference_pool import adaptive, drawn, fractional_reference, largest, mean, plain, pooled
from surface import Op, distinct, normal, uniform

F = mo.nn.functional

IMAGE = (2, 2, 5, 6)
SHAPES = {1: (2, 2, 7), 2: IMAGE, 3: (1, 2, 4, 3, 5)}
OPS: list[Op] = []


def add(name: str, call: Any, reference: Any, *inputs: Any, **kwargs: Any) -> None:
    public = ("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d")
    if name in public and not kwargs.get("label"):
        # The same function is there at the top.
        assert getattr(mo, name) is getattr(F, name)
    OPS.append(Op(f"nn.functional.{name}", call, reference, list(inputs), **kwargs))


# -- maximum and average with windows of one kind

GEOMETRIES: dict[str, tuple[int, int, int, int, bool]] = {
    # kernel, stride, padding, dilation, ceil_mode
    "": (2, 2, 0, 1, False),
    "overlapping": (3, 1, 1, 1, False),
    "ceil": (2, 2, 1, 1, True),
    "dilated": (2, 1, 0, 2, False),
}
for spatial, shape in SHAPES.items():
    for label, (k, s, p, d, c) in GEOMETRIES.items():
        for kind, cut in (("", slice(None)), ("unbatched", 0)):
            if kind and label != "ceil":
                continue
            tag = label + kind

            def dims(x: np.ndarray, n=spatial, g=(k, s, p, d, c)) -> Any:
                return [plain(m, *g) for m in x.shape[-n:]]

            add(
                f"max_pool{spatial}d",
                lambda lib, x, n=spatial, g=(k, s, p, d, c), cut=cut: getattr(
                    lib.nn.functional, f"max_pool{n}d"
                )(x[cut], *g, return_indices=True),
                lambda x, dims=dims, cut=cut: largest(x[cut], dims(x)),
                distinct(*shape),
                label=tag,
            )
            if not tag:
                add(
                    f"max_pool{spatial}d_with_indices",
                    lambda lib, x, n=spatial, g=(k, s, p, d, c): getattr(
                        lib.nn.functional, f"max_pool{n}d_with_indices"
                    )(x, *g),
                    lambda x, dims=dims: largest(x, dims(x)),
                    distinct(*shape),
                    label=tag,
                )
            if d > 1:
                continue
            for include in (True, False):
                add(
                    f"avg_pool{spatial}d",
                    lambda lib, x, n=spatial, g=(k, s, p), c=c, i=include, cut=cut: getattr(
                        lib.nn.functional, f"avg_pool{n}d"
                    )(x[cut], *g, c, i),
                    lambda x, dims=dims, p=p, n=spatial, i=include, cut=cut: mean(
                        x[cut], dims(x), [p] * n, i
                    ),
                    normal(*shape),
                    label=tag + ("" if include else "-bare"),
                )
    if spatial > 1:
        add(
            f"avg_pool{spatial}d",
            lambda lib, x, n=spatial: getattr(lib.nn.functional, f"avg_pool{n}d")(x, 2, divisor_override=3),
            lambda x, n=spatial: mean(x, [plain(m, 2, 2) for m in x.shape[-n:]], divisor=3),
            normal(*shape),
            label="divisor",
        )
    for kind in ("max", "avg"):
        empty = (0, *shape[1:])
        out = tuple(m // 2 for m in shape[2:])
        add(
            f"{kind}_pool{spatial}d",
            lambda lib, x, n=spatial, kind=kind: getattr(lib.nn.functional, f"{kind}_pool{n}d")(x, 2),
            lambda x, out=out: np.zeros((*x.shape[:2], *out)),
            normal(*empty),
            label="empty",
        )

# Windows of different sizes in each dimension.
add(
    "max_pool2d",
    lambda lib, x: lib.nn.functional.max_pool2d(x, (3, 2), (1, 2), (1, 0), (2, 1)),
    lambda x: largest(x, [plain(5, 3, 1, 1, 2), plain(6, 2, 2, 0, 1)])[0],
    distinct(*IMAGE),
    label="two-sizes",
)
add(
    "max_pool3d",
    lambda lib, x: lib.nn.functional.max_pool3d(x, (2, 1, 3), (1, 2, 2), (1, 0, 1)),
    lambda x: largest(x, [plain(4, 2, 1, 1), plain(3, 1, 2), plain(5, 3, 2, 1)])[0],
    distinct(*SHAPES[3]),
    label="three-sizes",
)

# -- adaptive, and global as one of it

for spatial, shape in SHAPES.items():
    counts: Any
    for label, counts in {
        "": tuple(max(1, m // 2 + 1) for m in shape[2:]),
        "global": (1,) * spatial,
        "larger": tuple(m + 1 for m in shape[2:]),
    }.items():
        size = counts[0] if spatial == 1 else counts

        def spans(x: np.ndarray, counts=counts, n=spatial) -> Any:
            return [adaptive(m, c) for m, c in zip(x.shape[-n:], counts)]

        add(
            f"adaptive_avg_pool{spatial}d",
            lambda lib, x, n=spatial, size=size: getattr(lib.nn.functional, f"adaptive_avg_pool{n}d")(
                x, size
            ),
            lambda x, spans=spans: mean(x, spans(x)),
            normal(*shape),
            label=label,
        )
        for suffix in ("", "_with_indices"):
            add(
                f"adaptive_max_pool{spatial}d{suffix}",
                lambda lib, x, n=spatial, size=size, suffix=suffix: getattr(
                    lib.nn.functional, f"adaptive_max_pool{n}d{suffix}"
                )(x, size, return_indices=True),
                lambda x, spans=spans: largest(x, spans(x)),
                distinct(*shape),
                label=label,
            )
    add(
        f"adaptive_avg_pool{spatial}d",
        lambda lib, x, n=spatial: getattr(lib.nn.functional, f"adaptive_avg_pool{n}d")(x[0], 2),
        lambda x, n=spatial: mean(x[0], [adaptive(m, 2) for m in x.shape[-n:]]),
        normal(*shape),
        label="unbatched",
    )
add(
    "adaptive_avg_pool2d",
    lambda lib, x: lib.nn.functional.adaptive_avg_pool2d(x, (None, 4)),
    lambda x: mean(x, [adaptive(5, 5), adaptive(6, 4)]),
    normal(*IMAGE),
    label="kept",
)

# -- Lp

for spatial, shape in SHAPES.items():
    for power in (1, 2, 3.0):
        add(
            f"lp_pool{spatial}d",
            lambda lib, x, n=spatial, p=power: getattr(lib.nn.functional, f"lp_pool{n}d")(x, p, 2, 1),
            lambda x, n=spatial, p=power: pooled(
                x, [plain(m, 2, 1) for m in x.shape[-n:]], lambda v, _, w: ((v**p).sum() ** (1 / p),)
            )[0],
            uniform(*shape, low=0.5, high=2.0),
            label=f"p{power}",
        )
add(
    "lp_pool2d",
    lambda lib, x: lib.nn.functional.lp_pool2d(x, 2, (2, 3), ceil_mode=True),
    lambda x: pooled(
        x, [plain(5, 2, 2, ceil=True), plain(6, 3, 3)], lambda v, _, w: (np.sqrt((v**2).sum() * 6 / v.size),)
    )[0],
    uniform(*IMAGE, low=0.5, high=2.0),
    label="ceil",
)

# -- fractional


SAMPLES = {n: np.random.default_rng(n).random((*SHAPES[n][:2], n)).astype(np.float32) for n in (2, 3)}
for spatial in (2, 3):
    kernel, counts = ((2, 3), (3, 4)) if spatial == 2 else ((2, 1, 2), (2, 2, 3))
    for suffix in ("", "_with_indices"):
        add(
            f"fractional_max_pool{spatial}d{suffix}",
            lambda lib, x, n=spatial, k=kernel, c=counts, suffix=suffix: getattr(
                lib.nn.functional, f"fractional_max_pool{n}d{suffix}"
            )(x, k, c, return_indices=True, _random_samples=lib.tensor(SAMPLES[n].tolist(), dtype=x.dtype)),
            lambda x, n=spatial, k=kernel, c=counts: fractional_reference(x, SAMPLES[n], k, c),
            distinct(*SHAPES[spatial]),
        )
    add(
        f"fractional_max_pool{spatial}d",
        lambda lib, x, n=spatial: getattr(lib.nn.functional, f"fractional_max_pool{n}d")(
            x, 1, output_ratio=(0.7,) * n, _random_samples=lib.tensor(SAMPLES[n].tolist(), dtype=x.dtype)
        ),
        lambda x, n=spatial: fractional_reference(
            x, SAMPLES[n], (1,) * n, [int(m * 0.7) for m in x.shape[-n:]]
        )[0],
        distinct(*SHAPES[spatial]),
        label="ratio",
    )

# -- stochastic

CHANCES = np.random.default_rng(7).random((2, 2, 2, 3)).astype(np.float32)


def weighted(v: np.ndarray) -> float:
    weights = np.maximum(v, 0)
    return (weights * v).sum() / weights.sum() if weights.sum() else v.mean()


def stochastic(x: np.ndarray) -> np.ndarray:
    chances = iter(CHANCES.reshape(-1).astype(np.float64))
    return pooled(x, [plain(5, 2, 2), plain(6, 2, 2)], lambda v, p, w: (v[drawn(v, next(chances))],))[0]


NO_TORCH = "PyTorch has no stochastic pooling"
add(
    "stochastic_pool2d",
    lambda lib, x: F.stochastic_pool2d(x, 2, _random_samples=mo.tensor(CHANCES.tolist(), dtype=x.dtype)),
    stochastic,
    distinct(*IMAGE),
    no_torch=NO_TORCH,
)
add(
    "stochastic_pool2d",
    lambda lib, x: F.stochastic_pool2d(x, 2, training=False),
    lambda x: pooled(x, [plain(5, 2, 2), plain(6, 2, 2)], lambda v, p, w: (weighted(v),))[0],
    distinct(*IMAGE),
    label="mean",
    no_torch=NO_TORCH,
)
add(
    "stochastic_pool2d",
    lambda lib, x: F.stochastic_pool2d(x, 3, 2, 1, training=False),
    lambda x: pooled(x, [plain(5, 3, 2, 1), plain(6, 3, 2, 1)], lambda v, p, w: (weighted(v),))[0],
    uniform(*IMAGE, low=0.1),
    label="mean-padded",
    no_torch=NO_TORCH,
)

# -- unpooling

for spatial, shape in SHAPES.items():
    small = (*shape[:2], *(m // 2 for m in shape[2:]))
    _, places = largest(np.random.default_rng(3).random(shape), [plain(m, 2, 2) for m in shape[2:]])

    def unpooled(x: np.ndarray, places=places, size=shape[2:]) -> np.ndarray:
        out = np.zeros((*x.shape[:2], math.prod(size)))
        n = x.shape[0] * x.shape[1]
        np.put_along_axis(out.reshape(n, -1), places.reshape(n, -1), x.reshape(n, -1), 1)
        return out.reshape(*x.shape[:2], *size)

    add(
        f"max_unpool{spatial}d",
        lambda lib, x, n=spatial, places=places, size=shape[2:]: getattr(
            lib.nn.functional, f"max_unpool{n}d"
        )(x, lib.tensor(places.tolist()), 2, output_size=size),
        unpooled,
        normal(*small),
        label="output-size",
    )
    even = (*shape[:2], *(m // 2 * 2 for m in shape[2:]))
    _, there = largest(np.random.default_rng(3).random(even), [plain(m, 2, 2) for m in even[2:]])
    add(
        f"max_unpool{spatial}d",
        lambda lib, x, n=spatial, places=there: getattr(lib.nn.functional, f"max_unpool{n}d")(
            x, lib.tensor(places.tolist()), 2, 2
        ),
        lambda x, places=there, size=even[2:]: unpooled(x, places, size),
        normal(*small),
    )

test_all = surface.make_tests(OPS)


# -- what no case says


def test_course_example() -> None:
    x = mo.tensor([[[[1.0, 4, 2, 1], [5, 8, 3, 4], [7, 6, 4, 5], [1, 3, 1, 2]]]])
    assert F.max_pool2d(x, 2, 1)[0, 0].tolist() == [[8, 8, 4], [8, 8, 5], [7, 6, 5]]
    assert F.max_pool2d(x, 2, 2)[0, 0].tolist() == [[8, 4], [7, 5]]
    assert F.avg_pool2d(x, 2, 2)[0, 0].tolist() == [[4.5, 2.5], [4.25, 3]]
    assert F.adaptive_max_pool2d(x, 1).item() == 8 and F.adaptive_avg_pool2d(x, 1).item() == 57 / 16


def test_pooling_softens_a_shift() -> None:
    """A pixel's shift changes the pooled image less, and global pooling not at all."""
    rng = np.random.default_rng(0)
    image = np.zeros((1, 1, 16, 16))
    image[0, 0, 4:12, 4:12] = rng.random((8, 8))
    a, b = mo.tensor(image), mo.tensor(np.roll(image, 1, -1))

    def change(f: Any) -> float:
        return ((f(a) - f(b)).norm() / f(a).norm()).item()

    assert change(lambda x: F.avg_pool2d(x, 4, 4)) < 0.6 * change(lambda x: x)
    assert change(lambda x: F.max_pool2d(x, 4, 4)) < change(lambda x: x)
    assert change(lambda x: F.adaptive_avg_pool2d(x, 1)) < 1e-12


def test_stochastic_frequencies() -> None:
    mo.manual_seed(0)
    x = mo.tensor([1.0, 2.0, 0.0, 5.0]).reshape(1, 1, 2, 2).expand(1, 4000, 2, 2)
    y = F.stochastic_pool2d(x, 2).numpy().ravel()
    for value, share in ((1, 1 / 8), (2, 2 / 8), (0, 0), (5, 5 / 8)):
        assert abs((y == value).mean() - share) < 4 * math.sqrt(0.25 / 4000)
    mo.manual_seed(0)
    assert (F.stochastic_pool2d(x, 2).numpy().ravel() == y).all()
    layer = mo.nn.StochasticPool2d(2)
    assert abs(layer.eval()(x)[0, 0].item() - (1 + 4 + 25) / 8) < 1e-6


def test_fractional_draws() -> None:
    mo.manual_seed(1)
    x = mo.rand(2, 3, 9, 11)
    y, places = F.fractional_max_pool2d_with_indices(x, 2, (5, 6))
    assert y.shape == (2, 3, 5, 6)
    assert (x.flatten(2).gather(2, places.flatten(2)) == y.flatten(2)).all().item()


def test_nan_and_infinity() -> None:
    x = np.full((1, 1, 4, 4, 4), -np.inf)
    x[0, 0, 0, 0, 1] = np.nan
    y = F.max_pool3d(mo.tensor(x), 2).numpy()
    assert np.isnan(y[0, 0, 0, 0, 0]) and np.isnan(y).sum() == 1 and (y[~np.isnan(y)] == -np.inf).all()
    assert np.isnan(F.adaptive_max_pool3d(mo.tensor(x), 1).item())


@pytest.mark.parametrize(
    "name, call",
    [
        ("max_pool1d", lambda: F.max_pool1d(mo.ones(3), 2)),
        ("max_pool1d", lambda: F.max_pool1d(mo.ones(1, 3, 4), 2, padding=2)),
        ("max_pool2d", lambda: F.max_pool2d(mo.ones(2, 2), 2)),
        ("max_pool2d", lambda: F.max_pool2d(mo.ones(1, 2, 2), (2, 2, 2))),
        ("max_pool3d", lambda: F.max_pool3d(mo.ones(1, 1, 2, 2, 2), 3)),
        ("max_pool3d", lambda: F.max_pool3d(mo.ones(1, 1, 2, 2, 2), 0)),
        ("avg_pool1d", lambda: F.avg_pool1d(mo.ones(1, 3, 4), 5)),
        ("avg_pool2d", lambda: F.avg_pool2d(mo.ones(1, 3, 4), 2, divisor_override=0)),
        ("avg_pool3d", lambda: F.avg_pool3d(mo.ones(1, 1, 2, 0, 2), 1)),
        ("avg_pool3d", lambda: F.avg_pool3d(mo.ones(1, 1, 2, 2, 2, dtype=mo.int64), 1)),
        ("adaptive_avg_pool1d", lambda: F.adaptive_avg_pool1d(mo.ones(1, 3, 4), -1)),
        ("adaptive_avg_pool2d", lambda: F.adaptive_avg_pool2d(mo.ones(1, 3, 4), (1, 2, 3))),
        ("adaptive_max_pool3d", lambda: F.adaptive_max_pool3d(mo.ones(1, 3, 4), 1)),
        ("lp_pool2d", lambda: F.lp_pool2d(mo.ones(4), 2, 2)),
        ("fractional_max_pool2d", lambda: F.fractional_max_pool2d(mo.ones(1, 3, 4), 2)),
        ("fractional_max_pool2d", lambda: F.fractional_max_pool2d(mo.ones(1, 3, 4), 2, (3, 3))),
        ("fractional_max_pool2d", lambda: F.fractional_max_pool2d(mo.ones(1, 3, 4), 2, output_ratio=1.5)),
        (
            "fractional_max_pool2d",
            lambda: F.fractional_max_pool2d(
                mo.ones(1, 3, 4), 2, 2, _random_samples=mo.full((1, 1, 2), np.nan)
            ),
        ),
        ("stochastic_pool2d", lambda: F.stochastic_pool2d(mo.ones(1, 3, 4), 2, _random_samples=mo.ones(2))),
        ("max_unpool2d", lambda: F.max_unpool2d(mo.ones(1, 1, 1), mo.tensor([[[9]]]), 2)),
        ("max_unpool2d", lambda: F.max_unpool2d(mo.ones(1, 1, 1), mo.tensor([[9]]), 2)),
        ("max_unpool2d", lambda: F.max_unpool2d(mo.ones(1, 1, 1), mo.tensor([[[0]]]), 2, output_size=(7, 7))),
    ],
)
def test_bad_input(name: str, call: Any) -> None:
    with pytest.raises((ValueError, RuntimeError, TypeError, IndexError), match=f"^{name}: "):
        call()
