"""Where the boxes and edges of a graph go: layers from top to bottom, branches side by side."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, field

from ..summary import shape_text
from .graph import Box

POINTS = 12  # text size: legible when a seven-inch figure is shown on a phone
SMALL = POINTS - 1  # edge labels
SWEEPS = 30
Near = dict[int, list[Box]]  # id of a box -> the boxes that an edge joins it to


@dataclass
class Edge:
    """A way from one box to another (None: to the output)."""

    source: Box
    target: Box | None
    way: list[Box] = field(default_factory=list)  # the lines it takes through layers between
    lane: float = -math.inf  # x of the detour, for an edge that runs around the boxes


def lay_out(boxes: list[Box]) -> list[Edge]:
    """Set the layer (by longest path), place and size of every box; return the edges.

    An edge beside a longer path between the same two boxes is a shortcut and runs around on the
    right. All others run through the layers, so parallel branches get columns of their own.
    """
    above: dict[int, set[int]] = {}
    edges = [Edge(box, None) for box in boxes if not box.consumers]
    shortcuts: list[Edge] = []
    layers: list[list[Box]] = []
    parents: dict[int, list[Box]] = {}
    for box in boxes:
        above[id(box)] = {id(s) for s in box.inputs}.union(*(above[id(s)] for s in box.inputs))
        box.layer = 1 + max((source.layer for source in box.inputs), default=-1)
        layers += [[] for _ in range(box.layer + 1 - len(layers))]
        layers[box.layer].append(box)
        parents[id(box)] = []
        for source in box.inputs:
            edge = Edge(source, box)
            if any(id(source) in above[id(s)] for s in box.inputs):
                shortcuts.append(edge)
                continue
            edges.append(edge)
            for layer in range(source.layer + 1, box.layer):
                edge.way.append(Box("", "line", layer=layer))
                layers[layer].append(edge.way[-1])
            for before, after in itertools.pairwise([source, *edge.way, box]):
                parents.setdefault(id(after), []).append(before)
    _place_columns(layers, parents)
    y = 0.0
    for row in layers:
        height = max(box.height for box in row)
        for box in row:
            box.y, box.bus = y - height / 2, y - height - 0.27
        y -= height + 0.45
    _place_shortcuts(shortcuts, layers)
    return edges + shortcuts


@functools.cache
def text_width(text: str, points: float) -> float:
    """Width in inches of the longest line of `text`."""
    from matplotlib.textpath import TextPath

    lines = [line for line in text.split("\n") if line.strip()]
    widths = [TextPath((0, 0), line, size=points).get_extents().x1 / 72 for line in lines]
    return max(widths, default=0.0)


def _place_columns(layers: list[list[Box]], parents: Near) -> None:
    """Choose x: boxes in a row of single links share a column, which sits amid its neighbours."""
    children: dict[int, list[Box]] = {}
    for box in itertools.chain(*layers):
        for parent in parents[id(box)]:
            children.setdefault(id(parent), []).append(box)
    columns = _find_columns(layers, parents, children)
    for column in columns:
        left, right = (max(box.reach[side] for box in column) for side in (0, 1))
        for box in column:
            box.reach = (left, right)
    _sweep(layers, columns, parents, children)
    for layer in layers:
        _separate(layer)
        for box in layer:
            if box.kind == "concat":  # wide enough for its inputs to come straight down
                places = [parent.x for parent in parents[id(box)]]
                box.half = max([box.half, *(abs(x - box.x) + 0.2 for x in places)])
                box.reach = (box.half, max(box.half, box.reach[1]))


def _sweep(layers: list[list[Box]], columns: list[list[Box]], parents: Near, children: Near) -> None:
    """Pull each column amid its neighbours and push the boxes of a layer apart, until both have settled."""
    for _ in range(SWEEPS):
        for column in columns:
            near = parents[id(column[0])] + children.get(id(column[-1]), [])
            places = [box.x for box in near] or [column[0].x]
            for box in column:
                box.x = (min(places) + max(places)) / 2
        for layer in layers:
            _separate(layer)
        for column in columns:
            mean = sum(box.x for box in column) / len(column)
            for box in column:
                box.x = mean


def _find_columns(layers: list[list[Box]], parents: Near, children: Near) -> list[list[Box]]:
    """Order every layer from left to right, give each box its width, and return the columns, each from the top."""
    reading = _reading_order(layers, parents)
    rank: dict[int, float] = {}
    columns: dict[int, list[Box]] = {}  # id of a box -> its column

    def place(box: Box) -> tuple[float, int]:
        ranks = [rank[id(parent)] for parent in parents[id(box)]]
        return sum(ranks) / max(1, len(ranks)), reading[id(box)]

    for layer in layers:
        layer.sort(key=place)
        for i, box in enumerate(layer):
            rank[id(box)] = i
            line = parents[id(box)]
            single = len(line) == 1 and len(children[id(line[0])]) == 1
            columns[id(box)] = columns[id(line[0])] if single else []
            columns[id(box)].append(box)
            box.half = 0.17 if box.kind == "merge" else text_width(box.text, POINTS) / 2 + 0.12
            label = 0.12 + text_width(shape_text(box.shape), SMALL) if box.shape else 0.1
            box.reach = (box.half, max(box.half, label))
    return list({id(column): column for column in columns.values()}.values())


def _reading_order(layers: list[list[Box]], parents: Near) -> dict[int, int]:
    """The order in which the merges list their branches, by id of the box."""
    reading: dict[int, int] = {}

    def read(box: Box) -> None:
        if id(box) not in reading:
            for parent in parents[id(box)]:
                read(parent)
            reading[id(box)] = len(reading)

    for box in itertools.chain(*reversed(layers)):
        read(box)
    return reading


def _separate(layer: list[Box]) -> None:
    """Move boxes as little as possible so that none overlap (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in itertools.pairwise(layer):
        offsets.append(offsets[-1] + left.reach[1] + right.reach[0] + 0.2)
    pools: list[tuple[float, int]] = []  # mean start and number of boxes
    for box, offset in zip(layer, offsets):
        pools.append((box.x - offset, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (a, m), (b, n) = pools[-2:]
            pools[-2:] = [((a * m + b * n) / (m + n), m + n)]
    starts = [start for start, count in pools for _ in range(count)]
    for box, start, offset in zip(layer, starts, offsets):
        box.x = start + offset


def _place_shortcuts(shortcuts: list[Edge], layers: list[list[Box]]) -> None:
    """Give each shortcut a lane right of everything it passes; the shortest run innermost."""
    placed: list[tuple[int, int, float]] = []  # first and last layer, and the lane
    spans = [(edge.source.layer, edge.target.layer, edge) for edge in shortcuts if edge.target]
    for first, last, edge in sorted(spans, key=lambda span: span[1] - span[0]):
        beside = [box.x + box.reach[1] for row in layers[first + 1 : last + 1] for box in row]
        taken = [lane for start, end, lane in placed if start < last and first < end]
        edge.lane = max(beside + taken) + 0.16
        placed.append((first, last, edge.lane))
