"""Shapes: views, copies that rearrange, splits, windows, diagonals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import against_torch as at
import markone as mo
import surface

Op, normal, integers, bools = surface.Op, surface.normal, surface.integers, surface.bools


def op(name: str, ours: Any, theirs: Any, *shapes: tuple[int, ...], label: str = "", **more: Any) -> Op:
    """`ours` is (lib, *tensors) -> result, `theirs` the same on NumPy arrays."""
    return Op(name, ours, theirs, [normal(*s) for s in shapes], label=label, **more)


def with_arguments(name: str, reference: Any, *cases: tuple[tuple[int, ...], tuple[Any, ...]]) -> list[Op]:
    """lib.name(x, *arguments) against reference(x, *arguments)."""
    return [
        op(
            name,
            lambda lib, x, a=a: getattr(lib.Tensor, name)(x, *a),
            lambda x, a=a: reference(x, *a),
            shape,
            label=f"{shape}{a}",
            layouts=name != "view",
        )
        for shape, a in cases
    ]


def joined(name: str, reference: Any, *cases: tuple[tuple[int, ...], ...]) -> list[Op]:
    return [
        op(
            name,
            lambda lib, *x: getattr(lib, name)(x),
            lambda *x: reference(x),
            *shapes,
            label=str(shapes),
        )
        for shapes in cases
    ]


def _diag_embed(x: np.ndarray, offset: int = 0, dim1: int = -2, dim2: int = -1) -> np.ndarray:
    n = x.shape[-1] + abs(offset)
    out = np.zeros((*x.shape[:-1], n, n))
    i = np.arange(x.shape[-1])
    out[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


def _written(x: np.ndarray, src: np.ndarray, key: Any) -> np.ndarray:
    x = x.copy()
    x[key] = src
    return x


def _diagonal_written(x: np.ndarray, src: np.ndarray) -> np.ndarray:
    x = x.copy()
    i = np.arange(src.shape[0])
    x[i, i + 1] = src
    return x


def _unfold(x: np.ndarray, dim: int, size: int, step: int) -> np.ndarray:
    windows = sliding_window_view(x, size, dim)
    return windows[(slice(None),) * (dim % x.ndim) + (slice(None, None, step),)]


def _sum_to(x: np.ndarray, *size: int) -> np.ndarray:
    lead = x.ndim - len(size)
    x = x.sum(tuple(range(lead)))
    return x.sum(tuple(i for i, n in enumerate(size) if n == 1), keepdims=True)


def _split(x: np.ndarray, step: int, dim: int = 0) -> list[np.ndarray]:
    return np.split(x, range(step, x.shape[dim], step), dim)


BROKEN = "PyTorch's gradient of vander raises"
OPS = [
    *with_arguments(
        "reshape",
        lambda x, *s: x.reshape(*s),
        ((3, 4), (2, 6)),
        ((3, 4), (-1,)),
        ((), (1, 1)),
        ((0, 3), (3, 0)),
    ),
    *with_arguments("view", lambda x, *s: x.reshape(*s), ((3, 4), (2, 2, 3))),
    *with_arguments(
        "flatten",
        lambda x, a=0, b=-1: x.reshape({(0, -1): (-1,), (1, 2): (2, 12)}[a, b]),
        ((2, 3, 4), ()),
        ((2, 3, 4), (1, 2)),
        ((), ()),
    ),
    *with_arguments("unflatten", lambda x, d, s: x.reshape(2, 3, 2), ((2, 6), (1, (3, 2)))),
    *with_arguments(
        "squeeze", lambda x, *d: np.squeeze(x, *d), ((1, 3, 1), ()), ((1, 3, 1), (0,)), ((1, 3, 1), ((0, 2),))
    ),
    *with_arguments("unsqueeze", np.expand_dims, ((3, 4), (1,)), ((), (0,)), ((3, 4), (-1,))),
    *with_arguments("permute", lambda x, *d: np.transpose(x, d), ((2, 3, 4), (2, 0, 1))),
    *with_arguments("swapaxes", np.swapaxes, ((2, 3, 4), (0, -1))),
    *with_arguments("transpose", np.swapaxes, ((2, 3, 4), (0, -1)), ((2, 0), (0, 1))),
    *with_arguments("t", np.transpose, ((2, 3), ()), ((3,), ())),
    *with_arguments("adjoint", lambda x: np.swapaxes(x, -1, -2), ((2, 3, 4), ())),
    *with_arguments("movedim", np.moveaxis, ((2, 3, 4), (0, 2)), ((2, 3, 4), ((0, 1), (1, 2)))),
    *with_arguments(
        "expand",
        lambda x, *s: np.broadcast_to(
            x, [n if k < 0 else k for n, k in zip(x.shape, s)] if len(s) == x.ndim else s
        ),
        ((1, 3), (4, -1)),
        ((3,), (2, 3)),
        ((), (2,)),
    ),
    *with_arguments("broadcast_to", np.broadcast_to, ((1, 3), ((4, 3),))),
    *with_arguments("ravel", np.ravel, ((2, 3), ()), ((), ()), ((0, 3), ())),
    *with_arguments(
        "narrow", lambda x, d, s, n: np.take(x, range(s, s + n), d), ((4, 5), (1, 1, 3)), ((4, 5), (0, 2, 0))
    ),
    *with_arguments("narrow_copy", lambda x, d, s, n: np.take(x, range(s, s + n), d), ((4, 5), (1, 1, 3))),
    *with_arguments("select", lambda x, d, i: np.take(x, i, d), ((4, 5), (1, -2))),
    *with_arguments("diagonal", np.diagonal, ((3, 4), ()), ((3, 4), (1,)), ((2, 3, 4), (-1, 1, 2))),
    *with_arguments("diag", np.diag, ((3,), ()), ((3,), (-2,)), ((3, 4), (1,)), ((0,), ())),
    *with_arguments("diagflat", np.diagflat, ((2, 3), (1,)), ((), ())),
    *with_arguments("diag_embed", _diag_embed, ((2, 3), ()), ((2, 3), (1,)), ((2, 3), (-1, 0, 2))),
    *with_arguments("trace", np.trace, ((3, 4), ()), ((0, 0), ())),
    *with_arguments("split", _split, ((7, 2), (3,)), ((2, 6), (2, 1))),
    *with_arguments("unsafe_split", _split, ((7, 2), (3,))),
    *with_arguments(
        "split_with_sizes", lambda x, s, d=0: np.split(x, np.cumsum(s)[:-1], d), ((7, 2), ([3, 0, 4],))
    ),
    *with_arguments(
        "unsafe_split_with_sizes", lambda x, s, d=0: np.split(x, np.cumsum(s)[:-1], d), ((7, 2), ([3, 4],))
    ),
    *with_arguments(
        "chunk", lambda x, n, d=0: _split(x, -(-x.shape[d] // n), d), ((7, 2), (3,)), ((2, 6), (4, 1))
    ),
    *with_arguments("unsafe_chunk", lambda x, n, d=0: _split(x, -(-x.shape[d] // n), d), ((7, 2), (3,))),
    *with_arguments("tensor_split", np.array_split, ((7, 2), (3,)), ((2, 5), (2, 1))),
    *with_arguments("tensor_split", np.split, ((7, 2), ([2, 5],)), ((7, 2), ([-2, 9],))),
    *with_arguments("hsplit", np.hsplit, ((2, 6), (3,)), ((6,), ([2, 3],))),
    *with_arguments("vsplit", np.vsplit, ((4, 2), (2,))),
    *with_arguments("dsplit", np.dsplit, ((1, 2, 4), ([1],))),
    *with_arguments(
        "unbind", lambda x, d=0: [np.take(x, i, d) for i in range(x.shape[d])], ((3, 2), ()), ((3, 2), (1,))
    ),
    *with_arguments(
        "repeat", lambda x, *n: np.tile(x, n), ((2, 3), (2, 1)), ((3,), (2, 3)), ((2, 3), (0, 1))
    ),
    *with_arguments("tile", lambda x, n: np.tile(x, n), ((2, 3), ((2,),)), ((2, 3), ((2, 1, 2),))),
    *with_arguments("repeat_interleave", np.repeat, ((2, 3), (2,)), ((2, 3), (2, 1))),
    *with_arguments("flip", lambda x, d: np.flip(x, d), ((2, 3), ((0,),)), ((2, 3), ((0, 1),))),
    *with_arguments("fliplr", np.fliplr, ((2, 3), ())),
    *with_arguments("flipud", np.flipud, ((2, 3), ()), ((3,), ())),
    *with_arguments("roll", np.roll, ((2, 3), (2,)), ((2, 3), (-1, 1)), ((2, 3), ((1, 2), (0, 1)))),
    *with_arguments(
        "rot90", np.rot90, ((2, 3), ()), ((2, 3), (2,)), ((2, 3), (-1,)), ((2, 3, 2), (1, (1, 2)))
    ),
    *with_arguments(
        "unfold", _unfold, ((7,), (0, 3, 2)), ((7,), (0, 2, 3)), ((2, 5, 3), (1, 2, 1)), ((4,), (0, 4, 1))
    ),
    *with_arguments("sum_to_size", _sum_to, ((2, 3, 4), (3, 1)), ((2, 3), (2, 3))),
    *with_arguments(
        "diff",
        lambda x, n=1, d=-1: np.diff(x, n, d),
        ((3, 5), ()),
        ((3, 5), (2, 0)),
        ((3,), (0,)),
        ((2,), (3,)),
    ),
    *with_arguments("tril", np.tril, ((3, 4), ()), ((2, 3, 3), (-1,))),
    *with_arguments("triu", np.triu, ((3, 4), ()), ((2, 3, 3), (1,))),
    op(
        "as_strided",
        lambda lib, x: lib.as_strided(x * 1, (3, 2), (1, 2), 1),
        lambda x: as_strided(x.reshape(-1)[1:], (3, 2), (8, 16)),
        (3, 4),
    ),
    op(
        "diff",
        lambda lib, x, a, b: lib.diff(x, 1, 0, a, b),
        lambda x, a, b: np.diff(x, 1, 0, a, b),
        (3, 2),
        (1, 2),
        (2, 2),
        label="ends",
    ),
    op(
        "view_as",
        lambda lib, x, y: x.reshape(-1).view_as(y),
        lambda x, y: x.reshape(y.shape),
        (3, 4),
        (2, 6),
        no_torch="PyTorch leaves the second gradient out",
        no_grad="the shape's gradient is none",
    ),
    op(
        "reshape_as",
        lambda lib, x, y: x.reshape_as(y.detach()),
        lambda x, y: x.reshape(y.shape),
        (3, 4),
        (2, 6),
        no_grad="the shape's gradient is none",
    ),
    op(
        "expand_as",
        lambda lib, x, y: x.expand_as(y.detach()),
        lambda x, y: np.broadcast_to(x, y.shape),
        (1, 4),
        (3, 4),
        no_grad="the shape's gradient is none",
    ),
    op("broadcast_tensors", lambda lib, x, y: lib.broadcast_tensors(x, y), np.broadcast_arrays, (3, 1), (4,)),
    op("diagonal_scatter", lambda lib, x, s: lib.diagonal_scatter(x, s, 1), _diagonal_written, (3, 4), (3,)),
    op(
        "select_scatter",
        lambda lib, x, s: lib.select_scatter(x, s, 1, 2),
        lambda x, s: _written(x, s, np.s_[:, 2]),
        (3, 4),
        (3,),
    ),
    op(
        "slice_scatter",
        lambda lib, x, s: lib.slice_scatter(x, s, 1, 0, 4, 2),
        lambda x, s: _written(x, s, np.s_[:, 0:4:2]),
        (3, 4),
        (3, 2),
    ),
    *joined("cat", np.concatenate, ((2, 3), (4, 3)), ((0, 3), (2, 3))),
    *joined("stack", np.stack, ((2, 3), (2, 3)), ((), ())),
    *joined("hstack", np.hstack, ((2, 3), (2, 1)), ((3,), (2,))),
    *joined("vstack", np.vstack, ((3,), (2, 3))),
    *joined("dstack", np.dstack, ((2, 3), (2, 3)), ((3,), (3,)), ((), ())),
    *joined("column_stack", np.column_stack, ((3,), (3, 2)), ((2,), (2,))),
    op(
        "block_diag",
        lambda lib, a, b, c: lib.block_diag(a, b, c),
        lambda a, b, c: np.block(
            [
                [a, np.zeros((2, 4))],
                [np.zeros((1, 2)), b, np.zeros((1, 1))],
                [np.zeros((1, 5)), np.full((1, 1), c)],
            ]
        ),
        (2, 2),
        (3,),
        (),
    ),
    op(
        "cartesian_prod",
        lambda lib, a, b: lib.cartesian_prod(a, b),
        lambda a, b: np.stack([g.ravel() for g in np.meshgrid(a, b, indexing="ij")], 1),
        (2,),
        (3,),
    ),
    op(
        "combinations",
        lambda lib, a: lib.combinations(a, 2),
        lambda a: np.array([[a[i], a[j]] for i in range(4) for j in range(i + 1, 4)]),
        (4,),
    ),
    op(
        "combinations",
        lambda lib, a: lib.combinations(a, 2, True),
        lambda a: np.array([[a[i], a[j]] for i in range(3) for j in range(i, 3)]),
        (3,),
        label="again",
    ),
    *(
        op(
            f"atleast_{n}d",
            lambda lib, x, n=n: getattr(lib, f"atleast_{n}d")(x),
            lambda x, n=n: getattr(np, f"atleast_{n}d")(x),
            s,
            label=str(s),
        )
        for n in (1, 2, 3)
        for s in ((), (2,), (2, 3))
    ),
    op("vander", lambda lib, x: lib.vander(x, 3), lambda x: np.vander(x, 3), (4,), no_torch=BROKEN),
    op(
        "vander",
        lambda lib, x: lib.vander(x, increasing=True),
        lambda x: np.vander(x, increasing=True),
        (3,),
        label="increasing",
        no_torch=BROKEN,
    ),
    op("meshgrid", lambda lib, a, b: lib.meshgrid(a, b, indexing="xy"), np.meshgrid, (2,), (3,)),
    Op("tril_indices", lambda lib: lib.tril_indices(3, 4, 1), lambda: np.stack(np.tril_indices(3, 1, 4))),
    Op("triu_indices", lambda lib: lib.triu_indices(4, 3, -1), lambda: np.stack(np.triu_indices(4, -1, 3))),
    Op("diff", lambda lib, x: lib.diff(x), np.diff, [bools(6)], label="bool"),
]
test_all = surface.make_tests(OPS)


def test_fill_diagonal():
    for shape, wrap in [((3, 4), False), ((7, 3), True), ((7, 3), False), ((3, 3, 3), False)]:
        at.compare(lambda lib, x: (x * 1).fill_diagonal_(5.0, wrap), [np.ones(shape)])


def test_attributes():
    at.compare(lambda lib, x: [x.H, x.mH, x.T, x.mT], [np.arange(6.0).reshape(2, 3)])
    x = mo.ones(2, 3)
    assert x.is_cpu and x.ndimension() == 2 and x.get_device() == -1 and x.is_signed() and not x.is_complex()
    assert x.type() == "markone.FloatTensor" and x.type(mo.int64).dtype is mo.int64
    assert x.is_same_size(mo.zeros(2, 3)) and x.is_set_to(x[:]) and not x.is_set_to(x[1:])
    assert (x.element_size(), x.nbytes) == (4, 24)
    y = mo.ones(2, requires_grad=True) * 2
    assert not y.retains_grad
    y.retain_grad()
    assert y.retains_grad


def test_bad_input():
    x = mo.ones(2, 3)
    for name, call in {
        "as_strided": lambda: x.as_strided((3, 3), (3, 1)),
        "unfold": lambda: x.unfold(1, 4, 1),
        "hsplit": lambda: x.hsplit(2),
        "dsplit": lambda: x.dsplit(1),
        "diag": lambda: mo.ones(2, 2, 2).diag(),
        "diag_embed": lambda: mo.ones(2).diag_embed(0, 1, 1),
        "trace": lambda: mo.ones(2).trace(),
        "rot90": lambda: x.rot90(1, (0, 0)),
        "select_scatter": lambda: x.select_scatter(mo.ones(3), 1, 0),
        "sum_to_size": lambda: x.sum_to_size(4),
        "tensor_split": lambda: x.tensor_split(0),
        "fliplr": lambda: mo.ones(2).fliplr(),
        "combinations": lambda: mo.combinations(x),
        "diff": lambda: mo.ones(()).diff(),
        "H": lambda: mo.ones(2, 2, 2).H,
    }.items():
        with pytest.raises((RuntimeError, ValueError, IndexError), match=name):
            call()


@pytest.mark.parametrize(("count", "kind"), [(-1, RuntimeError), (2**62, ValueError)])
def test_a_wrong_number_of_powers(count: int, kind: type) -> None:
    with pytest.raises(kind, match=r"\w+"):
        mo.vander(mo.ones(3), count)


def test_triangles_of_every_shape() -> None:
    for row, col, offset in itertools.product(range(4), range(4), range(-5, 6)):
        matrix = np.ones((row, col))
        for ours, theirs in ((mo.tril_indices, np.tril), (mo.triu_indices, np.triu)):
            want = np.stack(np.nonzero(theirs(matrix, offset)))
            np.testing.assert_array_equal(ours(row, col, offset).numpy(), want, str((row, col, offset)))
    for ours in (mo.tril_indices, mo.triu_indices):
        with pytest.raises((MemoryError, ValueError), match="empty"):
            ours(2**31, 2**31)
    assert mo.tril_indices(2**31, 2, 2 - 2**31).tolist() == [[2**31 - 2, 2**31 - 1, 2**31 - 1], [0, 0, 1]]
