"""The graph and its backward pass.

A Node is one operation that was called: what its inputs came from, the Arrays it needs again and their
versions.
An edge is a Node, or the leaf Tensor itself, or None where no gradient flows. Nodes are numbered as they
are made,
so an edge always leads to a smaller number, and taking the highest number first is a topological order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _C
from ..tensor import Tensor, set_view_refresher
from .modes import modes

next_number = _C.next_number
_version_sum = _C.version_sum
# Where a gradient of a tensor goes: its node, the leaf itself, or None; of several inputs (None for what is
# no Tensor); and whether an operation on some inputs has to be remembered.
edge_of = _C.edge_of
edges_of = _C.edges_of
recording = _C.recording


class Op:
    """What a kind of node does.

    `native(node, g)` takes and gives Arrays: the fast form, unrecorded. `differentiable(node, g)` takes
    and gives
    Tensors and is written in operations, so that it can be recorded; it also serves where there is no
    native form.
    Both return one gradient (or None) for each input. `origins` says for each saved item which input it
    was (0, 1,
    ...), that it was the output (OUTPUT), or that no gradient flows through it (None).
    """

    __slots__ = ("differentiable", "name", "native", "origins")

    def __init__(
        self,
        name: str,
        native: Callable[[Node, Any], Sequence[Any]] | None = None,
        differentiable: Callable[[Node, Any], Sequence[Any]] | None = None,
        origins: tuple[int | None, ...] = (),
    ) -> None:
        self.name = name
        self.native = native
        self.differentiable = differentiable
        self.origins = origins


OUTPUT = -1


class Hooks:
    """What users hung on a tensor: functions of its gradient, and tensors that keep it."""

    __slots__ = ("accumulated", "functions", "retained")

    def __init__(self) -> None:
        self.functions: dict[int, Callable[[Tensor], Tensor | None]] = {}
        self.accumulated: dict[int, Callable[[Tensor], None]] = {}
        self.retained: list[Any] = []


class HookHandle:
    """Takes a hook off again with remove(), or at the end of a with block."""

    def __init__(self, functions: dict[int, Any], function: Any) -> None:
        self._functions = functions
        self._key = next_number()
        functions[self._key] = function

    def remove(self) -> None:
        self._functions.pop(self._key, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Node:
    """One recorded call. Users see it as `tensor.grad_fn`."""

    __slots__ = ("__weakref__", "ctx", "edges", "hooks", "number", "op", "saved", "version")

    def __init__(self, op: Op, edges: tuple[Any, ...], saved: tuple[Any, ...] = (), ctx: Any = None) -> None:
        self.op = op
        self.edges = edges
        self.saved = saved
        self.version = _version_sum(saved) if saved else 0
        self.ctx = ctx
        self.number = next_number()
        self.hooks: Hooks | None = None

    def name(self) -> str:
        """`MulBackward` for mul."""
        return "".join(part.capitalize() for part in self.op.name.split("_")) + "Backward"

    def __repr__(self) -> str:
        return f"<{self.name()}>"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the gradients of the inputs go: nodes, leaf tensors or None, each with 0."""
        return tuple((edge, 0) for edge in self.edges)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """`hook(grad)` runs before this node's backward and may return another gradient."""
        if self.hooks is None:
            self.hooks = Hooks()
        return HookHandle(self.hooks.functions, hook)

    def tensors(self) -> list[Any]:
        """The saved Arrays as Tensors with their place in the graph; what is no Array stays as it is."""
        out: list[Any] = []
        for item, origin in zip(self.saved, self.op.origins, strict=True):
            if item.__class__ is not _C.Array:
                out.append(item)
            elif origin is None or not modes.grad:
                out.append(Tensor(item))
            elif origin == OUTPUT:
                out.append(Tensor(item, True, self))
            else:
                out.append(at_edge(item, self.edges[origin]))
        return out


class Output(Node):
    """One result of a node with several: passes its gradient on to that node's place `ctx`."""

    __slots__ = ()


_OUTPUT_OP = Op("output")
# A node with one result is always of this exact class or a subclass in this set.
NODES = {Node, Output}


def register_node_class(kind: type[Node]) -> type[Node]:
    """Subclasses of Node must be known to the backward pass."""
    NODES.add(kind)
    return kind


def outputs_of(node: Node, count: int) -> list[Output]:
    """The grad_fns of a node with `count` results; its backward gets a list with None for unused ones."""
    return [Output(_OUTPUT_OP, (node,), (), (index, count)) for index in range(count)]


def at_edge(array: Any, edge: Any) -> Tensor:
    """A Tensor of `array` that stands where `edge` leads from."""
    if edge is None:
        return Tensor(array)
    if edge.__class__ in NODES:
        return Tensor(array, True, edge)
    return edge  # the leaf itself


def refresh_view(tensor: Tensor) -> None:
    """Puts a view whose storage was written since at its place below the base as it is now."""
    base, replay, version = tensor._view  # type: ignore[misc]
    now = tensor._array.version
    if now == version:
        return
    tensor._view[2] = now  # type: ignore[index]
    if replay is None or not (tensor._requires_grad or base._requires_grad):
        return
    before = modes.grad
    modes.grad = True
    try:
        again = base
        for function, args in replay:
            again = function(again, *args)
    finally:
        modes.grad = before
    tensor._requires_grad = again._requires_grad
    tensor._grad_fn = again._grad_fn


set_view_refresher(refresh_view)
_C.set_node_layout(Node, refresh_view)


def record(
    op: Op, array: Any, inputs: tuple[Any, ...], saved: tuple[Any, ...] = (), ctx: Any = None
) -> Tensor:
    """The result of an operation whose inputs are known to require a gradient."""
    return Tensor(array, True, Node(op, edges_of(*inputs), saved, ctx))


def freed(node: Node) -> RuntimeError:
    return RuntimeError(
        f"backward: the saved values of {node.op.name} have been freed already, call backward or grad with "
        "retain_graph=True the first time to go through the graph again"
    )


def changed(node: Node) -> RuntimeError:
    shapes = ", ".join(str(list(a.shape)) for a in node.saved if a.__class__ is _C.Array)
    return RuntimeError(
        f"{node.op.name}: a value that its gradient needs was changed by an in-place operation after it was "
        f"used "
        f"(saved: {shapes})"
    )
