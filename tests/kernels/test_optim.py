"""The fused SGD and Adam steps against torch.optim, over several parameters and steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from markone import _C

torch = pytest.importorskip("torch")

ISAS = _C.available_isas()
# Sizes around the vector widths, an empty one, a scalar, and more than one chunk.
SHAPES: list[tuple[int, ...]] = [(3, 5), (), (0,), (1,), (17,), (64,), (40000,), (129, 3)]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> str:
    _C.set_isa(request.param)  # conftest.py puts the first one back
    return request.param


def native(x: np.ndarray) -> Any:
    return _C.clone(_C.from_numpy(np.ascontiguousarray(x).reshape(x.shape)))


def numpy(x: Any) -> np.ndarray:
    return np.array(_C.to_numpy(x))


def zeros(shapes: list[tuple[int, ...]], dtype: Any) -> list[Any]:
    return [native(np.zeros(s, dtype)) for s in shapes]


class Problem:
    """The same parameters for both, and the gradients of each step."""

    def __init__(self, dtype: Any, shapes: list[tuple[int, ...]] = SHAPES, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.dtype = dtype
        self.start = [np.asarray(rng.standard_normal(s), dtype) for s in shapes]
        self.grads = [[np.asarray(rng.standard_normal(s), dtype) for s in shapes] for _ in range(4)]
        self.params = [native(p) for p in self.start]
        self.lr = native(np.array([0.05]))
        self.step = native(np.array([0], np.int64))

    def torch_result(self, make: Any) -> list[np.ndarray]:
        params = [torch.tensor(p, requires_grad=True) for p in self.start]
        optimiser = make(params)
        for grads in self.grads:
            for p, g in zip(params, grads, strict=True):
                p.grad = torch.tensor(g)
            optimiser.step()
        return [p.detach().numpy() for p in params]

    def check(self, want: list[np.ndarray]) -> None:
        tolerance = {np.float32: 1e-5, np.float64: 1e-13}[self.dtype]
        for got, expected in zip(self.params, want, strict=True):
            np.testing.assert_allclose(numpy(got), expected, rtol=tolerance, atol=tolerance)
        assert numpy(self.step).tolist() == [len(self.grads)]


SGD = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "maximize": True, "weight_decay": 0.2},
]


@pytest.mark.parametrize("options", SGD, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sgd(isa: str, options: dict[str, Any], dtype: Any) -> None:
    problem = Problem(dtype)
    full = {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False}
    full |= options
    # What the buffers hold before the first step must not matter.
    buffers = [native(np.full(s, 9, dtype)) for s in SHAPES] if full["momentum"] else []
    for grads in problem.grads:
        made = [native(g) for g in grads]
        before = _C.native_calls()
        _C.sgd_step(problem.params, made, buffers, problem.lr, problem.step, *full.values())
        assert _C.native_calls() == before + 1
    problem.check(problem.torch_result(lambda p: torch.optim.SGD(p, lr=0.05, **options)))


ADAM = [
    {},
    {"weight_decay": 0.1},
    {"betas": (0.3, 0.5), "eps": 1e-3},
    {"amsgrad": True},
    {"maximize": True, "weight_decay": 0.1, "amsgrad": True},
]


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("options", ADAM, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam(isa: str, options: dict[str, Any], dtype: Any, decoupled: bool) -> None:
    problem = Problem(dtype)
    means, squares = zeros(SHAPES, dtype), zeros(SHAPES, dtype)
    largest = zeros(SHAPES, dtype) if options.get("amsgrad") else []
    options = {"weight_decay": 0.0} | options
    for grads in problem.grads:
        _C.adam_step(
            problem.params,
            [native(g) for g in grads],
            means,
            squares,
            largest,
            problem.lr,
            problem.step,
            *options.get("betas", (0.9, 0.999)),
            options.get("eps", 1e-8),
            options["weight_decay"],
            decoupled,
            options.get("maximize", False),
        )
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    problem.check(problem.torch_result(lambda p: kind(p, lr=0.05, **options)))


def adam(
    params: list[Any], grads: list[Any], means: list[Any], squares: list[Any], lr: Any, step: Any
) -> None:
    _C.adam_step(params, grads, means, squares, [], lr, step, 0.9, 0.999, 1e-8, 0.01, False, False)


def test_same_bits_for_threads_layouts_and_replay(isa: str) -> None:
    def run(threads: int, strided: bool) -> list[bytes]:
        _C.set_num_threads(threads)
        problem = Problem(np.float32, [(200, 301), (7,)])
        if strided:
            # The transposed copy's memory, seen as the shape of the original.
            problem.params = [native(p.T.copy()).permute(list(range(p.ndim))[::-1]) for p in problem.start]
        means, squares = zeros([(200, 301), (7,)], np.float32), zeros([(200, 301), (7,)], np.float32)
        for grads in problem.grads:
            adam(problem.params, [native(g) for g in grads], means, squares, problem.lr, problem.step)
        return [numpy(_C.clone(p)).tobytes() for p in problem.params + means + squares]

    one = run(1, False)
    assert run(2, False) == one
    assert run(7, False) == one
    assert run(2, True) == one


def test_replay_steps_again_and_reads_the_rate(isa: str) -> None:
    recorded, plain = Problem(np.float32), Problem(np.float32)
    states = [(zeros(SHAPES, np.float32), zeros(SHAPES, np.float32)) for _ in range(2)]
    grads = [native(g) for g in recorded.grads[0]]

    def step(problem: Problem, state: tuple[list[Any], list[Any]]) -> None:
        adam(problem.params, grads, *state, problem.lr, problem.step)

    program = _C.Program()
    _C.begin_recording(program)
    step(recorded, states[0])
    _C.end_recording()
    program.replay()
    _C.fill(recorded.lr, 0.5)
    program.replay()
    step(plain, states[1])
    step(plain, states[1])
    _C.fill(plain.lr, 0.5)
    step(plain, states[1])
    assert numpy(recorded.step).tolist() == [3]
    for p, q in zip(recorded.params, plain.params, strict=True):
        assert numpy(p).tobytes() == numpy(q).tobytes()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types_step_in_float32_and_round_once(isa: str, dtype: str) -> None:
    kind = getattr(_C, dtype)
    rng = np.random.default_rng(3)
    p = _C.cast(native(rng.standard_normal(1000).astype(np.float32)), kind)
    g = _C.cast(native(rng.standard_normal(1000).astype(np.float32)), kind)
    wide_p, wide_g = _C.cast(p, _C.float32), _C.cast(g, _C.float32)
    lr = native(np.array([0.1]))
    step, other = native(np.array([0], np.int64)), native(np.array([0], np.int64))
    _C.sgd_step([p], [g], [], lr, step, 0.0, 0.0, 0.01, False, False)
    _C.sgd_step([wide_p], [wide_g], [], lr, other, 0.0, 0.0, 0.01, False, False)
    assert p.dtype.name == dtype
    want = numpy(_C.cast(_C.cast(wide_p, kind), _C.float32))
    np.testing.assert_array_equal(numpy(_C.cast(p, _C.float32)), want)


def test_mixed_types_in_one_call(isa: str) -> None:
    single, double = Problem(np.float32), Problem(np.float64)
    lr, step = single.lr, single.step
    for a, b in zip(single.grads, double.grads, strict=True):
        grads = [native(g) for g in a + b]
        _C.sgd_step(single.params + double.params, grads, [], lr, step, 0.0, 0.0, 0.0, False, False)
    double.step = step
    single.check(single.torch_result(lambda p: torch.optim.SGD(p, lr=0.05)))
    double.check(double.torch_result(lambda p: torch.optim.SGD(p, lr=0.05)))


def test_nan_goes_through_amsgrad(isa: str) -> None:
    n = 9
    params, grads = [native(np.ones(n, np.float32))], [native(np.full(n, np.nan, np.float32))]
    state = [[native(np.ones(n, np.float32))] for _ in range(3)]
    lr, step = native(np.array([0.1])), native(np.array([0], np.int64))
    _C.adam_step(params, grads, *state, lr, step, 0.9, 0.999, 1e-8, 0.0, False, False)
    assert np.isnan(numpy(params[0])).all() and np.isnan(numpy(state[2][0])).all()


def test_versions_are_bumped() -> None:
    problem = Problem(np.float32)
    versions = [p.version for p in problem.params]
    grads = [native(g) for g in problem.grads[0]]
    grad_versions = [g.version for g in grads]
    _C.sgd_step(problem.params, grads, [], problem.lr, problem.step, 0.0, 0.0, 0.0, False, False)
    assert all(p.version > v for p, v in zip(problem.params, versions, strict=True))
    assert [g.version for g in grads] == grad_versions


def test_refusals() -> None:
    problem = Problem(np.float32, [(3,), (4,)])
    p, lr, step = problem.params, problem.lr, problem.step
    g = [native(x) for x in problem.grads[0]]

    def sgd(*args: Any, momentum: float = 0.0, nesterov: bool = False) -> None:
        _C.sgd_step(*args, momentum, 0.0, 0.0, nesterov, False)

    with pytest.raises(ValueError, match="sgd_step: got 2 params but 1 grads"):
        sgd(p, g[:1], [], lr, step)
    with pytest.raises(ValueError, match=r"grads\[0\] has shape \[4\] but params\[0\] has \[3\]"):
        sgd(p, g[::-1], [], lr, step)
    with pytest.raises(ValueError, match="got 2 params but 0 buffers"):
        sgd(p, g, [], lr, step, momentum=0.9)
    with pytest.raises(TypeError, match=r"grads\[1\] is float64 but params\[1\] is float32"):
        sgd(p, [g[0], native(np.zeros(4))], [], lr, step)
    with pytest.raises(TypeError, match="wanted float64 and int64"):
        sgd(p, g, [], step, lr)
    with pytest.raises(ValueError, match="wanted one element each"):
        sgd(p, g, [], native(np.zeros(2)), step)
    with pytest.raises(ValueError, match="nesterov wants momentum > 0"):
        sgd(p, g, [], lr, step, nesterov=True)
    with pytest.raises(ValueError, match="each parameter may be given once"):
        sgd([p[0], p[0]], [g[0], g[0]], [], lr, step)
    with pytest.raises(ValueError, match="each parameter may be given once"):
        sgd([p[0]], [p[0]], [], lr, step)
    with pytest.raises(TypeError, match="wanted a floating type"):
        sgd([step], [step], [], lr, step)
    frozen = np.zeros(3, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(RuntimeError, match=r"params\[0\] is read-only memory"):
        sgd([_C.from_numpy(frozen)], [g[0]], [], lr, step)
    for bad in ({"beta1": 1.0}, {"beta2": -0.1}, {"eps": float("nan")}, {"weight_decay": -1.0}):
        options = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0} | bad
        with pytest.raises(ValueError, match=f"adam_step: got {next(iter(bad))}="):
            _C.adam_step(p, g, g, g, [], lr, step, *options.values(), False, False)
    # Nothing was touched by any of them.
    assert numpy(step).tolist() == [0]
    _C.sgd_step([], [], [], lr, step, 0.0, 0.0, 0.0, False, False)
    assert numpy(step).tolist() == [1]
