"""Bad input to ``train`` and ``evaluate``: each error names the argument, the value that it got and the cure."""

from __future__ import annotations

import math

import torch
from torch import nn

from .data import DataIter


def require(condition: bool, error: type[Exception], message: str) -> None:
    if not condition:
        raise error(message)


def check_iter(name: str, data_iter: object) -> None:
    require(
        isinstance(data_iter, DataIter),
        TypeError,
        f"{name}={type(data_iter).__name__} is not what load_data_fashion_mnist returns (a DataIter)",
    )
    require(data_iter.num_examples > 0, ValueError, f"{name} is empty: give it at least one example")


def check_arguments(net, train_iter, test_iter, num_epochs, lr, label_smoothing) -> None:
    require(isinstance(net, nn.Module), TypeError, f"net={net!r} is not a torch.nn.Module")
    lazy = [name for name, p in net.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    require(
        not lazy,
        ValueError,
        f"net has a lazy layer without weights ({lazy[:1]}): run one batch through it first",
    )
    trainable = any(parameter.requires_grad for parameter in net.parameters())
    require(trainable, ValueError, f"net={type(net).__name__} has no parameter to train (requires_grad)")
    check_iter("train_iter", train_iter)
    if test_iter is not None:
        check_iter("test_iter", test_iter)
    whole = isinstance(num_epochs, int) and not isinstance(num_epochs, bool)
    require(whole, TypeError, f"num_epochs={num_epochs!r} is not a whole number")
    require(num_epochs >= 1, ValueError, f"num_epochs={num_epochs} must be at least 1")
    number = isinstance(lr, (int, float)) and not isinstance(lr, bool)
    require(number, TypeError, f"lr={lr!r} is not a number")
    require(math.isfinite(lr) and lr > 0, ValueError, f"lr={lr} must be a positive number such as 0.1")
    smooth = isinstance(label_smoothing, (int, float)) and 0 <= label_smoothing < 1
    require(smooth, ValueError, f"label_smoothing={label_smoothing!r} must be at least 0 and below 1")


def check_functions(**functions: object) -> None:
    examples = {
        "optimizer": "lambda parameters: torch.optim.SGD(parameters, 0.1)",
        "schedule": "lambda progress: 1 - progress",
        "augment": "lambda X: X.flip(3)",
        "loss": "torch.nn.functional.cross_entropy",
    }
    for name, function in functions.items():
        is_usable = function is None or callable(function)
        require(is_usable, TypeError, f"{name}={function!r} is not a function: give one such as {examples[name]}")


def check_logits(logits: torch.Tensor, y: torch.Tensor, data_iter: DataIter) -> None:
    fits = isinstance(logits, torch.Tensor) and logits.dim() == 2 and len(logits) == len(y)
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    require(
        fits,
        ValueError,
        f"net returns {shape} for {len(y)} examples: it must return logits of ({len(y)}, classes)",
    )
    classes = data_iter.num_classes
    require(
        logits.shape[1] >= classes,
        ValueError,
        f"net returns {logits.shape[1]} logits an example for labels 0 to {classes - 1}: give it num_classes={classes}",
    )
