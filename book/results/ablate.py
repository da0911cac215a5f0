"""What each part of the modern recipe is worth: the whole recipe, and the recipe without one part, on held-out images.

    python -m book.results.ablate                       three seeds of every variant that ``ablation.jsonl`` lacks
    python -m book.results.ablate --images 20000 --epochs 5      shorter trainings, for a slow CPU

The network is the batch-norm LeNet, with PyTorch's own batch norm because that is faster; it learns from the first 55,000 training
images, or from fewer, and is judged by the last 5,000. The test images play no part. Stop it at any moment: a finished training is in the file.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

import d2ltorch as d2lt
from book.notebooks import definitions
from book.results import ledger, run

RECORDS = Path(__file__).with_name("ablation.jsonl")
SETTINGS = {"lr": 0.04, "augment": False}  # of this network's modern recipe


MOMENTUM_RATE = 0.1


def momentum(parameters) -> torch.optim.Optimizer:
    """SGD with momentum 0.9 and weight decay 5e-4; at a rate of 0.1 it goes as far as the classic recipe's 1.0 without momentum."""
    return torch.optim.SGD(parameters, lr=MOMENTUM_RATE, momentum=0.9, weight_decay=5e-4)


def warmup_constant(progress: float, warmup: float = 0.1) -> float:
    """The recipe's warm-up, and its peak rate from there on."""
    return min(1.0, (progress + 0.01 * warmup) / (1.01 * warmup))


def cosine(progress: float) -> float:
    """The cosine alone, from the first batch on."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def variants() -> dict[str, dict]:
    """Arguments of ``d2lt.train`` by the part that is taken away (or, for augmentation, put in)."""
    recipe = d2lt.modern_recipe(**SETTINGS)
    return {
        "nothing": recipe,
        "AdamW": recipe | {"optimizer": momentum, "lr": MOMENTUM_RATE},
        "cosine": recipe | {"schedule": warmup_constant},
        "warm-up": recipe | {"schedule": cosine},
        "label smoothing": recipe | {"label_smoothing": 0.0},
        "weight decay": d2lt.modern_recipe(**SETTINGS, weight_decay=0.0),
        "plain images": recipe | {"augment": d2lt.modern_recipe()["augment"]},
    }


def held_out(images: int, batch_size: int = 256) -> tuple[d2lt.DataIter, d2lt.DataIter]:
    """The first ``images`` training images, shuffled, and the last 5,000."""
    whole, _ = d2lt.load_data_fashion_mnist(batch_size)
    if whole.source != "Fashion-MNIST":
        raise SystemExit(f"The ablation needs Fashion-MNIST, and this is {whole.source!r}: set D2LTORCH_DATA.")
    return run.hold_out(whole, images)


def train_once(arguments: dict, seed: int, epochs: int, images: int) -> dict:
    """Held-out accuracy after each epoch, and the last epoch's training accuracy."""
    train_iter, held_out_iter = held_out(images)
    torch.manual_seed(seed)
    net = definitions("batch_norm")["lenet_bn_torch"]().apply(d2lt.init_xavier)
    history = d2lt.train(net, train_iter, held_out_iter, epochs, **arguments, animator=False)
    return {
        "held_out_acc": [round(accuracy, 4) for accuracy in history.test_acc],
        "train_acc": round(history.train_acc[-1], 4),
        "seconds": round(sum(history.seconds), 1),
        "device": history.meta["device_name"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(variants()), default=list(variants()), metavar="PART")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=55_000)
    options = parser.parse_args()
    if d2lt.is_quick():
        raise SystemExit("D2LTORCH_QUICK is set: an ablation needs full runs. Unset it and start again.")
    for seed in range(options.seeds):
        for removed in options.only:
            key = {"network": "batch_norm", "removed": removed, "seed": seed}
            key |= {"epochs": options.epochs, "images": options.images}
            if any(key.items() <= record.items() for record in ledger.load(RECORDS)):
                continue
            record = key | train_once(variants()[removed], seed, options.epochs, options.images)
            ledger.append(record, RECORDS)
            print(f"seed {seed}, without {removed}: {record['held_out_acc'][-1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
