"""In-place operations on tensors in a graph, and views that follow their base.

A view remembers its base and how it was cut from it. A write through a view that needs a gradient gives
the base a
new node (base with that window replaced); a view that finds its storage written since takes a fresh place
in the
graph, cut from the base as it is now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from ..tensor import Tensor
from .graph import Node, Op, at_edge, edge_of, edges_of, recording
from .modes import modes

Replay = tuple[tuple[Callable[..., Tensor], tuple[Any, ...]], ...]


def as_view(out: Tensor, source: Tensor, function: Callable[..., Tensor], args: tuple[Any, ...]) -> Tensor:
    """Marks `out` = function(source, *args) as a view. Made without grad mode, it cannot be written with a
    gradient
    later."""
    view = source._view
    if view is None:
        base, replay = source, ()
    else:
        base, replay = view[0], view[1]
    steps = (*replay, (function, args)) if modes.grad and replay is not None else None
    out._view = [base, steps, out._array.version]
    return out


def _replayed(tensor: Tensor, replay: Replay) -> Tensor:
    for function, args in replay:
        tensor = function(tensor, *args)
    return tensor


def _window_backward(node: Node, g: Tensor) -> tuple[Any, ...]:
    """The base keeps the gradient outside the window, the window's value gets the one inside."""
    from ..ops.shape import window_zeroed

    return (
        window_zeroed(g, node.ctx) if node.edges[0] is not None else None,
        _replayed(g, node.ctx) if node.edges[1] is not None else None,
    )


WINDOW = Op("write_to_view", differentiable=_window_backward)


def check_inplace(tensor: Tensor, op: str) -> None:
    """PyTorch's rules for a write that is recorded."""
    edge = edge_of(tensor)
    if edge is tensor:
        raise RuntimeError(f"{op}: a leaf that requires a gradient cannot be changed in place, use no_grad()")
    view = tensor._view
    if view is not None:
        if edge_of(view[0]) is view[0]:
            raise RuntimeError(f"{op}: a view of a leaf that requires a gradient cannot be changed in place")
        if view[1] is None:
            raise RuntimeError(
                f"{op}: the tensor is a view that was made inside no_grad(), a gradient could not pass "
                f"through it"
            )


def rebase(tensor: Tensor, node: Node) -> Tensor:
    """After a recorded write: `tensor` is now what `node` computed."""
    tensor._requires_grad = True
    tensor._grad_fn = node
    view = tensor._view
    if view is not None:
        base, replay = view[0], view[1]
        base._grad_fn = Node(WINDOW, (edge_of(base), node), (), replay)
        base._requires_grad = True
        view[2] = tensor._array.version
    return tensor


def write_recorded(tensor: Tensor, op: str, function: Callable[..., Tensor], *args: Any) -> Tensor:
    """tensor = function(tensor, *args), in place and recorded.

    The function runs on a copy of the old value, so what its node saves is not overwritten.
    """
    check_inplace(tensor, op)
    old = at_edge(_C.clone(tensor._array), edge_of(tensor))
    out = function(old, *[old if a is tensor else a for a in args])
    out = out.to(tensor.dtype) if _fits(tensor, op, out._array) else out
    _C.copy_into(tensor._array, out._array)
    return rebase(tensor, out._grad_fn) if out._grad_fn is not None else tensor


def _fits(tensor: Tensor, op: str, out: Any) -> bool:
    """Whether a result must be cast to be stored in the tensor; RuntimeError where it cannot be stored."""
    x = tensor._array
    if out.shape != x.shape:
        raise RuntimeError(
            f"{op}: a result of shape {list(out.shape)} cannot be stored in place in {list(x.shape)}"
        )
    if out.dtype is x.dtype:
        return False
    if _kind(out.dtype) > _kind(x.dtype):
        raise RuntimeError(f"{op}: a result of {out.dtype} cannot be stored in place in {x.dtype}")
    return True


def _kind(dtype: Any) -> int:
    return 2 if dtype.is_floating_point else 0 if dtype is _C.bool_ else 1


def stored(tensor: Tensor, op: str, out: Any) -> Tensor:
    """An Array, of the tensor's shape and of a type that fits into its own, becomes its values."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{op}: input must be a Tensor, got {type(tensor).__name__}")
    _fits(tensor, op, out)
    _C.copy_into(tensor._array, out)
    return tensor


def overwrite(
    tensor: Tensor, op: Op, sources: tuple[Any, ...], write: Callable[[], None], ctx: Any = None
) -> Tensor:
    """A write whose result does not depend on the old value: no gradient goes to what was there."""
    if not recording(tensor, *sources):
        write()
        return tensor
    check_inplace(tensor, op.name)
    edges = edges_of(*sources)
    write()
    return rebase(tensor, Node(op, edges, (), ctx))
