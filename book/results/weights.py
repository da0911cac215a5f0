"""Trained weights beside the ledger: ``weights/<network>.pt`` of the modern recipe, ``<network>-classic.pt`` of the classic one.

A file is ``torch.save``'s of ``{"state_dict": ..., "row": ...}``, with floating-point tensors as float16 and counters as they are, and
loads with ``weights_only=True``. ``d2ltorch/weights.json`` lists the files: size, SHA-256, the run that they come from, and the test accuracy of the
rounded weights, measured in float32 on all 10,000 test images.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
from pathlib import Path

import torch
from torch import nn

import d2ltorch as d2lt
from d2ltorch.history import write_atomically

FOLDER = Path(__file__).with_name("weights")
MOST_BYTES = 20_000_000  # of all files in the repository: ResNet-18, AlexNet and VGG do not fit and belong to a release
ROW = ("network", "recipe", "seed", "epochs", "test_acc", "commit", "device")  # what tells a run from the others


def save_weights(net: nn.Module, record: dict, folder: Path = FOLDER, outside: Path | None = None) -> dict:
    """Store a trained network's weights in float16 and list them in ``d2ltorch/weights.json``.

    Args:
        net: the network as trained; it is left as it is.
        record: its line of the ledger.
        folder: where the files and their list are.
        outside: a folder for weights that would take ``folder`` over 20 MB in all, which the list then names as an asset of a release.

    Returns:
        The entry of the list.

    Raises:
        ValueError: weights of another shape than the record's number of parameters, or too large and no ``outside``.
    """
    count = sum(parameter.numel() for parameter in net.parameters())
    if count != record["parameters"]:
        raise ValueError(
            f"net has {count:,} parameters, record {record['parameters']:,}: give the record of this network"
        )
    name = record["network"] + "-classic" * (record["recipe"] == "classic")
    row = {key: record[key] for key in ROW} | {"test_acc": record["test_acc"][-1]}
    state = {key: _rounded(value) for key, value in net.state_dict().items()}
    buffer = io.BytesIO()
    torch.save({"state_dict": state, "row": row}, buffer)
    content = buffer.getvalue()

    entry = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "row": row,
        "test_acc": round(_accuracy(net, state, record), 4),
    }
    return store(name, content, entry, folder, outside)


def store(name: str, content: bytes, entry: dict, folder: Path = FOLDER, outside: Path | None = None) -> dict:
    """Write a file of weights and its entry in the list; arguments, result and errors as of ``save_weights``."""
    others = sum(path.stat().st_size for path in folder.glob("*.pt") if path.stem != name)
    fits = others + len(content) <= MOST_BYTES
    if not fits and outside is None:
        raise ValueError(
            f"outside=None, but with {name}'s {len(content):,} bytes {folder} exceeds {MOST_BYTES:,}: give a folder"
        )
    target = folder if fits else outside
    for path in (folder, target):
        path.mkdir(parents=True, exist_ok=True)
    (target / f"{name}.pt").write_bytes(content)
    place = {"file": f"{name}.pt"} if fits else {"file": None, "asset": f"{name}.pt"}
    kept = {key: value for key, value in entry.items() if key not in ("file", "asset")}
    _list(listing(folder), name, place | kept)
    return place | kept


def listing(folder: Path) -> Path:
    """The list of the weights in ``folder``; that of the repository's own is part of the package, which checks by it."""
    return d2lt.recipes.REGISTRY if folder == FOLDER else folder / "weights.json"


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).detach().cpu().contiguous()


def _accuracy(net: nn.Module, state: dict, record: dict) -> float:
    """Test accuracy of the rounded weights in a copy of the network."""
    net = copy.deepcopy(net)
    net.load_state_dict(state)
    _, test_iter = d2lt.load_data_fashion_mnist(record["batch_size"], resize=record["resize"])
    if test_iter.source != "Fashion-MNIST":
        raise ValueError(
            f"test images are {test_iter.source!r}: weights are tested on Fashion-MNIST, set D2LTORCH_DATA"
        )
    return d2lt.evaluate(net, test_iter, precision="float32")[1]


def _list(path: Path, name: str, entry: dict) -> None:
    """Put one entry into the list, in alphabetical order, and the file back in one step."""
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    entries = dict(sorted((entries | {name: entry}).items()))
    text = json.dumps(entries, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
