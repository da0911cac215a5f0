"""The record of a training run: one row an epoch, and what it ran on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

COLUMNS = ("train_loss", "train_acc", "test_loss", "test_acc", "seconds", "examples_per_second")


@dataclass
class History:
    """What a run recorded: columns with one value an epoch, and ``meta``, which says where and how it ran.

    ``train_loss`` and ``test_loss`` are means an example (cross-entropy in nats; label smoothing raises the training
    loss alone), ``train_acc`` and ``test_acc`` run from 0 to 1 (in training on the batches as they are learnt from),
    ``seconds`` leave evaluation out. Without an evaluation ``test_*`` hold None.
    """

    meta: dict[str, Any] = field(default_factory=dict)
    train_loss: list[float] = field(default_factory=list)
    train_acc: list[float] = field(default_factory=list)
    test_loss: list[float | None] = field(default_factory=list)
    test_acc: list[float | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    examples_per_second: list[float] = field(default_factory=list)

    def add(self, **row: float | None) -> None:
        """Append one epoch: a value for every column (``test_*`` None where nothing was evaluated)."""
        for column in COLUMNS:
            getattr(self, column).append(row[column])

    def __len__(self) -> int:
        return len(self.train_loss)

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary an epoch, ready for ``pandas.DataFrame``."""
        columns = zip(*(getattr(self, column) for column in COLUMNS))
        return [{"epoch": i + 1, **dict(zip(COLUMNS, values))} for i, values in enumerate(columns)]

    def __repr__(self) -> str:
        unknown = {"device_name": "unknown device", "precision": "?", "source": "unknown data", "num_examples": 0}
        meta: dict[str, Any] = unknown | self.meta
        where = f"{meta['device_name']}, {meta['precision']}; {meta['source']}"
        if not len(self):
            return f"no epoch finished ({where})"
        rate = meta["num_examples"] * len(self) / max(sum(self.seconds), 1e-9)
        tested = "" if self.test_acc[-1] is None else f", test acc {self.test_acc[-1]:.3f}"
        learnt = f"loss {self.train_loss[-1]:.3f}, train acc {self.train_acc[-1]:.3f}"
        epochs = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        return f"{learnt}{tested} after {epochs}; {rate:,.0f} examples/s on {where}"


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write(file)`` on a temporary file beside ``path``, flush it to disk, then move it over ``path``.

    However the process ends, ``path`` holds either what it held before or all of the new content. The temporary file
    has one name, so that what a killed process left of it is written over the next time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)  # what a failure left; after a success it has moved
