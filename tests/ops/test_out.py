"""`out=`: wherever PyTorch takes it, with the same result in the tensor that was given."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import markone as mo
from markone.ops import out as _out


def cases() -> list[Any]:
    """Of every list of cases beside this file, those of functions that take it."""
    found = []
    for path in sorted(Path(__file__).parent.glob("test_*_cases.py")):
        spec = importlib.util.spec_from_file_location(f"out_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += [op for op in module.OPS if op.name in _out.NAMES]
    return found


class Writing:
    """A library whose function of one name writes to `outs`."""

    def __init__(self, lib: Any, name: str, outs: Any) -> None:
        self._lib, self._name, self._outs = lib, name, outs
        self.returned: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._lib, name)
        if name != self._name:
            return function

        def call(*args: Any, **options: Any) -> Any:
            self.returned.append(function(*args, **options, out=self._outs))
            return self.returned[-1]

        return call


def _outs(lib: Any, result: Any, full: bool) -> Any:
    def one(x: Any) -> Any:
        return lib.ones(x.shape if full else (0,)).to(x.dtype)

    return one(result) if isinstance(result, lib.Tensor) else tuple(one(x) for x in result)


@pytest.mark.parametrize("op", cases(), ids=lambda op: op.id)
@pytest.mark.parametrize("full", [True, False], ids=["full", "empty"])
def test_the_result_is_in_the_tensor_that_was_given(op: Any, full: bool) -> None:
    plain = Writing(mo, op.name, None)
    op.call(plain, *[mo.tensor(a) for a in op.arrays()])
    if len(plain.returned) != 1:
        pytest.skip("the case does not call the function once")
    (wanted,) = plain.returned
    outs = _outs(mo, wanted, full)
    lib = Writing(mo, op.name, outs)
    op.call(lib, *[mo.tensor(a) for a in op.arrays()])
    (returned,) = lib.returned
    if isinstance(wanted, mo.Tensor):
        wanted, outs, returned = (wanted,), (outs,), (returned,)
    for want, out, back in zip(wanted, outs, returned, strict=True):
        assert back is out and out.dtype == want.dtype
        np.testing.assert_array_equal(out.numpy(), want.numpy())


def test_everything_that_takes_it_in_pytorch_takes_it() -> None:
    torch = pytest.importorskip("torch")
    missing = set()
    for name, function in mo.ops.FUNCTIONS.items():
        peer = getattr(torch, name, None)
        if peer is None or name.endswith("_") or getattr(function, "_writes", False):
            continue
        try:
            peer(out=torch.empty(0))
        except TypeError as error:
            # Where it is known what is wanted is missing, or the signatures are listed with it.
            told = str(error)
            if "unexpected keyword argument 'out'" not in told and "Tensor out" in told:
                missing.add(name)
        except Exception:
            missing.add(name)
    assert not missing


def test_creation_takes_the_type_of_out() -> None:
    assert mo.zeros(2, 3, out=mo.empty(0, dtype=mo.float64)).dtype == mo.float64
    assert mo.arange(3, out=mo.empty(3)).dtype == mo.float32
    assert mo.randperm(5, out=mo.empty(0, dtype=mo.int32)).dtype == mo.int32
    mo.manual_seed(1)
    a = mo.rand(4)
    mo.manual_seed(1)
    np.testing.assert_array_equal(mo.rand(4, out=mo.empty(4)).numpy(), a.numpy())


def test_a_view_is_written_through_and_an_input_may_be_the_out() -> None:
    base = mo.zeros(3, 4)
    mo.add(mo.ones(4), 1, out=base[1])
    np.testing.assert_array_equal(base.numpy()[1], 2)
    x = mo.tensor([1.0, 2.0, 3.0])
    mo.cumsum(x, 0, out=x)
    assert x.tolist() == [1, 3, 6]
    assert mo.sum(mo.ones(2, 3), axis=1, out=mo.empty(2)).tolist() == [3, 3]
    assert mo.linalg.vector_norm(mo.ones(4), out=mo.empty(())).item() == 2


def test_out_shares_no_memory_with_what_is_given() -> None:
    x, out = mo.ones(3), mo.empty(0)
    mo.conj_physical(x, out=out)  # gives x itself where no `out` is
    out.add_(1)
    assert x.tolist() == [1, 1, 1] and out.tolist() == [2, 2, 2]


def test_what_cannot_be_written() -> None:
    a = mo.ones(3)
    with pytest.raises(
        RuntimeError, match="add: a result of .*float32 cannot be written to an out of .*int64"
    ):
        mo.add(a, a, out=mo.empty(3, dtype=mo.int64))
    with pytest.raises(RuntimeError, match="mul: with out= there is no gradient"):
        mo.mul(a.clone().requires_grad_(), 2, out=mo.empty(3))
    with pytest.raises(TypeError, match="exp: out wants a Tensor .*, got ndarray"):
        mo.exp(a, out=np.empty(3))
    with pytest.raises(TypeError, match="sort: gives a tuple of 2, but out is one tensor"):
        mo.sort(a, out=mo.empty(3))
    with pytest.warns(UserWarning, match=r"exp: out of shape \[2\] becomes new memory of shape \[3\]"):
        assert mo.exp(a, out=mo.empty(2)).shape == (3,)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mo.sum(mo.ones(2, 3), axis=0, out=mo.empty(2))
    assert [w.filename for w in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved = mo.ones(3, requires_grad=True)
        y = saved * saved
        with mo.no_grad():
            mo.exp(a, out=saved)
        with pytest.raises(RuntimeError, match="changed|version"):
            y.sum().backward()
