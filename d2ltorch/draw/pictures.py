"""``draw_network``, a row of boxes, and ``draw_block``, a graph of them, in matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..summary import layer_summary, shape_text
from .graph import Box, describe, fuse, trace
from .layout import POINTS, SMALL, Edge, lay_out, text_width

# Okabe-Ito. Boxes are filled with light tints of these, so black text keeps a contrast above 10.
COLORS = {
    "input": "#777777",
    "conv": "#0072B2",
    "pool": "#D55E00",
    "dense": "#009E73",
    "norm": "#CC79A7",
    "activation": "#E69F00",
    "block": "#56B4E9",
    "other": "#777777",
}
LINE = "#444444"
SHORTCUT = "#D55E00"
WIDTH = 6.8  # inches, to which the notebook adds a margin of 0.1 on either side
PER_ROW = 6  # solids side by side
MAX_BOXES = 60


def draw_network(net: nn.Module, input_size: Sequence[int]) -> None:
    """Draw the top-level parts of `net` as solids: taller is larger, thicker has more channels.

    Height follows the square root of the height in pixels, thickness the logarithm of the number
    of channels. Activations, dropout and flattening are folded into the part before them. Vectors
    are bars, taller for more features.

    Args:
        net: a module that takes one tensor.
        input_size: the input's shape with the batch, for example (1, 1, 224, 224).

    Raises:
        ValueError: the input does not fit the network (see `layer_summary`).
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    stages = _stages(net, input_size)
    per_row = math.ceil(len(stages) / math.ceil(len(stages) / PER_ROW))
    pitch = WIDTH / per_row
    for stage in stages:
        stage.label = _wrap(stage.label, pitch - 0.1)
    rows = [stages[i : i + per_row] for i in range(0, len(stages), per_row)]
    heights = [max(stage.height + stage.depth for stage in row) for row in rows]
    spaces = [0.55 + 0.2 * max(stage.label.count("\n") for stage in row) for row in rows]
    fig, axes = _canvas(plt, 0, WIDTH, 0, sum(heights) + sum(spaces) + 0.15 * len(rows) + 0.3)
    base = axes.get_ylim()[1] - 0.3
    for row, height, space in zip(rows, heights, spaces):
        base -= height + 0.15
        edge = 0.0  # where the arrow into the next solid starts
        for i, stage in enumerate(row):
            center = (i + 0.5) * pitch
            left = center - (stage.width + stage.depth) / 2
            if stage is not stages[0]:
                _arrow(axes, [(edge, base + 0.1), (left - 0.03, base + 0.1)])
            _draw_solid(axes, stage, left, base)
            text = f"{stage.label}\n{shape_text(stage.shape)}"
            points = POINTS * min(1, (pitch - 0.06) / text_width(text, POINTS))
            axes.text(center, base - 0.06, text, ha="center", va="top", fontsize=points)
            edge = left + stage.width + 0.16
        if row is not rows[-1]:
            _arrow(axes, [(edge, base + 0.1), (WIDTH, base + 0.1)])
        base -= space
    kinds = [kind for kind in COLORS if any(stage.kind == kind for stage in stages)]
    fig.legend(
        handles=[Patch(fc=_tint(COLORS[k], 0.45), ec=COLORS[k], label=k) for k in kinds],
        loc="upper center",
        ncols=len(kinds),
        frameon=False,
        fontsize=POINTS,
        handlelength=1.1,
        handletextpad=0.5,
        columnspacing=1.2,
        borderaxespad=0,
    )


def draw_block(module: nn.Module, input_size: Sequence[int], *, title: str | None = None) -> None:
    """Draw the graph of `module`: a box per layer, merges apart, every edge with its C×H×W.

    The graph is traced with torch.fx and is read from top to bottom. Normalisation and activation
    join the box of the layer that they follow (or precede, where a block starts with them); an
    edge that skips layers runs around them. "/2" is a stride of 2.

    Args:
        module: a module that takes one tensor.
        input_size: the input's shape with the batch, for example (1, 192, 28, 28).
        title: a heading above the picture.

    Raises:
        ValueError: the input does not fit the module, or the graph has too many boxes to read.
    """
    import matplotlib.pyplot as plt

    boxes = fuse(trace(module, tuple(input_size)))
    if len(boxes) > MAX_BOXES:
        raise ValueError(
            f"module has {len(boxes)} boxes, too many for one picture (at most {MAX_BOXES}); draw "
            "one of its blocks, or use draw_network"
        )
    edges = lay_out(boxes)
    left = min(box.x - box.half for box in boxes) - 0.05
    right = max([b.x + b.reach[1] for b in boxes] + [e.lane for e in edges]) + 0.05
    bottom = min(box.bus for box in boxes) - 0.12
    top = 0.4 if title else 0.05
    title_width = 1.1 * text_width(title or "", POINTS)  # bold is a tenth wider
    missing = max(title_width, 2.6) - (right - left)
    if missing > 0:
        left, right = left - missing / 2, right + missing / 2
    scale = min(1.0, WIDTH / (right - left))
    _, axes = _canvas(plt, left, right, bottom, top, scale)
    for edge in edges:
        _draw_edge(axes, edge)
    for box in boxes:
        _draw_box(axes, box, scale)
    if title:
        place = {"ha": "left", "va": "top", "fontweight": "bold"}
        axes.text(left, top, title, fontsize=POINTS * scale, **place)


@dataclass
class _Stage:
    """One solid of `draw_network`; lengths in inches."""

    label: str
    kind: str
    shape: tuple[int, ...]  # without the batch
    tallest: int = 1  # pixels of the tallest stage

    @property
    def width(self) -> float:
        return 0.14 if len(self.shape) == 1 else 0.06 + 0.035 * math.log2(self.shape[0] + 1)

    @property
    def height(self) -> float:
        if len(self.shape) == 1:
            return 0.2 + 0.07 * math.log2(self.shape[0])
        return 0.12 + 0.95 * math.sqrt(self.shape[1] / self.tallest)

    @property
    def depth(self) -> float:
        if len(self.shape) == 1:
            return 0.05
        return 0.05 + 0.3 * math.sqrt(self.shape[-1] / self.tallest)


def _stages(net: nn.Module, input_size: Sequence[int]) -> list[_Stage]:
    modules = dict(net.named_modules(remove_duplicate=False))
    stages = [_Stage("input", "input", tuple(input_size[1:]))]
    for row in layer_summary(net, input_size).rows:
        kind, label = describe(modules.get(row.name, net))
        if kind == "block" and len(row.output_shape) == 2:
            kind = "dense"  # a head that ends in a vector
        if kind not in ("activation", "shape") and row.output_shape:
            label = label.split(",")[0].replace(" pool", "\u00a0pool")
            stages.append(_Stage(label, kind, row.output_shape[1:]))
    tallest = max(stage.shape[1] if len(stage.shape) > 1 else 1 for stage in stages)
    for stage in stages:
        stage.tallest = tallest
    return stages


def _draw_solid(axes: Any, stage: _Stage, left: float, base: float) -> None:
    from matplotlib.patches import Polygon

    right, top, depth = left + stage.width, base + stage.height, stage.depth
    front = [(left, base), (right, base), (right, top), (left, top)]
    roof = [(left, top), (right, top), (right + depth, top + depth), (left + depth, top + depth)]
    back = right + depth
    side = [(right, base), (back, base + depth), (back, top + depth), (right, top)]
    color = COLORS[stage.kind]
    for corners, strength in ((front, 0.45), (roof, 0.2), (side, 0.7)):
        style: dict[str, Any] = {"fc": _tint(color, strength), "ec": color, "lw": 1, "joinstyle": "round"}
        axes.add_patch(Polygon(corners, zorder=3, **style))


def _draw_box(axes: Any, box: Box, scale: float) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    if box.kind == "merge":
        axes.add_patch(Circle((box.x, box.y), 0.17, fc="white", ec="black", lw=1.6, zorder=3))
        arm = 0.1 if box.text == "+" else 0.075
        strokes = [(arm, 0), (0, arm)] if box.text == "+" else [(arm, arm), (arm, -arm)]
        for dx, dy in strokes:
            ends = [box.x - dx, box.x + dx], [box.y - dy, box.y + dy]
            axes.plot(*ends, color="black", lw=1.8, zorder=4)
    else:
        color = COLORS.get(box.kind, "black")
        fill = "#333333" if box.kind == "concat" else _tint(color, 0.22)
        axes.add_patch(
            FancyBboxPatch(
                (box.x - box.half, box.y - box.height / 2),
                2 * box.half,
                box.height,
                boxstyle=f"round,pad=0,rounding_size={0.16 if box.kind == 'input' else 0.06}",
                fc=fill,
                ec="#333333" if box.kind == "concat" else color,
                lw=1.4,
                zorder=3,
            )
        )
        ink = "white" if box.kind == "concat" else "black"
        style: dict[str, Any] = {"ha": "center", "va": "center", "linespacing": 1.2, "zorder": 4}
        axes.text(box.x, box.y, box.text, fontsize=POINTS * scale, color=ink, **style)
    style = {"ha": "left", "va": "bottom", "color": "#222222", "zorder": 4}
    label = shape_text(box.shape)
    axes.text(box.x + 0.07, box.bus + 0.03, label, fontsize=SMALL * scale, **style)


def _draw_edge(axes: Any, edge: Edge) -> None:
    source, target = edge.source, edge.target
    if target is None:
        foot = (source.x, source.bus - 0.1)
        _arrow(axes, [(source.x, source.y - source.height / 2), foot])
        return
    if math.isfinite(edge.lane):
        points = [(source.x, source.bus), (edge.lane, source.bus), (edge.lane, target.y)]
        _arrow(axes, [*points, (target.x + target.half, target.y)], SHORTCUT)
        return
    points = [(source.x, source.y - source.height / 2), (source.x, source.bus)]
    for line in edge.way:
        points += [(line.x, points[-1][1]), (line.x, line.bus)]
    x, y = points[-1]
    offset = x - target.x
    if target.kind == "merge" and abs(offset) > 0.01:
        points += [(x, target.y), (target.x + math.copysign(target.half, offset), target.y)]
    elif target.kind == "concat":
        points += [(x, target.y + target.height / 2)]
    else:
        points += [(target.x, y), (target.x, target.y + target.height / 2)]
    _arrow(axes, points)


def _arrow(axes: Any, points: list[tuple[float, float]], color: str = LINE) -> None:
    """A polyline with rounded corners and a head; shortcuts pass below other lines."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    kept = points[:1]
    for point in points[1:]:
        if math.dist(point, kept[-1]) > 1e-3:
            kept.append(point)
    vertices, codes = kept[:1], [Path.MOVETO]
    for before, corner, after in zip(kept, kept[1:], kept[2:]):
        vertices += [_towards(corner, before), corner, _towards(corner, after)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    path = Path([*vertices, kept[-1]], [*codes, Path.LINETO])
    style: dict[str, Any] = {"mutation_scale": 11, "lw": 1.5, "joinstyle": "round", "shrinkA": 0, "shrinkB": 0}
    zorder = 2 if color == LINE else 1.5
    head = FancyArrowPatch(path=path, arrowstyle="-|>", color=color, zorder=zorder, **style)
    axes.add_patch(head)


def _towards(corner: tuple[float, float], point: tuple[float, float]) -> tuple[float, float]:
    """The point where the rounding of a corner begins."""
    distance = math.dist(corner, point)
    step = min(0.08, distance / 2) / distance
    return corner[0] + step * (point[0] - corner[0]), corner[1] + step * (point[1] - corner[1])


def _wrap(text: str, width: float) -> str:
    """Break `text` at spaces so that its lines stay within `width` inches."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and text_width(f"{lines[-1]} {word}", POINTS) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _canvas(plt: Any, left: float, right: float, bottom: float, top: float, scale: float = 1.0) -> tuple[Any, Any]:
    """A white figure covered by one axes whose unit is an inch, times `scale`."""
    fig = plt.figure(figsize=((right - left) * scale, (top - bottom) * scale), facecolor="white")
    axes = fig.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    return fig, axes


def _tint(color: str, strength: float) -> tuple[float, float, float]:
    """Mix a colour with white."""
    from matplotlib.colors import to_rgb

    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(color))
    return red, green, blue
