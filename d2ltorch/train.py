"""The training loop of the book, and what it needs to be fast and safe.

Its heart is the twenty lines that the LeNet chapter writes out: minibatch gradient descent as in Robbins and Monro
(1951), cross-entropy, one pass over shuffled examples an epoch. Around it: mixed precision (Micikevicius et al., 2018,
arXiv:1710.03740), channels-last memory, sums that stay on the device, checkpoints, and DistributedDataParallel under
``torchrun``.
"""

from __future__ import annotations

import contextlib
import copy
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from ._products import ConvolutionsAsProducts
from .animator import Animator
from .checkpoint import Run, checkpoint_path, describe_run
from .checks import check_arguments, check_functions, check_iter, check_logits, require
from .data import DataIter, is_quick, usable_device
from .hardware import choose_precision, device_name, keep_freed_memory
from .history import History

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


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
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
    label_smoothing: float = 0.0,
    loss: Loss | None = None,
    precision: str = "auto",
    checkpoint: str | Path | None = None,
    animator: bool | Animator = True,
) -> History:
    """Train a classifier with minibatch SGD and return a row of losses and accuracies for every epoch.

    Args:
        net: maps ``X`` (B, C, H, W) to logits (B, classes). Trained in place and moved to ``device``.
        train_iter: batches ``X, y`` to learn from, as ``load_data_fashion_mnist`` gives them.
        test_iter: batches to evaluate on after every epoch; None to skip that.
        num_epochs: passes over ``train_iter``, at least 1. Quick mode stops after one.
        lr: learning rate of plain SGD, and the rate shown for an ``optimizer`` of your own.
        device: where to train; where ``train_iter`` lives if None.
        optimizer: called with the parameters, returns a ``torch.optim`` optimiser; None for ``SGD(lr)``.
        schedule: maps the finished share of training (0 to 1) to a factor on the optimiser's rates.
        augment: applied to each training batch ``X``, on the device.
        label_smoothing: share of each label spread over all classes (Szegedy et al., 2016), 0 to 1.
        loss: maps logits and labels to the *mean* loss of a batch; None for cross-entropy.
        precision: ``"float32"``, ``"bfloat16"``, ``"float16"`` or ``"auto"`` for the fastest that is safe here. In
            float32, recent NVIDIA GPUs still round the factors of convolutions to TF32, as is PyTorch's default.
        checkpoint: a file to save after every epoch and to go on from when it exists. A run in one process on a CPU
            that was stopped and resumed ends with the same weights, bit for bit, as one that was not. Functions
            (``schedule``, ``augment``, ``loss``) are compared by name.
        animator: True plots while training in a notebook and prints a line an epoch elsewhere; False is silent.

    Returns:
        The ``History``. Interrupted from the keyboard, the epochs finished so far.

    Raises:
        ValueError, TypeError: an argument that does not fit, by name and value.
        FloatingPointError: a loss that is not finite, with its epoch and batch.
        CheckpointError: ``checkpoint`` is damaged or belongs to another run; the file is left alone.
        MemoryError: the GPU is full; says which batch and input size would fit.
    """
    check_arguments(net, train_iter, test_iter, num_epochs, lr, label_smoothing)
    check_functions(optimizer=optimizer, schedule=schedule, augment=augment, loss=loss)
    lr = float(lr)
    device = usable_device(device) if device is not None else train_iter.device
    precision = choose_precision(precision, device, net)
    if device.type == "cpu":
        keep_freed_memory()
    net.to(device, memory_format=_memory_format(net, device))
    rank, world_size = _join_torchrun(device)
    model = _data_parallel(net, device) if world_size > 1 else net  # gives every process the weights of the first

    fused = True if device.type == "cuda" else None  # a fused step of a scaled float16 run needs no answer of the GPU
    optimizer = optimizer(net.parameters()) if optimizer else torch.optim.SGD(net.parameters(), lr=lr, fused=fused)
    base_rates = [float(group["lr"]) for group in optimizer.param_groups]
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    loss = loss or _CrossEntropy(label_smoothing)
    if is_quick():
        num_epochs = 1
    meta = describe_run(net, train_iter, optimizer, schedule, augment, loss, precision, num_epochs, lr, device)
    path = checkpoint_path(checkpoint, net, meta)
    run = Run(net, optimizer, scaler, History(meta), path, checkpoint is not None, num_epochs)
    run.resume()
    plot = _make_animator(animator, num_epochs, rank, run.history)

    num_batches, started, out_of_memory = len(train_iter), time.perf_counter(), False
    try:
        for epoch in range(len(run.history), num_epochs):
            net.train()
            epoch_started = time.perf_counter()
            sums = _zeros(3, device)  # loss, correct, examples
            first_bad = torch.full((), -1, dtype=torch.int64, device=device)
            if world_size > 1:
                _share_random_state(device)
            for i, (X, y) in enumerate(_share(train_iter, rank, world_size)):
                X, y = _move(X, device), _move(y, device)
                batch_size = min(train_iter.batch_size, train_iter.num_examples - i * train_iter.batch_size)
                if batch_size < world_size:
                    continue  # a last batch with nothing for some of the processes
                if augment:
                    X = augment(X)
                if schedule:
                    for group, rate in zip(optimizer.param_groups, base_rates):
                        group["lr"] = rate * float(schedule((epoch + i / num_batches) / num_epochs))
                with _arithmetic(device, precision):
                    logits = model(X)
                    if epoch == i == 0:
                        check_logits(logits, y, train_iter)
                    batch_loss = loss(logits.float(), y)
                optimizer.zero_grad()
                # DistributedDataParallel averages over ranks; weigh this rank by its share of the whole batch.
                scaler.scale(batch_loss * (len(y) * world_size / batch_size)).backward()
                scaler.step(optimizer)
                scaler.update()
                batch_loss = batch_loss.detach()
                first_bad = torch.where((first_bad < 0) & ~batch_loss.isfinite(), i, first_bad)
                correct = (logits.detach().argmax(1) == y).sum()
                sums += torch.stack((batch_loss * len(y), correct, torch.full_like(correct, len(y)))).to(sums)
                if device.type == "cpu" and world_size == 1 and first_bad >= 0:
                    break
            if world_size > 1:
                torch.distributed.all_reduce(sums)
                torch.distributed.all_reduce(first_bad, op=torch.distributed.ReduceOp.MAX)
            total_loss, correct, count = sums.tolist()  # the epoch's only synchronisation
            seconds = time.perf_counter() - epoch_started
            if first_bad >= 0:
                raise FloatingPointError(
                    f"the loss is not finite in epoch {epoch + 1}, batch {int(first_bad) + 1} of {num_batches}: try a "
                    f"smaller learning rate than lr={lr:g}, another initialisation, or precision='float32'"
                )
            test_loss, test_acc = None, None
            if test_iter is not None:
                if world_size > 1:
                    _share_buffers(net)
                test_loss, test_acc = _evaluate(net, test_iter, device, precision, loss, rank, world_size)
            run.history.add(
                train_loss=total_loss / count,
                train_acc=correct / count,
                test_loss=test_loss,
                test_acc=test_acc,
                seconds=seconds,
                examples_per_second=count / seconds,
            )
            if rank == 0:
                run.save()
            if plot:
                done = len(run.history)
                left = (time.perf_counter() - started) / (epoch + 1 - run.resumed_at) * (num_epochs - done)
                _draw_epoch(
                    plot,
                    run.history,
                    done - 1,
                    f"{_minutes(left)} left" if done < num_epochs else "",
                )
    except KeyboardInterrupt:
        print(f"Interrupted in epoch {len(run.history) + 1} of {num_epochs}: returning the epochs finished so far.")
    except torch.OutOfMemoryError:
        out_of_memory = True  # what fits is tried below, when the exception has let go of the layers' outputs
    finally:
        if plot:
            plot.finish()
    if out_of_memory:
        X = y = logits = batch_loss = correct = None
        raise MemoryError(_memory_advice(net, train_iter, device, precision, loss))
    return run.history


def evaluate(
    net: nn.Module,
    data_iter: DataIter,
    device: torch.device | str | None = None,
    *,
    precision: str = "auto",
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of ``net`` over all of ``data_iter``, each example weighing the same.

    Runs in evaluation mode and without gradients, and leaves every module in the mode it was in.

    Args:
        net: maps ``X`` (B, C, H, W) to logits (B, classes).
        data_iter: batches ``X, y``.
        device: where to run; where the network's parameters are if None.
        precision: as for ``train``.

    Returns:
        Loss in nats an example, and accuracy between 0 and 1.
    """
    require(isinstance(net, nn.Module), TypeError, f"net={net!r} is not a torch.nn.Module")
    check_iter("data_iter", data_iter)
    if device is None:
        device = next((parameter.device for parameter in net.parameters()), data_iter.device)
    device = usable_device(device)
    net.to(device)
    return _evaluate(net, data_iter, device, choose_precision(precision, device, net), _CrossEntropy(0.0), 0, 1)


@torch.no_grad()
def _evaluate(net, data_iter, device, precision, loss, rank, world_size) -> tuple[float, float]:
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    sums = _zeros(3, device)
    try:
        for X, y in _share(data_iter, rank, world_size):
            if len(y) == 0:
                continue
            X, y = _move(X, device), _move(y, device)
            with _arithmetic(device, precision):
                logits = net(X)
            check_logits(logits, y, data_iter)
            correct = (logits.argmax(1) == y).sum()
            batch_loss = (
                F.cross_entropy(logits.float(), y) if isinstance(loss, _CrossEntropy) else loss(logits.float(), y)
            )
            sums += torch.stack((batch_loss * len(y), correct, torch.full_like(correct, len(y)))).to(sums)
    finally:
        for module, mode in modes:
            module.training = mode
    if world_size > 1:
        torch.distributed.all_reduce(sums)
    total_loss, correct, count = sums.tolist()
    return total_loss / count, correct / count


class _CrossEntropy:
    """Cross-entropy with label smoothing; the smoothing applies to training only, never to evaluation."""

    def __init__(self, label_smoothing: float) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, y, label_smoothing=self.label_smoothing)

    def __repr__(self) -> str:
        return f"cross-entropy, label smoothing {self.label_smoothing:g}"


# --- more than one process -------------------------------------------------------------------------------------------


def _join_torchrun(device: torch.device) -> tuple[int, int]:
    """This process's rank and the number of processes: (0, 1) unless started by ``torchrun``."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        return 0, 1
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return torch.distributed.get_rank(), world_size


def _data_parallel(net: nn.Module, device: torch.device) -> nn.Module:
    return nn.parallel.DistributedDataParallel(net, device_ids=[device] if device.type == "cuda" else None)


def _share_random_state(device: torch.device) -> None:
    """Go on with the first process's generator everywhere: all draw the same order of the images."""
    state = torch.get_rng_state().to(device)  # NCCL takes no tensor of the CPU
    torch.distributed.broadcast(state, 0)
    torch.set_rng_state(state.cpu())


def _share_buffers(net: nn.Module) -> None:
    """The running statistics of the first process everywhere: all evaluate the network that is saved."""
    for buffer in net.buffers():
        torch.distributed.broadcast(buffer, 0)


def _share(data_iter: DataIter, rank: int, world_size: int) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    return data_iter if world_size == 1 else data_iter.shard(rank, world_size)


# --- numbers, memory, progress ---------------------------------------------------------------------------------------


def _memory_format(net: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last for convolutions, except on Apple GPUs, where batch norm's gradient does not take it."""
    is_convolutional = any(isinstance(module, nn.Conv2d) for module in net.modules())
    return torch.channels_last if is_convolutional and device.type != "mps" else torch.preserve_format


def _arithmetic(device: torch.device, precision: str) -> contextlib.ExitStack:
    """How the forward pass computes: in which number format, and on a CPU with some convolutions as matrix products."""
    stack = contextlib.ExitStack()
    if precision != "float32":
        stack.enter_context(torch.autocast(device.type, dtype=getattr(torch, precision)))
    if device.type == "cpu":
        stack.enter_context(ConvolutionsAsProducts())
    return stack


def _zeros(count: int, device: torch.device) -> torch.Tensor:
    """Sums over an epoch, in float64 but on Apple GPUs, which have float32 at most; it counts to 16 million exactly."""
    return torch.zeros(count, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)


def _move(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    # Only a copy to a GPU may still be under way when the next operation starts: the GPU does them in order.
    return tensor.to(device, non_blocking=device.type == "cuda")


def _memory_advice(net, train_iter, device, precision, loss) -> str:
    """Find by trying which batch size fits at this input size, and which input size at this batch size."""
    X, y = train_iter.examples([0])
    net.zero_grad(set_to_none=True)
    trial = copy.deepcopy(net.to("cpu")).to(device)

    def fits(batch_size: int, size: int) -> bool:
        # Out of memory, a shape that the network does not take, or batch norm over a single value.
        with contextlib.suppress(RuntimeError, ValueError):
            images = F.interpolate(X, size).expand(batch_size, *X.shape[1:2], size, size).contiguous().to(device)
            with _arithmetic(device, precision):
                loss(trial(images).float(), y.expand(batch_size).to(device)).backward()
            return True
        return False

    batch_size, size = train_iter.batch_size, X.shape[-1]
    batches = [batch_size >> shift for shift in range(1, batch_size.bit_length())]
    smaller = next((b for b in batches if fits(b, size)), None)
    sizes = range(size - size // 8, 7, -max(1, size // 8))
    shorter = next((s for s in sizes if fits(batch_size, s)), None)
    advice = [f"batch_size={smaller} at {size} pixels"] if smaller else []
    advice += [f"resize={shorter} at batch_size={batch_size}"] if shorter else []
    return f"{device_name(device)} is out of memory at batch_size={batch_size} and {size} pixels; " + (
        f"what fits: {' or '.join(advice)}" if advice else "not even one example fits: use a smaller network"
    )


def _make_animator(animator: bool | Animator, num_epochs: int, rank: int, history: History) -> Animator | None:
    if not animator or rank != 0:
        return None
    if animator is True:
        legend = ["train loss", "train acc", "test acc"]
        animator = Animator(xlabel="epoch", legend=legend, xlim=[1, max(2, num_epochs)])
    for epoch in range(len(history)):
        _draw_epoch(animator, history, epoch, "resumed" if len(history) < num_epochs else "")
    return animator


def _draw_epoch(plot: Animator, history: History, epoch: int, status: str) -> None:
    plot.add(
        epoch + 1,
        (history.train_loss[epoch], history.train_acc[epoch], history.test_acc[epoch]),
        status=status,
    )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
