"""Functions of one's own: forward and backward written by the user."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import _C
from ..tensor import Tensor
from .graph import Node, Op, at_edge, changed, edges_of, freed, outputs_of, recording, register_node_class
from .modes import modes


class FunctionCtx:
    """What forward leaves for backward: `save_for_backward`, `needs_input_grad`, and any attribute."""

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._unpack: Callable[[], tuple[Any, ...]] | None = None
        self._no_gradient: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs, outputs or other tensors for `saved_tensors`; their later change in place is an
        error."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(f"save_for_backward: wants Tensors or None, got {type(tensor).__name__}")
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What save_for_backward was given."""
        return self._to_save if self._unpack is None else self._unpack()

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These outputs have no gradient."""
        self._no_gradient = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """These inputs were changed in place; they must be returned."""
        self._dirty = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (default) or None for outputs that nothing depends on."""
        self._materialize = value


class FunctionNode(Node):
    """The node of a user's function; it holds the ctx."""

    __slots__ = ("kind", "origins", "specs", "user_ctx")

    user_ctx: FunctionCtx
    kind: type[Function]
    origins: tuple[Any, ...]
    specs: list[Any]

    def name(self) -> str:
        return f"{self.kind.__name__}Backward"


register_node_class(FunctionNode)


def _unpack(node_reference: Callable[[], FunctionNode | None]) -> tuple[Any, ...]:
    node = node_reference()
    if node is None:
        raise RuntimeError("saved_tensors: the graph that held them is gone")
    if node.saved is None:
        raise freed(node)
    if _C.version_sum(node.saved) != node.version:
        raise changed(node)
    out: list[Any] = []
    for item, origin in zip(node.saved, node.origins, strict=True):
        if item is None:
            out.append(None)
        elif origin is None:
            out.append(Tensor(item))
        elif isinstance(origin, SavedOutput):
            out.append(Tensor(item, True, origin.find(node)) if modes.grad else Tensor(item))
        else:
            out.append(at_edge(item, node.edges[origin]) if modes.grad else Tensor(item))
    return tuple(out)


class SavedOutput:
    """A saved tensor was output number `index`: its graph place is found again without a reference to it."""

    __slots__ = ("count", "index")

    def __init__(self, index: int, count: int) -> None:
        self.index, self.count = index, count

    def find(self, node: Node) -> Node:
        return node if self.count == 1 else outputs_of(node, self.count)[self.index]


def _apply_backward(node: Any, g: Any) -> Any:
    kind = node.kind
    gradients = g if isinstance(g, list) else [g]
    if node.user_ctx._materialize:
        gradients = [_zeros(spec) if x is None else x for x, spec in zip(gradients, node.specs, strict=True)]
    out = kind.backward(node.user_ctx, *gradients)
    given: Sequence[Any] = out if isinstance(out, tuple | list) else (out,)
    wanted = len(node.edges)
    if len(given) > wanted and all(x is None for x in given[wanted:]):
        given = given[:wanted]
    if len(given) != wanted:
        raise RuntimeError(f"{kind.__name__}.backward: returned {len(given)} gradients for {wanted} inputs")
    for i, (x, edge) in enumerate(zip(given, node.edges, strict=True)):
        if x is None or edge is None:
            continue
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{kind.__name__}.backward: gradient {i} is {type(x).__name__}, wants a Tensor or None"
            )
        shape, dtype = node.ctx[i]
        if x._array.shape != shape:
            raise RuntimeError(
                f"{kind.__name__}.backward: gradient {i} has shape {list(x.shape)}, its input {list(shape)}"
            )
        if x._array.dtype is not dtype:
            raise RuntimeError(f"{kind.__name__}.backward: gradient {i} is {x.dtype}, its input {dtype}")
    return [None if edge is None else x for x, edge in zip(given, node.edges, strict=True)]


def _zeros(spec: Any) -> Tensor:
    out = _C.empty(*spec)
    _C.fill(out, 0)
    return Tensor(out)


class Function:
    """Base of user functions. Subclasses write `forward(ctx, *args)` and `backward(ctx, *grads)` as static
    methods
    and are called by `apply`.

    backward is written in Tensor operations, so gradients of gradients work, unless it is marked with
    `once_differentiable`.
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """The result (a Tensor or a tuple) from the inputs; runs unrecorded."""
        raise NotImplementedError("Function: forward is not written")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each input of forward (None for what has none)."""
        raise NotImplementedError("Function: backward is not written")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Calls forward and records backward."""
        import weakref

        ctx = FunctionCtx()
        remember = recording(*args)
        edges = edges_of(*args) if remember else (None,) * len(args)
        ctx.needs_input_grad = tuple(edge is not None for edge in edges)
        before = modes.grad
        modes.grad = False
        try:
            result = cls.forward(ctx, *args)
        finally:
            modes.grad = before
        if not remember:
            return result
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        for x in ctx._dirty:
            if not any(x is out for out in outputs):
                raise RuntimeError(
                    f"{cls.__name__}: mark_dirty was given a tensor that forward does not return"
                )
        # An input that is returned as it came is another tensor in the graph.
        fresh: list[Any] = []
        for out in outputs:
            if not isinstance(out, Tensor):
                fresh.append(out)
            elif any(out is x for x in ctx._dirty):
                from .inplace import check_inplace

                check_inplace(out, cls.__name__)
                fresh.append(out)
            else:
                fresh.append(Tensor(out._array))
        saved, origins = _saved(ctx._to_save, args, edges, outputs)
        node = FunctionNode(_OP_OF(cls), edges, saved, [_spec(x) for x in args])  # type: ignore[arg-type]
        node.user_ctx, node.kind, node.origins = ctx, cls, origins
        node.specs = [_spec(x) for x in outputs]
        ctx._to_save = ()
        ctx._unpack = functools.partial(_unpack, weakref.ref(node))
        heads: list[Any] = [node] if len(outputs) == 1 else list(outputs_of(node, len(outputs)))
        for out, source, head in zip(fresh, outputs, heads, strict=True):
            silent = any(source is x for x in ctx._no_gradient)
            if isinstance(out, Tensor) and not silent and out.dtype.is_floating_point:
                if any(out is x for x in ctx._dirty):
                    from .inplace import rebase

                    rebase(out, head)
                else:
                    out._requires_grad, out._grad_fn = True, head
        return tuple(fresh) if isinstance(result, tuple | list) else fresh[0]


@functools.cache
def _OP_OF(kind: type[Function]) -> Op:
    return Op(kind.__name__, None, _apply_backward)


def _spec(value: Any) -> Any:
    return (value._array.shape, value._array.dtype) if isinstance(value, Tensor) else None


def _saved(
    tensors: tuple[Any, ...], args: tuple[Any, ...], edges: tuple[Any, ...], outputs: list[Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The saved Arrays and where each stands in the graph: an input's number, an output's, or nowhere."""
    saved, origins = [], []
    for tensor in tensors:
        origin: Any = None
        if tensor is not None:
            for i, arg in enumerate(args):
                if arg is tensor and edges[i] is not None:
                    origin = i
            for i, out in enumerate(outputs):
                if out is tensor and origin is None:
                    origin = SavedOutput(i, len(outputs))
        saved.append(None if tensor is None else tensor._array)
        origins.append(origin)
    return tuple(saved), tuple(origins)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a backward that is not written in recorded operations: gradients of its gradient raise by
    name."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *gradients: Any) -> Any:
        recorded = modes.grad
        before = modes.grad
        modes.grad = False
        try:
            out = backward(ctx, *gradients)
        finally:
            modes.grad = before
        if not recorded:
            return out
        given = out if isinstance(out, tuple) else (out,)
        sources = [g for g in gradients if isinstance(g, Tensor)]
        blocked = tuple(
            Tensor(x._array, True, Node(_BLOCKED, edges_of(*sources), (), None))
            if isinstance(x, Tensor)
            else x
            for x in given
        )
        return blocked if isinstance(out, tuple) else blocked[0]

    return wrapped


def _refuse(node: Node, g: Any) -> Any:
    raise RuntimeError("once_differentiable: this function's backward cannot be differentiated again")


_BLOCKED = Op("once_differentiable", None, _refuse)
