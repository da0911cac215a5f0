"""Where the parameters and the multiply-adds of a network live, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn
from torch.nn.parameter import is_lazy

from ._forward import run_layers, shape_text

UNPLACED = "(no layer)"


@dataclass(frozen=True)
class LayerRow:
    """One line of a `LayerSummary`: a layer as the input met it, in order of execution."""

    name: str
    kind: str  # the module's class
    output_shape: tuple[int, ...]
    num_params: int  # 0 where an earlier row has counted them
    mult_adds: int


@dataclass
class LayerSummary:
    """The rows of `layer_summary`; prints as a table of at most 76 columns."""

    rows: list[LayerRow]
    input_size: tuple[int, ...]
    total_params: int
    total_mult_adds: int
    saved_bytes: int = field(repr=False)  # kept for the backward pass, for the batch of input_size

    def activation_bytes(self, batch_size: int) -> int:
        """Bytes of activations that one training step keeps for the backward pass, in float32.

        These are the tensors that autograd saves (parameters left out), scaled from the summary's
        batch to `batch_size`. Optimizer state, gradients and cuDNN's work space come on top.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; use 1 or more")
        return self.saved_bytes * batch_size // self.input_size[0]

    def plot(self) -> None:
        """Draw two bar charts side by side: parameters and multiply-adds, a bar per row."""
        import matplotlib.pyplot as plt

        rows = [row for row in self.rows if row.num_params or row.mult_adds]
        height = 1.3 + 0.27 * len(rows)
        _, panels = plt.subplots(1, 2, figsize=(7, height), sharey=True, layout="constrained")
        labels = [f"{row.name} {row.kind}" for row in rows]
        columns = [
            ("parameters", "num_params", "C0", ""),
            ("multiply-adds", "mult_adds", "C1", "//"),
        ]
        for axes, (title, attribute, color, hatch) in zip(panels, columns):
            values = [getattr(row, attribute) for row in rows]
            bars = axes.barh(range(len(rows)), values, color=color, hatch=hatch, edgecolor="white")
            axes.bar_label(bars, [_short(value) for value in values], padding=3)
            axes.set_title(f"{title}: {_short(sum(values))}")
            axes.set_xlim(0, 1.28 * max([*values, 1]))
            axes.set_xticks([])
            axes.grid(False)
            axes.spines["bottom"].set_visible(False)
        panels[0].set_yticks(range(len(rows)), labels)
        panels[0].invert_yaxis()

    def __repr__(self) -> str:
        head = ("layer", "output shape", "parameters", "multiply-adds")
        body = []
        for row in self.rows:
            counts = (f"{row.num_params:,}", f"{row.mult_adds:,}")
            body.append((f"{row.name} {row.kind}", shape_text(row.output_shape), *counts))
        total = ("total", "", f"{self.total_params:,}", f"{self.total_mult_adds:,}")
        widths = [max(len(line[i]) for line in [head, *body, total]) for i in range(4)]
        widths[0] = min(widths[0], 70 - sum(widths[1:]))  # three gaps of two: 76 in all

        def line(cells: Sequence[str]) -> str:
            name = cells[0] if len(cells[0]) <= widths[0] else cells[0][: widths[0] - 1] + "…"
            left = f"{name:<{widths[0]}}  {cells[1]:<{widths[1]}}"
            return f"{left}  {cells[2]:>{widths[2]}}  {cells[3]:>{widths[3]}}".rstrip()

        rule = "─" * (sum(widths) + 6)
        return "\n".join([line(head), rule, *map(line, body), rule, line(total)])


def layer_summary(net: nn.Module, input_size: Sequence[int], *, depth: int = 1) -> LayerSummary:
    """Run one batch through `net` and count parameters and multiply-adds (torchinfo's rules).

    The network is run in eval mode on its own device and left as it was found: modes, buffers,
    gradients and random state. A module used twice has its parameters counted at its first use and
    its multiply-adds at each. torchinfo counts a bias as one multiply-add per output, and the
    numbers are for the whole batch of `input_size`.

    Args:
        net: a module that takes one tensor.
        input_size: the input's shape with the batch, for example (1, 1, 224, 224).
        depth: how many levels of nesting the rows open up; 1 shows the network's own parts.

    Raises:
        ValueError: the input does not fit (it names the layer and the shape that reached it), or
            the network has lazy layers that no input has initialised.
    """
    size = tuple(input_size)
    if len(size) < 2 or not all(isinstance(n, int) and n > 0 for n in size):
        raise ValueError(f"input_size is {size}; give batch and sizes, such as (1, 1, 224, 224)")
    if depth < 1:
        raise ValueError(f"depth is {depth}; use 1 or more")
    for name, parameter in net.named_parameters():
        if is_lazy(parameter):
            raise ValueError(
                f"net has a lazy layer without a shape yet ({name}); run one batch through it "
                f"first: net(torch.zeros{size})"
            )
    calls, saved_bytes = run_layers(net, size)
    seen: set[int] = set()
    rows = []
    for call in calls:
        if call.depth == depth or (call.depth < depth and call.is_leaf):
            num_params = _count_new(call.module, seen)
            kind = type(call.module).__name__
            rows.append(LayerRow(call.name, kind, call.shape, num_params, call.mult_adds))
    rest = _count_new(net, seen)
    if rest:  # parameters held by a container itself, or by layers that did not run
        rows.append(LayerRow(UNPLACED, "Parameter", (), rest, 0))
    total_params = sum(p.numel() for p in net.parameters())
    return LayerSummary(rows, size, total_params, calls[0].mult_adds, saved_bytes)


def _count_new(module: nn.Module, seen: set[int]) -> int:
    """Elements of the parameters of `module` that are not yet in `seen`, which it extends."""
    new = {id(p): p.numel() for p in module.parameters() if id(p) not in seen}
    seen.update(new)
    return sum(new.values())


def _short(value: float) -> str:
    """12345678 -> "12.3 M"."""
    for power, unit in ((9, " G"), (6, " M"), (3, " k")):
        if value >= 10**power:
            return f"{value / 10**power:.3g}{unit}"
    return f"{value:g}"
