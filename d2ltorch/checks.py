"""Arguments at the edge: each error names the argument, the value that it got and the cure."""

from __future__ import annotations

import numbers
import operator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def require(condition: bool, error: type[Exception], message: str) -> None:
    """Raise ``error(message)`` unless ``condition`` holds."""
    if not condition:
        raise error(message)


def whole_number(name: str, value: Any, lowest: int) -> int:
    """``value`` as an int of at least ``lowest``; NumPy's and torch's whole numbers are numbers, too."""
    try:
        number = operator.index(value)
        is_whole = not isinstance(value, bool) and getattr(value, "dtype", None) != torch.bool
    except TypeError:
        is_whole = False
    require(is_whole, TypeError, f"{name}={value!r} is not a whole number: give an int of {lowest} or more")
    require(number >= lowest, ValueError, f"{name}={value!r} is too small: give {lowest} or more")
    return number


def real_number(name: str, value: Any, example: float) -> float:
    """``value`` as a float; NumPy's numbers and tensors of one number are numbers, too."""
    single = isinstance(value, torch.Tensor) and value.numel() == 1
    is_number = single or (isinstance(value, numbers.Real) and not isinstance(value, bool))
    require(is_number, TypeError, f"{name}={value!r} is not a number: give one such as {example:g}")
    return float(value)


def check_module(net: Any) -> None:
    """A network, and none with layers that have not met data yet: they have no weights to count, start or train."""
    require(isinstance(net, nn.Module), TypeError, f"net={net!r} is not a torch.nn.Module: give one, such as lenet()")
    lazy = next((name for name, parameter in net.named_parameters() if is_lazy(parameter)), "")
    require(not lazy, ValueError, f"net has a lazy layer without weights ({lazy}): run one batch through it first")
