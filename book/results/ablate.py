"""What each part of the modern recipe is worth: the whole recipe, and the recipe without one part, on held-out images.

    python -m book.results.ablate                       three seeds of every variant that ``ablation.jsonl`` lacks
    python -m book.results.ablate --network densenet --seeds 1 --images 20000 --epochs 5      shorter, for a slow CPU

The batch-norm LeNet has PyTorch's own batch norm here, because that is faster. A network learns from the first 55,000 training
images, or from fewer, and is judged by the last 5,000. The test images play no part. Stop it at any moment: a finished training is
in the file.
"""

from __future__ import annotations

import argparse
import functools
import math
from pathlib import Path

import torch

import d2ltorch as d2lt
from book import networks
from book.notebooks import definitions
from book.results import ledger, run

RECORDS = Path(__file__).with_name("ablation.jsonl")
BUILD = {
    "batch_norm": lambda: definitions("batch_norm")["lenet_bn_torch"]().apply(d2lt.init_xavier),
    "densenet": lambda: networks.build("densenet", initialise=True),
}


def momentum(parameters, lr: float) -> torch.optim.Optimizer:
    """SGD with momentum 0.9 and weight decay 5e-4."""
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=5e-4)


def mirror(X: torch.Tensor) -> torch.Tensor:
    """Half of the images mirrored, none shifted."""
    return torch.where(torch.rand(len(X), 1, 1, 1, device=X.device) < 0.5, X, X.flip(3))


def warmup_constant(progress: float, warmup: float = 0.1) -> float:
    """The recipe's warm-up, and its peak rate from there on."""
    return min(1.0, (progress + 0.01 * warmup) / (1.01 * warmup))


def cosine(progress: float) -> float:
    """The cosine alone, from the first batch on."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def variants(network: str) -> dict[str, dict]:
    """Arguments of ``d2lt.train`` by the part that is taken away; plain images, where the recipe has them, for augmented ones."""
    row = networks.find(network)
    recipe, augment = d2lt.modern_recipe(**row.modern), d2lt.modern_recipe()["augment"]
    rate = row.lr / 10  # with momentum 0.9 it goes as far as the classic recipe's rate without
    parts = {
        "nothing": recipe,
        "AdamW": recipe | {"optimizer": functools.partial(momentum, lr=rate), "lr": rate},
        "cosine": recipe | {"schedule": warmup_constant},
        "warm-up": recipe | {"schedule": cosine},
        "label smoothing": recipe | {"label_smoothing": 0.0},
        "weight decay": d2lt.modern_recipe(**row.modern, weight_decay=0.0),
    }
    if recipe["augment"] is None:
        return parts | {"plain images": recipe | {"augment": augment}}
    return parts | {"augmentation": recipe | {"augment": None}, "shifts": recipe | {"augment": mirror}}


def train_once(network: str, arguments: dict, seed: int, epochs: int, images: int) -> dict:
    """Held-out accuracy after each epoch, and the last epoch's training accuracy."""
    whole, _ = run.load_images(networks.find(network))
    torch.manual_seed(seed)
    history = d2lt.train(BUILD[network](), *run.hold_out(whole, images), epochs, **arguments, animator=False)
    return {
        "held_out_acc": [round(accuracy, 4) for accuracy in history.test_acc],
        "train_acc": round(history.train_acc[-1], 4),
        "seconds": round(sum(history.seconds), 1),
        "device": history.meta["device_name"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=BUILD, default="batch_norm")
    parser.add_argument("--only", nargs="+", metavar="PART", help="variants of these names, not all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=55_000)
    options = parser.parse_args()
    if d2lt.is_quick():
        raise SystemExit("D2LTORCH_QUICK is set: an ablation needs full runs. Unset it and start again.")
    parts = variants(options.network)
    if odd := set(options.only or ()) - parts.keys():
        raise SystemExit(f"--only {' '.join(sorted(odd))}: {options.network} has {', '.join(parts)}")
    for seed in range(options.seeds):
        for removed in options.only or parts:
            key = {"network": options.network, "removed": removed, "seed": seed}
            key |= {"epochs": options.epochs, "images": options.images}
            if any(key.items() <= record.items() for record in ledger.load(RECORDS)):
                continue
            record = key | train_once(options.network, parts[removed], seed, options.epochs, options.images)
            ledger.append(record, RECORDS)
            print(f"seed {seed}, without {removed}: {record['held_out_acc'][-1]:.4f}", flush=True)


if __name__ == "__main__":
    main()
