"""Choose the modern recipe's rate, decay and augmentation on images held out of the training set; the test set is never looked at.

    python -m book.results.tune lenet batch_norm                   the default grid
    python -m book.results.tune lenet --lr 0.005 0.01 --decay 0.05 --epochs 10
    python -m book.results.tune vgg --lr 0.0005 0.001 0.002 --augment yes --images 10000 --epochs 2     where full trials take hours

Trains on the first 55,000 training images, or on fewer, evaluates on the last 5,000, and appends one line a trial to
``tuning.jsonl``; a trial that is there is not repeated. ``book.networks`` holds each network's best; a test compares the two.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import d2ltorch as d2lt
from book.networks import NETWORKS
from book.results import ledger, run

TUNING = Path(__file__).with_name("tuning.jsonl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", choices=NETWORKS)
    parser.add_argument("--lr", nargs="+", type=float, default=[1e-3, 3e-3, 1e-2])
    parser.add_argument("--decay", nargs="+", type=float, default=[5e-2])
    parser.add_argument("--augment", nargs="+", choices=("yes", "no"), default=["yes", "no"])
    parser.add_argument("--epochs", type=int, help="default: as the ledger's runs")
    parser.add_argument("--images", type=int, help="train on so many of the 55,000, for a shorter trial")
    options = parser.parse_args()
    if d2lt.is_quick():
        raise SystemExit("D2LTORCH_QUICK is set: a choice needs full runs. Unset it and start again.")
    grid = itertools.product(options.networks, options.lr, options.decay, options.augment)
    for network, lr, decay, augment in grid:
        trial = {"network": network, "lr": lr, "weight_decay": decay, "augment": augment == "yes"}
        trial["epochs"] = options.epochs or run.default_epochs(network)
        trial |= {"images": options.images} if options.images else {}
        if any(done.get("images") == options.images for done in ledger.select(ledger.load(TUNING), **trial)):
            continue
        settings = {key: trial[key] for key in ("lr", "weight_decay", "augment")}
        settings |= {"held_out": True, "images": options.images, "animator": False}
        history, _ = run.train_once(network, "modern", 0, trial["epochs"], **settings)
        if len(history) < trial["epochs"]:
            return
        accuracies = [round(accuracy, 4) for accuracy in history.test_acc]
        ledger.append(trial | {"held_out_acc": accuracies, "train_loss": round(history.train_loss[-1], 4)}, TUNING)
        print(f"{trial}: {accuracies[-1]:.4f} held out", flush=True)


if __name__ == "__main__":
    main()
