"""The device has a kernel wherever the reference has one."""

import cuda.against  # noqa: F401  skips where there is no device
from markone import _C


def test_the_table_is_complete():
    assert _C.cuda_missing_kernels(0) == []
