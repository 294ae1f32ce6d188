"""Products: matrices, named and numbered dimensions, and their special cases."""

from __future__ import annotations

import numpy as np
import pytest

import markone as mo
import surface

Op, normal, integers = surface.Op, surface.normal, surface.integers


def einsum(equation: str, *shapes: tuple[int, ...], label: str = "") -> Op:
    return Op(
        "einsum",
        lambda lib, *x: lib.einsum(equation, *x),
        lambda *x: np.einsum(equation, *x),
        [normal(*s) for s in shapes],
        label=label or equation,
    )


def plain(name: str, reference, *cases: tuple[tuple[int, ...], ...]) -> list[Op]:
    """Operations of two tensors without parameters."""
    return [
        Op(
            name,
            lambda lib, *x: getattr(lib, name)(*x),
            reference,
            [normal(*s) for s in shapes],
            label="-".join("x".join(map(str, s)) or "0d" for s in shapes),
        )
        for shapes in cases
    ]


def scaled(name: str, product, *shapes: tuple[int, ...]) -> list[Op]:
    """beta * input + alpha * product."""
    out = []
    for label, options in {
        "plain": {},
        "scaled": {"beta": 0.5, "alpha": -2.0},
        "beta 0": {"beta": 0, "alpha": 3},
    }.items():
        beta, alpha = options.get("beta", 1), options.get("alpha", 1)
        out.append(
            Op(
                name,
                lambda lib, c, a, b, o=options: getattr(lib, name)(c, a, b, **o),
                lambda c, a, b, p=beta, q=alpha: p * c + q * product(a, b),
                [normal(*s) for s in shapes],
                label=label,
                no_grad="",
            )
        )
    # PyTorch gives the unused input a gradient of zeros, which is checked elsewhere.
    return out[:2]


def _tensordot(name_dims: tuple, a: tuple[int, ...], b: tuple[int, ...]) -> Op:
    return Op(
        "tensordot",
        lambda lib, x, y: lib.tensordot(x, y, dims=name_dims),
        lambda x, y: np.tensordot(x, y, name_dims),
        [normal(*a), normal(*b)],
        label=str(name_dims),
    )


OPS = [
    *plain(
        "matmul",
        np.matmul,
        ((3, 4), (4, 2)),
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 2)),
        ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((3, 0), (0, 2)),
        ((0, 4), (4, 2)),
        ((2, 3, 4), (4,)),
    ),
    *plain("mm", np.matmul, ((3, 4), (4, 2)), ((3, 0), (0, 2))),
    *plain("bmm", np.matmul, ((2, 3, 4), (2, 4, 5)), ((0, 3, 4), (0, 4, 5))),
    *plain("mv", np.matmul, ((3, 4), (4,)), ((0, 4), (4,))),
    *plain("dot", np.dot, ((5,), (5,)), ((0,), (0,))),
    *plain("vdot", np.vdot, ((5,), (5,))),
    *plain("outer", np.outer, ((3,), (4,)), ((0,), (4,))),
    *plain("ger", np.outer, ((3,), (4,))),
    *plain(
        "inner", np.inner, ((3, 4), (2, 4)), ((4,), (4,)), ((), (3, 2)), ((2, 3, 4), (5, 4)), ((0,), (0,))
    ),
    *plain(
        "kron", np.kron, ((2, 3), (4, 2)), ((3,), (2, 2)), ((), (3,)), ((2, 1, 2), (3, 2)), ((0, 2), (2, 2))
    ),
    *scaled("addmm", np.matmul, (3, 2), (3, 4), (4, 2)),
    *scaled("addmv", np.matmul, (3,), (3, 4), (4,)),
    *scaled("baddbmm", np.matmul, (2, 3, 5), (2, 3, 4), (2, 4, 5)),
    *scaled("addbmm", lambda a, b: np.matmul(a, b).sum(0), (3, 5), (2, 3, 4), (2, 4, 5)),
    *scaled("addr", np.outer, (3, 4), (3,), (4,)),
    Op(
        "addmm",
        lambda lib, c, a, b: lib.addmm(c, a, b),
        lambda c, a, b: c + a @ b,
        [normal(4), normal(3, 2), normal(2, 4)],
        label="broadcast",
    ),
    *(
        Op(
            "cross",
            lambda lib, a, b, d=d: lib.cross(a, b, dim=d),
            lambda a, b, d=d: np.cross(a, b, axis=d),
            [normal(*s), normal(*t)],
            label=f"{s}-{t}",
        )
        for s, t, d in [((4, 3), (4, 3), 1), ((3, 2), (3, 2), 0), ((2, 3, 4), (1, 3, 1), 1), ((3,), (3,), -1)]
    ),
    *(
        Op(
            "matrix_power",
            lambda lib, x, n=n: lib.matrix_power(x, n),
            lambda x, n=n: np.linalg.matrix_power(x, n),
            [normal(*s)],
            label=f"{n}-{s}",
            no_grad="the power 0 is constant" if n == 0 else "",
        )
        for n, s in [(1, (3, 3)), (2, (2, 3, 3)), (3, (3, 3)), (5, (2, 2))]
    ),
    _tensordot(1, (3, 4), (4, 2)),
    _tensordot(2, (2, 3, 4), (3, 4, 5)),
    _tensordot(0, (2,), (3,)),
    _tensordot(([0, 2], [1, 0]), (3, 2, 4), (4, 3)),
    _tensordot(([-1], [0]), (2, 0), (0, 3)),
    einsum("ij,jk->ik", (3, 4), (4, 2)),
    einsum("ij,jk", (3, 4), (4, 2)),
    einsum("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    einsum("b i j , b j k -> b k i", (2, 3, 4), (2, 4, 5), label="spaces"),
    einsum("ii", (3, 3)),
    einsum("ii->i", (3, 3)),
    einsum("iij->ji", (3, 3, 2)),
    einsum("ij->", (3, 4)),
    einsum("ba", (3, 4)),
    einsum("ij,ij->ij", (3, 4), (3, 4)),
    einsum("i,j->ij", (3,), (4,)),
    einsum("i,i", (3,), (3,)),
    einsum("...ij,...jk->...ik", (2, 3, 4), (2, 4, 2)),
    einsum("...ij,jk", (2, 1, 3, 4), (4, 2)),
    einsum("...,...->...", (2, 1, 3), (4, 1), label="broadcast dots"),
    einsum("i...->...i", (2, 3, 4)),
    einsum("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    einsum("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    einsum("ijk,ilm->ijlkm", (2, 3, 2), (2, 2, 3)),
    einsum("ij,kj->i", (3, 4), (2, 4)),
    einsum("iJ,JA->iA", (2, 3), (3, 4), label="capitals"),
    einsum("ij,jk->ik", (3, 0), (0, 2), label="empty"),
    einsum(",i->i", (), (3,), label="0d"),
    einsum("ii,ij->j", (3, 3), (3, 2)),
    Op(
        "einsum",
        lambda lib, a, b: lib.einsum("ij,jk->ik", a, b),
        lambda a, b: np.einsum("ij,jk->ik", a, b),
        [normal(1, 4), normal(4, 3)],
        label="size 1",
    ),
    Op(
        "einsum",
        lambda lib, a, b: lib.einsum("ij,ij->i", a, b),
        lambda a, b: (a * b).sum(1),
        [normal(3, 1), normal(3, 4)],
        label="size 1 broadcasts",
    ),
    Op(
        "einsum",
        lambda lib, a, b: lib.einsum(a, [0, 1], b, [1, 2], [0, 2]),
        lambda a, b: a @ b,
        [normal(3, 4), normal(4, 2)],
        label="lists",
    ),
    Op(
        "einsum",
        lambda lib, a, b: lib.einsum(a, [..., 0, 1], b, [..., 1, 2], [..., 0, 2]),
        np.matmul,
        [normal(2, 3, 4), normal(2, 4, 2)],
        label="lists with dots",
    ),
    Op(
        "einsum",
        lambda lib, a, b: lib.einsum("ij,jk->ik", a, b),
        np.matmul,
        [integers(-5, 5, 3, 4), integers(-5, 5, 4, 2)],
        label="integers",
    ),
    Op(
        "bilinear",
        lambda lib, x, y, w, b: lib.nn.functional.bilinear(x, y, w, b),
        lambda x, y, w, b: np.einsum("na,oab,nb->no", x, w, y) + b,
        [normal(3, 2), normal(3, 4), normal(5, 2, 4), normal(5)],
    ),
    Op(
        "linear",
        lambda lib, x, w, b: lib.nn.functional.linear(x, w, b),
        lambda x, w, b: x @ w.T + b,
        [normal(2, 3, 4), normal(5, 4), normal(5)],
    ),
    Op(
        "linear",
        lambda lib, x, w: lib.nn.functional.linear(x, w),
        lambda x, w: x @ w.T,
        [normal(4), normal(5, 4)],
        label="vector",
    ),
    Op(
        "linear",
        lambda lib, x, w: lib.nn.functional.linear(x, w),
        lambda x, w: x @ w.T,
        [normal(0, 4), normal(5, 4)],
        label="empty",
    ),
]
test_all = surface.make_tests(OPS)


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("ij,jk->ix", ((2, 3), (3, 4))),
        ("ij,jk", ((2, 3), (4, 4))),
        ("i", ((2, 3),)),
        ("ij,jk", ((2, 3),)),
        ("i.j", ((2, 3),)),
        ("ij->ii", ((2, 3),)),
        ("ii", ((2, 3),)),
        ("i1->i", ((2, 3),)),
    ],
)
def test_wrong_equations(equation, shapes):
    with pytest.raises(RuntimeError, match="einsum"):
        mo.einsum(equation, *(mo.ones(*s) for s in shapes))


def test_bad_input():
    for name, call in {
        "tensordot": lambda: mo.tensordot(mo.ones(2, 3), mo.ones(2, 3), 1),
        "inner": lambda: mo.inner(mo.ones(2), mo.ones(3)),
        "cross": lambda: mo.cross(mo.ones(2), mo.ones(2)),
        "addbmm": lambda: mo.addbmm(mo.ones(2, 2), mo.ones(2, 2), mo.ones(2, 2)),
        "matrix_power": lambda: mo.matrix_power(mo.ones(2, 2), -1),
        "bmm": lambda: mo.bmm(mo.ones(1, 2, 2), mo.ones(2, 2, 2)),
    }.items():
        with pytest.raises((RuntimeError, NotImplementedError), match=name):
            call()
    assert mo.matrix_power(mo.ones(2, 2, 2), 0).tolist() == [[[1, 0], [0, 1]]] * 2


def test_in_place_products():
    import against_torch as at

    rng = np.random.default_rng(1)
    m, v = rng.standard_normal((3, 3)), rng.standard_normal(3)
    at.compare(lambda lib, a, b: (a * 1).addmm_(a, b, beta=0.5, alpha=2), [m, m.T])
    at.compare(lambda lib, a, v: (v * 1).addmv_(a, v), [m, v])
    at.compare(lambda lib, a, v: (a * 1).addr_(v, v, alpha=3), [m, v])
    at.compare(lambda lib, b: (b[0] * 1).addbmm_(b, b), [rng.standard_normal((2, 3, 3))])
    at.compare(lambda lib, b: (b * 1).baddbmm_(b, b), [rng.standard_normal((2, 3, 3))])
