"""Numbers of other distributions: moments, repeatability, bad arguments; repeats for each slice."""

import math

import numpy as np
import pytest

import against_torch as at
import markone as mo

DRAWS = {
    "exponential_": ((2.0,), lambda x: (x > 0).all() and abs(x.mean() - 0.5) < 0.01),
    "cauchy_": ((1.0, 2.0), lambda x: abs(np.median(x) - 1) < 0.05 and abs(np.quantile(x, 0.75) - 3) < 0.1),
    "geometric_": ((0.25,), lambda x: (x >= 1).all() and (x == x.round()).all() and abs(x.mean() - 4) < 0.1),
    "log_normal_": (
        (0.5, 0.25),
        lambda x: abs(np.log(x).mean() - 0.5) < 0.01 and abs(np.log(x).std() - 0.25) < 0.01,
    ),
}


@pytest.mark.parametrize("name", DRAWS)
def test_moments_and_repeatability(name):
    arguments, right = DRAWS[name]
    for dtype in (mo.float32, mo.float64):
        mo.manual_seed(3)
        x = mo.zeros(50_000, dtype=dtype)
        assert getattr(x, name)(*arguments) is x
        assert right(x.numpy()) and math.isfinite(float(x.abs().max()))
        mo.manual_seed(3)
        assert mo.equal(getattr(mo.ones(50_000, dtype=dtype), name)(*arguments), x)
    with pytest.raises(RuntimeError, match=name):
        getattr(mo.zeros(3), name)(*(-1.0 for _ in arguments))
    if name != "log_normal_":
        with pytest.raises(RuntimeError, match=f"{name}: wants a floating type"):
            getattr(mo.zeros(3, dtype=mo.int64), name)(*arguments)


def test_repeats_for_each_slice():
    x = np.arange(6.0).reshape(3, 2)
    at.compare(lambda lib, x: lib.repeat_interleave(x, lib.tensor([1, 0, 2]), 0), [x])
    at.compare(lambda lib, x: x.repeat_interleave(lib.tensor([2]), 1), [x])
    at.compare(lambda lib, x: x.repeat_interleave(2, output_size=12), [x])
    at.check_gradients(lambda lib, x: lib.repeat_interleave(x, lib.tensor([1, 0, 2]), 0), [x])
    for repeats, message in (
        (mo.tensor([1, 2]), "2 repeats for 3 slices"),
        (mo.tensor([1, 2, -1]), "cannot be negative"),
        (mo.tensor([1.0, 2.0, 3.0]), "must be integers"),
        (-1, "cannot be negative"),
    ):
        with pytest.raises(RuntimeError, match=f"repeat_interleave: .*{message}"):
            mo.repeat_interleave(mo.tensor(x), repeats, 0)
    with pytest.raises(RuntimeError, match="output_size is 5"):
        mo.repeat_interleave(mo.tensor(x), 2, 0, output_size=5)
