"""One case of a public operation serves every check of it on Tensors, and a row of docs/coverage.md.

A test file is a list of cases and one line::

    OPS = [
        surface.Op(
            "cumsum",
            lambda lib, x: lib.cumsum(x, 1),
            lambda x: np.cumsum(x, 1),
            [surface.normal(3, 4, 2)],
        )
    ]
    test_all = surface.make_tests(OPS)

`call` is written once and runs in markone and in PyTorch. The checks: the values against the reference in
float64, the same bits for every layout of the inputs, values and gradients against PyTorch, the gradient and
the gradient's gradient against differences. Broadcast, empty and 0-d inputs are cases of their own.
tests/core/test_harness.py and tests/kernels check the kernels below on every instruction set.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import against_torch
import harness
import markone as mo
from markone.autograd import gradcheck, gradgradcheck

CHECKS = ("reference", "layouts", "torch", "gradient", "second")


@dataclass(frozen=True, eq=False)
class Op:
    """What one public operation does on one set of inputs."""

    # As a user writes it after `mo.`, or `nn.functional.conv1d`, or `Tensor.index_fill` for a method alone.
    name: str
    # (lib, *tensors) -> a tensor or several; lib is markone or torch.
    call: Callable[..., Any]
    # The same on NumPy arrays, the floating ones float64.
    reference: Callable[..., Any]
    # Makers of NumPy arrays from a seeded generator, as `normal` below, or arrays. float64 ones take each
    # type of `dtypes` in turn, the others keep theirs.
    inputs: Sequence[Any] = ()
    # What tells the cases of one operation apart.
    label: str = ""
    dtypes: Sequence[str] = ("float32", "float64")
    # Why it has no gradient ("" where it has one). PyTorch must agree.
    no_grad: str = ""
    # Why its gradient has none; it must then raise with the operation's name ("" where it has one).
    no_second: str = ""
    # Why PyTorch is no peer ("" where it is).
    no_torch: str = ""
    # How far a result may be from the reference, in units of its type's epsilon times (|result| + the largest
    # |result|).
    tolerance: float = 16.0
    # False where a layout may change the result (nothing so far may) or the call writes to its inputs.
    layouts: bool = True
    torch_rtol: float = 1e-9
    torch_atol: float = 1e-10
    _known: dict[str, Any] = field(default_factory=dict, repr=False, init=False)

    @property
    def id(self) -> str:
        """Name and label."""
        return f"{self.name}-{self.label}" if self.label else self.name

    def arrays(self) -> list[np.ndarray]:
        """The inputs; the same at each call."""
        if "arrays" not in self._known:
            rng = np.random.default_rng(zlib.crc32(self.id.encode()))
            self._known["arrays"] = [np.asarray(m(rng) if callable(m) else m) for m in self.inputs]
        return [a.copy() for a in self._known["arrays"]]

    def checks(self) -> list[str]:
        """Those that apply."""
        floating = any(a.dtype.kind == "f" for a in self.arrays())
        return [
            check
            for check in CHECKS
            if not (check == "torch" and self.no_torch)
            and not (check in ("gradient", "second") and (self.no_grad or not floating))
            and not (check == "layouts" and not self.layouts)
        ]


# -- makers of inputs


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> Callable[..., np.ndarray]:
    """Normal numbers."""
    return lambda rng: shift + scale * rng.standard_normal(shape)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Callable[..., np.ndarray]:
    """Uniform numbers in [low, high)."""
    return lambda rng: rng.uniform(low, high, shape)


def distinct(*shape: int, step: float = 0.1) -> Callable[..., np.ndarray]:
    """Numbers at least `step` apart, in random order and around 0: for max, sort and what has kinks."""

    def make(rng: np.random.Generator) -> np.ndarray:
        count = int(np.prod(shape))
        return (rng.permutation(count).reshape(shape) - count / 2 + 0.25) * step

    return make


def integers(low: int, high: int, *shape: int, dtype: str = "int64") -> Callable[..., np.ndarray]:
    """Integers in [low, high)."""
    return lambda rng: rng.integers(low, high, shape).astype(dtype)


def bools(*shape: int) -> Callable[..., np.ndarray]:
    """True and false."""
    return lambda rng: rng.random(shape) < 0.5


# -- the checks


def _tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, tuple | list) else (x,)


def _tensors(op: Op, dtype: str, layout: str | None = None) -> list[Any]:
    return [
        mo.Tensor(harness.array(a, dtype if a.dtype == np.float64 else None, layout)) for a in op.arrays()
    ]


def check_reference(op: Op) -> None:
    """The values are those of the reference on the rounded inputs."""
    for dtype in op.dtypes:
        rounded = [harness.round_to(a, dtype) if a.dtype == np.float64 else a for a in op.arrays()]
        with np.errstate(all="ignore"):
            exact = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in rounded]
            want = [np.asarray(y) for y in _tuple(op.reference(*exact))]
        got = _tuple(op.call(mo, *_tensors(op, dtype)))
        assert len(got) == len(want), f"{op.id}: {len(got)} results, the reference has {len(want)}"
        for i, (y, w) in enumerate(zip(got, want)):
            finite = np.abs(w[np.isfinite(w)]) if w.dtype.kind == "f" else np.zeros(0)
            scale = (
                np.where(np.isfinite(w), np.abs(w), 0) + finite.max(initial=0) if w.dtype.kind == "f" else 0
            )
            harness.compare(f"{op.id} {dtype} result {i}", y, w, 0.0, op.tolerance * scale)


def check_layouts(op: Op) -> None:
    """Transposed, strided, reversed and shifted inputs give the same bits."""
    dtype = op.dtypes[0]
    want = [harness.bits(y.detach()) for y in _tuple(op.call(mo, *_tensors(op, dtype)))]
    for layout in harness.LAYOUTS:
        got = [harness.bits(y.detach()) for y in _tuple(op.call(mo, *_tensors(op, dtype, layout)))]
        assert got == want, f"{op.id}: {layout} inputs give other bits"


def check_torch(op: Op) -> None:
    """Values, types and gradients are PyTorch's: float64 closely, float32 for its types."""
    arrays = op.arrays()
    tight = {"rtol": op.torch_rtol, "atol": op.torch_atol}
    against_torch.compare(op.call, arrays, dtype="float64", leaves=not op.no_grad, **tight)
    if "float32" in op.dtypes:
        against_torch.compare(op.call, arrays, leaves=not op.no_grad, rtol=2e-3, atol=2e-4)


def _leaves(op: Op) -> tuple[Any, ...]:
    tensors = _tensors(op, "float64")
    for t in tensors:
        if t.is_floating_point():
            t.requires_grad_()
    return tuple(tensors)


def check_gradient(op: Op) -> None:
    """The gradient is that of central differences."""
    assert gradcheck(lambda *t: op.call(mo, *t), _leaves(op))


def check_second(op: Op) -> None:
    """And so is its own gradient, or it raises by name."""
    if not op.no_second:
        assert gradgradcheck(lambda *t: op.call(mo, *t), _leaves(op))
        return
    leaves = _leaves(op)
    total = sum(
        (y.sum() for y in _tuple(op.call(mo, *leaves)) if y.requires_grad), mo.zeros((), dtype=mo.float64)
    )
    with pytest.raises((RuntimeError, NotImplementedError), match=op.name.rsplit(".", 1)[-1].lower()):
        grads = mo.autograd.grad(
            total, [t for t in leaves if t.requires_grad], create_graph=True, allow_unused=True
        )
        mo.autograd.grad(
            sum(g.square().sum() for g in grads if g is not None), [t for t in leaves if t.requires_grad]
        )


RUN: dict[str, Callable[[Op], None]] = {
    "reference": check_reference,
    "layouts": check_layouts,
    "torch": check_torch,
    "gradient": check_gradient,
    "second": check_second,
}


def make_tests(ops: Sequence[Op]) -> Callable[..., None]:
    """A pytest function with one item for each case and check. Give it a name that begins with `test`."""
    ids = [op.id for op in ops]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    assert not twice, f"cases with the same name and label: {twice}"
    items = [pytest.param(op, check, id=f"{op.id}-{check}") for op in ops for check in op.checks()]

    @pytest.mark.parametrize("op, check", items)
    def test(op: Op, check: str) -> None:
        RUN[check](op)

    return test
