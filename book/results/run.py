"""Fill the ledger: train the chapters' networks in full and append one record a run.

    python book/results/run.py                              everything that is missing, most valuable first
    python book/results/run.py --only lenet --seeds 3       seeds 0, 1, 2 of both recipes of one network
    python book/results/run.py --recipe classic --minutes 20
    python book/results/run.py --again --only lenet --seeds 1  recorded runs once more, to compare

Stop it at any moment: a finished run is in the ledger, an unfinished one goes on from its last epoch. It needs torch,
torchvision and this repository, nothing else.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests", Path(__file__).parent):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

import ledger  # noqa: E402
import torch  # noqa: E402
from chapter import definitions  # noqa: E402

import d2ltorch as d2lt  # noqa: E402

# The classic recipe: plain SGD at a constant rate, as the chapters' training cells have it (a test compares them).
# ``init`` is a function of the chapter, or of d2ltorch.
CLASSIC = {
    "lenet": {"builder": "lenet()", "resize": None, "batch_size": 256, "lr": 0.9, "init": "init_xavier"},
    "alexnet": {"builder": "alexnet()", "resize": 224, "batch_size": 128, "lr": 0.01, "init": "init_xavier"},
    "vgg": {"builder": "vgg(quarter_arch)", "resize": 224, "batch_size": 128, "lr": 0.05, "init": "init_xavier"},
    "nin": {"builder": "nin()", "resize": 224, "batch_size": 128, "lr": 0.1, "init": "init_kaiming"},
    "googlenet": {"builder": "googlenet()", "resize": 96, "batch_size": 128, "lr": 0.1, "init": "init_scaled_he"},
    "batch_norm": {"builder": "lenet_bn()", "resize": None, "batch_size": 256, "lr": 1.0, "init": "init_xavier"},
    "resnet": {"builder": "resnet18()", "resize": 96, "batch_size": 256, "lr": 0.05, "init": "init_xavier"},
    "densenet": {"builder": "densenet()", "resize": 96, "batch_size": 256, "lr": 0.1, "init": "init_xavier"},
}
HELD_OUT = 5_000  # of the training images, for choosing the modern recipe


def build(network: str) -> torch.nn.Module:
    """The chapter's network with the weights that its recipe starts from, under the current seed."""
    namespace = definitions(network)
    net = eval(CLASSIC[network]["builder"], namespace)
    init = namespace.get(CLASSIC[network]["init"]) or getattr(d2lt, CLASSIC[network]["init"])
    return net.apply(init)


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
    **modern,
):
    """Train one network by one recipe and return its ``History`` and ledger record (None of a part or of a trial).

    ``held_out`` trains on all but the last 5,000 training images, or on the first ``images`` of them, and evaluates on
    those 5,000; ``modern`` goes to ``d2ltorch.modern_recipe``.
    """
    settings = CLASSIC[network]
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    train_iter, test_iter = d2lt.load_data_fashion_mnist(settings["batch_size"], resize=settings["resize"])
    if train_iter.source != "Fashion-MNIST":
        raise SystemExit(f"The ledger keeps runs on Fashion-MNIST only, and this is {train_iter.source!r}.")
    if held_out:
        train_iter, test_iter = _hold_out(train_iter, images)
    if recipe == "classic":
        arguments = {"lr": settings["lr"]}
    else:
        arguments = d2lt.modern_recipe(**(ledger.MODERN.get(network, {}) | modern))
    torch.manual_seed(seed)
    net = build(network)
    arguments |= {"device": train_iter.device, "checkpoint": checkpoint, "animator": animator}
    history = d2lt.train(net, train_iter, test_iter, epochs, **arguments)
    if len(history) < epochs or held_out:
        return history, None
    return history, ledger.make_record(network, recipe, seed, history, net, train_iter, test_iter)


def _hold_out(train_iter: d2lt.DataIter, images: int | None = None) -> tuple[d2lt.DataIter, d2lt.DataIter]:
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
    return 10 if torch.cuda.is_available() or CLASSIC[network]["resize"] is None else 5


def missing_runs(records, networks, recipes, seeds: int, epochs: int | None) -> list[tuple[str, str, int, int]]:
    """What the ledger lacks, one seed of everything before the next seed, cheap networks first."""
    cheap_first = sorted(networks, key=lambda name: (CLASSIC[name]["resize"] or 28, ledger.NETWORKS.index(name)))
    wanted = [
        (network, recipe, seed, epochs or default_epochs(network))
        for seed in range(seeds)
        for recipe in recipes
        for network in cheap_first
    ]
    done = {_key(record) for record in records}
    return [run for run in wanted if run not in done]


def _key(record: dict) -> tuple[str, str, int, int]:
    return record["network"], record["recipe"], record["seed"], record["epochs"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ledger.NETWORKS, default=list(ledger.NETWORKS))
    parser.add_argument("--recipe", nargs="+", choices=ledger.RECIPES, default=list(ledger.RECIPES))
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0")
    parser.add_argument("--epochs", type=int, help="default: ten on a GPU and at 28 pixels, five elsewhere")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes")
    parser.add_argument(
        "--again", action="store_true", help="repeat recorded runs and compare; the ledger stays as it is"
    )
    parser.add_argument("--list", action="store_true", help="say what is missing and stop")
    options = parser.parse_args()
    if d2lt.is_quick():
        raise SystemExit("D2LTORCH_QUICK is set: the ledger keeps full runs only. Unset it and start again.")
    os.environ.setdefault("D2LTORCH_RUNS", str(ROOT / ".runs"))
    records = ledger.load()
    if options.again:
        runs = [_key(r) for r in records if r["network"] in options.only and r["recipe"] in options.recipe]
        runs = [run for run in runs if run[2] < options.seeds and options.epochs in (None, run[3])]
        print(f"{len(runs)} recorded runs to repeat.")
    else:
        runs = missing_runs(records, options.only, options.recipe, options.seeds, options.epochs)
        print(f"{len(runs)} runs are missing.")
    if options.list:
        for run in runs:
            print("  {} {} seed {} epochs {}".format(*run))
        return
    if options.minutes:
        signal.signal(signal.SIGALRM, signal.default_int_handler)  # ends like Ctrl-C: the run can go on later
        signal.setitimer(signal.ITIMER_REAL, options.minutes * 60)
    for network, recipe, seed, epochs in runs:
        print(f"{network}, {recipe}, seed {seed}, {epochs} epochs", flush=True)
        # Seed 0 of the classic recipe is the chapter's own run: left unnamed, both find the same checkpoint.
        is_chapter_run = recipe == "classic" and seed == 0 and not options.again
        marks = f"{network}-{recipe}-{seed}{'-again' * options.again}.pt"
        name = None if is_chapter_run else Path(os.environ["D2LTORCH_RUNS"]) / marks
        history, record = train_once(network, recipe, seed, epochs, checkpoint=name)
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
        if name:
            name.unlink(missing_ok=True)
        print(history, flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
