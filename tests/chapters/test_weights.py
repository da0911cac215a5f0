"""The stored weights fit the chapters' networks and come from runs that the ledger has."""

import hashlib
import json

import pytest
import torch
from torch import nn

from book import networks
from book.results import ledger, merge, page_ablation, weights

LISTED = json.loads(weights.listing(weights.FOLDER).read_text(encoding="utf-8"))


def test_the_list_and_the_folder_agree_and_stay_small():
    contents = {path.name: path.read_bytes() for path in weights.FOLDER.glob("*.pt")}
    found = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in contents.items()}
    assert found == {entry["file"]: (entry["bytes"], entry["sha256"]) for entry in LISTED.values() if entry["file"]}
    assert sum(map(len, contents.values())) <= weights.MOST_BYTES


@pytest.mark.parametrize("name", LISTED)
def test_weights_fit_the_chapters_network_and_come_from_one_recorded_run(name):
    entry, row = LISTED[name], LISTED[name]["row"]
    (run,) = ledger.select(ledger.load(), **{key: row[key] for key in row if key != "test_acc"})
    assert run["test_acc"][-1] == row["test_acc"]
    assert entry["test_acc"] == pytest.approx(row["test_acc"], abs=2e-3)  # float16 turns a few of 10,000 answers
    assert name == row["network"] + "-classic" * (row["recipe"] == "classic")
    if entry["file"]:
        stored = torch.load(weights.FOLDER / entry["file"], weights_only=True)
        networks.build(row["network"]).load_state_dict(stored["state_dict"])
        assert stored["row"] == row
        assert {value.dtype for value in stored["state_dict"].values()} <= {torch.float16, torch.int64}


@pytest.fixture
def record(monkeypatch):
    """The record of a network that is quick to store."""
    monkeypatch.setattr(weights, "_accuracy", lambda *_: 0.5)
    keys = {"network": "lenet", "recipe": "classic", "seed": 0, "epochs": 1, "commit": "c", "device": "CPU"}
    return keys | {"test_acc": [0.5], "parameters": 7850, "batch_size": 256, "resize": None}


NET = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def test_weights_that_are_too_large_go_outside(record, tmp_path, monkeypatch):
    entry = weights.save_weights(NET, record, tmp_path / "in")
    assert entry["file"] == "lenet-classic.pt" and entry["bytes"] < 20_000
    monkeypatch.setattr(weights, "MOST_BYTES", 20_000)
    with pytest.raises(ValueError, match="outside=None"):
        weights.save_weights(NET, record | {"recipe": "modern"}, tmp_path / "in")
    entry = weights.save_weights(NET, record | {"recipe": "modern"}, tmp_path / "in", tmp_path / "out")
    assert entry["file"] is None and (tmp_path / "out" / entry["asset"]).stat().st_size == entry["bytes"]


def test_the_ablation_table_compares_the_longest_trainings_seed_by_seed():
    def trained(removed, seed, epochs, accuracy):
        return {"removed": removed, "seed": seed, "epochs": epochs, "images": 100, "held_out_acc": [0.1, accuracy]}

    whole = [trained("nothing", 0, 5, 0.90), trained("nothing", 1, 5, 0.92), trained("nothing", 0, 2, 0.5)]
    lines = page_ablation.table(
        whole + [trained("warm-up", 1, 5, 0.91), trained("cosine", 0, 2, 0.4)], "x"
    ).splitlines()
    assert lines[2:] == [
        "| the whole recipe | 0.910 ± 0.014 (2 seeds) |  |",
        "| no warm-up | 0.910 (1 seed) | −0.010 (1 seed) |",
    ]
    assert page_ablation.table([], "x") == ""


def test_runs_of_another_machine_are_merged_once_and_whole(record, tmp_path):
    there, here, book = tmp_path / "there", tmp_path / "here", tmp_path / "runs.jsonl"
    weights.save_weights(NET, record, there)

    def send(*records):
        merge.pack(tmp_path / "runs.zip", list(records), there)
        return merge.merge(tmp_path / "runs.zip", book, here)

    assert "2 runs" in send(record, record | {"seed": 1})
    for name in ("lenet-classic.pt", "weights.json"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    with pytest.raises(ValueError, match="already"):
        send(record | {"seed": 2}, record)
    (there / "lenet-classic.pt").write_bytes(b"damaged")
    book.rename(tmp_path / "kept.jsonl")
    with pytest.raises(ValueError, match="SHA-256"):
        send(record)
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 2 and not book.exists()
