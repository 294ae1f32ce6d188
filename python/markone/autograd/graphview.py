"""The graph behind a tensor as plain data, and as Mermaid, DOT, SVG and HTML text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import _C
from ..tensor import Tensor
from .graph import NODES, OUTPUT, Node, edge_of
from .step import step_backward

__all__ = ["Graph", "GraphEdge", "GraphNode", "SavedArray", "graph"]


@dataclass(frozen=True)
class SavedArray:
    """What an operation keeps for its backward: an input (its number), its output, or something else."""

    shape: tuple[int, ...]
    dtype: Any
    origin: str


@dataclass
class GraphNode:
    """A box of the graph.

    Attributes:
        id: its place in `Graph.nodes`; inputs come before what uses them.
        kind: "operation", or "leaf": a tensor that gets a gradient in .grad.
        label: the operation's name, or the leaf's.
        shape, dtype: of its result; None where only a finished backward pass would have known.
        saved: the arrays kept for backward.
        source: the autograd Node, or the leaf Tensor itself.
        notes: lines that `mo.explain` writes into the box.
    """

    id: int
    kind: str
    label: str
    shape: tuple[int, ...] | None
    dtype: Any
    saved: tuple[SavedArray, ...]
    source: Any = field(repr=False)
    notes: list[str] = field(default_factory=list, repr=False)

    def lines(self) -> list[str]:
        """The text of its box: label, shape and type, notes."""
        if self.shape is None:
            return [self.label, *self.notes]
        return [self.label, f"{list(self.shape)} {str(self.dtype).rpartition('.')[2]}", *self.notes]


@dataclass(frozen=True)
class GraphEdge:
    """The result of `source` is input number `index` of `target` (ids); gradients flow the other way."""

    source: int
    target: int
    index: int


@dataclass
class Graph:
    """Operations and leaves that a tensor was computed from; made by `mo.graph`.

    Inputs that get no gradient are no part of it: the saved arrays of an operation show them.
    """

    nodes: list[GraphNode]
    edges: list[GraphEdge]

    @property
    def leaves(self) -> list[GraphNode]:
        """The tensors that get a gradient."""
        return [node for node in self.nodes if node.kind == "leaf"]

    def inputs_of(self, node: GraphNode | int) -> list[GraphNode]:
        """The nodes whose results an operation takes, in their order."""
        at = node if isinstance(node, int) else node.id
        return [self.nodes[e.source] for e in sorted(self.edges, key=lambda e: e.index) if e.target == at]

    def __str__(self) -> str:
        rows = [("id", "kind", "what", "shape", "dtype", "inputs", "saved")]
        for node in self.nodes:
            inputs = ", ".join(str(n.id) for n in self.inputs_of(node))
            saved = ", ".join(f"{s.origin} {list(s.shape)}" for s in node.saved)
            shape = "?" if node.shape is None else str(list(node.shape))
            dtype = "?" if node.dtype is None else str(node.dtype).rpartition(".")[2]
            rows.append((str(node.id), node.kind, node.label, shape, dtype, inputs, saved))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def mermaid(self) -> str:
        """The text of a Mermaid flowchart."""
        lines = ["flowchart TD"]
        for node in self.nodes:
            text = "<br/>".join(_escape(line).replace('"', "#quot;") for line in node.lines())
            left, right = ("([", "])") if node.kind == "leaf" else ("[", "]")
            lines.append(f'  n{node.id}{left}"{text}"{right}')
        lines += [f"  n{e.source} -->|{e.index}| n{e.target}" for e in self.edges]
        return "\n".join(lines) + "\n"

    def dot(self) -> str:
        """The text of a Graphviz digraph."""
        lines = ["digraph markone {", '  node [shape=box, fontname="sans-serif"];']
        for node in self.nodes:
            text = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in node.lines())
            style = ', style="rounded,filled", fillcolor="#e8f0fd"' if node.kind == "leaf" else ""
            lines.append(f'  n{node.id} [label="{text}"{style}];')
        lines += [f'  n{e.source} -> n{e.target} [label="{e.index}"];' for e in self.edges]
        return "\n".join([*lines, "}"]) + "\n"

    def svg(self) -> str:
        """The picture: inputs above what uses them, leaves rounded."""
        from .picture import graph_svg

        return graph_svg(self)

    def html(self, title: str = "graph") -> str:
        """A page with the picture and the table that needs nothing else."""
        from .picture import page

        return page(title, [("The graph", self.svg()), ("Its nodes", str(self))])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture or text that the path's ending names: .svg .html .mmd .dot .txt."""
        save_as(
            path,
            {
                ".svg": self.svg,
                ".html": self.html,
                ".mmd": self.mermaid,
                ".dot": self.dot,
                ".txt": self.__str__,
            },
        )

    def _repr_svg_(self) -> str:
        return self.svg()


def save_as(path: str | os.PathLike[str], makers: Mapping[str, Any]) -> None:
    """Writes what the maker for the path's ending returns."""
    where = Path(path)
    if where.suffix not in makers:
        raise ValueError(f"save: got the ending '{where.suffix}' of {where}, wants {', '.join(makers)}")
    where.write_text(makers[where.suffix](), encoding="utf-8")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def names_of(names: Any) -> dict[int, str]:
    """Names of leaf tensors by identity, from a module, a mapping name → Tensor, or None."""
    if names is None:
        return {}
    if hasattr(names, "named_parameters"):
        names = dict(names.named_parameters())
    return {id(tensor): name for name, tensor in names.items()}


def nodes_below(roots: Iterable[Any]) -> list[Any]:
    """Every node and leaf from which `roots` (edges) were computed, inputs first."""
    nodes: set[Any] = set()
    leaves: dict[int, Any] = {}
    stack = list(roots)
    while stack:
        edge = stack.pop()
        if edge is None or edge in nodes:
            continue
        if edge.__class__ in NODES:
            nodes.add(edge)
            stack += edge.edges
        else:
            leaves[id(edge)] = edge
    order: list[Any] = []
    met: set[int] = set()
    for node in sorted(nodes, key=lambda n: n.number):
        for edge in node.edges:  # a leaf stands just before the first operation that takes it
            if id(edge) in leaves and id(edge) not in met:
                met.add(id(edge))
                order.append(edge)
        order.append(node)
    return order + [leaf for key, leaf in leaves.items() if key not in met]


def _shapes(tensor: Tensor) -> dict[Any, Any]:
    """A node's result has the shape of the gradient that comes to it: one pass of ones finds it."""
    ones = _C.empty(tensor._array.shape, tensor._array.dtype, tensor._array.device)
    _C.fill(ones, 1.0)
    found: dict[Any, Any] = {edge_of(tensor): (tuple(tensor.shape), tensor.dtype)}
    try:
        for step in step_backward(tensor, Tensor(ones), retain_graph=True, accumulate=False):
            if isinstance(step.incoming, Tensor):
                found[step.node] = (tuple(step.incoming.shape), step.incoming.dtype)
            for target, gradient in zip(step.targets, step.outgoing, strict=True):
                if target is not None and gradient is not None:
                    found[target] = (tuple(gradient.shape), gradient.dtype)
    except RuntimeError:
        pass  # the saved values are gone; what was found until then stays
    return found


def _saved(node: Node) -> tuple[SavedArray, ...]:
    origins = getattr(node, "origins", None) or node.op.origins
    out = []
    for i, item in enumerate(node.saved or ()):
        if item.__class__ is _C.Array:
            origin = origins[i] if i < len(origins) else None
            if origin == OUTPUT:
                text = "output"
            else:
                text = f"input {origin}" if isinstance(origin, int) else "other"
            out.append(SavedArray(tuple(item.shape), item.dtype, text))
    return tuple(out)


def graph(tensor: Tensor, names: Any = None) -> Graph:
    """The graph behind `tensor`: operations, the leaves that get a gradient, shapes, dtypes, saved arrays.

    Shapes come from a backward pass of ones that touches no .grad; run it before `backward` frees the graph.

    Args:
        tensor: a Tensor that was computed from some that require a gradient.
        names: a Module, or a mapping from names to leaf tensors, for the labels; others are named by order.

    Raises:
        TypeError, RuntimeError: not a Tensor; one without a graph.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"graph: wants a Tensor, got {type(tensor).__name__}")
    root = edge_of(tensor)
    if root is None:
        raise RuntimeError(
            f"graph: a tensor of shape {list(tensor.shape)} requires no gradient: it has no graph"
        )
    given, shapes = names_of(names), _shapes(tensor)
    found = Graph([], [])
    ids: dict[Any, int] = {}
    for source in nodes_below([root]):
        number = ids[source] = len(found.nodes)
        if source.__class__ in NODES:
            shape, dtype = shapes.get(source, (None, None))
            node = GraphNode(number, "operation", source.op.name, shape, dtype, _saved(source), source)
            found.edges += [
                GraphEdge(ids[edge], number, i) for i, edge in enumerate(source.edges) if edge is not None
            ]
        else:
            label = given.get(id(source)) or f"leaf {len(found.leaves) + 1}"
            node = GraphNode(number, "leaf", label, tuple(source.shape), source.dtype, (), source)
        found.nodes.append(node)
    return found
