"""NumPy: shared memory both ways, lifetimes, types, copies where they must be."""

import gc
import weakref

import numpy as np
import pytest

import markone as mo

TYPES = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]


@pytest.mark.parametrize("name", TYPES)
def test_memory_is_shared_both_ways(name):
    array = np.zeros((2, 3), name)
    t = mo.from_numpy(array)
    assert t.shape == (2, 3) and t.dtype.name == name
    array[1, 2] = 1
    assert t[1, 2].item() == 1
    t[0, 0] = 1
    assert array[0, 0] == 1
    back = t.numpy()
    assert back.dtype == array.dtype
    assert back.__array_interface__["data"][0] == array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2],
        lambda a: a[::-1],
        lambda a: a[:, ::-2],
        lambda a: a.T,
        lambda a: a[1:3, 2:],
        lambda a: np.broadcast_to(a[0], (4, 5)),
        lambda a: a[0, 0],
        lambda a: a[:0],
        lambda a: a[2:2, ::-1],
        lambda a: a[None, :, None],
    ],
)
def test_strided_views(view):
    source = np.arange(30, dtype=np.float32).reshape(6, 5)
    array = np.asarray(view(source))
    t = mo.from_numpy(array)
    assert t.shape == array.shape
    assert np.array_equal(t.numpy(), array)
    assert np.array_equal((t + 1).numpy(), array + 1)
    if array.size and array.ndim:
        assert np.shares_memory(t.numpy(), source)


def test_what_cannot_be_shared_is_copied():
    swapped = np.arange(4, dtype=">f4")
    t = mo.from_numpy(swapped)
    assert t.tolist() == [0.0, 1.0, 2.0, 3.0]
    t[0] = 9
    assert swapped[0] == 0
    raw = np.zeros(17, np.uint8)
    unaligned = raw[1:].view(np.float32)
    assert mo.from_numpy(unaligned).tolist() == [0.0] * 4
    fields = np.zeros(3, dtype=[("a", "u1"), ("b", "<f4")])
    fields["b"] = [1, 2, 3]
    assert mo.from_numpy(fields["b"]).tolist() == [1.0, 2.0, 3.0]


def test_read_only_stays_read_only():
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    t = mo.from_numpy(array)
    assert not t.numpy().flags.writeable
    assert not t[1:].numpy().flags.writeable
    assert (t + 1).numpy().flags.writeable


@pytest.mark.parametrize(
    "bad", ["int8", "uint16", "uint32", "int16", "uint64", "complex64", "U3", "O", "M8[s]"]
)
def test_types_without_counterpart(bad):
    with pytest.raises(TypeError, match="from_numpy"):
        mo.from_numpy(np.zeros(2, bad))


def test_owners_live_as_long_as_needed():
    class Watched(np.ndarray):
        pass

    array = np.arange(5, dtype=np.float64).view(Watched)
    gone = weakref.ref(array)
    t = mo.from_numpy(array)[1:]
    del array
    gc.collect()
    assert gone() is not None and t.tolist() == [1.0, 2.0, 3.0, 4.0]
    del t
    gc.collect()
    assert gone() is None
    out = (mo.ones(1000) * 3).numpy()
    gc.collect()
    mo.zeros(1000)
    assert out.sum() == 3000


def test_nine_dimensions_are_refused():
    with pytest.raises(ValueError, match="dimensions"):
        mo.from_numpy(np.zeros((1,) * 9, np.float32))


def test_array_protocol():
    t = mo.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t), t.numpy())
    assert np.maximum(t, 2.0).tolist() == [[2.0, 2.0], [3.0, 4.0]]
    assert np.array_equal(np.matmul(np.eye(2, dtype=np.float32), t), t)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        assert np.shares_memory(np.asarray(t, copy=False), t.numpy())
        with pytest.raises(ValueError, match="copy"):
            np.asarray(t, dtype=np.float64, copy=False)
    w = mo.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="detach"):
        np.asarray(w)
    assert w.numpy(force=True).tolist() == [1.0, 1.0]
    assert w.detach().numpy().tolist() == [1.0, 1.0]


def test_bfloat16():
    t = mo.tensor([1.0, 2.5, -3.0]).bfloat16()
    out = t.numpy()
    ml_dtypes = None
    try:
        import ml_dtypes
    except ImportError:
        assert out.dtype == np.float32
    assert out.astype(np.float32).tolist() == [1.0, 2.5, -3.0]
    if ml_dtypes is not None:
        assert out.dtype == ml_dtypes.bfloat16 and np.shares_memory(out, t.numpy())
        assert mo.from_numpy(out).dtype is mo.bfloat16
    assert t.tolist() == [1.0, 2.5, -3.0] and t[1].item() == 2.5


def test_tensor_copies():
    array = np.arange(3)
    t = mo.tensor(array)
    t[0] = 5
    assert array[0] == 0 and t.dtype is mo.int64
    assert mo.tensor(np.float32(2)).dtype is mo.float32
    assert mo.tensor([np.float64(2)]).dtype is mo.float64
    assert mo.tensor([1, 2.0]).dtype is mo.float32
    assert mo.tensor([True, False]).dtype is mo.bool
    assert mo.tensor([[1, 2], [3, 4]]).shape == (2, 2)
    assert mo.tensor([mo.tensor(1.0), mo.tensor(2.0)]).tolist() == [1.0, 2.0]
    assert mo.tensor([]).dtype is mo.float32
    with pytest.raises(ValueError, match="tensor"):
        mo.tensor([[1, 2], [3]])
    with pytest.raises(TypeError):
        mo.tensor(["a"])
    with pytest.raises(TypeError, match="counterpart"):
        mo.tensor([1], dtype="complex64")


def test_dtypes_from_other_names():
    for given in (np.float32, "float32", np.dtype("float32"), mo.float, float):
        assert mo.zeros(1, dtype=given).dtype is mo.float32
    assert mo.zeros(1, dtype=int).dtype is mo.int64
    assert mo.zeros(1, dtype=bool).dtype is mo.bool
    assert repr(mo.float32) == "markone.float32"
    assert mo.finfo(mo.float32).eps == np.finfo(np.float32).eps
    assert mo.iinfo(mo.int32).max == 2**31 - 1
