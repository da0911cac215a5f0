"""Stopping and going on: everything that decides a training run, in one file that is written whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path

import torch
from torch import nn

from .data import is_quick
from .files import write_atomically
from .hardware import device_name
from .history import History


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be resumed from: damaged, or of another network or run. The file is left as it is."""


class Run:
    """Everything that a stopped run needs to go on: weights, optimiser, scaler, random states and history."""

    def __init__(self, net, optimizer, scaler, history: History, path: Path | None, is_named: bool, num_epochs: int):
        self.net, self.optimizer, self.scaler, self.history = net, optimizer, scaler, history
        self.path, self.is_named, self.num_epochs = path, is_named, num_epochs
        self.resumed_at = 0

    def save(self) -> None:
        if self.path is None:
            return
        state = {
            "meta": self.history.meta,
            "rows": self.history.rows(),
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "cpu_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        }
        write_atomically(self.path, lambda file: torch.save(state, file))

    def resume(self) -> None:
        if self.path is None or not self.path.exists():
            return
        name = f"checkpoint={str(self.path)!r}"
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            rows, meta, weights = state["rows"], state["meta"], state["net"]
        except Exception as error:
            raise CheckpointError(
                f"{name} is damaged or is not a checkpoint of d2ltorch.train ({type(error).__name__}); "
                "the file is untouched: move it away or choose another name to start anew"
            ) from error
        own = {key: tuple(value.shape) for key, value in self.net.state_dict().items()}
        found = {key: tuple(value.shape) for key, value in weights.items()}
        if own != found:
            odd = sorted(key for key in own.keys() | found.keys() if own.get(key) != found.get(key))
            raise CheckpointError(
                f"{name} holds another network: {odd[0]!r} is {found.get(odd[0])} there and {own.get(odd[0])} here "
                f"({len(odd)} differ in all); the file is untouched: choose another name"
            )
        ours = self.history.meta
        differ = [key for key in RUN_KEYS if key in ours and meta.get(key) != ours[key]]
        if differ:
            raise CheckpointError(
                f"{name} holds a run with other settings: "
                + "; ".join(f"{key} was {meta.get(key)!r} and is now {ours[key]!r}" for key in differ)
                + ". The file is untouched: choose another name, or the old settings"
            )
        if len(rows) > self.num_epochs and not self.is_named:  # in D2LTORCH_RUNS the shorter run has a file of its own
            self.path = self.path.with_name(f"{self.path.stem}-{self.num_epochs}.pt")
            return self.resume()
        if len(rows) > self.num_epochs:
            raise CheckpointError(
                f"{name} holds {len(rows)} epochs already, and num_epochs={self.num_epochs}: its weights are those of "
                f"epoch {len(rows)}. The file is untouched: choose another name, or num_epochs={len(rows)} or more"
            )
        self.net.load_state_dict(weights)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["cpu_rng"])
        if torch.cuda.is_available() and state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])
        here = ours["device_name"]
        self.history.meta.update(meta)
        if len(rows) < self.num_epochs and here not in meta["device_name"]:
            self.history.meta["device_name"] += f", then {here}"
        for row in rows:
            row.pop("epoch")
            self.history.add(**row)
        self.resumed_at = len(self.history)


RUN_KEYS = (
    "network",
    "source",
    "num_examples",
    "resize",
    "batch_size",
    "optimizer",
    "schedule",
    "augment",
    "loss",
    "precision",
    "device",
)


def describe_run(net, train_iter, optimizer, schedule, augment, loss, precision, num_epochs, lr, device) -> dict:
    """What decides a run (the keys above) and what a reader wants to know of it."""
    return {
        "network": hashlib.sha256(repr(net).encode()).hexdigest()[:16],
        "source": train_iter.source,
        "num_examples": train_iter.num_examples,
        "resize": train_iter.resize,
        "batch_size": train_iter.batch_size,
        "optimizer": " ".join(repr(optimizer).split()),
        "schedule": f"{_name(schedule)} over {num_epochs} epochs" if schedule else "constant",
        "augment": _name(augment) if augment else "none",
        "loss": _name(loss),
        "precision": precision,
        "device": device.type,
        "device_name": device_name(device),
        "lr": lr,
        "num_parameters": sum(parameter.numel() for parameter in net.parameters()),
        "torch": str(torch.__version__),
    }


def _name(function: object) -> str:
    if isinstance(function, functools.partial):
        return f"{_name(function.func)}{function.args}{sorted(function.keywords.items())}"
    # An object's address is another one in the next process.
    return getattr(function, "__qualname__", None) or re.sub(r" at 0x[0-9a-fA-F]+", "", repr(function))


def checkpoint_path(checkpoint: str | Path | None, net: nn.Module, meta: dict) -> Path | None:
    """The checkpoint's path; without one, a name in D2LTORCH_RUNS made of all that decides the run's result.

    With that variable set, executing a chapter again does not repeat a training that nothing has changed.
    """
    if checkpoint is not None:
        if not isinstance(checkpoint, (str, os.PathLike)):
            raise TypeError(f"checkpoint={checkpoint!r} is not a file's name: give one such as 'lenet.pt'")
        path = Path(checkpoint)
        if path.is_dir():
            raise ValueError(f"checkpoint={str(checkpoint)!r} is a folder: name a file in it")
        return path
    folder = os.environ.get("D2LTORCH_RUNS")
    if not folder or is_quick():
        return None
    digest = hashlib.sha256(repr([meta[key] for key in RUN_KEYS]).encode())
    for value in net.state_dict().values():
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    digest.update(torch.get_rng_state().numpy().tobytes())
    return Path(folder) / f"{digest.hexdigest()[:20]}.pt"
