"""JAX as a peer: the same expression compiled by XLA, with gradients by its vjp; whole training steps too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from markone.bench.build import values
from markone.bench.case import Case
from markone.bench.networks import layers_of
from markone.bench.others import NUMPY

JAX_NAMES = (
    *(f"nn.functional.conv{n}d" for n in (1, 2, 3)),
    *(f"nn.functional.{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)),
    "erf",
    "nn.functional.gelu",
    "nn.functional.silu",
    "nn.functional.log_softmax",
    "logsumexp",
)


def _pair(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) * axes


def _conv(
    x: Any, w: Any, b: Any = None, padding: Any = 0, stride: Any = 1, dilation: Any = 1, groups: int = 1
) -> Any:
    from jax import lax

    n = x.ndim - 2
    y = lax.conv_general_dilated(
        x,
        w,
        _pair(stride, n),
        [(p, p) for p in _pair(padding, n)],
        rhs_dilation=_pair(dilation, n),
        feature_group_count=groups,
    )
    return y if b is None else y + b.reshape(1, -1, *[1] * n)


def _pool(kind: str) -> Callable[..., Any]:
    def call(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
        from jax import lax

        n = x.ndim - 2
        window = (1, 1, *_pair(kernel_size, n))
        steps = (1, 1, *_pair(kernel_size if stride is None else stride, n))
        pads = ((0, 0), (0, 0), *((p, p) for p in _pair(padding, n)))
        if kind == "max":
            return lax.reduce_window(x, -np.inf, lax.max, window, steps, pads)
        return lax.reduce_window(x, 0.0, lax.add, window, steps, pads) / float(np.prod(window))

    return call


def _function(case: Case) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    if "_pool" in case.fn:
        return _pool("max" if "max" in case.fn else "avg")
    if ".conv" in case.fn:
        return _conv
    special = {
        "erf": jax.scipy.special.erf,
        "nn.functional.gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "nn.functional.silu": jax.nn.silu,
        "nn.functional.log_softmax": lambda x, dim: jax.nn.log_softmax(x, dim),
        "logsumexp": lambda x, dim: jax.scipy.special.logsumexp(x, dim),
    }
    return special[case.fn] if case.fn in special else lambda *xs, **args: NUMPY[case.fn](jnp, *xs, **args)


def build(case: Case) -> Callable[[], Any]:
    """The timed function; it returns when the result is there."""
    import jax

    if case.fn == "import":
        from markone.bench.programs import PROGRAMS

        return PROGRAMS["import"](jax, case, "cpu").call
    rng = np.random.default_rng(0)
    if case.fn in ("inference", "training_step"):
        return _network(case, rng)
    specs = (*case.inputs, *case.weights)
    tensors = [jax.device_put(values(s, rng)) for s in specs]
    names = [s.name for s in specs]
    fn, args = _function(case), case.args

    def forward(*xs: Any) -> Any:
        positional = [x for x, name in zip(xs, names) if name is None]
        return fn(
            *positional, *case.rest, **args, **{name: x for x, name in zip(xs, names) if name is not None}
        )

    if case.which == "forward":
        compiled = jax.jit(forward)
        return lambda: jax.block_until_ready(compiled(*tensors))
    wanted = [i for i, s in enumerate(specs) if s.grad and not s.integer]
    count = len(case.inputs)
    wanted = {
        "input_grad": [i for i in wanted if i < count][:1],
        "weight_grad": [i for i in wanted if i >= count],
    }.get(case.which, wanted)

    def gradients(g: Any, *xs: Any) -> Any:
        def by_wanted(*some: Any) -> Any:
            full = list(xs)
            for i, x in zip(wanted, some):
                full[i] = x
            return forward(*full)

        y, back = jax.vjp(by_wanted, *[xs[i] for i in wanted])
        return (y, back(g)) if case.which == "step" else back(g)

    g = jax.device_put(np.ones(jax.eval_shape(forward, *tensors).shape, np.float32))
    compiled_gradients = jax.jit(gradients)
    return lambda: jax.block_until_ready(compiled_gradients(g, *tensors))


# -- Networks


def _layers(args: dict[str, Any]) -> list[tuple[str, dict[str, Any], list[int], list[int]]]:
    if "network" in args:
        return layers_of(args["network"])
    found: list[tuple[str, dict[str, Any], list[int], list[int]]] = []
    for n_in, n_out in zip(args["mlp"], args["mlp"][1:]):
        found += [("linear", {"out": n_out}, [n_in], [n_out]), (args["activation"], {}, [n_out], [n_out])]
    return found[:-1]


def _feedforward(args: dict[str, Any], rng: np.random.Generator) -> tuple[Any, Callable[[Any, Any], Any]]:
    """(parameters, forward) of a network of layers."""
    import jax.numpy as jnp

    layers = _layers(args)
    parameters = []
    for kind, options, shape, out in layers:
        if kind in ("conv", "linear"):
            size = (out[0], shape[0], *[options["kernel"]] * 2) if kind == "conv" else (out[0], shape[0])
            weight = rng.standard_normal(size) / np.sqrt(np.prod(size[1:]))
            parameters.append((jnp.asarray(weight, jnp.float32), jnp.zeros(out[0], jnp.float32)))

    def forward(parameters: Any, x: Any) -> Any:
        rest = iter(parameters)
        for kind, options, *_ in layers:
            moves = {k: options[k] for k in ("padding", "stride") if k in options}
            if kind == "conv":
                x = _conv(x, *next(rest), **moves)
            elif kind == "linear":
                weight, bias = next(rest)
                x = x @ weight.T + bias
            elif kind == "flatten":
                x = x.reshape(x.shape[0], -1)
            elif kind in ("max_pool", "avg_pool"):
                x = _pool(kind[:3])(x, options["kernel"], **moves)
            else:
                x = jnp.tanh(x) if kind == "tanh" else jnp.maximum(x, 0)
        return x

    return parameters, forward


def _sequence(args: dict[str, Any], rng: np.random.Generator) -> tuple[Any, Callable[[Any, Any], Any]]:
    """(parameters, forward) of recurrent layers over x [T, B, features] and a linear layer; the input's
    product is taken out of the loop."""
    import jax
    import jax.numpy as jnp

    table: Any = None
    if "charlstm" in args:
        characters, hidden, count = args["charlstm"]
        features, out, gates = hidden, characters, 4
        table = jnp.asarray(rng.standard_normal((characters, hidden)), jnp.float32)
    else:
        (features, hidden, out), count, gates = args["elman"], 1, 1

    def weight(rows: int, columns: int) -> Any:
        return jnp.asarray(rng.uniform(-1, 1, (rows, columns)) / np.sqrt(columns), jnp.float32)

    layers = [
        (weight(gates * hidden, features), weight(gates * hidden, hidden), jnp.zeros(gates * hidden))
        for _ in range(count)
    ]

    def cell(recurrent: Any, state: Any, from_input: Any) -> Any:
        h, c = state
        z = from_input + h @ recurrent.T
        if gates == 1:
            h = jnp.tanh(z)
        else:
            i, f, g, o = jnp.split(z, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def forward(parameters: Any, x: Any) -> Any:
        table, layers, (last, bias) = parameters
        if table is not None:
            x = table[x]
        for inputs, recurrent, shift in layers:
            zeros = jnp.zeros((x.shape[1], hidden))
            _, x = jax.lax.scan(functools.partial(cell, recurrent), (zeros, zeros), x @ inputs.T + shift)
        y = x @ last.T + bias
        return y if table is None else y.reshape(-1, out)

    return (table, layers, (weight(out, hidden), jnp.zeros(out))), forward


def _network(case: Case, rng: np.random.Generator) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    recurrent = "charlstm" in case.args or "elman" in case.args
    parameters, forward = (_sequence if recurrent else _feedforward)(case.args, rng)
    tensors = [jax.device_put(values(s, rng)) for s in case.inputs]
    if case.fn == "inference":
        compiled = jax.jit(forward)
        return lambda: jax.block_until_ready(compiled(parameters, *tensors))

    def loss(parameters: Any, x: Any, target: Any) -> Any:
        y = forward(parameters, x)
        if case.args.get("loss") == "mse_loss":
            return jnp.mean((y - target) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(y), target[:, None], 1))

    sgd = case.args.get("optimizer") == "SGD"

    def step(state: Any, x: Any, target: Any) -> Any:
        parameters, first, second, t = state
        gradients = jax.grad(loss)(parameters, x, target)
        if sgd:
            new = jax.tree.map(lambda p, g: p - 1e-3 * g, parameters, gradients)
            return new, first, second, t
        t = t + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        scale = 1e-3 / (1 - 0.9**t)
        new = jax.tree.map(
            lambda p, m, v: p - scale * m / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), parameters, first, second
        )
        return new, first, second, t

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.float32(0))
    compiled_step = jax.jit(step, donate_argnums=0)

    def run() -> None:
        nonlocal state
        state = jax.block_until_ready(compiled_step(state, *tensors))

    return run
