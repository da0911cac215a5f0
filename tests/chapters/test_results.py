"""The ledger, what runs it, and everything that quotes it."""

import inspect
import json
import re

import pytest
import torch
from chapter import NAMES, cells, definitions, parameters

import d2ltorch as d2lt
from book import networks
from book.networks import NETWORKS
from book.results import ledger, page, run

RECORDS = ledger.load()
TRIALS = ledger.load(page.TUNING)


def training_cell(name: str) -> int:
    """The number of the cell with the chapter's headline training."""
    (number,) = (i for i, cell in enumerate(cells(name)) if "\nhistory = d2lt.train(" in f"\n{cell['source']}")
    return number


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r['network']}-{r['recipe']}-{r['seed']}-{r['epochs']}")
def test_a_record_is_whole_and_consistent(record):
    assert record["network"] in NETWORKS and record["recipe"] in ledger.RECIPES
    assert {len(record[column]) for column in ledger.SERIES} == {record["epochs"]}
    assert all(0 <= accuracy <= 1 for accuracy in record["train_acc"] + record["test_acc"])
    assert record["parameters"] == parameters(record["network"])
    assert record["data"]["source"] == "Fashion-MNIST"
    rate = 60_000 * record["epochs"] / sum(record["seconds"])
    assert record["examples_per_second"] == pytest.approx(rate, abs=0.051)  # kept to one decimal
    assert all(record[key] for key in ("peak_memory_mb", "mult_adds", "precision", "device", "versions", "commit"))
    row = NETWORKS[record["network"]]
    if record["recipe"] == "classic":
        assert record["lr"] == row.lr
    else:
        settings = d2lt.modern_recipe(**row.modern)
        assert record["lr"] == settings["lr"]
        assert record["augment"] == (settings["augment"].__qualname__ if settings["augment"] else "none")


def test_predictions_give_the_accuracy_that_the_record_states(real_data):
    _, test_iter = d2lt.load_data_fashion_mnist(256, device="cpu")
    for record in RECORDS:
        predicted = torch.tensor([int(digit) for digit in record["predictions"]])
        accuracy = (predicted == test_iter.labels).float().mean().item()
        assert accuracy == pytest.approx(record["test_acc"][-1], abs=2e-4)


@pytest.mark.parametrize(
    "name", sorted({trial["network"] for trial in TRIALS} | {n for n in NAMES if NETWORKS[n].modern})
)
def test_modern_settings_are_the_best_of_the_held_out_trials(name):
    trials = ledger.select(TRIALS, network=name)
    trials = [trial for trial in trials if trial.get("images") == trials[-1].get("images")]
    assert len({trial["lr"] for trial in trials}) >= 3
    best = max(trial["held_out_acc"][-1] for trial in trials)
    chosen = networks.modern_settings(name)
    (accuracy,) = {trial["held_out_acc"][-1] for trial in ledger.select(trials, **chosen)}
    own = chosen["lr"] == inspect.signature(d2lt.modern_recipe).parameters["lr"].default
    assert accuracy == best or (own and best - accuracy < (best * (1 - best) / 5_000) ** 0.5)


def training_asks_for(name: str, monkeypatch, full: str) -> dict:
    """What the chapter's training cell loads and how it trains on a CPU; nothing is loaded or trained."""
    asked = {}

    def note(function, result):
        def call(*args, **kwargs):
            asked.update(inspect.signature(function).bind(*args, **kwargs).arguments)
            return result

        return call

    monkeypatch.setenv("D2LTORCH_FULL", full)
    with monkeypatch.context() as patch, torch.device("meta" if NETWORKS[name].size > 28 else "cpu"):
        patch.setattr(d2lt, "load_data_fashion_mnist", note(d2lt.load_data_fashion_mnist, (None, None)))
        patch.setattr(d2lt, "train", note(d2lt.train, None))
        exec(cells(name)[training_cell(name)]["source"], definitions(name) | {"device": torch.device("cpu")})
    return asked


@pytest.mark.parametrize("name", NAMES)
def test_classic_recipe_is_the_one_that_the_chapter_trains_by(name, monkeypatch):
    """Stored are all images by the row's recipe; a reader without a GPU gets a large network trained on a part."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    row, source = NETWORKS[name], cells(name)[training_cell(name)]["source"]
    stored, read = (training_asks_for(name, monkeypatch, full) for full in ("1", ""))
    assert (stored["lr"], stored["batch_size"], stored.get("resize", 28)) == (row.lr, row.batch_size, row.size)
    assert stored.get("num_train") is None and stored.get("num_test") is None
    assert stored["num_epochs"] == run.default_epochs(name)
    assert f"{row.builder}({', '.join(row.arguments)})" in source and row.init in source
    assert (read["lr"], read.get("resize", 28)) == (row.lr, row.size)
    if row.size > 28:
        assert 1_000 <= read["num_train"] <= 12_000 and 1_000 <= read["num_test"] <= 10_000


def test_missing_runs_come_most_valuable_first_and_never_twice():
    first = {"network": "lenet", "recipe": "classic", "seed": 0, "epochs": 10}
    missing = run.missing_runs([first], list(NETWORKS), list(ledger.RECIPES), 2, 10)
    assert len(missing) == 2 * 2 * len(NETWORKS) - 1
    assert ("lenet", "classic", 0, 10) not in missing
    assert {seed for _, _, seed, _ in missing[:15]} == {0}
    assert next(network for network, recipe, _, _ in missing if recipe == "classic") == "batch_norm"


def test_a_summary_counts_a_resumed_run_once():
    common = {"network": "nin", "recipe": "classic", "parameters": 1, "mult_adds": 1, "device": "CPU"}
    seeds = [(0, [0.2, 0.4]), (0, [0.2, 0.5]), (0, [0.2, 0.5, 0.7]), (1, [0.3, 0.6]), (1, [0.3, 0.5])]
    runs = [
        common | {"seed": seed, "epochs": len(accuracies), "test_acc": accuracies, "seconds": [60.0] * len(accuracies)}
        for seed, accuracies in seeds
    ]
    rows = ledger.summarise(runs)
    assert [row["epochs"] for row in rows] == [2, 3]
    # Of two epochs: the run of seed 0 that was not resumed, and the last one of seed 1.
    assert [ledger.in_words(row) for row in rows] == ["0.450 ± 0.071 (2 runs)", "0.700 (1 run)"]


def test_minutes_are_those_of_the_device_that_made_most_runs_and_a_tiny_spread_is_shown():
    common = {"network": "nin", "recipe": "modern", "parameters": 1, "mult_adds": 1, "epochs": 1}
    runs = [
        common | {"seed": seed, "device": device, "test_acc": [0.9 + seed / 1e4], "seconds": [60.0 * minutes]}
        for seed, (device, minutes) in enumerate([("GPU", 1), ("CPU", 80), ("CPU", 100)])
    ]
    (row,) = ledger.summarise(runs)
    assert (row["minutes"], row["devices"]) == (90, ["CPU", "GPU"])
    assert ledger.in_words(row) == "0.900 ± 0.0001 (3 runs)"
    again = [run | {"device": device, "test_acc": [0.1]} for run in runs[1:] for device in ("GPU", "CPU")]
    assert ledger.one_per_seed(runs + again) == [runs[0], again[1], again[3]]  # a seed's last run on the usual device


def test_time_to_accuracy_has_a_line_for_each_kind_of_hardware():
    common = {"network": "nin", "recipe": "modern", "seed": 0, "epochs": 2, "test_acc": [0.9, 0.95]}
    machines = {"CPU (1 thread)": 3600.0, "CPU (2 threads)": 1800.0, "H200": 30.0}
    text = page._time_to_accuracy([common | {"device": name, "seconds": [s, s]} for name, s in machines.items()])
    assert [line.split(" | ")[2:] for line in text.splitlines()[-2:]] == [
        ["30 min", "60 min", "CPU (2 threads) |"],
        ["30 s", "60 s", "H200 |"],
    ]


def test_a_run_at_a_rate_that_its_chapter_has_left_stays_in_the_file_alone(tmp_path):
    path, rate = tmp_path / "runs.jsonl", NETWORKS["nin"].lr
    runs = [{"network": "nin", "recipe": r, "lr": lr} for r, lr in (("classic", rate), ("classic", 7), ("modern", 7))]
    for record in runs:
        ledger.append(record, path)
    assert ledger.load(path) == [runs[0], runs[2]] and len(path.read_text().splitlines()) == 3


def test_a_line_cut_off_is_named(tmp_path):
    path = tmp_path / "runs.jsonl"
    ledger.append({"network": "lenet"}, path)
    path.write_text(path.read_text() + '{"network": "le')
    with pytest.raises(ValueError, match="line 2"):
        ledger.load(path)


def test_held_out_images_are_never_trained_on():
    images = torch.zeros(6_000, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = torch.arange(6_000) // 256, torch.arange(6_000) % 256  # its number
    whole = d2lt.DataIter(images, torch.arange(6_000) % 10, 100, shuffle=True)
    train_iter, held_out = run.hold_out(whole)
    first, last = (
        set((256 * part.images[:, 0, 0, 0].int() + part.images[:, 0, 0, 1]).tolist()) for part in (train_iter, held_out)
    )
    assert (len(first), len(last)) == (1_000, 5_000) and first.isdisjoint(last)
    assert train_iter.shuffle and not held_out.shuffle
    fewer, same = run.hold_out(whole, 300)
    assert torch.equal(fewer.images, whole.images[:300]) and torch.equal(same.images, held_out.images)
    for count in (0, -1, 1_001):
        with pytest.raises(ValueError, match="images must be 1 to 1,000"):
            run.hold_out(whole, count)


@pytest.mark.parametrize("name", NAMES)
def test_stored_training_is_a_run_of_the_ledger(name):
    stored = json.dumps([cell.get("outputs", []) for cell in cells(name)[training_cell(name) :]])
    found = re.search(r"loss (\S+), train acc (\S+), test acc (\S+) after (\d+) epochs?", stored)
    assert found, f"{name} stores no line of its headline training"
    if "of 60,000" in stored[found.start() : found.start() + 300]:
        pytest.skip(f"{name} was last executed on a part of the images, on a CPU")
    accuracy, epochs = float(found[3]), int(found[4])
    runs = ledger.select(RECORDS, network=name, recipe="classic", epochs=epochs)
    accuracies = [record["test_acc"][-1] for record in runs]
    assert min(accuracies) - 0.0005 <= accuracy <= max(accuracies) + 0.0005
