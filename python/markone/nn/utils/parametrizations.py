"""Weight and spectral normalisation as parametrisations (names of `torch.nn.utils.parametrizations`), and the
functions that they share with the older forms."""

from __future__ import annotations

from ...autograd import no_grad
from ...ops import randn
from ...tensor import Tensor
from .. import functional as F
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


def norm_except_dim(v: Tensor, dim: int | None) -> Tensor:
    """The Euclidean norm over all dimensions but `dim`, kept with size 1; over all for None (0-d)."""
    if dim is None or dim == -1:
        return v.norm()
    others = tuple(d for d in range(v.ndim) if d != dim % v.ndim)
    return v.norm(dim=others, keepdim=True) if others else v.abs()


def weight_of(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    """g · v / ‖v‖ (Salimans and Kingma 2016, equation 2)."""
    return v * (g / norm_except_dim(v, dim))


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_of(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Trains the length (original0) and the direction (original1) of `name` apart (Salimans, Kingma 2016).

    Args:
        dim: over all other dimensions the norm is taken; None: one norm for the whole tensor.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight as [size of dim, the rest]."""
    return weight.movedim(dim, 0).reshape(weight.shape[dim], -1) if weight.ndim > 1 else weight.unsqueeze(0)


def default_dim(module: Module, name: str, dim: int | None) -> int:
    """The output dimension of the weight: 1 for transposed convolutions, else 0."""
    if dim is not None:
        return dim
    return 1 if getattr(module, "transposed", False) else 0


def power_iteration(matrix: Tensor, u: Tensor, v: Tensor, count: int, eps: float) -> None:
    """Moves u and v in place towards the first singular vectors of the matrix."""
    with no_grad():
        for _ in range(count):
            u.copy_(F.normalize(matrix @ v, dim=0, eps=eps))
            v.copy_(F.normalize(matrix.t() @ u, dim=0, eps=eps))


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        if n_power_iterations < 1:
            raise ValueError(f"spectral_norm: n_power_iterations is {n_power_iterations}, wants at least 1")
        self.dim = dim if dim >= 0 else dim + weight.ndim
        self.n_power_iterations = n_power_iterations
        self.eps = eps
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            rows, columns = matrix.shape
            self.register_buffer("_u", F.normalize(randn(rows, dtype=weight.dtype), dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(randn(columns, dtype=weight.dtype), dim=0, eps=eps))
            power_iteration(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_iteration(matrix.detach(), self._u, self._v, self.n_power_iterations, self.eps)
        # Copies: the buffers move on before the gradient is taken.
        u, v = self._u.clone(), self._v.clone()
        return weight / (u * (matrix @ v)).sum()

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divides `name` by its largest singular value, which power iteration follows (Miyato et al. 2018).

    Args:
        n_power_iterations: steps at each use in training mode.
        eps: where a vector is normalised.
        dim: the output dimension (default 0, or 1 for transposed convolutions).
    """
    weight = getattr(module, name)
    map_ = _SpectralNorm(weight, n_power_iterations, default_dim(module, name, dim), eps)
    return register_parametrization(module, name, map_)
