"""The training loop of the book, and what it needs to be fast and safe.

Its heart, ``_learn``, is the loop that the LeNet chapter writes out: minibatch gradient descent (Robbins and Monro,
1951), one pass over shuffled examples an epoch. Around it: mixed precision (Micikevicius et al., 2018,
arXiv:1710.03740), channels-last memory, sums that stay on the device, a schedule, checkpoints and a plot.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .checkpoint import Run, describe_run, usable_path
from .checks import check_module, real_number, require, whole_number
from .data import DataIter, check_data
from .device import autocast, choose_precision, is_quick, keep_freed_memory, usable_device
from .history import COLUMNS, History
from .plots import Animator
from .summary import layer_summary, left_as_found

EXAMPLES = {
    "optimizer": "lambda parameters: torch.optim.SGD(parameters, momentum=0.9)",
    "schedule": "lambda progress: 1 - progress",
    "augment": "lambda X: X.flip(3)",
}


def train(
    net: nn.Module,
    train_iter: DataIter,
    test_iter: DataIter | None,
    num_epochs: int,
    lr: float,
    *,
    device: torch.device | str | None = None,
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
    schedule: Callable[[float], float] | None = None,
    augment: Callable[[Tensor], Tensor] | None = None,
    label_smoothing: float = 0.0,
    precision: str = "auto",
    checkpoint: str | Path | None = None,
    animator: bool = True,
) -> History:
    """Train a classifier by cross-entropy and minibatch SGD; return losses and accuracies, a row an epoch.

    Args:
        net: maps ``X`` (B, C, H, W) to logits (B, classes). Trained in place, on ``device``; parts in evaluation mode
            while the network is not stay so: a batch norm frozen by ``eval()`` keeps its statistics.
        train_iter, test_iter: batches ``X, y`` to learn from, and to evaluate on after every epoch (None: not at all).
        num_epochs: passes over ``train_iter``, at least 1. Quick mode stops after one.
        lr: learning rate; an ``optimizer`` of your own runs at it, whatever rate it was made with.
        device: where to train; where ``train_iter`` lives if None.
        optimizer: called with the parameters, returns a ``torch.optim`` optimiser; None for SGD.
        schedule: maps the finished share of training (0 to 1) to a factor on the learning rate.
        augment: applied to each training batch ``X``, on the device.
        label_smoothing: share of each label spread over all classes (Szegedy et al., 2016), 0 to 1.
        precision: ``"float32"``, ``"bfloat16"``, ``"float16"`` or ``"auto"`` for the fastest that is safe here. In
            float32, recent NVIDIA GPUs still round the factors of convolutions to TF32, as is PyTorch's default.
        checkpoint: a file to save after every epoch and to go on from when it exists. On a CPU, a run stopped and
            resumed ends with the same weights, bit for bit, as one that was not. Functions (``schedule``, ``augment``)
            are compared by name.
        animator: True plots while training in a notebook and prints a line an epoch elsewhere; False is silent.

    Returns:
        The ``History``. Interrupted from the keyboard, the epochs finished so far; with none finished, the
        ``KeyboardInterrupt`` is raised, which stops a notebook or a sweep, too.

    Raises:
        ValueError, TypeError: an argument that does not fit, by name and value.
        FloatingPointError: a loss or weights that are not finite; nothing of that epoch is saved.
        CheckpointError: ``checkpoint`` is damaged, belongs to another run or cannot be written.
        MemoryError: the device is full; says what to halve.
    """
    _check_network(net)
    trainable = any(p.requires_grad for p in net.parameters())
    require(trainable, ValueError, f"net={type(net).__name__} has no parameter to train (requires_grad)")
    check_data("train_iter", train_iter)
    if test_iter is not None:
        check_data("test_iter", test_iter)
        swapped = test_iter.shuffle and not train_iter.shuffle
        require(not swapped, ValueError, "train_iter is in order and test_iter is shuffled: give them the other way")
    num_epochs = 1 if is_quick() else whole_number("num_epochs", num_epochs, 1)
    lr = real_number("lr", lr, 0.1)
    require(0 < lr < float("inf"), ValueError, f"lr={lr} must be a positive number such as 0.1")
    for name, function in {"optimizer": optimizer, "schedule": schedule, "augment": augment}.items():
        usable = function is None or callable(function)
        require(usable, TypeError, f"{name}={function!r} is not a function: give one such as {EXAMPLES[name]}")
    require(isinstance(animator, bool), TypeError, f"animator={animator!r} is neither True nor False")
    device = train_iter.device if device is None else usable_device(device)
    precision = choose_precision(precision, device, net)
    if device.type == "cpu":
        keep_freed_memory()
    net.to(device, memory_format=_memory_format(net, device))  # type: ignore[call-overload]
    if not net.training:
        net.train()
    _check_last_batch(net, train_iter, device)
    smoothing = real_number("label_smoothing", label_smoothing, 0.1)
    require(0 <= smoothing < 1, ValueError, f"label_smoothing={label_smoothing!r} must be at least 0 and below 1")
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    run = Run(net, _make_optimizer(optimizer, net, lr), scaler, History(), usable_path(checkpoint))
    loss = f"cross-entropy, label smoothing {label_smoothing:g}"
    run.history.meta |= {"loss": loss, "precision": precision, "lr": lr}
    run.history.meta |= describe_run(run, train_iter, test_iter, num_epochs, schedule, augment, device)
    run.resume(num_epochs)
    plot, epoch = _make_animator(num_epochs, run.history) if animator else None, len(run.history)
    try:
        for epoch in range(len(run.history), num_epochs):
            started = time.perf_counter()
            learnt = _learn(run, train_iter, smoothing, num_epochs, schedule, augment, device, precision)
            seconds = time.perf_counter() - started
            tested = evaluate(net, test_iter, device, precision=precision) if test_iter else (None, None)
            _check_finite(net, learnt, tested[0], epoch, lr)
            row = (*_means(learnt), *tested, seconds, train_iter.num_examples / seconds)
            run.history.add(**dict(zip(COLUMNS, row)))
            run.save()
            seconds_left = (time.perf_counter() - started) * (num_epochs - epoch - 1)
            _draw_epoch(plot, run.history, epoch, _time_left(seconds_left))
    except KeyboardInterrupt:
        _return_from_interrupt(len(run.history), epoch, num_epochs)
    except torch.OutOfMemoryError as error:
        raise MemoryError(
            f"{device} is out of memory at batch_size={train_iter.batch_size}: halve it in the line that loads the "
            "images, or load smaller ones (resize=). In a notebook, restart the kernel to free what is taken"
        ) from error
    return run.history


def _learn(run, train_iter, smoothing, num_epochs, schedule, augment, device, precision) -> Tensor:
    """One epoch, the loop of the LeNet chapter: the tally of every batch (batches, 3), on the CPU."""
    net, optimizer, scaler, tallies = run.net, run.optimizer, run.scaler, []
    for i, (X, y) in enumerate(train_iter):
        X, y = X.to(device), y.to(device)
        if schedule:
            progress = (len(run.history) + i / len(train_iter)) / num_epochs
            factor = real_number("schedule's factor", schedule(progress), 1)
            require(factor >= 0, ValueError, f"schedule's factor={factor:g} on the learning rate: give 0 or more")
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * factor
        with autocast(device, precision):
            logits = _forward(net, augment(X) if augment else X, y, train_iter)
        loss = F.cross_entropy(logits.float(), y, label_smoothing=smoothing)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        tallies.append(_tally(loss, logits, y))
        if device.type == "cpu" and not loss.isfinite():
            break  # asking costs nothing here; a GPU would have to wait
    return torch.stack(tallies).cpu()


@torch.no_grad()
def evaluate(
    net: nn.Module, data_iter: DataIter, device: torch.device | str | None = None, *, precision: str = "auto"
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of ``net`` over all of ``data_iter``, each example weighing the same.

    Runs in evaluation mode and without gradients, and leaves the network and the random state as it found them.

    Args:
        net: maps ``X`` (B, C, H, W) to logits (B, classes).
        data_iter: batches ``X, y``, read in order.
        device: where to run; where the network's parameters are if None.
        precision: as for ``train``.

    Returns:
        Loss in nats an example, and accuracy between 0 and 1.
    """
    _check_network(net)
    check_data("data_iter", data_iter)
    here = next((parameter.device for parameter in net.parameters()), data_iter.device)
    device = usable_device(here if device is None else device)
    precision, tallies = choose_precision(precision, device, net), []
    with left_as_found(net.to(device)):
        for X, y in data_iter.in_order():
            X, y = X.to(device), y.to(device)
            with autocast(device, precision):
                logits = _forward(net, X, y, data_iter)
            tallies.append(_tally(F.cross_entropy(logits.float(), y), logits, y))
    return _means(torch.stack(tallies).cpu())


@torch.no_grad()
def _tally(loss: Tensor, logits: Tensor, y: Tensor) -> Tensor:
    """Summed loss, right answers and examples of a batch (3,), left on the device: a GPU need not stop to tell."""
    right = (logits.argmax(1) == y).sum()
    return torch.stack((loss * len(y), right, torch.full_like(right, len(y))))


def _means(tallies: Tensor) -> tuple[float, float]:
    """Loss and accuracy an example."""
    loss, right, count = tallies.double().sum(0).tolist()
    return loss / count, right / count


def _make_optimizer(optimizer: Any, net: nn.Module, lr: float) -> torch.optim.Optimizer:
    """The optimiser over ``net``'s parameters at the rate ``lr``; groups with rates of their own keep their ratio."""
    if optimizer is None:
        # A fused step of a scaled float16 run needs no answer of the GPU.
        fused = True if next(net.parameters()).device.type == "cuda" else None
        made = torch.optim.SGD(net.parameters(), lr=lr, fused=fused)
    else:
        made = optimizer(net.parameters())
    example = EXAMPLES["optimizer"]
    is_one = isinstance(made, torch.optim.Optimizer)
    require(is_one, TypeError, f"optimizer returned {made!r}: give a function such as {example}")
    own = {id(parameter) for parameter in net.parameters()}
    strange = sum(id(p) not in own for group in made.param_groups for p in group["params"])
    require(not strange, ValueError, f"optimizer holds {strange} parameters that are not net's: write {example}")
    largest = max(float(group["lr"]) for group in made.param_groups)
    for group in made.param_groups:
        group |= {key: value.item() for key, value in group.items() if isinstance(value, np.generic)}  # to be saved
        group["lr"] = group["initial_lr"] = lr * (float(group["lr"]) / largest if largest else 1.0)
    return made


def _forward(net: nn.Module, X: Tensor, y: Tensor, data_iter: DataIter) -> Tensor:
    """The logits (B, classes); where the network does not fit the data, an error that names the layer."""
    if not isinstance(X, Tensor):  # not by require: to put a batch into words takes long, and a GPU would have to wait
        raise TypeError(f"augment returned {X!r:.40}: let it return the images, a tensor")
    try:
        logits = net(X)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError):
        layer_summary(net, (1, *X.shape[1:]))  # raises what names the layer, if it is a misfit
        raise
    is_matrix = isinstance(logits, Tensor) and logits.dim() == 2 and len(logits) == len(y)
    shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    need = f"it must return logits of ({len(y)}, classes)"
    require(is_matrix, ValueError, f"net returns {shape} for {len(y)} examples: {need}")
    few, classes = logits.shape[1], data_iter.num_classes
    need = f"labels 0 to {classes - 1}: give it num_classes={classes}"
    require(few >= classes, ValueError, f"net returns {few} logits an example for {need}")
    return logits


def _check_network(net: Any) -> None:
    check_module(net)
    for name, p in net.named_parameters():
        kind = str(p.dtype).removeprefix("torch.")
        cure = "net.float(); precision= sets the arithmetic"
        require(kind == "float32", ValueError, f"net is not float32 ({name} is {kind}): {cure}")


def _check_last_batch(net: nn.Module, train_iter: DataIter, device: torch.device) -> None:
    """A batch of one, which batch norm cannot train on, is found before the first epoch and not at its end."""
    count, batch_size = train_iter.num_examples, train_iter.batch_size
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    if count % batch_size != 1 or not norms:
        return
    try:
        with left_as_found(net), torch.no_grad():
            for module in norms:
                module.training = True
            net(train_iter.examples([0])[0].to(device))
    except (RuntimeError, ValueError) as error:
        if "more than 1 value per channel" in str(error):  # any other is left to the first batch
            works = next(size for size in range(batch_size + 1, count + 2) if count % size != 1)
            problem = f"batch_size={batch_size} leaves a last batch of one of {count:,} examples"
            cure = f"batch norm cannot train on a single value a channel: give batch_size={works}"
            raise ValueError(f"{problem}, and {cure}") from error


def _check_finite(net: nn.Module, learnt: Tensor, test_loss: float | None, epoch: int, lr: float) -> None:
    """Refuse a diverged epoch before anything of it is saved."""
    broken = [f"in batch {i + 1} the loss" for i, finite in enumerate(learnt[:, 0].isfinite().tolist()) if not finite]
    broken += [name for name, value in net.named_parameters() if not value.isfinite().all()]
    broken += [name for name, value in net.named_buffers() if value.isnan().any()]
    broken += ["the test loss"] if test_loss is not None and not math.isfinite(test_loss) else []
    if broken:
        cure = "a warm-up in schedule, another augment or initialisation, or precision='float32'"
        problem = f"{broken[0]} is not finite in epoch {epoch + 1}"
        raise FloatingPointError(f"{problem}: try a smaller learning rate than lr={lr:g}, {cure}")


def _memory_format(net: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last for convolutions, except on Apple GPUs, where batch norm's gradient does not take it."""
    is_convolutional = any(isinstance(module, nn.Conv2d) for module in net.modules())
    return torch.channels_last if is_convolutional and device.type != "mps" else torch.preserve_format


def _return_from_interrupt(finished: int, epoch: int, num_epochs: int) -> None:
    """Say what the history and the weights hold; raise again where there is nothing to return."""
    if finished == 0:
        raise KeyboardInterrupt(f"in epoch {epoch + 1} of {num_epochs}")
    middle = f"; the weights are in the middle of epoch {epoch + 1}"
    weights = middle if epoch == finished else ", and so have the weights"
    print(f"Interrupted in epoch {epoch + 1} of {num_epochs}: the history has the {finished} finished{weights}.")


def _make_animator(num_epochs: int, history: History) -> Animator:
    legend, panels = ["train loss", "train acc", "test acc"], [0, 1, 1]
    last = max(2, num_epochs)
    xlim = (1 - 0.02 * last, 1.02 * last)  # the markers at the ends are whole
    animator = Animator(xlabel="epoch", ylabel=["loss", "accuracy"], legend=legend, panels=panels, xlim=xlim)
    for epoch in range(len(history)):
        _draw_epoch(animator, history, epoch, "resumed" if len(history) < num_epochs else "")
    return animator


def _draw_epoch(plot: Animator | None, history: History, epoch: int, status: str) -> None:
    if plot:
        ys = (history.train_loss[epoch], history.train_acc[epoch], history.test_acc[epoch])
        plot.add(epoch + 1, ys, status=status)


def _time_left(seconds: float) -> str:
    unit, size = ("s", 1) if seconds < 90 else ("min", 60)
    return f"{seconds / size:.0f} {unit} left" if seconds else ""
