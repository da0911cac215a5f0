"""One forward pass of a network that leaves it as it was: every call, its shapes and its cost."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def left_as_found(net: nn.Module) -> Iterator[None]:
    """Put `net` in eval mode inside the block; restore modes, buffers and random state after."""
    modes = [(module, module.training) for module in net.modules()]
    buffers = [
        (module._buffers, name, buffer, buffer.detach().clone())
        for module in net.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    device = device_and_dtype(net)[0]
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            net.eval()
            yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for owner, name, buffer, value in buffers:
                owner[name] = buffer.copy_(value)


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

    calls: list[Call] = []
    stack: list[Call] = []

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

    saved: dict[int, int] = {}
    permanent = {t.untyped_storage().data_ptr() for t in [*net.parameters(), *net.buffers()]}

    def save(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in permanent:
            width = 4 if tensor.is_floating_point() else tensor.element_size()
            saved[place] = max(saved.get(place, 0), tensor.numel() * width)
        return tensor

    device, dtype = device_and_dtype(net)
    hooks = []
    for module in net.modules():
        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with left_as_found(net), torch.enable_grad():
            with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
                output = net(torch.zeros(size, device=device, dtype=dtype))
            del output  # the graph had to live until here, or storage addresses would be reused
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ValueError(_misfit(size, stack, error)) from error
    finally:
        for hook in hooks:
            hook.remove()
    return calls, sum(saved.values())


def _misfit(size: tuple[int, ...], stack: list[Call], error: Exception) -> str:
    """Say which layer refused `size`, what reached it, and the smallest change that helps."""
    if not stack:
        return f"input_size is {size}, and the network failed on it: {error}"
    call, module = stack[-1], stack[-1].module
    shape = call.input_shape
    where = call.name or "the network"
    advice = f"it says: {error}"
    channels, features = getattr(module, "in_channels", None), getattr(module, "in_features", None)
    if channels and len(shape) == 4 and shape[1] != channels:
        first = "make input_size[1]" if shape == size else "give it input with"
        advice = f"it takes {channels} channels and got {shape[1]}; {first} {channels}"
        advice += f", or build that layer with in_channels={shape[1]}"
    elif features and shape and shape[-1] != features:
        advice = f"it takes {features} features and got {shape[-1]}; set its in_features to "
        advice += f"{shape[-1]}, or change the height and width in input_size"
    elif isinstance(module, nn.BatchNorm2d) and len(shape) == 4 and shape[1] != module.num_features:
        advice = f"it normalises {module.num_features} channels and got {shape[1]}; set its "
        advice += f"num_features to {shape[1]}"
    elif hasattr(module, "kernel_size") and len(shape) == 4:
        advice = f"its window {module.kernel_size} does not fit; give input_size a larger height "
        advice += f"and width. It says: {error}"
    return (
        f"input_size is {size}, and it does not fit: {type(module).__name__} ({where}) received "
        f"the shape {shape}; {advice}"
    )


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
    items = value.values() if isinstance(value, dict) else value
    if isinstance(items, (str, bytes)) or not hasattr(items, "__iter__"):
        return ()
    return next((shape for shape in map(_tensor_shape, items) if shape), ())


def device_and_dtype(net: nn.Module) -> tuple[torch.device, torch.dtype]:
    for tensor in [*net.parameters(), *net.buffers()]:
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def shape_text(shape: Sequence[int]) -> str:
    """(64, 28, 28) -> "64×28×28"."""
    return "×".join(map(str, shape))
