"""DLPack: both capsule versions, both ways."""

import gc
import weakref

import numpy as np
import pytest

import markone as mo


class Producer:
    """Passes another object's protocol on, as an older or newer library would speak it."""

    def __init__(self, source, legacy, device=None):
        self.source, self.legacy, self.device = source, legacy, device

    def __dlpack_device__(self):
        return self.device or self.source.__dlpack_device__()

    def __dlpack__(self, **kwargs):
        if self.legacy and kwargs:
            raise TypeError("unexpected keyword")
        return self.source.__dlpack__(**kwargs)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("name", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"])
def test_round_trip_shares_memory(legacy, name):
    t = mo.ones(2, 3, dtype=name)
    back = mo.from_dlpack(Producer(t, legacy))
    assert back.dtype is t.dtype and back.shape == (2, 3)
    back[0, 1] = 0
    assert t[0, 1].item() == 0


@pytest.mark.parametrize("legacy", [True, False])
def test_from_and_to_numpy(legacy):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    t = mo.from_dlpack(Producer(array, legacy) if legacy else array)
    assert np.shares_memory(t.numpy(), array) and np.array_equal(t.numpy(), array)
    assert np.shares_memory(np.from_dlpack(t), array)
    assert np.array_equal(np.from_dlpack(mo.arange(6).reshape(2, 3).t()), np.arange(6).reshape(2, 3).T)


def test_torch_both_ways():
    torch = pytest.importorskip("torch")
    source = torch.arange(6, dtype=torch.float32).reshape(2, 3).t()
    t = mo.from_dlpack(source)
    t[0, 0] = 9
    assert source[0, 0] == 9
    there = torch.from_dlpack(mo.ones(3).bfloat16())
    assert there.dtype == torch.bfloat16 and there.tolist() == [1.0] * 3
    assert mo.from_dlpack(torch.ones(3, dtype=torch.bfloat16)).dtype is mo.bfloat16
    assert mo.from_dlpack(torch.zeros(0, 3)).shape == (0, 3)
    assert mo.from_dlpack(torch.tensor(2.0)).item() == 2.0


def test_read_only():
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    t = mo.from_numpy(array)
    with pytest.raises(BufferError, match="read-only"):
        t.__dlpack__()
    again = mo.from_dlpack(t)
    with pytest.raises((ValueError, RuntimeError, BufferError), match="read-only"):
        again.zero_()
    assert t.__dlpack__(max_version=(1, 0), copy=True) is not None


def test_requests_are_checked():
    t = mo.ones(2)
    assert t.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="stream"):
        t.__dlpack__(stream=3)
    with pytest.raises(BufferError, match="device"):
        t.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError, match="detach"):
        mo.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="device"):
        mo.from_dlpack(Producer(t, False, device=(2, 0)))
    copy = mo.from_dlpack(t.__dlpack__(copy=True))
    copy.zero_()
    assert t.tolist() == [1.0, 1.0]


def test_a_capsule_is_used_once():
    for version in (None, (1, 0)):
        capsule = mo.ones(2).__dlpack__(max_version=version)
        assert mo.from_dlpack(capsule).tolist() == [1.0, 1.0]
        with pytest.raises(BufferError, match="unused"):
            mo.from_dlpack(capsule)
    for wrong in (None, 3, "x", object()):
        with pytest.raises((BufferError, TypeError)):
            mo.from_dlpack(wrong)


def test_types_without_counterpart():
    with pytest.raises(BufferError, match="from_dlpack"):
        mo.from_dlpack(np.zeros(2, np.int16))
    with pytest.raises(BufferError, match="from_dlpack"):
        mo.from_dlpack(np.zeros(2, np.complex64))


def test_lifetimes():
    class Watched(np.ndarray):
        pass

    array = np.ones(4, np.float32).view(Watched)
    gone = weakref.ref(array)
    t = mo.from_dlpack(array)
    del array
    gc.collect()
    assert t.tolist() == [1.0] * 4
    del t
    gc.collect()
    assert gone() is None
    # Capsules that nobody takes give their memory back.
    before = mo._C.memory_stats()["allocated_bytes"]
    for version in (None, (1, 1)):
        mo.ones(10_000).__dlpack__(max_version=version)
    out = np.from_dlpack(mo.ones(10_000))
    assert mo._C.memory_stats()["allocated_bytes"] > before
    assert out.sum() == 10_000
    del out
    assert mo._C.memory_stats()["allocated_bytes"] == before
