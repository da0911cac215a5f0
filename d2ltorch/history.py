"""The record of a training run: one row an epoch, and what it ran on."""

from __future__ import annotations

import json
from pathlib import Path

from .files import write_atomically

COLUMNS = ("train_loss", "train_acc", "test_loss", "test_acc", "seconds", "examples_per_second")


class History:
    """Losses, accuracies, seconds and examples a second of every epoch of a run.

    Each column is a list with one value an epoch: ``train_loss`` and ``test_loss`` (mean loss an example: cross-entropy
    in nats, unless ``train`` was given a ``loss``; label smoothing raises the training loss alone), ``train_acc`` and
    ``test_acc`` (0 to 1; in training measured on the batches as they are learnt from),
    ``seconds`` (training, without evaluation) and ``examples_per_second``. ``meta`` says where and how: network, data
    source, device, precision, batch size, learning rate, versions.
    """

    def __init__(self, meta: dict | None = None) -> None:
        self.meta = dict(meta or {})
        for column in COLUMNS:
            setattr(self, column, [])

    def add(self, **row: float) -> None:
        """Append one epoch; every column needs a value (``test_*`` may be None where nothing was evaluated)."""
        if set(row) != set(COLUMNS):
            raise ValueError(f"row has the columns {sorted(row)}; it needs exactly {sorted(COLUMNS)}")
        for column, value in row.items():
            getattr(self, column).append(value)

    def __len__(self) -> int:
        return len(self.train_loss)

    def rows(self) -> list[dict]:
        """One dictionary an epoch, ready for ``pandas.DataFrame``."""
        return [
            {"epoch": epoch + 1, **{column: getattr(self, column)[epoch] for column in COLUMNS}}
            for epoch in range(len(self))
        ]

    def __str__(self) -> str:
        where = f"{self.meta.get('device_name', 'unknown device')}, {self.meta.get('precision', '?')}"
        source = self.meta.get("source", "unknown data")
        if not len(self):
            return f"no epoch finished ({where}; {source})"
        rate = self.meta.get("num_examples", 0) * len(self) / max(sum(self.seconds), 1e-9)
        tested = "" if self.test_acc[-1] is None else f", test acc {self.test_acc[-1]:.3f}"
        epochs = f"{len(self)} epoch{'s' * (len(self) != 1)}"
        return (
            f"loss {self.train_loss[-1]:.3f}, train acc {self.train_acc[-1]:.3f}{tested} after {epochs}; "
            f"{rate:,.0f} examples/s on {where}; {source}"
        )

    __repr__ = __str__

    def plot(self, title: str | None = None) -> None:
        """Draw two panels over the epochs: loss, and accuracy, each for training and test."""
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained")
        epochs = range(1, len(self) + 1)
        for ax, quantity, name in zip(axes, ("loss", "acc"), ("loss", "accuracy")):
            for split, style in (("train", "o-"), ("test", "s--")):
                values = [float("nan") if v is None else v for v in getattr(self, f"{split}_{quantity}")]
                ax.plot(epochs, values, style, label=split, markersize=4)
            ax.set(xlabel="epoch", ylabel=name)
            ax.legend()
        if title:
            axes[0].figure.suptitle(title)

    def save(self, path: str | Path) -> None:
        """Write the record as JSON; the file is replaced whole or not at all."""
        record = {"meta": self.meta, **{column: getattr(self, column) for column in COLUMNS}}
        write_atomically(path, lambda file: file.write(json.dumps(record, indent=1).encode()))

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read what ``save`` wrote; ValueError naming the file where it is something else."""
        try:
            record = json.loads(Path(path).read_text())
            history = cls(record["meta"])
            lengths = {len(record[column]) for column in COLUMNS}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"path={str(path)!r} is not a history written by History.save ({error!r})") from error
        if len(lengths) != 1:
            raise ValueError(f"path={str(path)!r} holds columns of different lengths; save the history again")
        for column in COLUMNS:
            setattr(history, column, list(record[column]))
        return history
