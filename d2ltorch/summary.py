"""Where the parameters and the multiply-adds of a network live, layer by layer."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .checks import check_module, require, whole_number


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
    saved_bytes: int  # kept for the backward pass, for the batch of input_size

    def activation_bytes(self, batch_size: int) -> int:
        """Bytes of activations that one training step keeps for the backward pass, in float32.

        These are the tensors that autograd saves (parameters left out), scaled from the summary's batch to
        `batch_size`, with the network in eval mode: in training a batch norm written out by hand keeps more. Optimizer
        state, gradients and cuDNN's work space come on top.
        """
        return self.saved_bytes * whole_number("batch_size", batch_size, 1) // self.input_size[0]

    def plot(self) -> None:
        """Draw two bar charts side by side: parameters and multiply-adds, a bar per row."""
        import matplotlib.pyplot as plt

        rows = [row for row in self.rows if row.num_params or row.mult_adds]
        _, panels = plt.subplots(1, 2, figsize=(7, 1.3 + 0.27 * len(rows)), sharey=True, layout="constrained")
        columns = [("parameters", "num_params", "C0", ""), ("multiply-adds", "mult_adds", "C1", "//")]
        for axes, (title, attribute, color, hatch) in zip(panels, columns):
            values = [getattr(row, attribute) for row in rows]
            bars = axes.barh(range(len(rows)), values, color=color, hatch=hatch, edgecolor="white")
            axes.bar_label(bars, [_short(value) for value in values], padding=3)
            axes.set(title=f"{title}: {_short(sum(values))}", xlim=(0, 1.28 * max([*values, 1])), xticks=[])
            axes.grid(False)
            axes.spines["bottom"].set_visible(False)
        panels[0].set_yticks(range(len(rows)), [f"{row.name} {row.kind}" for row in rows])
        panels[0].invert_yaxis()

    def __repr__(self) -> str:
        lines = [("layer", "output shape", "parameters", "multiply-adds")]
        for row in self.rows:
            shape = shape_text(row.output_shape)
            lines.append((f"{row.name} {row.kind}", shape, f"{row.num_params:,}", f"{row.mult_adds:,}"))
        lines.append(("total", "", f"{self.total_params:,}", f"{self.total_mult_adds:,}"))
        a, b, c, d = (max(map(len, column)) for column in zip(*lines))
        a = min(a, 70 - b - c - d)  # three gaps of two: 76 in all
        table = []
        for name, shape, params, mult_adds in lines:
            name = name if len(name) <= a else name[: a - 1] + "…"
            table.append(f"{name:<{a}}  {shape:<{b}}  {params:>{c}}  {mult_adds:>{d}}")
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        dash = "─" if "─".encode(encoding, "ignore") else "-"  # Windows' code page 1252 draws no lines
        rule = dash * (a + b + c + d + 6)
        return "\n".join([table[0], rule, *table[1:-1], rule, table[-1]])


def layer_summary(net: nn.Module, input_size: Sequence[int], *, depth: int = 1) -> LayerSummary:
    """Run one batch through `net` and count parameters and multiply-adds (torchinfo's rules).

    The network is run in eval mode on its own device and left as it was found: modes, buffers, gradients and random
    state. A module used twice has its parameters counted at its first use and its multiply-adds at each. torchinfo
    counts a bias as one multiply-add per output, and the numbers are for the whole batch of `input_size`.

    Args:
        net: a module that takes one tensor.
        input_size: the input's shape with the batch, for example (1, 1, 224, 224).
        depth: how many levels of nesting the rows open up; 1 shows the network's own parts.

    Raises:
        ValueError: the input does not fit (it names the layer and the shape that reached it), or a layer is lazy.
    """
    size = _checked_size(net, input_size)
    depth = whole_number("depth", depth, 1)
    calls, saved_bytes = run_layers(net, size)
    seen: set[int] = set()
    rows = []
    for call in calls:
        if call.depth == depth or (call.depth < depth and call.is_leaf):
            num_params, kind = _count_new(call.module, seen), type(call.module).__name__
            rows.append(LayerRow(call.name, kind, call.shape, num_params, call.mult_adds))
    rest = _count_new(net, seen)
    if rest:  # parameters held by a container itself, or by layers that did not run
        rows.append(LayerRow("(no layer)", "Parameter", (), rest, 0))
    total_params = sum(p.numel() for p in net.parameters())
    return LayerSummary(rows, size, total_params, calls[0].mult_adds, saved_bytes)


def _checked_size(net: Any, input_size: Any) -> tuple[int, ...]:
    check_module(net)
    cure = "give batch and sizes, such as (1, 1, 224, 224)"
    is_sequence = isinstance(input_size, Iterable)
    require(is_sequence, TypeError, f"input_size={input_size!r} is not a sequence: {cure}")
    size = tuple(whole_number("input_size", n, 1) for n in input_size)
    takes_maps = any(isinstance(module, nn.Conv2d) for module in net.modules())
    fits = len(size) == 4 if takes_maps else len(size) >= 2
    require(fits, ValueError, f"input_size={size} has {len(size)} numbers: {cure}")
    return size


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


@contextlib.contextmanager
def left_as_found(net: nn.Module) -> Iterator[None]:
    """Put `net` in eval mode inside the block; restore modes, buffers and random state after."""
    found = [(module, module.training, dict(module._buffers)) for module in net.modules()]
    values = [(buffer, buffer.detach().clone()) for buffer in net.buffers()]
    device = device_and_dtype(net)[0]
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            net.eval()
            yield
    finally:
        for module, training, buffers in found:
            module.training = training
            module._buffers.update(buffers)
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)


@dataclass
class Call:
    """One call of one module during the forward pass."""

    name: str
    module: nn.Module
    depth: int
    input_shape: tuple[int, ...]
    shape: tuple[int, ...] = ()
    mult_adds: int = 0
    uses: dict[int, int] = field(default_factory=dict)  # calls of each child so far

    @property
    def is_leaf(self) -> bool:
        return next(self.module.children(), None) is None


def run_layers(net: nn.Module, size: tuple[int, ...]) -> tuple[list[Call], int]:
    """Every call in order (the network itself first), and the bytes kept for backward."""
    from torchinfo.layer_info import LayerInfo

    calls, stack, saved = list[Call](), list[Call](), dict[int, int]()
    permanent = {t.untyped_storage().data_ptr() for t in [*net.parameters(), *net.buffers()]}

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        name = _child_name(stack[-1], module) if stack else ""
        calls.append(Call(name, module, len(stack), _tensor_shape(inputs)))
        stack.append(calls[-1])

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        call = stack.pop()
        call.shape = _tensor_shape(output)
        if call.is_leaf and call.shape:
            info = LayerInfo(call.name, module, call.depth)
            info.output_size = list(call.shape)
            info.calculate_macs()
            for caller in [*stack, call]:
                caller.mult_adds += info.macs

    def save(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in permanent:
            width = 4 if tensor.is_floating_point() else tensor.element_size()
            saved[place] = max(saved.get(place, 0), tensor.numel() * width)
        return tensor

    device, dtype = device_and_dtype(net)
    saving = torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor)
    try:
        with contextlib.ExitStack() as hooks, left_as_found(net), torch.enable_grad(), saving:
            for module in net.modules():
                hooks.enter_context(module.register_forward_pre_hook(enter))
                hooks.enter_context(module.register_forward_hook(leave))
            output = net(torch.zeros(size, device=device, dtype=dtype))
            del output  # the graph had to live until here, or storage addresses would be reused
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ValueError(_misfit(size, stack, error)) from error
    return calls, sum(saved.values())


def _misfit(size: tuple[int, ...], stack: list[Call], error: Exception) -> str:
    """Say which layer refused `size`, what reached it, and the smallest change that helps."""
    if not stack:
        return f"input_size is {size}, and the network failed on it: {error}"
    call = stack[-1]
    match call.module, call.input_shape:
        case object(in_channels=takes), (_, got, _, _) if takes and got != takes:
            cure = f"{'make input_size[1]' if call.input_shape == size else 'give it input with'} {takes}"
            advice = f"it takes {takes} channels and got {got}; {cure}, or build it with in_channels={got}"
        case object(in_features=takes), (*_, got) if takes and got != takes:
            cure = f"set its in_features to {got}, or change the height and width in input_size"
            advice = f"it takes {takes} features and got {got}; {cure}"
        case nn.BatchNorm2d(num_features=takes), (_, got, _, _) if got != takes:
            advice = f"it normalises {takes} channels and got {got}; set its num_features to {got}"
        case object(kernel_size=window), (_, _, _, _):
            advice = f"its window {window} does not fit; give input_size a larger height and width. It says: {error}"
        case _:
            advice = f"it says: {error}"
    layer = f"{type(call.module).__name__} ({call.name or 'the network'})"
    return f"input_size is {size}, and it does not fit: {layer} received the shape {call.input_shape}; {advice}"


def _child_name(caller: Call, module: nn.Module) -> str:
    """The module's path by way of its caller; a shared module takes its names in turn."""
    owners = caller.module.named_modules(remove_duplicate=False)
    names = [name for name, child in owners if child is module and name]
    turn = caller.uses[id(module)] = caller.uses.get(id(module), -1) + 1
    name = names[min(turn, len(names) - 1)] if names else type(module).__name__.lower()
    return f"{caller.name}.{name}" if caller.name else name


def _tensor_shape(value: Any) -> tuple[int, ...]:
    """The shape of a tensor, or of the first tensor in a sequence or mapping."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return next((shape for shape in map(_tensor_shape, items) if shape), ())


def device_and_dtype(net: nn.Module) -> tuple[torch.device, torch.dtype]:
    tensors = (tensor for tensor in [*net.parameters(), *net.buffers()] if tensor.is_floating_point())
    return next(((tensor.device, tensor.dtype) for tensor in tensors), (torch.device("cpu"), torch.float32))


def shape_text(shape: Sequence[int]) -> str:
    """(64, 28, 28) -> "64×28×28"."""
    return "×".join(map(str, shape))
