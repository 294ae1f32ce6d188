"""Reads units, weights and their numbers out of a graph: what `mo.explain` shows.

A layer of units is a `linear` node, or a `matmul` by a leaf matrix with or without an added leaf bias,
together with the elementwise activation behind it. Everything else stays an operation on whole tensors.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import numpy as np

from .. import _C
from ..tensor import Tensor
from .graph import NODES, OUTPUT
from .graphview import nodes_below
from .step import step_backward

__all__ = ["Layer", "Record", "find_layers"]

# Operations that turn a net input into a unit's output, elementwise but for the last two.
ACTIVATIONS = (
    "sigmoid tanh relu softplus silu gelu gelu_tanh logsigmoid leaky_relu elu square abs exp sin "
    "softmax log_softmax"
).split()


def array(value: Any) -> Any:
    """The ndarray of an Array or Tensor."""
    return (value if isinstance(value, Tensor) else Tensor(value)).detach().to(_C.float64).numpy().copy()


class Record:
    """One backward pass, kept: the order of the operations, what came to each, and the values it left.

    Attributes:
        steps: the operations in the order of the pass.
        incoming: the gradient of each node's output, of each leaf's value.
        consumers: who took a node's result.
    """

    def __init__(self, loss: Tensor, root: Any) -> None:
        self.steps = list(step_backward(loss, retain_graph=True, accumulate=False))
        self.incoming: dict[Any, Any] = {}
        self.consumers: dict[Any, list[Any]] = defaultdict(list)
        self._values: dict[Any, Any] = {root: array(loss)}
        self._constants: dict[tuple[Any, int], Any] = {}
        for step in self.steps:
            if isinstance(step.incoming, Tensor):
                self.incoming[step.node] = array(step.incoming)
            for target, gradient in zip(step.targets, step.outgoing, strict=True):
                if target is None:
                    continue
                self.consumers[target].append(step.node)
                if gradient is not None and target.__class__ not in NODES:
                    self.incoming[target] = self.incoming.get(target, 0.0) + array(gradient)
        for source in nodes_below([root]):
            if source.__class__ in NODES:
                self._keep(source)
            else:
                self._values[source] = array(source)
        for step in reversed(self.steps):
            self._compute(step.node)

    def value(self, edge: Any) -> Any:
        """The result of a node or leaf (float64 ndarray), None where nothing kept it."""
        return self._values.get(edge)

    def input(self, node: Any, index: int) -> Any:
        """Input number `index` of a node, None where nothing kept it."""
        edge = node.edges[index]
        return self._constants.get((node, index)) if edge is None else self._values.get(edge)

    def _fits(self, edge: Any, found: Any) -> bool:
        return edge not in self.incoming or self.incoming[edge].shape == found.shape

    def _keep(self, node: Any) -> None:
        origins = getattr(node, "origins", None) or node.op.origins
        for origin, item in zip(origins, node.saved or ()):
            if not isinstance(origin, int) or item is None:
                continue
            found = array(item) if item.__class__ is _C.Array else np.float64(item)
            if origin == OUTPUT:
                self._values[node] = found
            elif node.edges[origin] is None:
                self._constants[node, origin] = found
            elif node.edges[origin] not in self._values and self._fits(node.edges[origin], found):
                self._values[node.edges[origin]] = found

    def _compute(self, node: Any) -> None:
        """What nobody kept but follows from what is known: net inputs and elementwise results."""
        if node in self._values:
            return
        name, given = node.op.name, [self.input(node, i) for i in range(len(node.edges))]
        found = None
        if name == "linear":
            if given[0] is not None and given[1] is not None:
                found = given[0] @ given[1].T + (0.0 if given[2] is None else given[2])
        elif name == "matmul" and given[0] is not None and given[1] is not None:
            found = given[0] @ given[1]
        elif given and all(x is not None for x in given):
            if len(given) == 1 and name in _C.unary_derivatives:
                found = _C.to_numpy(getattr(_C, name)(_C.from_numpy(np.asarray(given[0]))))
            elif len(given) == 2 and name in _C.binary_derivatives:
                a, b = (_C.from_numpy(np.asarray(x)) for x in given)
                found = _C.to_numpy(getattr(_C, name)(a, b))
        if found is not None and self._fits(node, np.asarray(found)):
            self._values[node] = np.asarray(found)


@dataclasses.dataclass
class Layer:
    """Units that share their inputs: z = x·Wᵀ + b, a = f(z), for N examples.

    Attributes:
        name: of its weight.
        source: where x comes from: an edge, or None for data.
        weight, bias: the leaf tensors, None where there is none or it is computed.
        x, w, b, z, a: [N, in], [out, in], [out] or None, [N, out], [N, out]; z is None where it is not known.
        dz, da, dw, db: the loss's gradients by them, summed over the examples for dw and db.
        activation: the name of f, "identity" for none.
        place: the node whose result is a.
    """

    node: Any
    name: str
    source: Any
    weight: Any
    bias: Any
    transposed: bool
    x: Any
    w: Any
    b: Any
    z: Any
    a: Any
    dz: Any
    da: Any
    dw: Any
    db: Any
    activation: str
    place: Any


def find_layers(record: Record, names: dict[int, str]) -> tuple[list[Layer], set[Any]]:
    """The layers of units in forward order, and the nodes that they account for."""
    layers: list[Layer] = []
    used: set[Any] = set()
    for step in reversed(record.steps):
        layer = _layer(record, step, names, len(layers))
        if layer is not None:
            layers.append(layer[0])
            used |= layer[1]
    return layers, used


def _is_leaf(edge: Any) -> bool:
    return isinstance(edge, Tensor)


def _layer(record: Record, step: Any, names: dict[int, str], number: int) -> tuple[Layer, set[Any]] | None:
    node = step.node
    nodes = {node}
    transposed, bias, net = False, None, node
    if node.op.name == "linear":
        weight_edge, bias = node.edges[1], node.edges[2]
        w = record.input(node, 1)
    elif node.op.name == "matmul":
        weight_edge, transposed = node.edges[1], True
        if weight_edge.__class__ in NODES and weight_edge.op.name in ("transpose", "permute", "movedim"):
            nodes.add(weight_edge)
            weight_edge, transposed = weight_edge.edges[0], False
        if not _is_leaf(weight_edge) or weight_edge.ndim != 2:
            return None
        w = record.value(weight_edge)
        w = w.T if transposed else w
        users = record.consumers[node]
        if len(users) == 1 and users[0].op.name == "add":
            other = [e for e in users[0].edges if e is not node]
            if len(other) == 1 and _is_leaf(other[0]) and tuple(other[0].shape) == (w.shape[0],):
                bias, net = other[0], users[0]
                nodes.add(net)
    else:
        return None
    x, dz = record.input(node, 0), record.incoming.get(net)
    if x is None or w is None or dz is None:
        return None
    x, dz = x.reshape(-1, w.shape[1]), dz.reshape(-1, w.shape[0])
    activation, place = "identity", net
    users = record.consumers[net]
    if len(users) == 1 and users[0].op.name in ACTIVATIONS and users[0] in record.incoming:
        activation, place = users[0].op.name, users[0]
        nodes.add(place)
    b = record.value(bias) if bias is not None else None
    a = record.value(place)
    z = _net_input(record, x @ w.T + (0.0 if b is None else b), net, place, a)
    if a is not None:
        a = a.reshape(dz.shape)
    elif activation == "identity":
        a = z
    weight = weight_edge if _is_leaf(weight_edge) else None
    dw = record.incoming.get(weight) if weight is not None else None
    layer = Layer(
        node=node,
        name=names.get(id(weight), f"layer {number + 1}").removesuffix(".weight"),
        source=node.edges[0],
        weight=weight,
        bias=bias if _is_leaf(bias) else None,
        transposed=transposed,
        x=x,
        w=w,
        b=b,
        z=z,
        a=a,
        dz=dz,
        da=record.incoming[place].reshape(dz.shape),
        dw=dw.T if transposed and dw is not None else dw,
        db=record.incoming.get(bias) if _is_leaf(bias) else None,
        activation=activation,
        place=place,
    )
    return layer, nodes


def _net_input(record: Record, z: Any, net: Any, place: Any, a: Any) -> Any:
    """x·Wᵀ + b, unless what the graph kept says that a frozen bias is missing from it."""
    kept = record.value(net)
    if kept is not None and kept.size == z.size:
        kept = kept.reshape(z.shape)
        if not np.allclose(kept, z, rtol=1e-3, atol=1e-5):
            return kept
    if place is not net and a is not None and place.op.name in _C.unary_derivatives:
        again = _C.to_numpy(getattr(_C, place.op.name)(_C.from_numpy(np.ascontiguousarray(z))))
        if not np.allclose(again, a.reshape(z.shape), rtol=1e-3, atol=1e-5):
            return None
    return z
