"""Creation, random numbers and the tensor's own methods."""

import numpy as np
import pytest

import against_torch as at
import markone as mo


def test_creation():
    at.compare(
        lambda lib: [
            lib.zeros(2, 3),
            lib.ones((2,), dtype=lib.int64),
            lib.full((2, 2), 3.5),
            lib.full((1,), True),
            lib.full((1,), 7),
            lib.arange(5),
            lib.arange(1, 4, 0.5),
            lib.arange(5, 0, -2),
            lib.arange(0),
            lib.arange(3, dtype=lib.float64),
            lib.linspace(0, 1, 5),
            lib.linspace(1, 2, 1),
            lib.eye(3),
            lib.eye(2, 3),
            lib.zeros(0),
            lib.zeros(()),
            lib.zeros_like(lib.ones(2)),
            lib.ones_like(lib.ones(2), dtype=lib.int32),
            lib.full_like(lib.ones(2), 3),
            *lib.meshgrid(lib.arange(3), lib.arange(2), indexing="ij"),
            *lib.meshgrid(lib.arange(3), lib.arange(2), indexing="xy"),
            lib.ones(2).new_zeros(3),
            lib.ones(2, dtype=lib.int64).new_tensor([1, 2]),
        ],
        [],
    )
    assert mo.empty(2, 3).shape == (2, 3) and mo.empty_like(mo.ones(2, dtype=mo.uint8)).dtype is mo.uint8
    assert mo.zeros(2, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    "bad",
    [
        lambda: mo.zeros(-1),
        lambda: mo.zeros(2.5),
        lambda: mo.zeros("a"),
        lambda: mo.zeros(2**62, 2**62),
        lambda: mo.zeros(2, dtype="complex64"),
        lambda: mo.zeros(2, device="cuda"),
        lambda: mo.zeros(2, device="gpu"),
        lambda: mo.arange(0, 1, 0),
        lambda: mo.arange(0, 1, -1),
        lambda: mo.arange(0, float("inf")),
        lambda: mo.linspace(0, 1, -1),
        lambda: mo.randint(3, 3, (2,)),
        lambda: mo.randperm(-1),
        lambda: mo.rand(2, dtype=mo.int64),
        lambda: mo.normal(0, -1, (2,)),
        lambda: mo.zeros(2, dtype=mo.int64, requires_grad=True),
        lambda: mo.rand(2, generator=3),
    ],
)
def test_bad_arguments(bad):
    with pytest.raises((RuntimeError, ValueError, TypeError, MemoryError, NotImplementedError)):
        bad()


def test_random():
    mo.manual_seed(3)
    a, b = mo.rand(100), mo.randn(4000)
    assert a.min().item() >= 0 and a.max().item() < 1
    assert abs(b.mean().item()) < 0.1 and abs(b.std().item() - 1) < 0.1
    mo.manual_seed(3)
    assert mo.equal(mo.rand(100), a)
    state = mo.get_rng_state()
    c = mo.randn(7)
    mo.set_rng_state(state)
    assert mo.equal(mo.randn(7), c)
    g = mo.Generator(5)
    first = mo.randint(0, 10, (50,), generator=g)
    assert first.dtype is mo.int64 and set(first.tolist()) <= set(range(10))
    assert sorted(mo.randperm(20, generator=g).tolist()) == list(range(20))
    assert mo.bernoulli(mo.full((10,), 1.0)).sum().item() == 10
    t = mo.zeros(100)
    assert t.uniform_(2, 3) is t and 2 <= t.min().item() <= t.max().item() <= 3
    assert abs(mo.zeros(4000).normal_(5, 2).mean().item() - 5) < 0.2
    assert mo.rand_like(t).shape == t.shape and mo.randn_like(t).dtype is t.dtype
    counts = mo.multinomial(mo.tensor([0.0, 3.0, 1.0]), 2000, replacement=True)
    share = (counts == 1).double().mean().item()
    assert counts.min().item() == 1 and 0.7 < share < 0.8
    drawn = mo.multinomial(mo.tensor([0.0, 3.0, 1.0]).expand(2000, 3), 2)
    assert drawn.shape == (2000, 2) and drawn.sum(1).eq(3).all() and drawn.min().item() == 1
    assert 0.7 < (drawn[:, 0] == 1).double().mean().item() < 0.8
    assert sorted(mo.multinomial(mo.ones(5), 5).tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="multinomial: 3 samples"):
        mo.multinomial(mo.tensor([0.0, 3.0, 1.0]), 3)


def test_python_protocols():
    t = mo.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2 and [row.tolist() for row in t] == [[1.0, 2.0], [3.0, 4.0]]
    assert float(t[0, 1]) == 2.0 and int(t[1, 1]) == 4 and bool(t[0, 0])
    assert [10, 20, 30][mo.tensor(1)] == 20 and f"{t[0, 1]:.2f}" == "2.00"
    assert t.size() == (2, 2) and t.size(-1) == 2 and t.numel() == 4 and t.dim() == 2 and t.shape.numel() == 4
    assert t.stride() == (2, 1) and t.t().is_contiguous() is False
    for bad in (lambda: len(mo.tensor(1)), lambda: iter(mo.tensor(1)), lambda: [1][mo.tensor(0.0)]):
        with pytest.raises(TypeError):
            bad()
    for bad in (lambda: bool(t), lambda: t.item(), lambda: mo.zeros(0).item()):
        with pytest.raises(RuntimeError):
            bad()
    with pytest.raises(IndexError):
        t.size(2)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: mo.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: mo.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (lambda: mo.tensor(3), "tensor(3)"),
        (lambda: mo.tensor([True, False]), "tensor([ True, False])"),
        (lambda: mo.zeros(0), "tensor([])"),
        (lambda: mo.zeros(2, 0), "tensor([], size=(2, 0))"),
        (lambda: mo.ones(2, dtype=mo.float64), "tensor([1., 1.], dtype=markone.float64)"),
        (lambda: mo.tensor([1e-6, 1.0]), "tensor([1.0000e-06, 1.0000e+00])"),
        (lambda: mo.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: mo.ones(1, requires_grad=True) * 2, "tensor([2.], grad_fn=<MulBackward>)"),
        (lambda: mo.tensor([float("nan"), 1.0]), "tensor([nan, 1.])"),
        (lambda: mo.tensor([[1.0, -2.0]]), "tensor([[ 1., -2.]])"),
    ],
)
def test_repr(make, text):
    assert repr(make()) == text


def test_large_repr_is_short():
    text = repr(mo.arange(100_000).float())
    assert len(text) < 200 and "..." in text


def test_default_dtype():
    mo.set_default_dtype(mo.float64)
    try:
        assert mo.zeros(1).dtype is mo.float64 and mo.tensor(1.0).dtype is mo.float64
    finally:
        mo.set_default_dtype(mo.float32)
    with pytest.raises(TypeError):
        mo.set_default_dtype(mo.int64)


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        ([300], "uint8"), ([-1], "uint8"), ([-255], "uint8"), ([-256], "uint8"), ([[1], [256]], "uint8"),
        ([3.7], "uint8"),
        ([255.5], "uint8"), ([-0.5], "uint8"), (300, "uint8"), (float("nan"), "uint8"), ([2**31], "int32"),
        ([-(2**31)], "int32"), ([-(2**31) - 1], "int32"), ([2.0**40], "int32"), ([1e30], "int64"),
        ([float("inf")], "int64"), ([1.0, float("nan")], "int32"), ([True], "uint8"), ([], "uint8"),
        ([300, 0], "bool"), ([float("nan")], "bool"), ([1e6], "float16"), ([1e300], "float32"),
        ([2**62], "int64"),
        (np.int64(300), "uint8"), ([np.int64(300)], "uint8"), (np.array([300, -1]), "uint8"),
        (np.array(300), "uint8"),
    ],
)  # fmt: skip
def test_numbers_that_an_integer_type_does_not_hold(numbers, dtype):
    torch = pytest.importorskip("torch")
    try:
        wanted = torch.tensor(numbers, dtype=getattr(torch, dtype))
    except RuntimeError as error:
        assert "without overflow" in str(error)
        for make in (mo.tensor, mo.as_tensor):
            with pytest.raises(RuntimeError, match=f"tensor: value .* to type {dtype} without overflow"):
                make(numbers, dtype=dtype)
    else:
        assert mo.tensor(numbers, dtype=dtype).tolist() == wanted.tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda: mo.full((2,), 300, dtype=mo.uint8),
        lambda: mo.full((2,), float("inf"), dtype=mo.int64),
        lambda: mo.zeros(2, dtype=mo.uint8).fill_(300),
    ],
)
def test_fill_values_that_an_integer_type_does_not_hold(make):
    with pytest.raises(RuntimeError, match="without overflow"):
        make()


def test_whole_numbers_past_int64():
    with pytest.raises(ValueError, match="tensor: 9223372036854775808 does not fit into int64"):
        mo.tensor([2**63])
    assert mo.tensor([2**63], dtype=mo.float64).tolist() == [2.0**63]


@pytest.mark.parametrize("count", [2**55, 2**62, 2**70])
def test_sizes_that_no_memory_holds(count):
    with pytest.raises(RuntimeError, match=f"one_hot: no memory for {count} elements"):
        mo.nn.functional.one_hot(mo.tensor([1]), count)
    for spaced in (mo.linspace, mo.logspace):
        with pytest.raises(RuntimeError, match=f"{spaced.__name__}: no memory for {count} elements"):
            spaced(0, 1, count)
    for mode, dtype in (("nearest", mo.float32), ("nearest", mo.uint8), ("linear", mo.float32)):
        with pytest.raises(ValueError, match=rf"interpolate: size \[{count}\] is too large"):
            mo.nn.functional.interpolate(mo.zeros(1, 1, 4, dtype=dtype), size=count, mode=mode)


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.add_(1),
        lambda x: x.exp_(),
        lambda x: x.copy_(mo.ones(x.shape)),
        lambda x: x.uniform_(),
        lambda x: x.clamp_(0, 1),
        lambda x: x.__setitem__(slice(None), 1),
    ],
)
def test_writes_to_windows_that_overlap(write):
    for window in (
        mo.zeros(5).as_strided((3, 3), (1, 1)),
        mo.zeros(6).unfold(0, 3, 1),
        mo.zeros(1, 3).expand(2, 3),
        mo.zeros(40).as_strided((2, 2, 3), (3, 7, 4)),
    ):
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor refers to a "):
            write(window)
    # Strides that interleave without meeting.
    write(mo.zeros(8).as_strided((3, 2), (2, 3)))
    write(mo.zeros(3, 4).flip(0).t())


def test_a_write_through_strides_that_interleave():
    assert mo.zeros(8).as_strided((3, 2), (2, 3)).add_(1).tolist() == [[1, 1]] * 3
