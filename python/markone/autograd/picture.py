"""SVG pictures of graphs and networks, laid out and written here: no other program is needed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graphview import Graph

__all__ = ["graph_svg", "layered", "network_svg", "page"]

INK, MUTED, LINE, PAPER = "#1f2430", "#69707d", "#9aa3b2", "#ffffff"
OPERATION, LEAF, UNIT, RED = "#f3f5f8", "#e8f0fd", "#fff4e5", "#b3372f"
_FONT = "font-family='ui-sans-serif, Helvetica, Arial, sans-serif'"


def escape(text: str) -> str:
    """Text for XML."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&quot;")):
        text = text.replace(sign, name)
    return text


def layered(count: int, edges: Sequence[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Rows for a directed graph without cycles, and each edge's way through them.

    Every edge leads to a lower row; one over several rows passes a place of its own in each of those between
    (numbers from `count` on). Within a row the places stand in the order of their neighbours' means
    (Sugiyama, Tagawa and Toda 1981).
    """
    rank = [0] * count
    for source, target in sorted(edges, key=lambda e: e[1]):
        rank[target] = max(rank[target], rank[source] + 1)
    # What has no inputs stands just above the first thing that uses it.
    for node in range(count):
        users = [rank[target] for source, target in edges if source == node]
        if users and not any(target == node for _, target in edges):
            rank[node] = min(users) - 1
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    for node in range(count):
        rows[rank[node]].append(node)
    ways, following = [], count
    for source, target in edges:
        way = [source]
        for between in range(rank[source] + 1, rank[target]):
            rows[between].append(following)
            way.append(following)
            following += 1
        ways.append([*way, target])
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for way in ways:
        for a, b in itertools.pairwise(way):
            below.setdefault(a, []).append(b)
            above.setdefault(b, []).append(a)
    for sweep in range(6):
        neighbours = above if sweep % 2 == 0 else below
        place = {node: i - (len(row) - 1) / 2 for row in rows for i, node in enumerate(row)}
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            means = {
                n: sum(place[m] for m in neighbours[n]) / len(neighbours[n]) if n in neighbours else place[n]
                for n in row
            }
            row.sort(key=lambda n: means[n])
            place.update({n: i - (len(row) - 1) / 2 for i, n in enumerate(row)})
    return rows, ways


def _text(x: float, y: float, words: str, size: float = 12, colour: str = INK, more: str = "") -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' fill='{colour}' text-anchor='middle' {more}>"
        f"{escape(words)}</text>"
    )


def _svg(width: float, height: float, body: list[str]) -> str:
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
            f"width='{width:.0f}' height='{height:.0f}' {_FONT}>",
            "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' "
            f"orient='auto'><path d='M0 0 L8 4 L0 8 z' fill='{LINE}'/></marker></defs>",
            f"<rect width='100%' height='100%' fill='{PAPER}'/>",
            *body,
            "</svg>\n",
        ]
    )


def graph_svg(graph: Graph) -> str:
    """A box an operation or leaf, inputs above what uses them, with the lines of each node in its box."""
    nodes = graph.nodes
    rows, ways = layered(len(nodes), [(e.source, e.target) for e in graph.edges])
    texts = [node.lines() for node in nodes]
    sizes = [(max(7.0 * max(map(len, text)) + 20, 70), 16.0 * len(text) + 12) for text in texts]

    def width_of(place: int) -> float:
        return sizes[place][0] if place < len(nodes) else 12.0

    gap, widths = 24.0, []
    for row in rows:
        widths.append(sum(map(width_of, row)) + gap * (len(row) - 1))
    total, y = max(widths, default=0) + 40, 20.0
    at: dict[int, tuple[float, float, float]] = {}  # centre, top, height
    for row, wide in zip(rows, widths, strict=True):
        tall = max(sizes[n][1] if n < len(nodes) else 0 for n in row)
        x = (total - wide) / 2
        for place in row:
            w, h = width_of(place), sizes[place][1] if place < len(nodes) else tall
            at[place] = (x + w / 2, y + (tall - h) / 2, h)
            x += w + gap
        y += tall + 44
    body = []
    for way in ways:
        x0, top, height = at[way[0]]
        path = f"M{x0:.1f} {top + height:.1f}"
        y0 = top + height
        for place in way[1:]:
            x1, y1, tall = at[place]
            middle = (y0 + y1) / 2
            path += f" C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
            x0, y0 = x1, y1
            if place >= len(nodes):
                y0 = y1 + tall
                path += f" L{x1:.1f} {y0:.1f}"
        body.append(
            f"<path d='{path}' fill='none' stroke='{LINE}' stroke-width='1.3' marker-end='url(#tip)'/>"
        )
    for node, text, (w, h) in zip(nodes, texts, sizes, strict=True):
        x, top, _ = at[node.id]
        leaf = node.kind == "leaf"
        body.append(
            f"<rect x='{x - w / 2:.1f}' y='{top:.1f}' width='{w:.1f}' height='{h:.1f}' "
            f"rx='{14 if leaf else 3}' fill='{LEAF if leaf else OPERATION}' stroke='{LINE}'/>"
        )
        for i, words in enumerate(text):
            first = "font-weight='bold'" if i == 0 else ""
            colour = INK if i == 0 else MUTED if i == 1 else RED if words.startswith("∂") else INK
            body.append(_text(x, top + 19 + 16 * i, words, 12, colour, first))
    return _svg(total, y - 24, body)


def network_svg(
    columns: Sequence[Sequence[tuple[str, list[str]]]], links: Sequence[tuple[Any, Any, str]]
) -> str:
    """A network of units, a column a layer, from left to right.

    Args:
        columns: for each layer its units: a name and the lines beside it.
        links: ((column, row), (column, row), text) from unit to unit; the text stands near the target.
    """
    tallest = max(len(column) for column in columns)
    step_x, step_y, radius = 280.0, 124.0, 20.0
    height = tallest * step_y + 50
    at = {
        (c, r): (90 + c * step_x, height / 2 + (r - (len(column) - 1) / 2) * step_y)
        for c, column in enumerate(columns)
        for r in range(len(column))
    }
    lines, labels = [], []
    taken: list[tuple[float, float]] = []
    for source, target, words in sorted(links, key=lambda link: (link[1], link[0])):
        (x0, y0), (x1, y1) = at[source], at[target]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        lines.append(
            f"<line x1='{x0 + dx * radius:.1f}' y1='{y0 + dy * radius:.1f}' x2='{x1 - dx * radius:.1f}' "
            f"y2='{y1 - dy * radius:.1f}' stroke='{LINE}' stroke-width='1.3' marker-end='url(#tip)'/>"
        )
        # Near the source, where the lines of one unit are apart and few others cross; further on where
        # another text stands already.
        size = 6.0 * len(words) + 6
        for where in (0.34, 0.44, 0.54, 0.24, 0.64):
            x, y = x0 + (x1 - x0) * where, y0 + (y1 - y0) * where
            if all(abs(y - other_y) > 13 or abs(x - other_x) > size for other_x, other_y in taken):
                break
        else:
            x, y = x0 + (x1 - x0) * 0.34, y0 + (y1 - y0) * 0.34
        taken.append((x, y))
        labels.append(
            f"<rect x='{x - size / 2:.1f}' y='{y - 8:.1f}' width='{size:.1f}' height='15' fill='{PAPER}'/>"
        )
        labels.append(_text(x, y + 3.5, words, 10.5, MUTED))
    body = lines + labels
    for (c, r), (x, y) in at.items():
        name, notes = columns[c][r]
        body.append(
            f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' fill='{UNIT if c else LEAF}' stroke='{LINE}'/>"
        )
        body.append(_text(x, y + 4.5, name, 13, INK, "font-weight='bold'"))
        for i, words in enumerate(notes):
            body.append(_text(x, y + radius + 14 + 13 * i, words, 10.5, RED if words[0] in "δ" else INK))
    return _svg(180 + (len(columns) - 1) * step_x, height, body)


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """One HTML file: each section a heading with an SVG or preformatted text."""
    parts = []
    for heading, content in sections:
        inner = content if content.startswith("<svg") else f"<pre>{escape(content)}</pre>"
        parts.append(f"<section><h2>{escape(heading)}</h2>{inner}</section>")
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>{escape(title)}</title><style>body{{margin:2rem auto;max-width:72rem;padding:0 1rem;"
        f"color:{INK};font-family:ui-sans-serif,Helvetica,Arial,sans-serif}}svg{{max-width:100%;height:auto}}"
        "pre{overflow-x:auto;line-height:1.45}h1,h2{font-weight:600}</style>"
        f"<h1>{escape(title)}</h1>{''.join(parts)}</html>\n"
    )
