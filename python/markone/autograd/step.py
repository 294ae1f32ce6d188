"""The backward pass one operation at a time, to look at what each one gets and gives."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import _C
from ..tensor import Tensor
from . import engine
from .graph import NODES, Node, Output
from .modes import modes

__all__ = ["BackwardStep", "step_backward"]


@dataclass(frozen=True)
class BackwardStep:
    """One operation's turn in the backward pass.

    Attributes:
        number: 1 for the first.
        node: the operation's node (`tensor.grad_fn`).
        op: its name.
        incoming: the gradient of its output; a list, with None for unused ones, where it has several.
        outgoing: the gradient of each input, None where none flows.
        targets: where each goes: a node, a leaf Tensor, or None.
    """

    number: int
    node: Node
    op: str
    incoming: Any
    outgoing: tuple[Tensor | None, ...]
    targets: tuple[Any, ...]

    def __str__(self) -> str:
        parts = [f"step {self.number}: {self.op} gets {_say(self.incoming)}"]
        for i, (gradient, target) in enumerate(zip(self.outgoing, self.targets, strict=True)):
            if gradient is not None and target is not None:
                where = target.op.name if target.__class__ in NODES else "a leaf"
                parts.append(f"  input {i} ({where}) gets {_say(gradient)}")
        return "\n".join(parts)


def _say(gradient: Any) -> str:
    if gradient is None:
        return "nothing"
    if isinstance(gradient, list):
        return "[" + ", ".join(_say(g) for g in gradient) + "]"
    if gradient.numel() <= 8:
        return _list(gradient.tolist())
    return f"a gradient of shape {list(gradient.shape)}"


def _list(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_list, value)) + "]"
    return f"{value:.4g}"


def step_backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool = False, accumulate: bool = True
) -> Iterator[BackwardStep]:
    """`backward` as an iterator that pauses after each operation: `for step in step_backward(loss): ...`.

    The order, the hooks and the bits are those of `backward`. The leaves' .grad is added to when the iterator
    has reached its end; one that is left before changes none.

    Args:
        tensors, grad_tensors, retain_graph: as of `backward`.
        accumulate: False leaves every .grad alone.
    """
    roots = engine._roots("step_backward", tensors, grad_tensors, False)
    return _steps(roots, retain_graph, accumulate)


def _steps(roots: list[tuple[Any, Any]], retain: bool, accumulate: bool) -> Iterator[BackwardStep]:
    pending: dict[Any, Any] = {}
    leaves: dict[Any, Any] = {}
    heap: list[tuple[int, Node]] = []
    number = 0

    def send(edge: Any, grad: Any) -> None:
        if edge.__class__ not in NODES:
            leaves[edge] = grad if edge not in leaves else _C.add(leaves[edge], grad)
        elif edge in pending:
            pending[edge] = _C.add(pending[edge], grad)
        else:
            pending[edge] = grad
            heapq.heappush(heap, (-edge.number, edge))

    for edge, grad in roots:
        send(edge, grad)
    while heap:
        node = heapq.heappop(heap)[1]
        grad = pending.pop(node)
        # The mode is this iterator's only while it computes, not in the loop around it.
        before, modes.grad = modes.grad, False
        try:
            if node.hooks is not None:
                grad = engine._apply_hooks(node.hooks, grad, False)
            if node.__class__ is Output:
                index, count = node.ctx
                if node.edges[0] not in pending:
                    pending[node.edges[0]] = [None] * count
                    heapq.heappush(heap, (-node.edges[0].number, node.edges[0]))
                pending[node.edges[0]][index] = grad
                continue
            grads = engine._backward_of(node, grad, False)
            if engine.check_backward is not None:
                engine.check_backward(node, grads)
        finally:
            modes.grad = before
        number += 1
        incoming = (
            [None if g is None else Tensor(g) for g in grad] if isinstance(grad, list) else Tensor(grad)
        )
        outgoing = tuple(
            None if g is None or edge is None else Tensor(g)
            for g, edge in zip(grads, node.edges, strict=True)
        )
        yield BackwardStep(number, node, node.op.name, incoming, outgoing, node.edges)
        for edge, out in zip(node.edges, grads, strict=True):
            if edge is not None and out is not None:
                send(edge, out)
        if not retain and node.saved:
            node.saved = None  # type: ignore[assignment]
            node.ctx = None
    if not accumulate:
        return
    before, modes.grad = modes.grad, False
    try:
        for leaf, grad in leaves.items():
            hooks = leaf._hooks
            if hooks is not None and hooks.functions:
                grad = engine._apply_hooks(hooks, grad, False)
            engine._accumulate(leaf, grad, False, False)
            if hooks is not None:
                for hook in list(hooks.accumulated.values()):
                    hook(leaf)
    finally:
        modes.grad = before
