"""`mo.explain(loss)`: the worked backpropagation of any small network, unit by unit, in text and pictures."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import Any

import numpy as np

from ..tensor import Tensor
from .graph import edge_of
from .graphview import Graph, graph, names_of, save_as
from .picture import network_svg, page
from .units import Record, array, find_layers

__all__ = ["Explanation", "Unit", "Weight", "explain"]

# A bigger network is drawn as its graph of operations.
_MOST_UNITS, _MOST_WEIGHTS = 30, 60
# Sums with more terms than this are not written out.
_MOST_TERMS = 6


@dataclasses.dataclass(frozen=True)
class Unit:
    """One unit: net input z, output a, error δ, arrays [N], one number an example; inputs have no z and δ.

    `number` counts all units from 1, inputs first; `layer` is its place in `Explanation.layers`, or -1.
    """

    number: int
    layer: int
    index: int
    activation: str
    z: Any
    a: Any
    delta: Any


@dataclasses.dataclass(frozen=True)
class Weight:
    """One weight or bias (source None): its value, the loss's gradient by it, and the Tensor it stands in."""

    name: str
    source: int | None
    target: int
    value: float
    gradient: float | None
    tensor: Any = dataclasses.field(repr=False)
    place: tuple[int, ...] = dataclasses.field(repr=False)

    def now(self) -> float:
        """Its value at this moment: another one after an optimiser's step."""
        return self.value if self.tensor is None else float(array(self.tensor)[self.place])


class Explanation:
    """What `mo.explain` found. `print(e.text())` after an optimiser's step shows the updates that it made.

    Attributes:
        loss: its value.
        units, weights: in forward order; `unit(6)` and `weight("w46")` find one.
        layers: the layers of units (weights, net inputs, outputs and gradients as arrays).
        graph: the graph of operations, each with its value and gradient (see `mo.graph`).
    """

    def __init__(
        self, loss: Tensor, lr: float | None, names: Any, delta: str, precision: int, limit: int
    ) -> None:
        if delta not in ("error", "gradient"):
            raise ValueError(f"explain: got delta='{delta}', wants 'error' (−∂L/∂z) or 'gradient' (∂L/∂z)")
        self.lr, self.delta, self.precision, self.limit = lr, delta, precision, limit
        self.graph: Graph = graph(loss, names)
        self._record = Record(loss, edge_of(loss))
        self.loss = float(loss.item())
        self.layers, self._accounted = find_layers(self._record, names_of(names))
        self.units: list[Unit] = []
        self.weights: list[Weight] = []
        self._inputs: list[list[int]] = []
        self._number_units()
        for node in self.graph.nodes:
            node.notes += self._notes(node.source)

    def unit(self, number: int) -> Unit:
        """The unit of this number."""
        if not 1 <= number <= len(self.units):
            raise ValueError(f"explain: got unit {number}, there are 1 to {len(self.units)}")
        return self.units[number - 1]

    def weight(self, name: str) -> Weight:
        """The weight `w<source><target>` or bias `b<target>`; with a comma between numbers above 9."""
        for weight in self.weights:
            if weight.name == name:
                return weight
        raise ValueError(f"explain: there is no weight '{name}'")

    # -- Numbering

    def _number_units(self) -> None:
        sign = -1.0 if self.delta == "error" else 1.0
        known: dict[Any, list[int]] = {}
        for at, layer in enumerate(self.layers):
            key = ("data", layer.x.tobytes()) if layer.source is None else layer.source
            if key not in known:
                known[key] = self._add(layer.x.shape[1], -1, "", None, layer.x, None)
            self._inputs.append(known[key])
            width = layer.w.shape[0]
            known[layer.place] = self._add(width, at, layer.activation, layer.z, layer.a, sign * layer.dz)
        between = "" if len(self.units) <= 9 else ","
        for at, layer in enumerate(self.layers):
            for unit in [u for u in self.units if u.layer == at]:
                name, j = unit.number, unit.index
                for i, source in enumerate(self._inputs[at]):
                    place = (i, j) if layer.transposed else (j, i)
                    gradient = None if layer.dw is None else float(layer.dw[j, i])
                    label, value = f"w{source}{between}{name}", float(layer.w[j, i])
                    self.weights.append(Weight(label, source, name, value, gradient, layer.weight, place))
                if layer.b is not None:
                    gradient = None if layer.db is None else float(layer.db[j])
                    value = float(layer.b[j])
                    self.weights.append(Weight(f"b{name}", None, name, value, gradient, layer.bias, (j,)))

    def _add(self, count: int, layer: int, activation: str, z: Any, a: Any, delta: Any) -> list[int]:
        first = len(self.units) + 1
        for i in range(count):
            column = [None if v is None else v[:, i] for v in (z, a, delta)]
            self.units.append(Unit(first + i, layer, i, activation, *column))
        return list(range(first, first + count))

    # -- Text

    def _number(self, value: float | None) -> str:
        if value is None:
            return "not kept"
        if value != 0 and abs(value) < 0.5 * 10.0**-self.precision:
            return f"{value:.2e}"
        return f"{value + 0.0:.{self.precision}f}"

    def _brief(self, value: Any) -> str:
        if value is None:
            return "not kept"
        if value.size <= 4:
            inner = ", ".join(self._number(float(v)) for v in value.reshape(-1))
            return inner if value.ndim == 0 else f"[{inner}]"
        return f"{list(value.shape)} mean {value.mean():.3g} norm {np.linalg.norm(value):.3g}"

    def _notes(self, source: Any) -> list[str]:
        value, gradient = self._record.value(source), self._record.incoming.get(source)
        out = [] if value is None else [f"= {self._brief(value)}"]
        return out if gradient is None else [*out, f"∂L: {self._brief(gradient)}"]

    def text(self) -> str:
        """The worked computation: forward, backward, gradients and updates, then the other operations."""
        parts = [f"loss L = {self._number(self.loss)}"]
        if self.layers:
            parts += [self._forward(), self._backward(), self._gradients()]
        rest = self._operations()
        return "\n\n".join([*parts, rest] if rest else parts) + "\n"

    def _examples(self) -> list[int]:
        count = max(layer.x.shape[0] for layer in self.layers)
        return list(range(min(count, 3)))

    def _forward(self) -> str:
        rows: list[tuple[str, ...]] = []
        for n in self._examples():
            for unit in self.units:
                if n >= len(unit.a if unit.a is not None else unit.delta):
                    continue
                a = self._number(None if unit.a is None else float(unit.a[n]))
                z = "" if unit.layer < 0 else self._number(None if unit.z is None else float(unit.z[n]))
                rows.append(
                    (str(n + 1), str(unit.number), z, unit.activation or "input", a, self._sum(unit, n))
                )
        title = "forward: net input z = Σ w·a + b, output a = f(z)"
        return self._table(title, ("example", "unit", "z", "f", "a", "worked"), rows)

    def _sum(self, unit: Unit, n: int) -> str:
        if unit.layer < 0 or unit.z is None:
            return ""
        layer, sources = self.layers[unit.layer], self._inputs[unit.layer]
        if len(sources) > _MOST_TERMS:
            return f"sum of {len(sources)} products"
        terms = [f"{w:.4g}·{x:.4g}" for w, x in zip(layer.w[unit.index], layer.x[n], strict=True)]
        if layer.b is not None:
            terms.append(f"{layer.b[unit.index]:.4g}")
        return f"z{unit.number} = {_signs(terms)}"

    def _backward(self) -> str:
        rows = []
        for n in self._examples():
            for unit in reversed([u for u in self.units if u.layer >= 0]):
                if n < len(unit.delta):
                    rows.append(
                        (
                            str(n + 1),
                            str(unit.number),
                            self._number(float(unit.delta[n])),
                            self._delta(unit, n),
                        )
                    )
        what = "δ = −∂L/∂z" if self.delta == "error" else "δ = ∂L/∂z"
        return self._table(f"backward: {what} = f′(z) · Σ w·δ", ("example", "unit", "δ", "worked"), rows)

    def _delta(self, unit: Unit, n: int) -> str:
        layer = self.layers[unit.layer]
        arriving = float(layer.da[n, unit.index])
        if self.delta == "error":
            arriving = -arriving
        name, j = f"δ{unit.number}", unit.index
        if layer.activation in ("softmax", "log_softmax"):
            return f"{name}: through {layer.activation}"
        slope = "1" if layer.activation == "identity" else f"f′(z{unit.number})"
        slope_is = 1.0 if arriving == 0 else float(unit.delta[n]) / arriving
        if arriving == 0:
            return f"{name} = {slope} · 0"
        users = self._record.consumers[layer.place]
        above = [k for k, other in enumerate(self.layers) if other.node in users]
        sign = "−" if self.delta == "error" else ""
        if len(above) != len(users):
            return f"{name} = {slope} · ({sign}∂L/∂a{unit.number}) = {slope_is:.4g} · {arriving:.4g}"
        terms, numbers = [], []
        for k in above:
            sign_of = -1.0 if self.delta == "error" else 1.0
            for other in [u for u in self.units if u.layer == k]:
                weight = self.layers[k].w[other.index, j]
                between = "" if len(self.units) <= 9 else ","
                terms.append(f"w{unit.number}{between}{other.number}·δ{other.number}")
                numbers.append(f"{weight:.4g}·{sign_of * self.layers[k].dz[n, other.index]:.4g}")
        if len(terms) > _MOST_TERMS:
            return f"{name} = {slope} · sum of {len(terms)} products"
        return f"{name} = {slope} · ({_signs(terms)}) = {slope_is:.4g} · ({_signs(numbers)})"

    def _gradients(self) -> str:
        values = {id(w.tensor): array(w.tensor) for w in self.weights if w.tensor is not None}
        moved = any(values[id(w.tensor)][w.place] != w.value for w in self.weights if w.tensor is not None)
        updates = moved or self.lr is not None
        rows = []
        for weight in self.weights:
            row = [weight.name, self._number(weight.value), self._number(weight.gradient)]
            if updates:
                if moved:
                    new = (
                        weight.value
                        if weight.tensor is None
                        else float(values[id(weight.tensor)][weight.place])
                    )
                else:
                    new = weight.value - (self.lr or 0.0) * (weight.gradient or 0.0)
                row += [self._number(new - weight.value), self._number(new)]
            rows.append(tuple(row))
        if moved:
            how = "; the update is what the optimiser did"
        else:
            how = f"; update = −{self.lr:g} · gradient" if self.lr is not None else ""
        relation = "−Σ a·δ" if self.delta == "error" else "Σ a·δ"
        heads = ("weight", "value", "gradient", "update", "new value")[: 5 if updates else 3]
        return self._table(f"weights: gradient ∂L/∂w = {relation} over the examples{how}", heads, rows)

    def _operations(self) -> str:
        rows = []
        for step in self._record.steps:
            node = step.node
            if node in self._accounted:
                continue
            value, incoming = self._record.value(node), self._record.incoming.get(node)
            shape = "several" if incoming is None else str(list(incoming.shape))
            gradient = "" if incoming is None else self._brief(incoming)
            rows.append((step.op, shape, "" if value is None else self._brief(value), gradient))
            for target, g in zip(step.targets, step.outgoing, strict=True):
                if isinstance(target, Tensor) and g is not None:
                    label = next(n.label for n in self.graph.nodes if n.source is target)
                    rows.append((f"  {label}", str(list(g.shape)), self._brief(self._record.value(target)),
                                 self._brief(array(g))))  # fmt: skip
        if not rows:
            return ""
        title = "other operations, in the order of the backward pass"
        return self._table(title, ("operation", "shape", "value", "∂L/∂value"), rows)

    def _table(self, title: str, heads: tuple[str, ...], rows: list[Any]) -> str:
        if heads[0] == "example" and all(row[0] == "1" for row in rows):
            heads, rows = heads[1:], [row[1:] for row in rows]
        left = {"f", "worked", "operation", "weight"}
        more = len(rows) - self.limit
        shown = [heads, *rows[: self.limit]]
        widths = [max(len(row[i]) for row in shown) for i in range(len(heads))]
        lines = [title]
        for row in shown:
            cells = [
                cell.ljust(width) if head in left else cell.rjust(width)
                for cell, width, head in zip(row, widths, heads, strict=True)
            ]
            lines.append("  " + "  ".join(cells).rstrip())
        return "\n".join([*lines, f"  … {more} more rows"] if more > 0 else lines)

    # -- Pictures

    def svg(self) -> str:
        """The network with its numbers on it; one with many units, or none, as its graph of operations."""
        small = 0 < len(self.units) <= _MOST_UNITS and len(self.weights) <= _MOST_WEIGHTS
        return self._network() if small else self.graph.svg()

    def _network(self) -> str:
        column_of: dict[int, int] = {u.number: 0 for u in self.units if u.layer < 0}
        for at in range(len(self.layers)):
            column = 1 + max(column_of[i] for i in self._inputs[at])
            column_of.update({u.number: column for u in self.units if u.layer == at})
        columns: list[list[tuple[str, list[str]]]] = [[] for _ in range(1 + max(column_of.values()))]
        place: dict[int, tuple[int, int]] = {}
        for unit in self.units:
            units = columns[column_of[unit.number]]
            place[unit.number] = (column_of[unit.number], len(units))
            units.append((str(unit.number), self._beside(unit)))
        links = [
            (place[w.source], place[w.target], f"{w.name} {self._change(w)}")
            for w in self.weights
            if w.source is not None
        ]
        return network_svg(columns, links)

    def _beside(self, unit: Unit) -> list[str]:
        a = self._number(None if unit.a is None else float(unit.a[0]))
        if unit.layer < 0:
            return [f"a {a}"]
        z = self._number(None if unit.z is None else float(unit.z[0]))
        lines = [f"z {z}", f"a = {unit.activation}(z) = {a}", f"δ {self._number(float(unit.delta[0]))}"]
        bias = next((w for w in self.weights if w.source is None and w.target == unit.number), None)
        return lines if bias is None else [*lines, f"{bias.name} {self._change(bias)}"]

    def _change(self, weight: Weight) -> str:
        now = weight.now()
        if now == weight.value and self.lr is not None:
            now -= self.lr * (weight.gradient or 0.0)
        old = f"{weight.value:.3f}"
        return old if now == weight.value else f"{old} → {now:.3f}"

    def html(self, title: str = "backpropagation, worked") -> str:
        """A page with the pictures and the text that needs nothing else."""
        sections = [("The network", self.svg())] if self.layers else []
        return page(title, [*sections, ("Step by step", self.text()), ("The graph", self.graph.svg())])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes what the path's ending names: .svg .html .txt, and .mmd .dot of the graph."""
        makers = {".svg": self.svg, ".html": self.html, ".txt": self.text}
        save_as(path, {**makers, ".mmd": self.graph.mermaid, ".dot": self.graph.dot})

    def __repr__(self) -> str:
        return f"<Explanation: loss {self.loss:.6g}, {len(self.units)} units, {len(self.weights)} weights>"

    def _repr_svg_(self) -> str:
        return self.svg()


def _signs(terms: list[str]) -> str:
    text = " + ".join(terms)
    return text.replace("+ -", "− ")


def explain(
    loss: Tensor,
    lr: float | None = None,
    *,
    names: Any = None,
    delta: str = "error",
    precision: int = 4,
    limit: int = 40,
    file: Any = None,
    quiet: bool = False,
) -> Explanation:
    """Prints the worked backpropagation of `loss`: net input, output, δ, gradient and update, unit by unit.

    Units are found behind `linear` (or a product by a leaf matrix) and its activation; other operations get a
    row a tensor. No .grad is touched. Call it before `backward`, or after one with retain_graph=True.

    Args:
        loss: a Tensor of one element with a graph.
        lr: also print the update −lr · gradient and the new values.
        names: a Module or mapping from names to tensors, to label leaves.
        delta: "error": δ = −∂L/∂z (Rumelhart, Hinton and Williams 1986); "gradient": δ = ∂L/∂z.
        precision: digits after the point. limit: the most rows of a table.
        file: where to print (default: standard output). quiet: do not print.

    Returns:
        An Explanation: its numbers, `text()`, `svg()`, `html()`, `save(path)`. After an optimiser's step its
        text shows the updates made.

    Raises:
        RuntimeError: the loss has no graph, more than one element, or its graph has been freed.
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"explain: wants a Tensor, got {type(loss).__name__}")
    if loss.numel() != 1:
        raise RuntimeError(f"explain: wants a loss of one element, got shape {list(loss.shape)}")
    if edge_of(loss) is None:
        raise RuntimeError("explain: the loss requires no gradient: it has no graph")
    found = Explanation(loss, lr, names, delta, precision, limit)
    if not quiet:
        print(found.text(), end="", file=file or sys.stdout)
    return found
