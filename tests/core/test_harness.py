"""The harness finds what it is there to find."""

import dataclasses

import numpy as np
import pytest

import harness
from markone import _C

ADD = harness.Case(
    "add",
    inputs=lambda rng: [rng.standard_normal((5, 7)), rng.standard_normal((7,))],
    call=lambda x: _C.add(x[0], x[1]),
    reference=lambda a: a[0] + a[1],
    tolerance=1.0,
    dtypes=("float32", "float64", "bfloat16", "float16"),
)

test_a_right_case_passes = harness.make_tests([ADD])


def changed(**fields):
    return dataclasses.replace(ADD, **fields)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_wrong_value_is_found(dtype):
    case = changed(reference=lambda a: a[0] + a[1] * (1 + 4 * harness.EPS[dtype]))
    with pytest.raises(AssertionError, match=r"at \[\d, \d\] is .*, wants"):
        harness.check_right(case, dtype, "ref")


def test_a_tolerance_function_bounds_the_error():
    wrong = changed(reference=lambda a: a[0] + a[1] + 1e-3)
    with pytest.raises(AssertionError, match="allowed"):
        harness.check_right(
            dataclasses.replace(wrong, tolerance=lambda a: 1e-4 / harness.EPS["float32"]), "float32", "ref"
        )
    harness.check_right(
        dataclasses.replace(wrong, tolerance=lambda a: 2e-3 / harness.EPS["float32"]), "float32", "ref"
    )


def test_a_wrong_shape_type_or_nan_is_found():
    with pytest.raises(AssertionError, match="shape"):
        harness.check_right(changed(reference=lambda a: (a[0] + a[1])[None]), "float32", "ref")
    with pytest.raises(AssertionError, match="the reference is"):
        harness.check_right(changed(call=lambda x: _C.lt(x[0], x[1])), "float32", "ref")
    with pytest.raises(AssertionError, match="nan.*wants"):
        harness.check_right(
            changed(call=lambda x: _C.mul(_C.add(x[0], x[1]), float("nan"))), "float32", "ref"
        )


def test_a_changed_input_is_found():
    def call(x):
        y = _C.add(x[0], x[1])
        _C.fill(x[1], 0.0)
        return y

    with pytest.raises(AssertionError, match="input 1 was changed"):
        harness.check_right(changed(call=call), "float32", "ref")


def test_other_bits_by_threads_layout_or_run_are_found():
    with pytest.raises(AssertionError, match="threads"):
        harness.check_same_bits(
            changed(call=lambda x: _C.mul(x[0], float(_C.num_threads()))), "float32", "ref"
        )
    with pytest.raises(AssertionError, match="inputs give other bits"):
        harness.check_same_bits(
            changed(call=lambda x: _C.mul(x[0], float(x[0].offset + 1))), "float32", "ref"
        )
    count = iter(range(100))
    with pytest.raises(AssertionError, match="two runs"):
        harness.check_same_bits(changed(call=lambda x: _C.mul(x[0], float(next(count)))), "float32", "ref")


def test_a_write_outside_a_buffer_is_found():
    import ctypes

    def call(x):
        y = _C.add(x[0], x[1])
        ctypes.memset(y.data_ptr + y.nbytes, 1, 1)  # inside the guard
        return y

    with pytest.raises(AssertionError, match="outside"):
        harness.check_guards(changed(call=call), "float32", "ref")


@pytest.mark.parametrize("layout", [None, *harness.LAYOUTS])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_every_layout_has_the_same_values(layout, shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    made = harness.array(x, dtype, layout)
    np.testing.assert_array_equal(harness.numpy(made), harness.round_to(x, dtype))
    if layout in ("strided", "transposed", "reversed") and x.size > 5:
        assert not made.is_contiguous()
