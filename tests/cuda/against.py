"""What the tests of the CUDA kernels share: arrays on either device, and one call on both."""

import numpy as np
import pytest

from markone import _C

if not _C.cuda_device_count():
    pytest.skip(_C.cuda_missing(), allow_module_level=True)

CUDA, CPU = _C.Device("cuda", 0), _C.Device("cpu")
FLOATING = ("float32", "float64", "bfloat16", "float16")
WHOLE = ("int64", "int32", "uint8", "bool")
EPS = {"float32": 2.0**-23, "float64": 2.0**-52, "bfloat16": 2.0**-7, "float16": 2.0**-10}
RNG = np.random.default_rng(7)


def made(dtype, shape=(3, 5, 7)):
    """Normal numbers, or small whole ones, on the cpu."""
    if dtype in FLOATING:
        return _C.cast(_C.from_numpy(RNG.standard_normal(shape)), getattr(_C, dtype))
    return _C.cast(_C.from_numpy(RNG.integers(-9, 10, shape)), getattr(_C, dtype))


def up(x):
    """An Array on the device; anything else as it is."""
    return _C.to_device(x, CUDA) if isinstance(x, _C.Array) else x


def numpy(array):
    array = _C.to_device(array, CPU)
    if array.dtype.name in ("bfloat16", "float16"):
        array = _C.cast(array, _C.float32)
    return np.array(_C.to_numpy(array))


def same(name, arguments, eps=0.0):
    """`_C.name` gives the same on both devices, to `eps` units of the result's type, or refuses on both."""
    function = getattr(_C, name)
    try:
        want = function(*arguments)
    except (TypeError, RuntimeError) as error:
        with pytest.raises(type(error)):
            numpy(function(*map(up, arguments)))
        return
    got = function(*map(up, arguments))
    wants, gots = (x if isinstance(x, (tuple, list)) else (x,) for x in (want, got))
    for want, got in zip(wants, gots, strict=True):
        assert got.device == CUDA and got.dtype is want.dtype and got.shape == want.shape
        bound = eps * EPS.get(want.dtype.name, 0.0)
        want, got = numpy(want).astype(np.float64), numpy(got).astype(np.float64)
        np.testing.assert_allclose(got, want, rtol=bound, atol=bound, equal_nan=True)
