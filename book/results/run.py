"""Fill the ledger: train the chapters' networks in full and append one record a run.

    python -m book.results.run                                  everything that is missing, most valuable first
    python -m book.results.run --only vgg --seeds 3             seeds 0, 1, 2 of both recipes of one network
    python -m book.results.run --recipe classic --minutes 20
    python -m book.results.run --again --only lenet --seeds 1   recorded runs once more, to compare

Stop it at any moment: a finished run is in the ledger, an unfinished one goes on from its last epoch. It needs torch,
torchvision, pooch, torchinfo, matplotlib and this repository, nothing else.
"""

from __future__ import annotations

import argparse
import gc
import signal
from pathlib import Path

import torch

import d2ltorch as d2lt
from book import networks
from book.networks import NETWORKS
from book.notebooks import ROOT
from book.results import ledger, weights

RUNS = ROOT / ".runs"  # checkpoints of runs that are under way
HELD_OUT = 5_000  # of the training images, for choosing the modern recipe


def train_once(
    network: str,
    recipe: str,
    seed: int,
    epochs: int,
    *,
    held_out: bool = False,
    images: int | None = None,
    checkpoint=None,
    animator: bool = True,
    keep_weights: bool = False,
    **modern,
):
    """Train one network by one recipe and return its ``History`` and ledger record (None of a part or of a trial).

    ``held_out`` trains on all but the last 5,000 training images, or on the first ``images`` of them, and evaluates on
    those 5,000; ``keep_weights`` stores the trained network beside the ledger; ``modern`` goes to ``d2ltorch.modern_recipe``.
    """
    row = networks.find(network)
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    train_iter, test_iter = load_images(row)
    if held_out:
        train_iter, test_iter = hold_out(train_iter, images)
    if recipe == "classic":
        arguments = {"lr": row.lr}
    else:
        arguments = d2lt.modern_recipe(**(row.modern | modern))
    commit = ledger.commit_of(checkpoint)
    torch.manual_seed(seed)
    net = networks.build(network, initialise=True)
    arguments |= {"device": train_iter.device, "checkpoint": checkpoint, "animator": animator}
    history = d2lt.train(net, train_iter, test_iter, epochs, **arguments)
    if len(history) < epochs or held_out:
        return history, None
    record = ledger.make_record(network, recipe, seed, history, net, train_iter, test_iter, commit)
    if keep_weights:
        weights.save_weights(net, record, outside=RUNS / "weights")
    return history, record


def load_images(row: networks.Network) -> tuple[d2lt.DataIter, d2lt.DataIter]:
    """All of Fashion-MNIST, at the network's size and in its batches."""
    train_iter, test_iter = d2lt.load_data_fashion_mnist(row.batch_size, resize=row.size)
    if train_iter.source != "Fashion-MNIST":
        raise SystemExit(f"The ledger keeps runs on Fashion-MNIST only, and this is {train_iter.source!r}.")
    return train_iter, test_iter


def hold_out(train_iter: d2lt.DataIter, images: int | None = None) -> tuple[d2lt.DataIter, d2lt.DataIter]:
    """Split the training images: all but the last 5,000 to train on (or the first ``images``), and those to choose by."""
    most = len(train_iter.labels) - HELD_OUT
    if images is not None and not 0 < images <= most:
        raise ValueError(f"images must be 1 to {most:,}, so that {HELD_OUT:,} stay held out, not {images}")
    parts = []
    for part, shuffle in ((slice(0, images or most), True), (slice(most, None), False)):
        images, labels = train_iter.images[part], train_iter.labels[part]
        source = f"Fashion-MNIST, {len(labels):,} training images"
        parts.append(
            d2lt.DataIter(
                images, labels, train_iter.batch_size, resize=train_iter.resize, shuffle=shuffle, source=source
            )
        )
    return parts[0], parts[1]


def default_epochs(network: str) -> int:
    """Ten on a GPU and for the 28-pixel networks, five elsewhere."""
    return 10 if torch.cuda.is_available() or NETWORKS[network].size == 28 else 5


def missing_runs(records, names, recipes, seeds: int, epochs: int | None) -> list[tuple[str, str, int, int]]:
    """What the ledger lacks, one seed of everything before the next seed, cheap networks first."""
    cheap_first = sorted(names, key=lambda name: (NETWORKS[name].size, list(NETWORKS).index(name)))
    wanted = [
        (network, recipe, seed, epochs or default_epochs(network))
        for seed in range(seeds)
        for recipe in recipes
        for network in cheap_first
    ]
    done = {_key(record) for record in records}
    return [run for run in wanted if run not in done]


def checkpoint_of(network: str, recipe: str, seed: int, epochs: int, mark: str = "") -> Path:
    """Where a run that is under way keeps its checkpoint; the chapter's own training is the classic run of seed 0."""
    return RUNS / f"{network}-{recipe}-{seed}-{epochs}{mark}.pt"


def _key(record: dict) -> tuple[str, str, int, int]:
    return record["network"], record["recipe"], record["seed"], record["epochs"]


def _announce(runs: list[tuple[str, str, int, int]], records: list[dict]) -> None:
    """Say which runs there would be, how long the last one of the kind took, and what comes back."""
    total = 0.0
    for network, recipe, seed, epochs in runs:
        last = (ledger.select(records, network=network, recipe=recipe) or ledger.select(records, network=network))[-1:]
        minutes = [sum(run["seconds"]) / 60 / run["epochs"] * epochs for run in last]
        total += sum(minutes)
        words = f"{minutes[0]:.0f} min on {last[0]['device']}" if last else "no run of it is recorded"
        print(f"  {network} {recipe} seed {seed} epochs {epochs}: {words}")
    print(f"{total / 60:.1f} hours in all, on the machines that made the records; a GPU takes a small part of that.")
    print(
        "Comes back: book/results/runs.jsonl, and with --keep-weights book/results/weights/ and d2ltorch/weights.json."
    )
    print("As one file: python -m book.results.merge --pack results.zip")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--recipe", nargs="+", choices=ledger.RECIPES, default=list(ledger.RECIPES))
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0")
    parser.add_argument("--epochs", type=int, help="default: ten on a GPU and at 28 pixels, five elsewhere")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument(
        "--again", action="store_true", help="repeat recorded runs and compare; the ledger stays as it is"
    )
    parser.add_argument(
        "--keep-weights", action="store_true", help="store the weights of the runs (book/results/weights)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what is missing, how long it takes, and stop")
    options = parser.parse_args()
    if d2lt.is_quick():
        raise SystemExit("D2LTORCH_QUICK is set: the ledger keeps full runs only. Unset it and start again.")
    records = ledger.load()
    if options.again:
        runs = [_key(r) for r in records if r["network"] in options.only and r["recipe"] in options.recipe]
        runs = [run for run in runs if run[2] < options.seeds and options.epochs in (None, run[3])]
        print(f"{len(runs)} recorded runs to repeat.")
    else:
        runs = missing_runs(records, options.only, options.recipe, options.seeds, options.epochs)
        print(f"{len(runs)} runs are missing.")
    if options.dry_run:
        _announce(runs, records)
        return
    if options.minutes:
        signal.signal(signal.SIGALRM, signal.default_int_handler)  # ends like Ctrl-C: the run can go on later
        signal.setitimer(signal.ITIMER_REAL, options.minutes * 60)
    for network, recipe, seed, epochs in runs:
        print(f"{network}, {recipe}, seed {seed}, {epochs} epochs", flush=True)
        name = checkpoint_of(network, recipe, seed, epochs, "-again" * options.again)
        try:
            history, record = train_once(
                network, recipe, seed, epochs, checkpoint=name, keep_weights=options.keep_weights
            )
        except KeyboardInterrupt:
            record = None
        if record is None:
            print("stopped; start again to go on")
            return
        if options.again:
            (recorded,) = ledger.select(records, network=network, recipe=recipe, seed=seed, epochs=epochs)[-1:]
            was, now = recorded["test_acc"][-1], record["test_acc"][-1]
            print(f"test accuracy {now:.4f}; recorded {was:.4f} on {recorded['device']}", flush=True)
        elif (network, recipe, seed, epochs) in {_key(r) for r in ledger.load()}:
            print("another process has recorded this run meanwhile", flush=True)
        else:
            ledger.append(record)
        ledger.forget(name)
        print(history, flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
