"""Initial values of parameters, in place; names and formulas of `torch.nn.init`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from ..autograd import no_grad
from ..tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity's inputs are scaled so that variances stay: √2 for relu.

    Raises:
        ValueError: an unknown nonlinearity, or a slope that is not a number.
    """
    if nonlinearity in (
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "sigmoid",
    ):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        if isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"calculate_gain: the slope of leaky_relu is {param!r}, wants a number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"calculate_gain: does not know the nonlinearity '{nonlinearity}'")


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """Inputs and outputs that one unit of a weight [out, in, ...] connects."""
    if tensor.ndim < 2:
        raise ValueError(f"{name}: wants a weight with at least 2 dimensions, got shape {list(tensor.shape)}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform in [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with this mean and standard deviation."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Normal, cut off outside [a, b]: the inverse of the distribution function at uniform numbers."""
    if not a < b:
        raise ValueError(f"trunc_normal_: a is {a}, wants less than b, which is {b}")

    def below(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    low, high = below((a - mean) / std), below((b - mean) / std)
    with no_grad():
        # In float64: the quantile is steep near 0 and 1. √2 erf⁻¹(2p - 1) is the normal one.
        values = Tensor(_uniform_array(tensor.shape, 2 * low - 1, 2 * high - 1, generator)).erfinv_()
        return tensor.copy_(values.mul_(std * math.sqrt(2.0)).add_(mean).clamp_(a, b))


def _uniform_array(shape: Any, low: float, high: float, generator: Any) -> Any:
    from .. import _C

    array = _C.empty(tuple(shape), _C.float64)
    Tensor(array).uniform_(low, high, generator=generator)
    return array


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every element is `val`."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Every element is 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Every element is 0."""
    return constant_(tensor, 0.0)


def _from_numpy(tensor: Tensor, values: Any) -> Tensor:
    from ..ops import from_numpy

    with no_grad():
        return tensor.copy_(from_numpy(values))


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, in a tensor [rows, columns]."""
    import numpy as np

    if tensor.ndim != 2:
        raise ValueError(f"eye_: wants a matrix, got shape {list(tensor.shape)}")
    return _from_numpy(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight [out, in, ...] that passes as many channels through as it can."""
    import numpy as np

    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: wants a weight with 3, 4 or 5 dimensions, got shape {list(tensor.shape)}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dirac_: {tensor.shape[0]} output channels cannot be split in {groups} groups")
    values = np.zeros(tuple(tensor.shape))
    middle = tuple(n // 2 for n in tensor.shape[2:])
    each = tensor.shape[0] // groups
    for g in range(groups):
        for d in range(min(each, tensor.shape[1])):
            place = (g * each + d, d, *middle)
            values[place] = 1
    return _from_numpy(tensor, values)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform in ±gain · √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with std = gain · √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode is '{mode}', wants 'fan_in' or 'fan_out'")
    fan = _fans(name, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Uniform in ±gain · √(3 / fan) (He et al. 2015); `a` is the slope of leaky_relu."""
    if tensor.numel() == 0:
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Normal with std = gain / √fan (He et al. 2015)."""
    if tensor.numel() == 0:
        return tensor
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Orthonormal rows (or columns, whichever are fewer) times `gain` (Saxe et al. 2013).

    The tensor [n, ...] is taken as a matrix [n, rest].
    """
    import numpy as np

    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: wants at least 2 dimensions, got shape {list(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    from .. import _C

    drawn = Tensor(_C.empty((max(rows, columns), min(rows, columns)), _C.float64))
    q, r = np.linalg.qr(normal_(drawn, 0.0, 1.0, generator).numpy())
    q = q * np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri 2006)
    return _from_numpy(tensor, gain * (q.T if rows < columns else q).reshape(tuple(tensor.shape)))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal, with the fraction `sparsity` of each column [rows, columns] set to 0 (Martens 2010)."""
    import numpy as np

    if tensor.ndim != 2:
        raise ValueError(f"sparse_: wants a matrix, got shape {list(tensor.shape)}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    order = np.argsort(_keys(rows, columns, generator), axis=0)
    values = normal_(tensor, 0.0, std, generator).detach().numpy().copy()
    np.put_along_axis(values, order[:zeros], 0, axis=0)
    return _from_numpy(tensor, values)


def _keys(rows: int, columns: int, generator: Any) -> Any:
    return Tensor(_uniform_array((rows, columns), 0.0, 1.0, generator)).numpy()


def lecun_uniform_(tensor: Tensor, generator: Any = None) -> Tensor:
    """Uniform in ±√(3 / fan_in): variance 1 / fan_in (LeCun et al. 1998); PyTorch has no name for it."""
    bound = math.sqrt(3.0 / _fans("lecun_uniform_", tensor)[0])
    return uniform_(tensor, -bound, bound, generator)


def lecun_normal_(tensor: Tensor, generator: Any = None) -> Tensor:
    """Normal with variance 1 / fan_in (LeCun et al. 1998); PyTorch has no name for it."""
    return normal_(tensor, 0.0, 1.0 / math.sqrt(_fans("lecun_normal_", tensor)[0]), generator)


def _old_name(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The name without the underscore: warns, then does the same in place."""
    new = function.__name__
    old = new[:-1]

    def call(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"nn.init.{old} is deprecated, use nn.init.{new}", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"Deprecated: `{new}`."
    return call


constant = _old_name(constant_)
dirac = _old_name(dirac_)
eye = _old_name(eye_)
kaiming_normal = _old_name(kaiming_normal_)
kaiming_uniform = _old_name(kaiming_uniform_)
normal = _old_name(normal_)
orthogonal = _old_name(orthogonal_)
sparse = _old_name(sparse_)
uniform = _old_name(uniform_)
xavier_normal = _old_name(xavier_normal_)
xavier_uniform = _old_name(xavier_uniform_)
