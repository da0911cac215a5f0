"""The stored weights fit the chapters' networks and come from runs that the ledger has."""

import hashlib
import json

import pytest
import torch
from torch import nn

from book import networks
from book.results import merge, page_ablation, weights

LISTED = json.loads(weights.listing(weights.FOLDER).read_text(encoding="utf-8"))
STORED = [name for name, entry in LISTED.items() if entry["file"]]
RUNS = [json.loads(line) for line in weights.FOLDER.with_name("runs.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_list_and_the_folder_agree_and_stay_small():
    files = {path.name: path for path in weights.FOLDER.glob("*.pt")}
    assert set(files) == {LISTED[name]["file"] for name in STORED}
    assert sum(path.stat().st_size for path in files.values()) <= weights.MOST_BYTES
    for name in STORED:
        content = files[f"{name}.pt"].read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (LISTED[name]["bytes"], LISTED[name]["sha256"])


@pytest.mark.parametrize("name", STORED)
def test_weights_fit_the_chapters_network(name):
    stored = torch.load(weights.FOLDER / f"{name}.pt", weights_only=True)
    network = stored["row"]["network"]
    net = networks.build(network)
    net.load_state_dict(stored["state_dict"])
    assert stored["row"] == LISTED[name]["row"]
    assert {value.dtype for value in stored["state_dict"].values()} <= {torch.float16, torch.int64}


@pytest.mark.parametrize("name", LISTED)
def test_weights_come_from_one_recorded_run(name):
    row = LISTED[name]["row"]
    keys = [key for key in row if key != "test_acc"]
    (run,) = [run for run in RUNS if all(run[key] == row[key] for key in keys)]
    assert run["test_acc"][-1] == row["test_acc"]
    assert LISTED[name]["test_acc"] == pytest.approx(row["test_acc"], abs=2e-3)  # float16 turns a few of 10,000 answers
    assert name == row["network"] + "-classic" * (row["recipe"] == "classic")


@pytest.fixture
def record():
    keys = {"network": "lenet", "recipe": "classic", "seed": 0, "epochs": 1, "commit": "c", "device": "CPU"}
    return keys | {"test_acc": [0.5], "parameters": 7850, "batch_size": 256, "resize": None}


def test_weights_that_are_too_large_go_outside(record, tmp_path, monkeypatch):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    monkeypatch.setattr(weights, "_accuracy", lambda *_: 0.5)
    entry = weights.save_weights(net, record, tmp_path / "in")
    assert entry["file"] == "lenet-classic.pt" and entry["bytes"] < 20_000
    monkeypatch.setattr(weights, "MOST_BYTES", 20_000)
    with pytest.raises(ValueError, match="outside=None"):
        weights.save_weights(net, record | {"recipe": "modern"}, tmp_path / "in")
    entry = weights.save_weights(net, record | {"recipe": "modern"}, tmp_path / "in", tmp_path / "out")
    assert entry["file"] is None and (tmp_path / "out" / entry["asset"]).stat().st_size == entry["bytes"]
    listed = json.loads((tmp_path / "in" / "weights.json").read_text())
    assert list(listed) == ["lenet", "lenet-classic"]
    with pytest.raises(ValueError, match="parameters"):
        weights.save_weights(nn.Linear(2, 2), record, tmp_path / "in")


def test_the_ablation_table_compares_the_longest_trainings_seed_by_seed():
    def trained(removed, seed, epochs, accuracy):
        return {"removed": removed, "seed": seed, "epochs": epochs, "images": 100, "held_out_acc": [0.1, accuracy]}

    whole = [trained("nothing", 0, 5, 0.90), trained("nothing", 1, 5, 0.92), trained("nothing", 0, 2, 0.5)]
    lines = page_ablation.table(whole + [trained("warm-up", 1, 5, 0.91), trained("cosine", 0, 2, 0.4)]).splitlines()
    assert lines[2:] == [
        "| the whole recipe | 0.910 ± 0.014 (2 seeds) |  |",
        "| no warm-up | 0.910 (1 seed) | −0.010 (1 seed) |",
    ]
    assert page_ablation.table([]) == ""


def test_runs_of_another_machine_are_merged_once_and_whole(record, tmp_path, monkeypatch):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    monkeypatch.setattr(weights, "_accuracy", lambda *_: 0.5)
    there, here, ledger = tmp_path / "there", tmp_path / "here", tmp_path / "runs.jsonl"
    weights.save_weights(net, record, there)
    merge.pack(tmp_path / "runs.zip", [record, record | {"seed": 1}], there)
    assert "2 runs" in merge.merge(tmp_path / "runs.zip", ledger, here)
    assert len(ledger.read_text().splitlines()) == 2
    assert (here / "lenet-classic.pt").read_bytes() == (there / "lenet-classic.pt").read_bytes()
    assert (here / "weights.json").read_text() == (there / "weights.json").read_text()

    merge.pack(tmp_path / "more.zip", [record | {"seed": 2}, record], there)
    with pytest.raises(ValueError, match="already"):
        merge.merge(tmp_path / "more.zip", ledger, here)
    (there / "lenet-classic.pt").write_bytes(b"damaged")
    merge.pack(tmp_path / "bad.zip", [record], there)
    with pytest.raises(ValueError, match="SHA-256"):
        merge.merge(tmp_path / "bad.zip", tmp_path / "other.jsonl", here)
    assert len(ledger.read_text().splitlines()) == 2 and not (tmp_path / "other.jsonl").exists()
