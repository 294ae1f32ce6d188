"""Random tensors from Philox generators."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from .. import _C
from .._dtypes import CPU, as_device, as_dtype, float32, float64, get_default_dtype, int64
from ..autograd.graph import Node, Op, edge_of, recording
from ..autograd.modes import no_grad
from ..tensor import Tensor
from ._common import sizes, spread, tensor_arg
from .cast import random_in_place
from .creation import _finish

# Functions that are Tensor methods too.
METHODS = (
    "uniform_ normal_ bernoulli bernoulli_ random_ multinomial exponential_ cauchy_ geometric_ log_normal_"
)

Generator = _C.Generator


default_generator = _C.default_generator  # used where none is given


def manual_seed(seed: int) -> Any:
    """Starts the default generators of all devices again from a seed; returns the cpu's."""
    for index in range(_C.cuda_device_count()):
        _C.default_generator_of(_C.Device("cuda", index)).manual_seed(int(seed))
    return default_generator.manual_seed(int(seed))


def initial_seed() -> int:
    """The seed of the default generator."""
    return int(default_generator.initial_seed())


def seed() -> int:
    """Seeds the default generator from the operating system; returns the seed."""
    return int(default_generator.seed())


def get_rng_state() -> Tensor:
    """The state of the default generator, int64[2]."""
    return Tensor(default_generator.get_state())


def set_rng_state(state: Tensor) -> None:
    """Puts a state from get_rng_state back."""
    default_generator.set_state(tensor_arg("set_rng_state", state, "state"))


def _generator(op: str, generator: Any, device: Any = CPU) -> Any:
    """The generator of a call whose result is on `device`."""
    if generator is None:
        return default_generator if device == CPU else _C.default_generator_of(device)
    if not isinstance(generator, Generator):
        raise TypeError(f"{op}: generator must be a Generator, got {type(generator).__name__}")
    if generator.device != device:
        raise RuntimeError(f"{op}: the generator is on {generator.device}, the tensor on {device}")
    return generator


def _floating(op: str, dtype: Any) -> Any:
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not kind.is_floating_point:
        raise RuntimeError(f"{op}: wants a floating type, got {kind}")
    return kind


def rand(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **named: Any,
) -> Tensor:
    """Uniform in [0, 1)."""
    if named:
        size = spread("rand", "size", size, named)
    gen = _generator("rand", generator, as_device(device))
    out = _C.uniform(sizes("rand", size), _floating("rand", dtype), 0.0, 1.0, gen)
    return _finish(out, requires_grad, "rand")


def randn(
    *size: Any,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    **named: Any,
) -> Tensor:
    """Normal with mean 0 and standard deviation 1."""
    if named:
        size = spread("randn", "size", size, named)
    gen = _generator("randn", generator, as_device(device))
    out = _C.normal(sizes("randn", size), _floating("randn", dtype), 0.0, 1.0, gen)
    return _finish(out, requires_grad, "randn")


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Integers in [low, high): randint(high, size) or randint(low, high, size)."""
    place = as_device(device)
    if size is None:
        low, high, size = 0, low, high
    if size is None or not isinstance(size, list | tuple):
        raise TypeError("randint: wants randint(high, size) or randint(low, high, size), size a tuple")
    if high <= low:
        raise RuntimeError(f"randint: the range [{low}, {high}) is empty")
    kind = int64 if dtype is None else as_dtype(dtype)
    gen = _generator("randint", generator, place)
    return Tensor(_C.randint(sizes("randint", (size,)), low, high, kind, gen))


def randperm(n: int, *, generator: Any = None, dtype: Any = None, device: Any = None) -> Tensor:
    """0 .. n - 1 in random order, int64."""
    gen = _generator("randperm", generator, as_device(device))
    if n < 0:
        raise RuntimeError(f"randperm: n must not be negative, got {n}")
    out = _C.randperm(n, gen)
    return Tensor(out if dtype is None else _C.cast(out, as_dtype(dtype)))


def _kind_like(input: Tensor, dtype: Any) -> Any:
    return input.dtype if dtype is None else dtype


def rand_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """rand in the shape and dtype of another tensor."""
    return rand(
        input._array.shape,
        generator=generator,
        dtype=_kind_like(input, dtype),
        device=input.device,
        requires_grad=requires_grad,
    )


def randn_like(
    input: Tensor, *, generator: Any = None, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """randn in the shape and dtype of another tensor."""
    return randn(
        input._array.shape,
        generator=generator,
        dtype=_kind_like(input, dtype),
        device=input.device,
        requires_grad=requires_grad,
    )


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, generator: Any = None, dtype: Any = None
) -> Tensor:
    """randint in the shape and dtype of another tensor."""
    if high is None:
        low, high = 0, low
    return randint(low, high, input._array.shape, generator=generator, dtype=_kind_like(input, dtype))


def _normal_around(mean: Any, std: Any, generator: Any) -> Tensor:
    from .elementwise import add, mul

    if isinstance(std, Tensor):
        _C.check_range("normal", "wants std not negative", std._array, 0.0, float("inf"), False)
    elif std < 0:
        raise RuntimeError(f"normal: std must not be negative, got {std}")
    given = [t._array for t in (mean, std) if isinstance(t, Tensor)]
    shape = given[0].shape if len(given) == 1 else _C.broadcast_shapes(given[0].shape, given[1].shape)
    drawn = randn(shape, generator=generator, dtype=given[0].dtype)
    return add(mul(drawn, std), mean).detach()


def normal(
    mean: Tensor | float,
    std: Tensor | float = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Normal with the given mean and standard deviation: numbers and a size, or Tensors, one for each
    element."""
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        return _normal_around(mean, std, generator)
    if size is None:
        raise TypeError("normal: wants a size where mean and std are numbers")
    if std < 0:
        raise RuntimeError(f"normal: std must not be negative, got {std}")
    gen = _generator("normal", generator)
    return Tensor(
        _C.normal(sizes("normal", (size,)), _floating("normal", dtype), float(mean), float(std), gen)
    )


def bernoulli(input: Tensor, p: float | None = None, *, generator: Any = None) -> Tensor:
    """1 with probability input (or p) for each element, else 0."""
    x = tensor_arg("bernoulli", input)
    if p is not None:
        probability = _C.empty(x.shape, x.dtype, x.device)
        _C.fill(probability, p)
        x = probability
    return Tensor(_C.bernoulli(x, _generator("bernoulli", generator, x.device)))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None
) -> Tensor:
    """Indices (int64) drawn with weights [n] or [rows, n], by the smallest exponential clock; without
    replacement no index comes twice in a row.

    RuntimeError where fewer than num_samples weights are above 0 (without replacement).
    """
    from .elementwise import binary, compares, unary
    from .reduce import argmax
    from .reduce import sum as sum_
    from .shape import expand, unsqueeze
    from .sort import topk

    x = tensor_arg("multinomial", input)
    _C.check_range("multinomial", "wants finite weights, none negative", x, 0.0, sys.float_info.max, True)
    rows = input if input.ndim > 1 else unsqueeze(input, 0)
    if not replacement:
        have = sum_(compares["gt"](rows, 0), -1)
        if num_samples > rows.shape[-1] or bool((have.numpy() < num_samples).any()):
            raise RuntimeError(
                f"multinomial: {num_samples} samples without replacement want as many weights above 0, got "
                f"{have.tolist()} a row"
            )
        clocks = unary["neg"](unary["log"](rand(rows.shape, generator=generator, dtype=float32)))
        out = topk(binary["div"](rows, clocks), num_samples, -1)[1]
        return out if input.ndim > 1 else Tensor(out._array.select(0, 0))
    wide = expand(unsqueeze(rows, 1), (rows.shape[0], num_samples, rows.shape[1]))
    clocks = unary["neg"](unary["log"](rand(wide.shape, generator=generator, dtype=float32)))
    out = argmax(binary["div"](wide, clocks), -1)
    return out if input.ndim > 1 else Tensor(out._array.select(0, 0))


# -- in place


def uniform_(input: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fills with uniform numbers in [from_, to)."""
    gen = _generator("uniform_", generator, input.device)
    x = tensor_arg("uniform_", input)
    if from_ > to:
        raise RuntimeError(f"uniform_: the range [{from_}, {to}) is empty")
    return random_in_place(input, lambda: _C.uniform_into(x, float(from_), float(to), gen))


def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fills with normal numbers."""
    gen = _generator("normal_", generator, input.device)
    x = tensor_arg("normal_", input)
    if std < 0:
        raise RuntimeError(f"normal_: std must not be negative, got {std}")
    return random_in_place(input, lambda: _C.normal_into(x, float(mean), float(std), gen))


def bernoulli_(input: Tensor, p: float = 0.5, *, generator: Any = None) -> Tensor:
    """Fills with 1 with probability p, else 0."""
    drawn = bernoulli(Tensor(_C.cast(input._array, float32)), p, generator=generator)._array
    return random_in_place(input, lambda: _C.copy_into(input._array, drawn))


def random_(input: Tensor, low: int = 0, high: int | None = None, *, generator: Any = None) -> Tensor:
    """Fills with integers in [low, high)."""
    if high is None:
        low, high = 0, low if low else 2**24
    drawn = randint(low, high, input._array.shape, generator=generator)._array
    return random_in_place(input, lambda: _C.copy_into(input._array, drawn))


def _transformed(op: str, input: Tensor, of_uniform: Callable[[Tensor], Tensor], generator: Any) -> Tensor:
    """Fills with the inverse of a distribution's function at uniform numbers in (0, 1)."""
    x = tensor_arg(op, input)
    if not x.dtype.is_floating_point:
        raise RuntimeError(f"{op}: wants a floating type, got {x.dtype}")
    u = Tensor(_C.empty(x.shape, float64 if x.dtype is float64 else float32, x.device))
    with no_grad():
        uniform_(u, generator=generator)
        # Away from both ends, where the functions are infinite.
        drawn = of_uniform(u * (1 - 2 * _HALF_STEP) + _HALF_STEP)._array
    return random_in_place(input, lambda: _C.copy_into(x, drawn))


# Half the distance of two uniform float32 numbers.
_HALF_STEP = 2.0**-25


def exponential_(input: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fills with numbers of density lambd · exp(-lambd x)."""
    if not lambd > 0:
        raise RuntimeError(f"exponential_: lambd must be above 0, got {lambd}")
    return _transformed("exponential_", input, lambda u: u.log() * (-1.0 / lambd), generator)


def cauchy_(input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fills with numbers of density sigma / (π ((x - median)² + sigma²))."""
    if not sigma > 0:
        raise RuntimeError(f"cauchy_: sigma must be above 0, got {sigma}")
    return _transformed("cauchy_", input, lambda u: ((u - 0.5) * math.pi).tan() * sigma + median, generator)


def geometric_(input: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fills with the number of tries until one of probability p succeeds: 1, 2, ..."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_: p must be in (0, 1), got {p}")
    return _transformed("geometric_", input, lambda u: (u.log() / math.log1p(-p)).ceil(), generator)


def log_normal_(input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Tensor:
    """Fills with exp of normal numbers of this mean and std."""
    if not std > 0:
        raise RuntimeError(f"log_normal_: std must be above 0, got {std}")
    drawn = normal_(
        Tensor(_C.empty(tensor_arg("log_normal_", input).shape, float32, input.device)),
        mean,
        std,
        generator=generator,
    )
    return random_in_place(input, lambda: _C.copy_into(input._array, drawn.exp()._array))


# -- dropout


def _dropout_differentiable(node: Node, g: Tensor) -> Any:
    from .elementwise import where

    mask, p = node.tensors()[0], node.ctx
    scaled = g if p >= 1 else g * (1.0 / (1.0 - p))
    return (where(mask, scaled, 0),)


_DROPOUT = Op(
    "dropout",
    lambda node, g: (_C.dropout_grad(g, node.saved[0], node.ctx),),
    _dropout_differentiable,
    (None,),
)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, *, generator: Any = None) -> Tensor:
    """In training each element is zero with probability p, the rest is divided by 1 - p; otherwise the
    input."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p must be in [0, 1], got {p}")
    x = tensor_arg("dropout", input)
    if not training:
        return input
    y, mask = _C.dropout(x, float(p), _generator("dropout", generator, x.device))
    if not recording(input):
        return Tensor(y)
    return Tensor(y, True, Node(_DROPOUT, (edge_of(input),), (mask,), float(p)))


__all__ = ["dropout", "manual_seed", "rand", "randn"]
