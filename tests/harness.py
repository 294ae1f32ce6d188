"""One case serves every check of an operation: right on every instruction set and implementation, same bits
whatever the threads and layouts, guard bytes, gradients, speed.

A test file is a list of cases and one line::

    CASES = [
        harness.Case(
            "matmul-65x33x7",
            inputs=lambda rng: [rng.standard_normal((65, 33)), rng.standard_normal((33, 7))],
            call=lambda x: _C.matmul(x[0], x[1]),
            reference=lambda a: a[0] @ a[1],
            tolerance=lambda a: 33 * (abs(a[0]) @ abs(a[1])),
            op="matmul",
            flops=2 * 65 * 33 * 7,
            dtypes=("float32", "float64", "bfloat16"),
        )
    ]
    test_all = harness.make_tests(CASES)

Inputs made as float64 take each type of ``dtypes`` in turn; every other input keeps its own type. The
reference sees the rounded inputs as float64.
"""

from __future__ import annotations

import gc
import statistics
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from markone import _C

EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
TINY = {"float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126}
LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38}
LAYOUTS = ("offset", "strided", "transposed", "reversed")


@dataclass(frozen=True, eq=False)
class Case:
    """What one operation does on one set of inputs."""

    name: str
    # Makes the inputs as NumPy arrays of any shapes; the generator is seeded by the name.
    inputs: Callable[[np.random.Generator], Sequence[Any]]
    # Takes a list of _C.Array (level "native") or Tensor (level "tensor"); gives one or a tuple of them.
    call: Callable[[list[Any]], Any]
    # The same on NumPy arrays, the floating ones as float64.
    reference: Callable[[list[np.ndarray]], Any]
    # How far a result may be from the reference, in units of the result type's epsilon (2**-23 for float32):
    # a number is multiplied with |reference|, a function gives the bound itself, an array that broadcasts or,
    # for several results, a tuple of them. Subnormal results may be flushed. Integers and bools are exact.
    tolerance: float | Callable[[list[np.ndarray]], Any] = 4.0
    dtypes: Sequence[str | None] = ("float32",)
    # The name under which the operation's implementations are listed; each is then forced in turn.
    op: str | None = None
    flops: float = 0.0
    bytes: float = 0.0
    level: str = "native"
    # Tensor level: compare the gradients, and with second=True the second derivatives, with differences.
    grad: bool = False
    second: bool = False
    # The call writes to its inputs: they are not compared afterwards.
    mutates: bool = False
    # False where the inputs' layouts are part of what is tested.
    layouts: bool = True
    large: bool = False
    slow: bool = False
    _known: dict[str, Any] = field(default_factory=dict, repr=False, init=False)


# ---------------------------------------------------------------------------------------------------------
# Arrays


def dtype_name(x: Any) -> str:
    """The name of the element type of a NumPy array, _C.Array or Tensor."""
    name = getattr(x.dtype, "name", None) or str(x.dtype)
    return name.rsplit(".", 1)[-1]


def array(x: Any, dtype: str | None = None, layout: str | None = None) -> Any:
    """A _C.Array with the values of NumPy array `x`, as `dtype`, in fresh memory laid out as `layout`:
    contiguous (None), at an odd offset, with gaps, transposed, or reversed in every dimension."""
    x = np.asarray(x)
    shape = x.shape
    if x.ndim == 0 and layout in ("strided", "transposed", "reversed"):
        layout = "offset"
    if layout is None:
        return _fresh(x, dtype)
    if layout == "offset":
        flat = np.concatenate([x.reshape(-1)[:1], x.reshape(-1), x.reshape(-1)[:2]])
        start = 1 if x.size else 0
        return _fresh(flat, dtype).slice(0, start, start + x.size, 1).reshape_view(list(shape))
    if layout == "strided":
        wide = np.repeat(x, 2, axis=-1)
        return _fresh(wide, dtype).slice(x.ndim - 1, 0, 2 * shape[-1], 2)
    if layout == "transposed":
        return _fresh(np.ascontiguousarray(x.T), dtype).permute(list(range(x.ndim))[::-1])
    if layout == "reversed":
        return _fresh(np.ascontiguousarray(np.flip(x)), dtype).flip(list(range(x.ndim)))
    raise ValueError(f"layout '{layout}' is none of {LAYOUTS}")


def _fresh(x: np.ndarray, dtype: str | None) -> Any:
    """In markone's own memory, so that guards and sanitizers see it."""
    outside = _C.from_numpy(np.array(x, order="C"))
    made = _C.clone(outside) if dtype in (None, dtype_name(x)) else _C.cast(outside, getattr(_C, dtype))
    return made if _device is None else _C.to_device(made, _device)


_device: Any = None


@contextmanager
def on_device(device: Any) -> Iterator[None]:
    """Inside, the cases' arrays are made on `device`."""
    global _device
    _device = device
    try:
        yield
    finally:
        _device = None


def numpy(x: Any) -> np.ndarray:
    """A fresh NumPy array with the values of a _C.Array or Tensor; bfloat16 and float16 as float32."""
    native = getattr(x, "_array", x)
    if native.device.type != "cpu":
        native = _C.to_device(native, _C.Device("cpu"))
    if dtype_name(native) in ("bfloat16", "float16"):
        native = _C.cast(native, _C.float32)
    return np.array(_C.to_numpy(_C.contiguous(native)))


def round_to(x: np.ndarray, dtype: str | None) -> np.ndarray:
    """`x` rounded to `dtype`, in a NumPy type that holds it."""
    if dtype is None or dtype == dtype_name(x):
        return x
    if dtype == "bfloat16":
        single = np.asarray(x, np.float32)
        word = single.view(np.uint32).astype(np.uint64)
        even = (word + 0x7FFF + ((word >> 16) & 1)) & 0xFFFF0000
        rounded = np.asarray(even.astype(np.uint32)).view(np.float32)
        return np.asarray(np.where(np.isnan(single), single, rounded))
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def _inputs(case: Case, dtype: str | None) -> list[np.ndarray]:
    key = f"inputs {dtype}"
    if key not in case._known:
        rng = np.random.default_rng(zlib.crc32(case.name.encode()))
        made = [np.asarray(x) for x in case.inputs(rng)]
        case._known[key] = [round_to(x, dtype) if x.dtype == np.float64 else x for x in made]
    return list(case._known[key])


def _native_type(case_dtype: str | None, original: np.ndarray) -> str | None:
    """float16 and bfloat16 inputs are kept rounded in float32 on the NumPy side."""
    return case_dtype if case_dtype == "bfloat16" and original.dtype == np.float32 else None


def arguments(case: Case, dtype: str | None, layout: str | None = None, grad: bool = False) -> list[Any]:
    """The inputs of `case` for its call: fresh _C.Arrays, or Tensors."""
    made = [array(x, _native_type(dtype, x), layout) for x in _inputs(case, dtype)]
    if case.level == "native":
        return made
    import markone as mo

    tensors = [mo.Tensor(x) for x in made]
    if grad:
        for t in tensors:
            if t.is_floating_point():
                t.requires_grad_(True)
    return tensors


def _tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _call(case: Case, values: list[Any]) -> tuple[Any, ...]:
    return tuple(r.detach() if hasattr(r, "detach") else r for r in _tuple(case.call(values)))


def _expected(case: Case, dtype: str | None) -> tuple[list[np.ndarray], Any]:
    """The reference's results, and the tolerance for each in units of epsilon (None: relative)."""
    key = f"expected {dtype}"
    if key not in case._known:
        exact = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in _inputs(case, dtype)]
        with np.errstate(all="ignore"):
            want = [np.asarray(r) for r in _tuple(case.reference([x.copy() for x in exact]))]
            bound = None
            if callable(case.tolerance):
                given = _tuple(case.tolerance([x.copy() for x in exact]))
                bound = given if len(given) == len(want) else given * len(want)
        case._known[key] = want, bound
    return case._known[key]


# ---------------------------------------------------------------------------------------------------------
# The state of the process


@contextmanager
def using(
    isa: str | None = None,
    threads: int | None = None,
    op: str | None = None,
    implementation: str | None = None,
) -> Iterator[None]:
    """Inside, the kernels of `isa` run on `threads` threads and `op` takes `implementation`."""
    before = _C.isa(), _C.num_threads()
    try:
        if isa is not None:
            _C.set_isa(isa)
        if threads is not None:
            _C.set_num_threads(threads)
        if op is not None and implementation is not None:
            _C.force_implementation(op, implementation)
        yield
    finally:
        if op is not None and implementation is not None:
            _C.force_implementation(op, "")
        _C.set_isa(before[0])
        _C.set_num_threads(before[1])


@contextmanager
def guarded() -> Iterator[None]:
    """Inside, new buffers stand between guard bytes; raises AssertionError where one was overwritten."""
    gc.collect(0)
    before = _C.damaged_guards()
    _C.set_guarded(True)
    try:
        yield
    finally:
        _C.set_guarded(False)
        gc.collect(0)  # results die by reference counting; young exceptions may hold a frame
    damaged = _C.damaged_guards() - before
    assert damaged == 0, f"{damaged} buffers were written outside their bounds"


def _implementations(case: Case, dtype: str | None) -> list[str | None]:
    """None (the free choice) and the names in the operation's list, which its first use fills."""
    if case.op is None:
        return [None]
    lists = dict(_C.implementation_lists())
    if case.op not in lists:
        _call(case, arguments(case, dtype))
        lists = dict(_C.implementation_lists())
    assert case.op in lists, f"{case.name}: '{case.op}' has no list of implementations, only {sorted(lists)}"
    return [None, *lists[case.op]]


def _runs(case: Case, dtype: str | None, isa: str) -> Iterator[tuple[str, list[Any], tuple[Any, ...]]]:
    """Runs the case with each implementation that takes it: (its name, the arguments, the results)."""
    for implementation in _implementations(case, dtype):
        with using(isa, None, case.op, implementation):
            values = arguments(case, dtype)
            try:
                results = _call(case, values)
            except NotImplementedError:
                if implementation is None:
                    raise
                continue  # refused
        yield implementation or "chosen", values, results


# ---------------------------------------------------------------------------------------------------------
# The checks


def compare(name: str, got: Any, want: np.ndarray, tolerance: float, bound: Any = None) -> None:
    """Raises AssertionError with the worst element where `got` (Array or Tensor) is too far from `want`."""
    kind = dtype_name(got)
    value = numpy(got)
    assert value.shape == want.shape, f"{name}: shape {value.shape}, wants {want.shape}"
    if kind not in EPS:
        assert want.dtype.kind in "iub", f"{name}: is {kind}, the reference is {want.dtype}"
        wrong = np.argwhere(value != want)
        assert not len(wrong), f"{name}: {_at(wrong[0], value, want)}, {len(wrong)} of {want.size} differ"
        return
    want = want.astype(np.float64)
    with np.errstate(all="ignore"):
        rounded = want.astype(kind if kind in ("float32", "float64") else np.float32).astype(np.float64)
        largest = LARGEST.get(kind)
        if largest is not None:
            rounded = np.where(
                np.abs(rounded) > largest * (1 + EPS[kind] / 4), np.sign(rounded) * np.inf, rounded
            )
        allowed = (
            np.abs(want) * tolerance
            if bound is None
            else np.broadcast_to(np.asarray(bound, float), want.shape)
        )
        allowed = allowed * EPS[kind] + TINY[kind]
        error = np.abs(value.astype(np.float64) - want)
    plain = np.isfinite(rounded)
    same = np.where(plain, error <= allowed, (value == rounded) | (np.isnan(value) & np.isnan(rounded)))
    if same.all():
        return
    with np.errstate(all="ignore"):
        badness = np.where(same, -1.0, np.where(np.isfinite(error), error / allowed, np.inf))
    worst = np.unravel_index(int(np.argmax(badness)), want.shape)
    raise AssertionError(
        f"{name}: {_at(worst, value, want)}, error {error[worst]:.3g}, allowed {allowed[worst]:.3g};"
        f" {int((~same).sum())} of {want.size} are wrong"
    )


def _at(index: Any, value: np.ndarray, want: np.ndarray) -> str:
    place = tuple(int(i) for i in index)
    return f"at {list(place)} is {value[place]!r}, wants {want[place]!r}"


def bits(x: Any) -> bytes:
    """The bytes of the values in logical order, every NaN alike."""
    value = numpy(x)
    if value.dtype.kind == "f":
        value = np.where(np.isnan(value), value.dtype.type(np.nan), value)
    return value.tobytes()


def check_right(case: Case, dtype: str | None, isa: str) -> None:
    """The result is the reference's within the tolerance, with every implementation that takes the problem,
    and the inputs are as they were."""
    want, bound = _expected(case, dtype)
    for implementation, values, results in _runs(case, dtype, isa):
        label = f"{case.name} {dtype or ''} {isa} {implementation}"
        assert len(results) == len(want), f"{label}: {len(results)} results, wants {len(want)}"
        for i, (got, expected) in enumerate(zip(results, want)):
            tolerance = case.tolerance if isinstance(case.tolerance, (int, float)) else 0.0
            where = label if len(want) == 1 else f"{label} result {i}"
            compare(where, got, expected, tolerance, None if bound is None else bound[i])
        if not case.mutates:
            for i, (value, original) in enumerate(zip(values, _inputs(case, dtype))):
                assert np.array_equal(numpy(value), original, equal_nan=original.dtype.kind == "f"), (
                    f"{label}: input {i} was changed"
                )


def check_same_bits(case: Case, dtype: str | None, isa: str) -> None:
    """Neither the number of threads nor the run nor the layout and address of an input changes a bit."""
    for implementation in _implementations(case, dtype):
        label = f"{case.name} {dtype or ''} {isa} {implementation or 'chosen'}"
        try:
            with using(isa, 1, case.op, implementation):
                want = [bits(r) for r in _call(case, arguments(case, dtype))]
                again = [bits(r) for r in _call(case, arguments(case, dtype))]
                assert again == want, f"{label}: two runs differ"
        except NotImplementedError:
            if implementation is None:
                raise
            continue
        with using(isa, 2, case.op, implementation):
            two = [bits(r) for r in _call(case, arguments(case, dtype))]
            assert two == want, f"{label}: 1 and 2 threads differ"
            for layout in LAYOUTS if case.layouts else ():
                got = [bits(r) for r in _call(case, arguments(case, dtype, layout))]
                assert got == want, f"{label}: {layout} inputs give other bits"


def check_guards(case: Case, dtype: str | None, isa: str) -> None:
    """No kernel writes outside a buffer."""
    for threads in (1, 2):
        with guarded(), using(threads=threads):
            for _, values, results in _runs(case, dtype, isa):
                del values, results


def check_gradient(case: Case, dtype: str | None, isa: str) -> None:
    """Tensor level: backward agrees with differences in float64, and so does backward of backward."""
    import markone as mo

    with using(isa):
        values = arguments(case, "float64", grad=True)
        assert mo.autograd.gradcheck(lambda *x: case.call(list(x)), tuple(values))
        if case.second:
            assert mo.autograd.gradgradcheck(lambda *x: case.call(list(x)), tuple(values))


CHECKS: dict[str, Callable[[Case, str | None, str], None]] = {
    "right": check_right,
    "bits": check_same_bits,
    "guards": check_guards,
    "gradient": check_gradient,
}


made_cases: list[Case] = []  # of all files that are loaded, for the tests of other devices


def make_tests(cases: Sequence[Case], checks: Sequence[str] = tuple(CHECKS)) -> Callable[..., None]:
    """A pytest function with one item for each case, type, check and instruction set of this machine. Give it
    a name that begins with `test`."""
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"cases with the same name: {sorted(twice)}"
    made_cases.extend(cases)
    items = []
    for case in cases:
        marks = [getattr(pytest.mark, m) for m in ("slow", "large") if getattr(case, m)]
        for check in checks:
            if check == "gradient" and not (case.grad or case.second):
                continue
            for dtype in ("float64",) if check == "gradient" else case.dtypes:
                for isa in _C.available_isas():
                    label = "-".join(part for part in (case.name, dtype, check, isa) if part)
                    items.append(pytest.param(case, check, dtype, isa, id=label, marks=marks))

    @pytest.mark.parametrize("case, check, dtype, isa", items)
    def test(case: Case, check: str, dtype: str | None, isa: str) -> None:
        CHECKS[check](case, dtype, isa)

    return test


def speed(case: Case, dtype: str | None = None, seconds: float = 0.2, repeats: int = 7) -> dict[str, float]:
    """The median time of the call in this process's state: seconds, gflops, gbytes (a second)."""
    values = arguments(case, case.dtypes[0] if dtype is None else dtype)
    case.call(values)
    start = time.perf_counter()
    case.call(values)
    once = max(time.perf_counter() - start, 1e-7)
    inner = max(1, int(seconds / repeats / once))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(inner):
            case.call(values)
        times.append((time.perf_counter() - start) / inner)
    median = statistics.median(times)
    return {"seconds": median, "gflops": case.flops / median / 1e9, "gbytes": case.bytes / median / 1e9}
