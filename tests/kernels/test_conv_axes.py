"""Convolutions of one and three axes and their gradients, unfold, fold and the transposed convolution, on
every instruction set against float64."""

from __future__ import annotations

from typing import Any

import numpy as np

import harness
from harness import array, numpy
from markone import _C

OPERATIONS = ("conv", "conv_input_grad", "conv_weight_grad")

# x [n, c, sizes..], weights [o, c / groups, taps..], then stride, padding, dilation for each axis, groups.
AXES: list[tuple[Any, ...]] = [
    ((2, 3, 9), (4, 3, 3), (1,), (0,), (1,), 1),
    ((2, 4, 20), (6, 2, 4), (2,), (3,), (2,), 2),
    ((1, 2, 1300), (3, 2, 5), (1,), (2,), (1,), 1),
    ((2, 2, 5, 6, 7), (3, 2, 2, 3, 3), (1, 1, 1), (0, 0, 0), (1, 1, 1), 1),
    ((2, 4, 6, 5, 6), (6, 2, 3, 2, 3), (2, 1, 2), (1, 1, 2), (1, 2, 1), 2),
    ((1, 3, 7, 9, 8), (5, 3, 3, 3, 3), (1, 2, 2), (1, 1, 1), (2, 1, 1), 1),
    ((1, 3, 4, 6, 6), (3, 1, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 3),
    ((1, 30, 5, 4, 4), (9, 30, 3, 1, 1), (1, 1, 1), (1, 0, 0), (1, 1, 1), 1),
    ((3, 2, 2, 2, 3), (130, 2, 2, 2, 2), (1, 1, 1), (3, 1, 0), (1, 1, 1), 1),  # more padding than depth
    ((2, 2, 9, 3, 3), (2, 2, 2, 2, 2), (3, 1, 1), (0, 0, 0), (4, 1, 1), 1),
]


def along(p: tuple[Any, ...], out: tuple[int, ...]) -> Any:
    """(tap, the part of the padded input that it reads) for each tap."""
    _, weight, stride, _, dilation, _ = p
    for tap in np.ndindex(*weight[2:]):
        yield (
            tap,
            tuple(
                slice(t * d, t * d + (o - 1) * s + 1, s)
                for t, d, s, o in zip(tap, dilation, stride, out, strict=True)
            ),
        )


def by_taps(p: tuple[Any, ...], x: np.ndarray, w: np.ndarray, g: np.ndarray | None) -> tuple[Any, ...]:
    """The result, or with its gradient g those of x and w; float64 sums over taps."""
    _, weight, stride, padding, dilation, groups = p
    wide = np.pad(x, ((0, 0), (0, 0), *((n, n) for n in padding)))
    wide = wide.reshape(len(x), groups, -1, *wide.shape[2:])
    split = w.reshape(groups, -1, *w.shape[1:])
    out = tuple(
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(wide.shape[3:], weight[2:], stride, dilation, strict=True)
    )
    if g is None:
        y = np.zeros((len(x), groups, w.shape[0] // groups, *out))
        for tap, part in along(p, out):
            y += np.einsum("ngc...,gmc->ngm...", wide[(..., *part)], split[(..., *tap)])
        return (y.reshape(len(x), w.shape[0], *out),)
    back, dw = np.zeros_like(wide), np.zeros_like(split)
    g = g.reshape(len(x), groups, -1, *out)
    for tap, part in along(p, out):
        back[(..., *part)] += np.einsum("ngm...,gmc->ngc...", g, split[(..., *tap)])
        flat, seen = g.reshape(*g.shape[:3], -1), wide[(..., *part)].reshape(*wide.shape[:3], -1)
        dw[(..., *tap)] = np.einsum("ngml,ngcl->gmc", flat, seen)
    back = back.reshape(len(x), x.shape[1], *back.shape[3:])
    inner = tuple(slice(n, n + size) for n, size in zip(padding, x.shape[2:], strict=True))
    return back[(..., *inner)], dw.reshape(w.shape)


def axes_case(p: tuple[Any, ...], which: str) -> harness.Case:
    x, w, *rest = p
    g = by_taps(p, np.zeros(x), np.zeros(w), None)[0].shape

    def reference(a: list[np.ndarray]) -> Any:
        if which == "conv":
            return by_taps(p, a[0], a[1], None)[0]
        return by_taps(p, a[0], a[1], a[2])[which == "conv_weight_grad"]

    steps = {
        "conv": np.prod(w[1:]),
        "conv_input_grad": w[0] / rest[3] * np.prod(w[2:]),
        "conv_weight_grad": g[0] * np.prod(g[2:]),
    }[which]
    calls = {
        "conv": lambda a: _C.conv(a[0], a[1], None, *rest),
        "conv_input_grad": lambda a: _C.conv_input_grad(a[2], a[1], x, *rest),
        "conv_weight_grad": lambda a: _C.conv_weight_grad(a[2], a[0], w, *rest),
    }
    return harness.Case(
        f"{which}-{'x'.join(map(str, x))}-{'x'.join(map(str, w))}",
        inputs=lambda rng: [rng.standard_normal(shape) for shape in (x, w, g)],
        call=calls[which],
        reference=reference,
        tolerance=lambda a: (steps + 2) * reference([np.abs(v) for v in a]),
        dtypes=("float32", "float64"),
        op=which,
    )


test_one_and_three_axes = harness.make_tests([axes_case(p, which) for which in OPERATIONS for p in AXES])

# x, taps, stride, padding, dilation
WINDOWS: list[tuple[Any, ...]] = [
    ((2, 3, 6, 7), (2, 3), (1, 1), (0, 0), (1, 1)),
    ((1, 2, 40, 37), (3, 3), (1, 1), (1, 1), (1, 1)),
    ((2, 2, 9, 8), (3, 2), (2, 3), (1, 2), (2, 1)),
    ((1, 1, 2, 2), (3, 3), (1, 1), (4, 4), (1, 1)),
    ((1, 2, 3, 70), (1, 4), (1, 2), (0, 3), (1, 20)),
    ((2, 3, 11), (4,), (2,), (3,), (1,)),
    ((1, 2, 3, 4, 5), (2, 2, 3), (1, 2, 1), (1, 0, 1), (1, 1, 2)),
]


def columns(p: tuple[Any, ...], x: np.ndarray) -> np.ndarray:
    shape, taps, stride, padding, dilation = p
    q = (shape, (1, 1, *taps), stride, padding, dilation, 1)
    wide = np.pad(x, ((0, 0), (0, 0), *((n, n) for n in padding)))
    out = tuple(
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(wide.shape[2:], taps, stride, dilation, strict=True)
    )
    rows = [wide[(..., *part)].reshape(*shape[:2], 1, -1) for _, part in along(q, out)]
    return np.concatenate(rows, 2).reshape(shape[0], shape[1] * len(rows), -1)


def summed(p: tuple[Any, ...], cols: np.ndarray) -> np.ndarray:
    """The transpose of `columns`, by its matrix."""
    size = int(np.prod(p[0][2:]))
    one = ((1, 1, *p[0][2:]), *p[1:])
    matrix = np.stack([columns(one, e.reshape(one[0]))[0] for e in np.eye(size)])
    planes = cols.reshape(*p[0][:2], *matrix.shape[1:])
    return np.einsum("nckl,xkl->ncx", planes, matrix).reshape(p[0])


test_windows = harness.make_tests(
    [
        harness.Case(
            f"{which}-{p}".replace(" ", ""),
            inputs=lambda rng, p=p, which=which: [
                rng.standard_normal(p[0] if which == "unfold" else columns(p, np.zeros(p[0])).shape)
            ],
            call=(
                (lambda a, p=p: _C.unfold(a[0], *p[1:]))
                if which == "unfold"
                else (lambda a, p=p: _C.fold(a[0], p[0][2:], *p[1:]))
            ),
            reference=lambda a, p=p, which=which: (columns if which == "unfold" else summed)(p, a[0]),
            tolerance=(lambda a, p=p: np.prod(p[1]) * summed(p, np.abs(a[0]))) if which == "fold" else 0.0,
            dtypes=("float32", "float64", "bfloat16") if which == "unfold" else ("float32", "float64"),
        )
        for which in ("unfold", "fold")
        for p in WINDOWS
    ]
)


def test_transposed_is_the_input_gradient_with_a_bias() -> None:
    rng = np.random.default_rng(3)
    for x, w, *rest in AXES:
        out = by_taps((x, w, *rest), np.zeros(x), np.zeros(w), None)[0].shape
        g, weight, bias = (rng.standard_normal(s) for s in (out, w, (x[1],)))
        stride, padding, dilation, _ = rest
        extra = tuple(
            n - ((o - 1) * s - 2 * q + d * (k - 1) + 1)
            for n, o, s, q, d, k in zip(x[2:], out[2:], stride, padding, dilation, w[2:], strict=True)
        )
        got = numpy(_C.conv_transpose(array(g), array(weight), array(bias), *rest, extra))
        want = numpy(_C.conv_input_grad(array(g), array(weight), x, *rest))
        assert np.allclose(got, want + bias.reshape(-1, *[1] * (len(x) - 2)), rtol=1e-13, atol=1e-13)
