"""The fused optimiser steps against torch.optim, over several parameters and steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
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

    def check(self, want: list[np.ndarray], steps: int = 4) -> None:
        tolerance = {np.float32: 1e-5, np.float64: 1e-13}[self.dtype]
        for got, expected in zip(self.params, want, strict=True):
            np.testing.assert_allclose(numpy(got), expected, rtol=tolerance, atol=tolerance)
        assert numpy(self.step).tolist() == [steps]


# For each rule: PyTorch's class, its state arrays, what it carries, its options and their names there.
YES = {"nesterov", "amsgrad", "centered", "decoupled", "maximize"}
MOMENTS = {"beta1": 0.7, "beta2": 0.9, "eps": 1e-3}
RULES: dict[str, tuple[str, int, int, list[dict[str, float]]]] = {
    "sgd": (
        "SGD",
        1,
        0,
        [
            {},
            {"weight_decay": 0.1},
            {"momentum": 0.9},
            {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
            {"momentum": 0.9, "nesterov": 1},
            {"momentum": 0.5, "maximize": 1, "weight_decay": 0.2},
        ],
    ),
    "adam": (
        "Adam",
        3,
        0,
        [
            MOMENTS,
            {"beta1": 0.3, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1},
            {**MOMENTS, "amsgrad": 1},
            {**MOMENTS, "amsgrad": 1, "maximize": 1, "weight_decay": 0.1, "decoupled": 1},
        ],
    ),
    "rmsprop": (
        "RMSprop",
        3,
        0,
        [
            {"alpha": 0.9, "eps": 1e-8},
            {"alpha": 0.9, "eps": 1e-2, "momentum": 0.7, "weight_decay": 0.1},
            {"alpha": 0.4, "eps": 1e-1, "centered": 1, "maximize": 1},
            {"alpha": 0.9, "eps": 1e-2, "centered": 1, "momentum": 0.7},
        ],
    ),
    "adagrad": ("Adagrad", 1, 0, [{"eps": 1e-10}, {"eps": 0.1, "lr_decay": 0.2, "weight_decay": 0.1}]),
    "adadelta": ("Adadelta", 2, 0, [{"rho": 0.9, "eps": 1e-6}, {"rho": 0.5, "eps": 0.1, "maximize": 1}]),
    "adamax": ("Adamax", 2, 0, [MOMENTS, {**MOMENTS, "weight_decay": 0.1, "maximize": 1}]),
    "nadam": (
        "NAdam",
        2,
        1,
        [
            {**MOMENTS, "momentum_decay": 0.1},
            {**MOMENTS, "momentum_decay": 0, "decoupled": 1, "weight_decay": 0.1},
        ],
    ),
    "radam": (
        "RAdam",
        2,
        0,
        [MOMENTS, {**MOMENTS, "beta2": 0.999}, {**MOMENTS, "decoupled": 1, "weight_decay": 0.1}],
    ),
    "asgd": (
        "ASGD",
        1,
        2,
        [
            {"lambd": 1e-4, "alpha": 0.75, "t0": 1e6},
            {"lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1},
        ],
    ),
    "rprop": ("Rprop", 2, 0, [{"eta_minus": 0.3, "eta_plus": 1.5, "step_min": 0.04, "step_max": 0.1}]),
}
PAIRS = {
    "betas": ("beta1", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_min", "step_max"),
}


def torch_options(options: dict[str, float]) -> dict[str, Any]:
    out: dict[str, Any] = {k: bool(v) if k in YES else v for k, v in options.items()}
    for name, (first, second) in PAIRS.items():
        if first in out:
            out[name] = out.pop(first), out.pop(second)
    if "decoupled" in out:
        out["decoupled_weight_decay"] = out.pop("decoupled")
    return out


class Stepper:
    """A rule with its state: zeros, but for what does not matter before the first step."""

    def __init__(self, rule: str, shapes: list[tuple[int, ...]], dtype: Any) -> None:
        _, states, carried, _ = RULES[rule]
        self.rule = rule
        self.state = [zeros(shapes, dtype) for _ in range(states)]
        if rule == "sgd":
            self.state = [[native(np.full(s, 9, dtype)) for s in shapes]]
        self.carried = [native(np.array([7.0])) for _ in range(carried)]

    def __call__(self, problem: Problem, grads: list[Any], options: dict[str, float]) -> None:
        _C.optim_step(
            self.rule, problem.params, grads, self.state, problem.lr, problem.step, self.carried, options
        )


CASES = [(rule, options) for rule, (_, _, _, all_options) in RULES.items() for options in all_options]


@pytest.mark.parametrize(("rule", "options"), CASES, ids=[f"{r}-{i}" for i, (r, _) in enumerate(CASES)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rule(isa: str, rule: str, options: dict[str, float], dtype: Any) -> None:
    problem = Problem(dtype)
    step = Stepper(rule, SHAPES, dtype)
    for grads in problem.grads:
        made = [native(g) for g in grads]
        before = _C.native_calls()
        step(problem, made, options)
        assert _C.native_calls() == before + 1
    kind = getattr(torch.optim, RULES[rule][0])
    counts = rule != "sgd" or options.get("momentum", 0) != 0
    with default_type(dtype):
        want = problem.torch_result(lambda p: kind(p, lr=0.05, **torch_options(options)))
    problem.check(want, steps=len(problem.grads) if counts else 0)


@contextmanager
def default_type(dtype: Any) -> Iterator[None]:
    """PyTorch keeps what it carries in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, np.dtype(dtype).name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("rule", RULES)
def test_same_bits_for_threads_and_layouts(isa: str, rule: str) -> None:
    shapes = [(200, 301), (7,)]

    def run(threads: int, strided: bool) -> list[bytes]:
        _C.set_num_threads(threads)
        problem = Problem(np.float32, shapes)
        if strided:
            # The transposed copy's memory, seen as the shape of the original.
            problem.params = [native(p.T.copy()).permute(list(range(p.ndim))[::-1]) for p in problem.start]
        step = Stepper(rule, shapes, np.float32)
        for grads in problem.grads[:2]:
            step(problem, [native(g) for g in grads], RULES[rule][3][-1])
        return [numpy(_C.clone(p)).tobytes() for p in [*problem.params, *chain(*step.state), *step.carried]]

    one = run(1, False)
    assert run(7, False) == one
    assert run(2, True) == one


@pytest.mark.parametrize("rule", RULES)
def test_replay_steps_again_and_reads_the_rate(isa: str, rule: str) -> None:
    recorded, plain = Problem(np.float32), Problem(np.float32)
    steps = [Stepper(rule, SHAPES, np.float32) for _ in range(2)]
    grads, options = [native(g) for g in recorded.grads[0]], RULES[rule][3][-1]
    program = _C.Program()
    _C.begin_recording(program)
    steps[0](recorded, grads, options)
    _C.end_recording()
    program.replay()
    _C.fill(recorded.lr, 0.5)
    program.replay()
    for rate in (0.05, 0.05, 0.5):
        _C.fill(plain.lr, rate)
        steps[1](plain, grads, options)
    assert numpy(recorded.step).tolist() == [3]
    for p, q in zip(recorded.params, plain.params, strict=True):
        assert numpy(p).tobytes() == numpy(q).tobytes()


def sgd_step(params: list[Any], grads: list[Any], lr: Any, step: Any, **options: float) -> None:
    _C.optim_step("sgd", params, grads, [[]], lr, step, [], options)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types_step_in_float32_and_round_once(isa: str, dtype: str) -> None:
    kind = getattr(_C, dtype)
    rng = np.random.default_rng(3)
    p = _C.cast(native(rng.standard_normal(1000).astype(np.float32)), kind)
    g = _C.cast(native(rng.standard_normal(1000).astype(np.float32)), kind)
    wide_p, wide_g = _C.cast(p, _C.float32), _C.cast(g, _C.float32)
    lr = native(np.array([0.1]))
    step, other = native(np.array([0], np.int64)), native(np.array([0], np.int64))
    sgd_step([p], [g], lr, step, weight_decay=0.01)
    sgd_step([wide_p], [wide_g], lr, other, weight_decay=0.01)
    assert p.dtype.name == dtype
    want = numpy(_C.cast(_C.cast(wide_p, kind), _C.float32))
    np.testing.assert_array_equal(numpy(_C.cast(p, _C.float32)), want)


def test_mixed_types_in_one_call(isa: str) -> None:
    single, double = Problem(np.float32), Problem(np.float64)
    lr, step = single.lr, single.step
    for a, b in zip(single.grads, double.grads, strict=True):
        grads = [native(g) for g in a + b]
        sgd_step(single.params + double.params, grads, lr, step)
    double.step = step
    for problem in (single, double):
        problem.check(problem.torch_result(lambda p: torch.optim.SGD(p, lr=0.05)), steps=0)


def test_nan_goes_through_amsgrad(isa: str) -> None:
    n = 9
    params, grads = [native(np.ones(n, np.float32))], [native(np.full(n, np.nan, np.float32))]
    state = [[native(np.ones(n, np.float32))] for _ in range(3)]
    lr, step = native(np.array([0.1])), native(np.array([0], np.int64))
    _C.optim_step("adam", params, grads, state, lr, step, [], {**MOMENTS, "amsgrad": 1})
    assert np.isnan(numpy(params[0])).all() and np.isnan(numpy(state[2][0])).all()


def test_versions_are_bumped() -> None:
    problem = Problem(np.float32)
    versions = [p.version for p in problem.params]
    grads = [native(g) for g in problem.grads[0]]
    grad_versions = [g.version for g in grads]
    sgd_step(problem.params, grads, problem.lr, problem.step)
    assert all(p.version > v for p, v in zip(problem.params, versions, strict=True))
    assert [g.version for g in grads] == grad_versions


def test_refusals() -> None:
    problem = Problem(np.float32, [(3,), (4,)])
    p, lr, step = problem.params, problem.lr, problem.step
    g = [native(x) for x in problem.grads[0]]

    def sgd(p: Any, g: Any, b: Any, lr: Any, step: Any, **options: float) -> None:
        _C.optim_step("sgd", p, g, [b], lr, step, [], options)

    with pytest.raises(ValueError, match="sgd_step: got 2 params but 1 grads"):
        sgd(p, g[:1], [], lr, step)
    with pytest.raises(ValueError, match=r"grads\[0\] has shape \[4\] but params\[0\] has \[3\]"):
        sgd(p, g[::-1], [], lr, step)
    with pytest.raises(ValueError, match="got 2 params but 0 momentum_buffer"):
        sgd(p, g, [], lr, step, momentum=0.9)
    with pytest.raises(TypeError, match=r"grads\[1\] is float64 but params\[1\] is float32"):
        sgd(p, [g[0], native(np.zeros(4))], [], lr, step)
    with pytest.raises(TypeError, match="wanted float64 and int64"):
        sgd(p, g, [], step, lr)
    with pytest.raises(ValueError, match="wanted one element each"):
        sgd(p, g, [], native(np.zeros(2)), step)
    with pytest.raises(ValueError, match="nesterov wants momentum > 0"):
        sgd(p, g, [], lr, step, nesterov=1)
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
        with pytest.raises(ValueError, match=f"adam_step: got {next(iter(bad))}="):
            _C.optim_step("adam", p, g, [g, g, []], lr, step, [], {**MOMENTS, **bad})
    with pytest.raises(ValueError, match="sgd_step: has no option 'beta1'"):
        sgd(p, g, [], lr, step, beta1=0.5)
    with pytest.raises(ValueError, match="there is no rule 'lion'"):
        _C.optim_step("lion", p, g, [], lr, step, [], {})
    with pytest.raises(ValueError, match="adam_step: got 2 lists of state, wanted 3"):
        _C.optim_step("adam", p, g, [g, g], lr, step, [], MOMENTS)
    with pytest.raises(ValueError, match="asgd_step: got 1 numbers that are carried on, wanted 2"):
        _C.optim_step("asgd", p, g, [g], lr, step, [lr], {})
    with pytest.raises(ValueError, match=r"mu_product has shape \[2\], wanted one element"):
        _C.optim_step("nadam", p, g, [g, g], lr, step, [native(np.ones(2))], MOMENTS)
    # Nothing was touched by any of them.
    assert numpy(step).tolist() == [0]
    sgd([], [], [], lr, step, momentum=0.5)
    assert numpy(step).tolist() == [1]
