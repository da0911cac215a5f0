"""Stopping and going on: everything that decides a training run, in one file that is written whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checks import require
from .device import device_name
from .history import History, write_atomically

FOR_THE_RECORD = ("device_name", "lr", "num_parameters", "torch")  # the rest of meta decides whether a run goes on
PARTS = ("meta", "rows", "net", "optimizer", "scaler", "cpu_rng", "cuda_rng")  # of the file


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be resumed from (the file is left as it is) or written.

    Attributes:
        history: the epochs that the run had finished; None where it had not begun.
    """

    history: History | None = None


@dataclass
class Run:
    """All that a stopped run needs to go on, but for the random states, which are torch's."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    history: History
    path: Path | None

    def save(self) -> None:
        """Write the file, if there is one; a CheckpointError carries the history where that fails."""
        if self.path is None:
            return
        values = (self.history.meta, self.history.rows(), self.net.state_dict(), self.optimizer.state_dict())
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        state = dict(zip(PARTS, (*values, self.scaler.state_dict(), torch.get_rng_state(), cuda)))
        try:
            write_atomically(self.path, lambda file: torch.save(state, file))
        except (OSError, RuntimeError) as error:  # torch.save makes a RuntimeError of a full disk, and of an interrupt
            if isinstance(error, RuntimeError) and isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            problem = f"checkpoint={str(self.path)!r} cannot be written after epoch {len(self.history)} ({error})"
            cure = "Make room, or name a file elsewhere: the network keeps its weights, this error's history the epochs"
            failure = CheckpointError(f"{problem}. {cure}")
            failure.history = self.history
            raise failure from error

    def resume(self, num_epochs: int) -> None:
        """Go on from the file, if it exists.

        Raises:
            CheckpointError: it is damaged, or of another network or run; file and network are untouched.
        """
        if self.path is None or not self.path.exists():
            return
        try:
            state = self._load(self.path)
            self._compare(state, num_epochs)
            history = History(self.history.meta | state["meta"])
            for row in state["rows"]:
                history.add(**row)
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            torch.set_rng_state(state["cpu_rng"])
            if torch.cuda.is_available() and state["cuda_rng"]:
                torch.cuda.set_rng_state_all(state["cuda_rng"][: torch.cuda.device_count()])
        except Exception as error:
            reason = error if isinstance(error, (CheckpointError, PermissionError)) else f"damaged: {error}"
            problem = f"checkpoint={str(self.path)!r} cannot be resumed from ({reason})"
            cure = "The file is untouched: move it away or choose another name to start anew"
            raise CheckpointError(f"{problem}. {cure}") from error
        self.net.load_state_dict(state["net"])
        here, there = self.history.meta["device_name"], history.meta["device_name"]
        if len(history) < num_epochs and here not in there:
            history.meta["device_name"] = f"{there}, then {here}"
        self.history = history

    @staticmethod
    def _load(path: Path) -> dict[str, Any]:
        """The file's content; a changed bit is found by the checksum that each part of the archive has."""
        require(zipfile.is_zipfile(path), CheckpointError, "damaged, or not a checkpoint of d2ltorch.train")
        with zipfile.ZipFile(path) as archive:
            require(archive.testzip() is None, CheckpointError, "damaged: a checksum does not fit")
        state = torch.load(path, map_location="cpu", weights_only=True)
        missing = [key for key in PARTS if key not in state]
        require(not missing, CheckpointError, f"not a whole checkpoint of d2ltorch.train: it has no {missing[:1]}")
        return state

    def _compare(self, state: dict[str, Any], num_epochs: int) -> None:
        """Refuse what belongs to another network, another run or a longer one."""
        own, found = (_describe(weights) for weights in (self.net.state_dict(), state["net"]))
        for key in sorted(own.keys() | found.keys()):
            problem = f"it holds another network: {key!r} is {found.get(key)} there and {own.get(key)} here"
            require(own.get(key) == found.get(key), CheckpointError, problem)
        old, new = state["meta"], self.history.meta
        other = [key for key in new if new[key] != old.get(key) and key not in FOR_THE_RECORD]
        changes = "; ".join(f"{key} was {old.get(key)!r} and is {new[key]!r}" for key in other)
        require(not other, CheckpointError, f"it holds a run with other settings: {changes}")
        epochs = len(state["rows"])
        require(epochs <= num_epochs, CheckpointError, f"it holds {epochs} epochs already, and num_epochs={num_epochs}")


def _describe(weights: dict[str, Tensor]) -> dict[str, str]:
    """Shape and type of each tensor, in words."""
    return {key: f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}" for key, value in weights.items()}


def describe_run(run, train_iter, test_iter, num_epochs, schedule, augment, device) -> dict[str, Any]:
    """What decides a run, and what a reader wants to know of it."""
    return {
        "network": hashlib.sha256(repr(run.net).encode()).hexdigest()[:16],
        "source": train_iter.source,
        "num_examples": train_iter.num_examples,
        "tested_on": None if test_iter is None else f"{test_iter.num_examples} of {test_iter.source}",
        "resize": train_iter.resize,
        "batch_size": train_iter.batch_size,
        "optimizer": " ".join(repr(run.optimizer).split()),
        "schedule": f"{_name(schedule)} over {num_epochs} epochs" if schedule else "constant",
        "augment": _name(augment) if augment else "none",
        "device": device.type,
        "device_name": device_name(device),
        "num_parameters": sum(parameter.numel() for parameter in run.net.parameters()),
        "torch": str(torch.__version__),
    }


def _name(function: object) -> str:
    if isinstance(function, functools.partial):
        return f"{_name(function.func)}{function.args}{sorted(function.keywords.items())}"
    # An object's address is another one in the next process.
    return getattr(function, "__qualname__", None) or re.sub(r" at 0x[0-9a-fA-F]+", "", repr(function))


def usable_path(checkpoint: Any) -> Path | None:
    """The checkpoint's path, after a check that a file can be written there."""
    if checkpoint is None:
        return None
    try:
        path = Path(checkpoint).expanduser()
    except TypeError:
        raise TypeError(f"checkpoint={checkpoint!r} is not a file's name: give one such as 'lenet.pt'") from None
    require(not path.is_dir(), ValueError, f"checkpoint={str(checkpoint)!r} is a folder: name a file in it")
    trial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        problem = f"checkpoint={str(checkpoint)!r} cannot be written there ({error.strerror or error})"
        raise CheckpointError(f"{problem}: name a file in a folder of yours") from error
    return path
