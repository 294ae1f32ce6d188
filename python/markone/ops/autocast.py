"""Mixed precision: while a thread's autocast is on, operations of the table below get their floating
arguments in another type (PyTorch's lists for the CPU).

The one place where this happens is `casting`, the form of an operation that is called then; the rest is a
table.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import _context
from .._dtypes import bfloat16, float32, float64
from ..autograd.graph import edge_of
from ..autograd.modes import modes
from ..tensor import Tensor
from .cast import to

# In autocast's type: products, where a lower type is faster and sums are kept in float32.
_LOWER = """
    addbmm addmm baddbmm bmm conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d einsum
    linear lstm matmul mm multi_head_attention_forward prelu rnn_relu rnn_tanh scaled_dot_product_attention
    tensordot
"""
# In float32: losses, and what adds up or multiplies many numbers.
_FLOAT32 = """
    adaptive_avg_pool3d avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits cdist
    cosine_embedding_loss cross_entropy ctc_loss fractional_max_pool2d fractional_max_pool2d_with_indices
    fractional_max_pool3d fractional_max_pool3d_with_indices grid_sample hinge_embedding_loss huber_loss
    kl_div l1_loss linear_cross_entropy local_response_norm margin_ranking_loss max_unpool1d max_unpool2d
    max_unpool3d mse_loss multi_margin_loss multilabel_margin_loss nanquantile nll_loss poisson_nll_loss
    prod quantile smooth_l1_loss soft_margin_loss trace triplet_margin_loss
"""
# In the first argument's type: what has parameters and may come after one of the first list.
_FOLLOW = """
    batch_norm batch_norm_tracked group_norm gru gru_cell instance_norm layer_norm lstm_cell rms_norm
    rnn_relu_cell rnn_tanh_cell
"""
# In float32 where it reflects or repeats the border, else as it is.
_PADDING = "pad"
# In the widest type of all.
_WIDEST = "cat concat concatenate index_copy stack"

POLICIES: dict[str, str] = {
    name: policy
    for policy, names in (
        ("lower", _LOWER), ("float32", _FLOAT32), ("follow", _FOLLOW), ("padding", _PADDING),
        ("widest", _WIDEST),
    )
    for name in names.split()
}  # fmt: skip
# Arguments that an operation writes to: they stay as they are.
_WRITTEN = {"running_mean", "running_var", "num_batches_tracked"}


class _State(threading.local):
    """What a thread's autocast regions are set to."""

    enabled = False
    dtype = bfloat16
    cache_enabled = True
    nesting = 0

    def __init__(self) -> None:
        # By id and grad mode: the tensor (so that its id stays its own), its version and its copy.
        self.cache: dict[tuple[int, bool], tuple[Tensor, int, Tensor]] = {}


state = _State()


@contextmanager
def _own_cache() -> Iterator[None]:
    """A step that is recorded makes its copies of weights itself."""
    kept, state.cache = state.cache, {}
    try:
        yield
    finally:
        state.cache = kept


_context.recording_scopes.append(_own_cache)


def settle() -> None:
    """After `state` changed: operations look at modes.autocast, the type where it is on."""
    modes.autocast = state.dtype if state.enabled else False


def _in_type(tensor: Tensor, dtype: Any) -> Tensor:
    """The tensor in a type; a leaf's copy is kept while the outermost region lasts."""
    if tensor.dtype is dtype or tensor.dtype is float64 or not tensor.is_floating_point():
        return tensor
    if not (state.cache_enabled and tensor._requires_grad and edge_of(tensor) is tensor):
        return to(tensor, dtype)
    key, version = (id(tensor), modes.grad), tensor._array.version
    kept = state.cache.get(key)
    if kept is not None and kept[1] == version and kept[2].dtype is dtype:
        return kept[2]
    out = to(tensor, dtype)
    state.cache[key] = (tensor, version, out)
    return out


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    """The floating ones among arguments, lists of them included."""
    out: list[Tensor] = []
    for value in values:
        if isinstance(value, list | tuple):
            out += _tensors(value)
        elif isinstance(value, Tensor) and value.is_floating_point():
            out.append(value)
    return out


def _cast(value: Any, dtype: Any) -> Any:
    if isinstance(value, Tensor):
        return _in_type(value, dtype)
    if value.__class__ in (list, tuple):
        return value.__class__([_cast(v, dtype) for v in value])
    return value


def _wanted(policy: str, values: list[Any]) -> Any:
    if policy == "lower":
        return state.dtype
    if policy == "float32":
        return float32
    given = _tensors(values)
    if policy == "padding":
        border = any(isinstance(v, str) and v in ("reflect", "replicate") for v in values)
        return float32 if border or not given else given[0].dtype
    if policy == "follow":
        return given[0].dtype if given else float32
    types = {t.dtype for t in given}
    return next(iter(types)) if len(types) == 1 else float32


def casting(function: Callable[..., Any], policy: str) -> Callable[..., Any]:
    """The operation as it is called while autocast is on."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dtype = _wanted(policy, [*args, *kwargs.values()])
        written = _places(function) if policy == "follow" else ()
        args = tuple(a if i in written else _cast(a, dtype) for i, a in enumerate(args))
        kwargs = {k: v if k in _WRITTEN else _cast(v, dtype) for k, v in kwargs.items()}
        before, modes.autocast = modes.autocast, False
        try:
            return function(*args, **kwargs)
        finally:
            modes.autocast = before

    return wrapped


@functools.cache
def _places(function: Callable[..., Any]) -> tuple[int, ...]:
    """At which positions a function takes what it writes to."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return tuple(i for i, name in enumerate(names) if name in _WRITTEN)
