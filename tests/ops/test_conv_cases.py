"""Convolutions of one to three axes, transposed ones and those with weights of their own at each place,
against sums written out place by place; bad arguments; random problems against PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import against_torch
import markone as mo
import surface


def spread(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def conv_reference(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    local: bool = False,
) -> np.ndarray:
    """Each output as the sum over one window; local: w has the outputs' sizes before its own dimensions."""
    axes = (w.ndim - 2) // 2 if local else w.ndim - 2
    single = x.ndim == axes + 1
    x = x[None] if single else x
    shape = w.shape[axes:] if local else w.shape
    s, d = spread(stride, axes), spread(dilation, axes)
    if padding == "same":
        total = [di * (k - 1) for di, k in zip(d, shape[2:])]
        around = [(t // 2, t - t // 2) for t in total]
    else:
        around = [(p, p) for p in spread(0 if padding == "valid" else padding, axes)]
    x = np.pad(x, ((0, 0), (0, 0), *around))
    sizes = [(n - di * (k - 1) - 1) // si + 1 for n, di, k, si in zip(x.shape[2:], d, shape[2:], s)]
    y = np.zeros((len(x), shape[0], *sizes))
    per, depth = shape[0] // groups, shape[1]
    for o in range(shape[0]):
        channels = slice(o // per * depth, (o // per + 1) * depth)
        for place in itertools.product(*map(range, sizes)):
            window = tuple(
                slice(i * si, i * si + di * (k - 1) + 1, di) for i, si, di, k in zip(place, s, d, shape[2:])
            )
            weight = w[place][o] if local else w[o]
            y[(slice(None), o, *place)] = (x[(slice(None), channels, *window)] * weight).sum(
                tuple(range(1, axes + 2))
            )
    if b is not None:
        y += b if local else b.reshape(-1, *[1] * axes)
    return y[0] if single else y


def transpose_reference(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> np.ndarray:
    """Each input adds its weights to one window."""
    axes = w.ndim - 2
    single = x.ndim == axes + 1
    x = x[None] if single else x
    s, p, d, e = (spread(v, axes) for v in (stride, padding, dilation, output_padding))
    full = [
        (n - 1) * si + di * (k - 1) + 1 + ei for n, si, di, k, ei in zip(x.shape[2:], s, d, w.shape[2:], e)
    ]
    y = np.zeros((len(x), w.shape[1] * groups, *full))
    per, depth = x.shape[1] // groups, w.shape[1]
    for c in range(x.shape[1]):
        channels = slice(c // per * depth, (c // per + 1) * depth)
        for place in itertools.product(*map(range, x.shape[2:])):
            window = tuple(
                slice(i * si, i * si + di * (k - 1) + 1, di) for i, si, di, k in zip(place, s, d, w.shape[2:])
            )
            amount = x[(slice(None), c, *place)].reshape(-1, *[1] * (axes + 1))
            y[(slice(None), channels, *window)] += amount * w[c]
    y = y[(..., *(slice(pi, n - pi) for pi, n in zip(p, full)))]
    if b is not None:
        y = y + b.reshape(-1, *[1] * axes)
    return y[0] if single else y


CONVOLUTIONS: list[tuple[str, int, str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    # name, axes, label, x, weight, arguments
    ("conv", 1, "", (2, 3, 6), (2, 3, 3), {}),
    ("conv", 1, "stride padding dilation", (1, 2, 9), (3, 2, 3), {"stride": 2, "padding": 3, "dilation": 2}),
    ("conv", 1, "depthwise", (2, 3, 5), (6, 1, 2), {"groups": 3}),
    ("conv", 1, "same", (1, 2, 5), (2, 2, 4), {"padding": "same"}),
    ("conv", 1, "one sequence", (2, 6), (3, 2, 3), {"padding": (1,)}),
    ("conv", 1, "no batch", (0, 3, 6), (2, 3, 3), {}),
    ("conv", 2, "", (2, 2, 4, 5), (3, 2, 3, 2), {}),
    (
        "conv",
        2,
        "stride padding dilation",
        (1, 2, 7, 6),
        (2, 2, 3, 2),
        {"stride": (2, 3), "padding": (1, 2), "dilation": (1, 2)},
    ),
    ("conv", 2, "groups", (1, 4, 4, 4), (6, 2, 2, 2), {"groups": 2, "padding": "valid"}),
    ("conv", 2, "depthwise", (2, 3, 4, 4), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    ("conv", 2, "1x1", (2, 3, 3, 2), (2, 3, 1, 1), {}),
    ("conv", 2, "same", (1, 2, 4, 5), (2, 2, 2, 3), {"padding": "same", "dilation": (1, 2)}),
    ("conv", 2, "one image", (2, 5, 4), (3, 2, 3, 3), {"stride": 2, "padding": 1}),
    ("conv", 2, "no batch", (0, 2, 4, 4), (3, 2, 3, 3), {"padding": 1}),
    ("conv", 2, "no outputs", (2, 2, 4, 4), (0, 2, 3, 3), {}),
    ("conv", 3, "", (2, 2, 3, 4, 3), (2, 2, 2, 3, 2), {}),
    (
        "conv",
        3,
        "stride padding dilation",
        (1, 2, 4, 5, 5),
        (2, 2, 2, 2, 3),
        {"stride": (1, 2, 2), "padding": (2, 0, 1), "dilation": (2, 1, 1)},
    ),
    ("conv", 3, "groups", (1, 2, 3, 3, 3), (4, 1, 2, 2, 2), {"groups": 2, "padding": 1, "stride": 2}),
    ("conv", 3, "same", (1, 1, 3, 2, 3), (2, 1, 2, 1, 3), {"padding": "same"}),
    ("conv", 3, "one volume", (2, 3, 3, 3), (2, 2, 2, 2, 2), {}),
    ("conv", 3, "no batch", (0, 1, 3, 3, 3), (2, 1, 2, 2, 2), {}),
    ("conv_transpose", 1, "", (2, 3, 4), (3, 2, 3), {}),
    (
        "conv_transpose",
        1,
        "stride padding",
        (1, 2, 5),
        (2, 3, 4),
        {"stride": 3, "padding": 2, "output_padding": 1, "dilation": 2},
    ),
    ("conv_transpose", 1, "gaps", (1, 2, 3), (2, 2, 1), {"stride": 3, "output_padding": 2}),
    (
        "conv_transpose",
        1,
        "far padding",
        (1, 1, 3),
        (1, 2, 3),
        {"dilation": 4, "output_padding": 3, "padding": 2},
    ),
    ("conv_transpose", 1, "one sequence", (4, 3), (4, 1, 2), {"groups": 2}),
    ("conv_transpose", 1, "no batch", (0, 2, 3), (2, 2, 2), {}),
    ("conv_transpose", 2, "", (2, 2, 3, 3), (2, 3, 2, 3), {}),
    (
        "conv_transpose",
        2,
        "stride padding dilation",
        (1, 2, 3, 4),
        (2, 2, 3, 2),
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (1, 2)},
    ),
    ("conv_transpose", 2, "groups", (1, 4, 2, 3), (4, 2, 2, 2), {"groups": 2, "stride": 2}),
    ("conv_transpose", 2, "depthwise", (2, 3, 3, 3), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
    ("conv_transpose", 2, "one image", (2, 3, 3), (2, 2, 2, 2), {"stride": 2, "padding": 1}),
    ("conv_transpose", 3, "", (1, 2, 2, 3, 2), (2, 2, 2, 2, 2), {}),
    (
        "conv_transpose",
        3,
        "stride padding dilation",
        (1, 2, 2, 2, 3),
        (2, 1, 2, 3, 2),
        {"stride": (2, 1, 3), "padding": (0, 1, 1), "output_padding": (1, 0, 2), "dilation": (1, 1, 2)},
    ),
    ("conv_transpose", 3, "one volume", (2, 2, 2, 2), (2, 1, 2, 1, 2), {"groups": 2, "stride": 2}),
]

# x, weight, arguments
LOCAL: list[tuple[str, int, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("", 1, (2, 2, 5), (3, 2, 2, 3), {}),
    ("stride padding", 1, (1, 2, 6), (4, 3, 2, 2), {"stride": 2, "padding": 1}),
    ("one sequence", 1, (2, 5), (1, 2, 2, 3), {"dilation": 2}),
    ("", 2, (2, 2, 4, 3), (3, 2, 3, 2, 2, 2), {}),
    (
        "stride padding dilation",
        2,
        (1, 1, 4, 5),
        (2, 3, 2, 1, 2, 2),
        {"stride": 2, "padding": (1, 1), "dilation": (2, 1)},
    ),
    ("one image", 2, (1, 3, 3), (2, 2, 2, 1, 2, 2), {}),
    ("no batch", 2, (0, 1, 3, 3), (2, 2, 2, 1, 2, 2), {}),
]


def convolution(name: str, axes: int, label: str, x: Any, w: Any, kwargs: dict[str, Any]) -> surface.Op:
    full = f"{name}{axes}d"
    reference = conv_reference if name == "conv" else transpose_reference
    outputs = w[0] if name == "conv" else w[1] * kwargs.get("groups", 1)
    bias = label not in ("groups", "1x1")
    no_torch = "takes no weight without outputs" if label == "no outputs" else ""
    if bias:
        return surface.Op(
            full,
            lambda lib, x, w, b: getattr(lib.nn.functional, full)(x, w, b, **kwargs),
            lambda x, w, b: reference(x, w, b, **kwargs),
            [surface.normal(*x), surface.normal(*w), surface.normal(outputs)],
            label,
            tolerance=64,
            no_torch=no_torch,
        )
    return surface.Op(
        full,
        lambda lib, x, w: getattr(lib, full)(x, w, **kwargs),
        lambda x, w: reference(x, w, **kwargs),
        [surface.normal(*x), surface.normal(*w)],
        label,
        tolerance=64,
    )


def local(label: str, axes: int, x: Any, w: Any, kwargs: dict[str, Any]) -> surface.Op:
    name = f"locally_connected{axes}d"
    return surface.Op(
        f"nn.functional.{name}",
        lambda lib, x, w, b: getattr(lib.nn.functional, name)(x, w, b, **kwargs),
        lambda x, w, b: conv_reference(x, w, b, **kwargs, local=True),
        [surface.normal(*x), surface.normal(*w), surface.normal(w[axes], *w[:axes])],
        label,
        no_torch="PyTorch has none",
        tolerance=64,
    )


OPS = [convolution(*c) for c in CONVOLUTIONS] + [local(*c) for c in LOCAL]
test_all = pytest.mark.filterwarnings("ignore:Using padding='same'")(surface.make_tests(OPS))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_floats(dtype: str) -> None:
    """Sums are of float32 numbers and rounded once."""
    kind = getattr(mo, dtype)
    mo.manual_seed(0)
    x, w, b = mo.randn(1, 2, 5, 5).to(kind), mo.randn(2, 2, 3, 3).to(kind), mo.randn(2).to(kind)
    for f in (mo.conv2d, mo.conv_transpose2d):
        assert mo.equal(f(x, w, b), f(x.float(), w.float(), b.float()).to(kind))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gradients_as_operations(axes: int) -> None:
    """nn.grad against PyTorch's, and their own gradients against differences."""
    x, w = (1, 4, *(5, 4, 3)[:axes]), (2, 2, *(2, 3, 2)[:axes])
    rest: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2}
    rng = np.random.default_rng(axes)
    a, b = rng.standard_normal(x), rng.standard_normal(w)
    g = rng.standard_normal(conv_reference(a, b, **rest).shape)
    for call, other in (
        (lambda lib, y, g: getattr(lib.nn.grad, f"conv{axes}d_input")(x, y, g, **rest), b),
        (lambda lib, y, g: getattr(lib.nn.grad, f"conv{axes}d_weight")(y, w, g, **rest), a),
    ):
        pytest.importorskip("torch.nn.grad")
        against_torch.compare(call, [other, g], dtype="float64", rtol=1e-11, atol=1e-11)
        against_torch.check_gradients(call, [other, g])
        with pytest.raises((RuntimeError, ValueError), match=f"conv{axes}d_"):
            call(mo, mo.tensor(other)[0], mo.tensor(g))


BAD: list[tuple[Any, str]] = [
    (lambda: mo.conv1d(mo.ones(1, 3, 8), mo.ones(4, 2, 3)), "conv1d: input has 3 channels .* wants 2"),
    (lambda: mo.conv1d(mo.ones(1, 3, 8, 8), mo.ones(4, 3, 3)), "conv1d: wants input"),
    (lambda: mo.conv3d(mo.ones(1, 3, 8, 8), mo.ones(4, 3, 3, 3)), "conv3d: wants input"),
    (
        lambda: mo.conv2d(mo.ones(1, 3, 8, 8), mo.ones(4, 3, 3, 3), stride=(1, 1, 1)),
        "conv2d: stride .* entries",
    ),
    (lambda: mo.conv2d(mo.ones(1, 3, 8, 8), mo.ones(4, 3, 3, 3), padding="full"), "conv2d: padding 'full'"),
    (
        lambda: mo.conv2d(mo.ones(1, 3, 8, 8), mo.ones(4, 3, 3, 3), stride=2, padding="same"),
        "conv2d: padding",
    ),
    (
        lambda: mo.conv2d(mo.ones(1, 3, 8, 8), mo.ones(4, 3, 3, 3), stride=1.5),
        "conv2d: stride must be integers",
    ),
    (lambda: mo.conv3d(mo.ones(1, 1, 2, 8, 8), mo.ones(4, 1, 3, 3, 3)), "conv3d: kernel depth 3"),
    (
        lambda: mo.conv1d(mo.ones(1, 1, 2).double(), mo.ones(4, 1, 2)),
        "conv1d: input is float64 but weight is float32",
    ),
    (
        lambda: mo.conv2d(mo.ones(1, 1, 4, 4, dtype=mo.int64), mo.ones(1, 1, 2, 2, dtype=mo.int64)),
        "conv2d: .*int64",
    ),
    (lambda: mo.conv2d(3, mo.ones(1, 1, 2, 2)), "conv2d: input must be a Tensor"),
    (lambda: mo.conv_transpose2d(mo.ones(1, 3, 4, 4), mo.ones(2, 1, 3, 3)), "conv_transpose2d: input has 3"),
    (
        lambda: mo.conv_transpose1d(mo.ones(1, 1, 4), mo.ones(1, 1, 3), stride=2, output_padding=2),
        "conv_transpose1d: output_padding",
    ),
    (lambda: mo.conv_transpose1d(mo.ones(1, 1, 2), mo.ones(1, 1, 1), padding=2), "conv_transpose1d: padding"),
    (
        lambda: mo.conv_transpose2d(mo.ones(1, 2, 4, 4), mo.ones(2, 1, 3, 3), mo.ones(2)),
        "conv_transpose2d: bias",
    ),
    (
        lambda: mo.conv_transpose2d(mo.ones(1, 3, 4, 4), mo.ones(3, 1, 3, 3), groups=2),
        "conv_transpose2d: .*groups",
    ),
    (
        lambda: mo.conv_transpose1d(mo.ones(1, 1, 2), mo.ones(1, 1, 1), stride=2**62),
        "conv_transpose1d",
    ),
    (
        lambda: mo.nn.functional.locally_connected2d(mo.ones(1, 1, 4, 4), mo.ones(2, 2, 1, 1, 2, 2)),
        "locally_connected2d: .*windows",
    ),
    (
        lambda: mo.nn.functional.locally_connected1d(mo.ones(1, 2, 4), mo.ones(3, 1, 1, 2)),
        "locally_connected1d: input has 2",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[m for _, m in BAD])
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(
        (RuntimeError, ValueError, TypeError, NotImplementedError, MemoryError), match=message
    ):
        call()


@st.composite
def problems(draw: Any) -> tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """A convolution that has an output: name, x, weight and bias shapes, arguments."""
    axes = draw(st.integers(1, 3))
    size = lambda low, high: st.tuples(*[st.integers(low, high)] * axes)  # noqa: E731
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel, stride, dilation, padding = (draw(size(*r)) for r in ((1, 3), (1, 3), (1, 2), (0, 2)))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    kwargs: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    if draw(st.booleans()):
        sizes = tuple(max(r - 2 * p, 1) + draw(st.integers(0, 4)) for r, p in zip(reach, padding))
        return (
            f"conv{axes}d",
            (*batch, inputs, *sizes),
            (outputs, inputs // groups, *kernel),
            (outputs,),
            kwargs,
        )
    kwargs["padding"] = tuple(min(p, (r - 1) // 2) for p, r in zip(padding, reach))
    kwargs["output_padding"] = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation))
    sizes = draw(size(1, 4))
    return (
        f"conv_transpose{axes}d",
        (*batch, inputs, *sizes),
        (inputs, outputs // groups, *kernel),
        (outputs,),
        kwargs,
    )


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(0, 2**32 - 1))
def test_random_problems_against_torch(problem: Any, seed: int) -> None:
    name, x, w, b, kwargs = problem
    rng = np.random.default_rng(seed)
    against_torch.compare(
        lambda lib, x, w, b: getattr(lib.nn.functional, name)(x, w, b, **kwargs),
        [rng.standard_normal(shape) for shape in (x, w, b)],
        dtype="float64",
        rtol=1e-10,
        atol=1e-10,
    )
