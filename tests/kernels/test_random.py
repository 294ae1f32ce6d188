"""Philox against Random123's published known answers, and what is made of its words."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from markone import _C

MASK = 0xFFFFFFFF
ISAS = _C.available_isas()


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 as the paper writes it."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def words(seed: int, base: int, n: int) -> np.ndarray:
    """The first n words of the stream of `seed` from block `base` on."""
    out: list[int] = []
    for block in range(base, base + -(-n // 4)):
        block &= 2**64 - 1
        out += philox([block & MASK, block >> 32, 0, 0], [seed & MASK, seed >> 32])
    return np.array(out[:n], np.uint32)


def numpy(x: object) -> np.ndarray:
    return np.array(_C.to_numpy(x))


def generator(seed: int, base: int = 0) -> object:
    g = _C.Generator(seed)
    pair = np.array([seed, base], np.uint64).view(np.int64)
    g.set_state(_C.from_numpy(pair))
    return g


def position(g: object) -> int:
    return int(numpy(g.state)[1])


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> str:
    _C.set_isa(request.param)  # conftest.py puts the first one back
    return request.param


# Random123's kat_vectors, philox4x32 with 10 rounds.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([MASK] * 4, [MASK] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_the_oracle_gives_the_known_answers(counter: list[int], key: list[int], answer: list[int]) -> None:
    assert philox(counter, key) == answer


@pytest.mark.parametrize(
    ("seed", "base"),
    [(0, 0), (1, 0), (2**64 - 1, 7), (67280421310721, 2**32 - 3), (5, 2**64 - 2), (0x299F31D0A4093822, 99)],
)
def test_words_are_the_stream(isa: str, seed: int, base: int) -> None:
    for n in (1, 3, 4, 5, 63, 64, 65, 1000):
        g = generator(seed, base)
        got = numpy(_C.random_bits(n, g)).view(np.uint32)
        np.testing.assert_array_equal(got, words(seed, base, n))
        assert np.int64(position(g)).view(np.uint64) == (base + -(-n // 4)) % 2**64


def test_zero_seed_starts_with_the_known_answer(isa: str) -> None:
    got = numpy(_C.random_bits(4, _C.Generator(0))).view(np.uint32)
    assert got.tolist() == KNOWN[0][2]


def pairs(seed: int, n: int) -> np.ndarray:
    w = words(seed, 0, 2 * n).astype(np.uint64)
    return w[0::2] | (w[1::2] << np.uint64(32))


@pytest.mark.parametrize("n", [1, 5, 64, 1003])
def test_uniform_bits(isa: str, n: int) -> None:
    single = numpy(_C.uniform([n], _C.float32, -2.0, 3.0, generator(11)))
    u = (words(11, 0, n) >> 8).astype(np.float32) * np.float32(2.0**-24)
    np.testing.assert_array_equal(single, np.minimum(u * np.float32(5) + np.float32(-2), np.float32(3)))
    double = numpy(_C.uniform([n], _C.float64, 0.0, 1.0, generator(11)))
    np.testing.assert_array_equal(double, (pairs(11, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def test_uniform_never_gives_the_open_end(isa: str) -> None:
    for dtype in (_C.float32, _C.float64, _C.bfloat16, _C.float16):
        for low, high in ((1.0, 1.0 + 2.0**-7), (0.0, 1.0), (-3.0, -1.0), (100.0, 101.0)):
            x = _C.cast(_C.uniform([20000], dtype, low, high, generator(3)), _C.float64)
            values = numpy(x)
            assert values.min() >= low and values.max() < high, (dtype, low, high)
    assert (numpy(_C.uniform([9], _C.float32, 0.5, 0.5, generator(3))) == 0.5).all()


@pytest.mark.parametrize("n", [1, 2, 7, 64, 30001])
def test_normal_is_box_muller(isa: str, n: int) -> None:
    for dtype, bits in ((_C.float32, 32), (_C.float64, 52)):
        even = 2 * (-(-n // 2))
        if bits == 32:
            w = words(5, 0, even).astype(np.float64)
            u, turn = (w[0::2] + 0.5 + 2.0**-21) * 2.0**-32, w[1::2] * 2.0**-32
        else:
            w = (pairs(5, even) >> np.uint64(12)).astype(np.float64)
            u, turn = (w[0::2] + 0.5) * 2.0**-52, w[1::2] * 2.0**-52
        r = np.sqrt(-2 * np.log(u.astype(np.longdouble)))
        angle = 2 * np.longdouble("3.14159265358979323846264338327950288") * turn.astype(np.longdouble)
        want = np.stack([r * np.cos(angle), r * np.sin(angle)], 1).reshape(-1)[:n]
        got = numpy(_C.normal([n], dtype, 0.0, 1.0, generator(5)))
        spacing = np.spacing(np.abs(want).astype(got.dtype)).astype(np.float64)
        # Near a zero of cos or sin the angle's own rounding is what remains.
        floor = 2.0**-50 * np.abs(r).repeat(2)[:n]
        error = np.abs(got.astype(np.longdouble) - want)
        assert (error <= np.maximum(2 * spacing, floor)).all(), float((error / spacing).max())


def test_normals_agree_across_instruction_sets() -> None:
    results = {}
    for name in ISAS:
        _C.set_isa(name)
        results[name] = [
            numpy(_C.normal([5001], t, 0.0, 1.0, generator(8))) for t in (_C.float32, _C.float64)
        ]
    for name in ISAS[1:]:
        for a, b, ref in zip(results[name], results[ISAS[1]], results["ref"], strict=True):
            np.testing.assert_array_equal(a, b)
            # Near a zero of cos or sin the angle's own rounding is what remains.
            assert (np.abs(a - ref) <= np.maximum(2 * np.spacing(np.abs(ref)), 2.0**-48)).all()


def test_normal_moments() -> None:
    x = numpy(_C.normal([400000], _C.float32, 0.0, 1.0, generator(1))).astype(np.float64)
    n = x.size
    assert abs(x.mean()) < 5 / math.sqrt(n)
    assert abs(x.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((x**3).mean()) < 5 * math.sqrt(15 / n)
    assert abs((x**4).mean() - 3) < 5 * math.sqrt(96 / n)
    assert abs((x[0::2] * x[1::2]).mean()) < 5 / math.sqrt(n / 2)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-5, 12), (-(2**63), 2**63 - 1), (0, 2**40), (7, 8)])
def test_randint(isa: str, low: int, high: int) -> None:
    got = numpy(_C.randint([333], low, high, _C.int64, generator(21)))
    want = [low + ((int(w) * (high - low)) >> 64) for w in pairs(21, 333)]
    assert got.tolist() == want


def test_randint_types_and_refusals() -> None:
    for name, high in (("uint8", 256), ("int32", 2**31 - 1), ("bool", 2), ("float32", 100), ("float16", 100)):
        x = _C.randint([50], 0, high, getattr(_C, name), generator(2))
        assert x.dtype.name == name
        want = numpy(_C.randint([50], 0, high, _C.int64, generator(2)))
        np.testing.assert_array_equal(numpy(_C.cast(x, _C.int64)), want)
    with pytest.raises(ValueError, match="randint: got low=3 and high=3"):
        _C.randint([2], 3, 3, _C.int64)
    with pytest.raises(ValueError, match="does not fit in uint8"):
        _C.randint([2], 0, 257, _C.uint8)
    with pytest.raises(ValueError, match="does not fit in bool"):
        _C.randint([2], -1, 2, _C.bool)


@pytest.mark.parametrize("n", [0, 1, 2, 33, 1000])
def test_randperm_is_fisher_yates(isa: str, n: int) -> None:
    want = list(range(n))
    draws = pairs(4, n) if n else []
    for i in range(n - 1):
        last = n - 1 - i
        other = (int(draws[i]) * (last + 1)) >> 64
        want[last], want[other] = want[other], want[last]
    assert numpy(_C.randperm(n, generator(4))).tolist() == want


def test_bernoulli(isa: str) -> None:
    p = np.linspace(0, 1, 1001, dtype=np.float32)
    got = numpy(_C.bernoulli(_C.from_numpy(p), generator(6)))
    u = (words(6, 0, p.size) >> 8).astype(np.float32) * np.float32(2.0**-24)
    np.testing.assert_array_equal(got, (u < p).astype(np.float32))
    assert got[0] == 0 and got[-1] == 1
    for bad in (1.5, -0.25, math.nan, math.inf):
        p[77] = bad
        with pytest.raises(IndexError, match="bernoulli: p in millionths at flat index 77"):
            _C.bernoulli(_C.from_numpy(p), generator(6))
    with pytest.raises(TypeError, match="wanted a floating type"):
        _C.bernoulli(_C.randint([3], 0, 1, _C.int64), generator(6))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_dropout(isa: str, p: float, dtype: str) -> None:
    kind = getattr(_C, dtype)
    x = _C.normal([7, 143], kind, 0.0, 1.0, generator(9))
    y, mask = _C.dropout(x, p, generator(10))
    keep = (words(10, 0, 1001) >> 8) >= round(p * 2**24)
    np.testing.assert_array_equal(numpy(mask).reshape(-1), keep)
    assert y.dtype.name == dtype and mask.dtype.name == "bool"
    work = np.float64 if dtype == "float64" else np.float32
    scale = work(1 / (1 - p)) if p < 1 else work(0)
    exact = numpy(_C.cast(x, getattr(_C, work.__name__))).reshape(-1)
    want = np.where(keep, exact * scale, work(0)).reshape(7, 143)
    rounded = _C.cast(_C.cast(_C.from_numpy(want), kind), _C.float64)
    np.testing.assert_array_equal(numpy(_C.cast(y, _C.float64)), numpy(rounded))
    # The gradient is the same linear map.
    dx = _C.dropout_grad(x, mask, p)
    np.testing.assert_array_equal(numpy(_C.cast(dx, _C.float64)), numpy(rounded))


def test_dropout_of_views_and_nothing(isa: str) -> None:
    x = _C.normal([6, 8], _C.float32, 0.0, 1.0, generator(1))
    view = x.transpose(0, 1)
    y, mask = _C.dropout(view, 0.5, generator(2))
    want, same = _C.dropout(_C.clone(view), 0.5, generator(2))
    np.testing.assert_array_equal(numpy(y), numpy(want))
    np.testing.assert_array_equal(numpy(mask), numpy(same))
    empty, none = _C.dropout(_C.empty([0, 3], _C.float32), 0.5, generator(2))
    assert empty.shape == (0, 3) and none.shape == (0, 3)
    full = _C.empty([3], _C.float32)
    _C.fill(full, math.inf)
    assert (numpy(_C.dropout(full, 1.0, generator(1))[0]) == 0).all()
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="wanted 0 <= p <= 1"):
            _C.dropout(x, bad)
    with pytest.raises(ValueError, match="the mask"):
        _C.dropout_grad(x, none, 0.5)


def test_into_any_window(isa: str) -> None:
    base = _C.empty([10, 12], _C.float32)
    _C.fill(base, 7.0)
    window = base.slice(0, 1, 9, 2).slice(1, 10, 1, -3)
    _C.uniform_into(window, 2.0, 4.0, generator(3))
    want = numpy(_C.uniform(list(window.shape), _C.float32, 2.0, 4.0, generator(3)))
    np.testing.assert_array_equal(numpy(_C.clone(window)), want)
    assert (numpy(base) == 7).sum() == 120 - want.size
    _C.normal_into(window, 0.0, 1.0, generator(3))
    want = numpy(_C.normal(list(window.shape), _C.float32, 0.0, 1.0, generator(3)))
    np.testing.assert_array_equal(numpy(_C.clone(window)), want)
    half = _C.empty([2, 3], _C.bfloat16)
    _C.normal_into(half, 0.0, 1.0, generator(3))
    scalar = _C.empty([], _C.float64)
    _C.uniform_into(scalar, 0.0, 1.0, generator(3))
    assert 0 <= float(numpy(scalar)) < 1
    with pytest.raises(TypeError, match="wanted a floating type"):
        _C.uniform_into(_C.empty([2], _C.int64), 0.0, 1.0)
    with pytest.raises(ValueError, match="low <= high"):
        _C.uniform_into(base, 1.0, 0.0)
    with pytest.raises(ValueError, match="std >= 0"):
        _C.normal_into(base, 0.0, -1.0)


def test_same_bits_for_any_number_of_threads(isa: str) -> None:
    results = []
    for threads in (1, 2, 5):
        _C.set_num_threads(threads)
        g = generator(13)
        x = _C.uniform([100003], _C.float32, 0.0, 1.0, g)
        made = [x, *_C.dropout(x, 0.3, g)]
        made += [_C.normal([70001], _C.float64, 0.0, 1.0, g), _C.randint([70001], 0, 99, _C.int64, g)]
        results.append([numpy(a).tobytes() for a in made] + [position(g)])
    assert results[0] == results[1] == results[2]


def test_threads_that_share_a_generator_get_different_blocks() -> None:
    g = _C.Generator(3)
    got: list[np.ndarray] = []

    def draw() -> None:
        for _ in range(200):
            got.append(numpy(_C.random_bits(256, g)).view(np.uint32))

    workers = [threading.Thread(target=draw) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    stream = words(3, 0, 4 * 200 * 256).reshape(-1, 256)
    assert sorted(a.tobytes() for a in got) == sorted(a.tobytes() for a in stream)


def test_recorded_calls_go_on_in_the_stream() -> None:
    g = _C.Generator(77)
    x = _C.uniform([1000], _C.float32, 1.0, 2.0, g)
    start = position(g)
    program = _C.Program()
    _C.begin_recording(program)
    y, mask = _C.dropout(x, 0.5, g)
    _C.end_recording()
    first = numpy(mask)
    program.replay()
    second = numpy(mask)
    assert position(g) == start + 2 * 250
    assert (first != second).any()
    g.set_state(_C.from_numpy(np.array([77, start], np.int64)))
    program.replay()
    np.testing.assert_array_equal(numpy(mask), first)
    np.testing.assert_array_equal(numpy(y), np.where(first, numpy(x) * 2, 0))


def test_generator_state() -> None:
    g = _C.Generator(5)
    assert g.initial_seed() == 5
    state = g.get_state()
    first = numpy(_C.random_bits(10, g))
    assert numpy(state).tolist() == [5, 0]
    g.set_state(state)
    np.testing.assert_array_equal(numpy(_C.random_bits(10, g)), first)
    assert g.manual_seed(-1) is g
    assert g.initial_seed() == 2**64 - 1
    assert g.manual_seed(2**64 - 1).initial_seed() == 2**64 - 1
    assert g.seed() != g.seed()
    with pytest.raises(ValueError, match="wanted -2\\^63 <= seed < 2\\^64"):
        g.manual_seed(2**64)
    with pytest.raises(ValueError, match="wanted \\[2\\]"):
        g.set_state(_C.empty([3], _C.int64))
    with pytest.raises(TypeError, match="wanted int64"):
        g.set_state(_C.empty([2], _C.float32))
    # Without a generator the default one is used.
    _C.default_generator.manual_seed(5)
    np.testing.assert_array_equal(numpy(_C.random_bits(10)), first)


def test_empty_and_wrong_shapes() -> None:
    g = _C.Generator(1)
    assert _C.uniform([0, 4], _C.float32, 0.0, 1.0, g).shape == (0, 4)
    assert _C.randint([0], 0, 5, _C.int64, g).shape == (0,)
    assert position(g) == 0
    for call in (
        lambda: _C.random_bits(-1, g),
        lambda: _C.randperm(-1, g),
        lambda: _C.uniform([-2], _C.float32, 0.0, 1.0, g),
    ):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(MemoryError):
        _C.uniform([2**58], _C.float32, 0.0, 1.0, g)
