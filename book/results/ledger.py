"""The ledger of full runs, ``runs.jsonl``: one JSON object a line, appended and never edited.

Every table, figure and sentence of the book that quotes a result takes it from here.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from book.networks import NETWORKS
from book.notebooks import ROOT

LEDGER = Path(__file__).with_name("runs.jsonl")
RECIPES = ("classic", "modern")
SERIES = ("train_loss", "train_acc", "test_loss", "test_acc", "seconds")


def load(path: Path = LEDGER, *, dropped: bool = False) -> list[dict]:
    """The records of the book's recipes, oldest first; ``dropped`` adds classic runs at a rate that a chapter has left.

    A line cut off by a crash is an error that names it: delete that line.
    """
    records = []
    if path.exists():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                records.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"{path.name}, line {number} is not JSON ({error}); delete that line") from error
    return [record for record in records if dropped or not _is_dropped(record)]


def _is_dropped(record: dict) -> bool:
    network = NETWORKS.get(record.get("network", ""))
    return record.get("recipe") == "classic" and network is not None and record.get("lr", network.lr) != network.lr


def append(record: dict, path: Path = LEDGER) -> None:
    """Add one record as one line, flushed to disk before returning."""
    line = json.dumps(record, ensure_ascii=False) + "\n"
    with open(path, "a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def make_record(
    network: str, recipe: str, seed: int, history, net, train_iter, test_iter, run_commit: str = ""
) -> dict:
    """What the ledger keeps of a finished run: its curves and predictions, its cost, and what is needed to repeat it."""
    import torch

    import d2ltorch as d2lt

    meta, size = history.meta, train_iter.resize or 28
    record = {"network": network, "recipe": recipe, "seed": seed, "epochs": len(history)}
    record |= {column: [_rounded(value) for value in getattr(history, column)] for column in SERIES}
    rate = meta["num_examples"] * len(history) / sum(history.seconds)
    return record | {
        "examples_per_second": round(rate, 1),
        "peak_memory_mb": peak_memory_mb(),
        "parameters": meta["num_parameters"],
        "mult_adds": d2lt.layer_summary(net, (1, 1, size, size)).total_mult_adds,
        "batch_size": meta["batch_size"],
        "lr": meta["lr"],
        **{key: meta[key] for key in ("optimizer", "schedule", "augment", "loss")},
        "resize": meta["resize"],
        "precision": meta["precision"],
        "device": meta["device_name"],
        "versions": {
            "python": ".".join(map(str, sys.version_info[:3])),
            "torch": meta["torch"],
            "torchvision": d2lt.torchvision.__version__,
            "d2ltorch": d2lt.__version__,
            "cuda": torch.version.cuda,
        },
        "data": {"source": meta["source"], "sha256": data_checksum(train_iter)},
        "commit": run_commit or commit(),
        "predictions": predict(net, test_iter, meta["precision"]),
    }


def predict(net, data_iter, precision: str) -> str:
    """The class that a trained network gives to each test image, one digit an image."""
    import contextlib

    import torch

    device = next(net.parameters()).device
    context = contextlib.nullcontext()
    if precision != "float32":
        context = torch.autocast(device.type, dtype=getattr(torch, precision))
    was_training = net.training
    net.eval()
    with torch.no_grad(), context:
        digits = [str(c) for X, _ in data_iter for c in net(X.to(device)).argmax(1).tolist()]
    net.train(was_training)
    return "".join(digits)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def peak_memory_mb() -> int:
    """The GPU's peak allocation, or this process's peak resident memory on a CPU, in MB."""
    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20)
    import resource  # which Windows does not have

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20)


def commit_of(checkpoint: Path | None) -> str:
    """The commit that the run with this checkpoint began on: kept beside it, so that a resumed run keeps its own."""
    if checkpoint is None:
        return commit()
    note = checkpoint.with_suffix(".commit")
    if not checkpoint.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(commit(), encoding="utf-8")
    return note.read_text(encoding="utf-8") if note.exists() else commit()


def forget(checkpoint: Path) -> None:
    """Remove the checkpoint of a finished run."""
    for path in (checkpoint, checkpoint.with_suffix(".commit")):
        path.unlink(missing_ok=True)


def commit() -> str:
    """The commit that the working tree stands on, or ``unknown`` outside a checkout."""
    answer = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def data_checksum(data_iter) -> str:
    """SHA-256 of the training images and labels, first 16 digits."""
    import hashlib

    digest = hashlib.sha256(data_iter.images.cpu().numpy().tobytes())
    digest.update(data_iter.labels.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def select(records: list[dict], **wanted) -> list[dict]:
    """The records whose fields have the values given, such as ``network="vgg", recipe="classic"``."""
    return [record for record in records if all(record.get(key) == value for key, value in wanted.items())]


def longest(records: list[dict]) -> list[dict]:
    """The records without those that were resumed later: their whole history is the start of a longer record."""

    def contains(longer: dict, shorter: dict) -> bool:
        same = all(longer[key] == shorter[key] for key in ("network", "recipe", "seed"))
        start = longer["test_acc"][: shorter["epochs"]]
        return same and longer["epochs"] > shorter["epochs"] and start == shorter["test_acc"]

    return [record for record in records if not any(contains(other, record) for other in records)]


def one_per_seed(runs: list[dict]) -> list[dict]:
    """Of runs of one seed the last on the device that made most of ``runs``, else the last; by seed."""
    usual = _usual_device(runs)
    of_seed = {run["seed"]: run for run in sorted(runs, key=lambda run: run["device"] == usual)}
    return [of_seed[seed] for seed in sorted(of_seed)]


def _usual_device(runs: list[dict]) -> str:
    """The device of most runs, of the first one among equals."""
    return statistics.mode(run["device"] for run in runs)


def summarise(records: list[dict]) -> list[dict]:
    """One row for each network, recipe and number of epochs: mean and spread of the last test accuracy.

    A run that was resumed later counts once, with all its epochs, and so does a seed that was run again. ``spread`` is
    the standard deviation over seeds, None for a single one; ``minutes`` are the median on the first of ``devices``.
    """
    groups: dict[tuple, list[dict]] = {}
    for record in longest(records):
        groups.setdefault((record["network"], record["recipe"], record["epochs"]), []).append(record)
    rows = []
    for (network, recipe, epochs), found in groups.items():
        runs = one_per_seed(found)
        accuracies = [run["test_acc"][-1] for run in runs]
        device = _usual_device(runs)
        rows.append(
            {
                "network": network,
                "recipe": recipe,
                "epochs": epochs,
                "runs": len(runs),
                "mean": statistics.mean(accuracies),
                "spread": statistics.stdev(accuracies) if len(runs) > 1 else None,
                "lowest": min(accuracies),
                "highest": max(accuracies),
                "parameters": runs[0]["parameters"],
                "mult_adds": runs[0]["mult_adds"],
                "minutes": statistics.median(sum(run["seconds"]) for run in runs if run["device"] == device) / 60,
                "devices": sorted({run["device"] for run in runs}, key=lambda name: (name != device, name)),
            }
        )
    order = {name: i for i, name in enumerate(NETWORKS)}
    return sorted(rows, key=lambda row: (order[row["network"]], RECIPES.index(row["recipe"]), row["epochs"]))


def in_words(row: dict) -> str:
    """A row's accuracy as the book quotes it: ``0.802 ± 0.011 (5 runs)`` or ``0.913 (1 run)``."""
    if row["spread"] is None:
        return f"{row['mean']:.3f} (1 run)"
    digits = 3 if row["spread"] >= 0.0005 else 4  # not ± 0.000
    return f"{row['mean']:.3f} ± {row['spread']:.{digits}f} ({row['runs']} runs)"
