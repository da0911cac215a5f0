"""The graph of a module as boxes: traced with torch.fx, shaped by an input, small layers fused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ..summary import device_and_dtype, left_as_found, run_layers

ASIDE = ("norm", "activation", "shape")  # kinds that join the box of a neighbour
JOINTS = ("input", "merge", "concat")  # kinds that nothing joins
ACTIVATIONS = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh", "gelu": "GELU", "silu": "SiLU"}
NORMS = {"BatchNorm": "BN", "GroupNorm": "GN", "LayerNorm": "LN", "InstanceNorm": "IN"}
SILENT = ("view", "reshape", "squeeze", "unsqueeze", "getitem")  # joined without a word


@dataclass(eq=False)
class Box:
    """One box of `draw_block`. Lengths are inches; y falls from the top of the picture."""

    text: str
    kind: str  # conv, pool, dense, block, other, or one of ASIDE and JOINTS
    shape: tuple[int, ...] = ()  # of the output, without the batch
    inputs: list[Box] = field(default_factory=list)
    main: str | None = None  # "first" or "last": where the fused layers have their conv or pool
    consumers: int = 0
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    bus: float = 0.0  # the height at which leaving edges turn
    half: float = 0.0  # half the width
    reach: tuple[float, float] = (0.0, 0.0)  # what must stay free left and right of x

    @property
    def height(self) -> float:
        return 0.34 if self.kind == "merge" else 0.16 + 0.2 * (self.text.count("\n") + 1)


class _Tracer(fx.Tracer):
    """torch.fx with every childless module as one box, and every untraceable one too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        childless = next(m.children(), None) is None
        return childless or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        depth = len(self.module_stack)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:  # its forward branches on values: show it as one box
            while len(self.module_stack) > depth:  # torch.fx forgets to leave the module
                self.module_stack.popitem()
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)


def trace(module: nn.Module, size: tuple[int, ...]) -> list[Box]:
    """A box for every operation on tensors, in order of execution.

    Raises:
        ValueError: the input does not fit; the message names the layer.
    """
    run_layers(module, size)
    root = nn.Sequential(module)
    device, dtype = device_and_dtype(root)
    with left_as_found(root), torch.no_grad():
        traced = fx.GraphModule(root, _Tracer().trace(root))
        traced.graph.eliminate_dead_code()
        ShapeProp(traced).propagate(torch.zeros(size, device=device, dtype=dtype))
    modules = dict(root.named_modules(remove_duplicate=False))
    calls = [id(modules[n.target]) for n in traced.graph.nodes if n.op == "call_module"]
    boxes: dict[fx.Node, list[Box]] = {}  # what a node stands for: a tuple for what it is made of
    found: list[Box] = []
    for node in traced.graph.nodes:
        inputs = list(dict.fromkeys(box for n in node.all_input_nodes for box in boxes[n]))
        shape = getattr(node.meta.get("tensor_meta"), "shape", None)
        if node.op in ("get_attr", "output") or shape is None:
            boxes[node] = inputs if "tensor_meta" in node.meta else []  # a size is no flow of data
            continue
        if node.op == "placeholder":
            kind, text = "input", "input"
        elif node.op == "call_module":
            layer = modules[node.target]
            kind, text = describe(layer)
            if calls.count(id(layer)) > 1 and any(True for _ in layer.parameters()):
                text += " (shared)"
        else:
            kind, text = _describe_function(node, len(inputs))
        if kind == "concat" and len(inputs) == 1:  # the first layer of a dense block
            boxes[node] = inputs
            continue
        found.append(Box(text, kind, tuple(shape[1:]), inputs))
        boxes[node] = found[-1:]
        for source in inputs:
            source.consumers += 1
    return found


def fuse(boxes: list[Box]) -> list[Box]:
    """Join norm, activation and reshaping to the layer that they follow, or start with."""
    kept: list[Box] = []
    holder: dict[int, Box] = {}  # id of a box that is gone -> the box that holds it now
    for box in boxes:
        box.inputs = [holder.get(id(source), source) for source in box.inputs]
        before = box.inputs[0] if len(box.inputs) == 1 else None
        if before is not None and (before.consumers > 1 or before.kind in JOINTS):
            before = None
        if box.kind not in ASIDE + JOINTS:
            box.main = "first"
        if before is not None and box.kind in ASIDE and before.main != "last":
            second_line = before.main == "first" and "\n" not in before.text
            if box.text not in SILENT:
                before.text += ("\n+ " if second_line else " + ") + box.text
        elif before is not None and box.kind in ("conv", "dense") and before.main is None:
            before.text, before.kind = f"{before.text} +\n{box.text}", box.kind
            before.main = "last"
        else:
            kept.append(box)
            continue
        before.shape, before.consumers, holder[id(box)] = box.shape, box.consumers, before
    return kept


def describe(module: Any) -> tuple[str, str]:
    """The kind of a layer and what to call it."""
    name = type(module).__name__
    if next(module.children(), None) is not None:
        return _describe_container(module)
    if "Conv" in name and hasattr(module, "kernel_size"):
        groups = f", {module.groups} groups" if module.groups > 1 else ""
        return "conv", f"{_window(module)} conv, {module.out_channels}{_stride(module)}{groups}"
    if isinstance(module, nn.Linear):
        return "dense", f"dense, {module.out_features}"
    if "Pool" in name:
        which = "max pool" if "Max" in name else "avg pool"
        if not hasattr(module, "output_size"):
            return "pool", f"{_window(module)} {which}{_stride(module)}"
        is_global = module.output_size in (1, (1, 1))
        return "pool", f"global {which}" if is_global else f"adaptive {which}"
    for part, short in NORMS.items():
        if part in name:
            return "norm", short
    if "Dropout" in name or name in ("Flatten", "Unflatten", "Identity"):
        return "shape", "dropout" if "Dropout" in name else name.lower()
    if type(module).__module__ == "torch.nn.modules.activation":
        return "activation", name
    return "other", name


def _describe_container(module: nn.Module) -> tuple[str, str]:
    if type(module) is not nn.Sequential:
        return "block", type(module).__name__
    parts = [part for part in map(describe, module) if part[0] not in ASIDE]
    if len(parts) == 1:
        return parts[0]
    names = [kind if kind in ("conv", "pool", "dense") else text for kind, text in parts]
    counts = {name: names.count(name) for name in names}
    texts = [f"{n}\u00a0×\u00a0{name}" if n > 1 else name for name, n in counts.items()]
    return "block", " +\u00a0".join(texts) or "block"


def _describe_function(node: fx.Node, num_inputs: int) -> tuple[str, str]:
    name = getattr(node.target, "__name__", str(node.target)).strip("_")
    if name in ("cat", "concat", "concatenate"):
        return "concat", "concat"
    if name in ("add", "iadd", "mul", "imul") and num_inputs > 1:
        return "merge", "+" if "add" in name else "×"
    numbers = [argument for argument in node.args if isinstance(argument, int | float)]
    if name in ("mul", "imul") and numbers:
        return "other", f"× {numbers[0]:g}"
    if name in ACTIVATIONS:
        return "activation", ACTIVATIONS[name]
    if "pool" in name:
        return "pool", "max pool" if "max" in name else "avg pool"
    for part, kind in (("norm", "norm"), ("conv", "conv"), ("linear", "dense")):
        if part in name:
            return kind, name
    return "shape" if name in (*SILENT, "flatten", "dropout") else "other", name


def _window(module: Any) -> str:
    size = module.kernel_size
    return "×".join(map(str, size if isinstance(size, tuple) else (size, size)))


def _stride(module: Any) -> str:
    stride = module.stride[0] if isinstance(module.stride, tuple) else module.stride
    return f", /{stride}" if stride > 1 else ""
