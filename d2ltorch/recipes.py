"""The two recipes that every chapter is trained with, and the weights that full runs of them left."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pooch
import torch
from torch import nn
from torch.nn import functional as F

from .checks import check_module, real_number, require
from .download import Unreachable, fetch

# Where trained weights are: in a checkout beside the package, else in the repository or in a release of it.
WEIGHTS = Path(__file__).resolve().parents[1] / "book" / "results" / "weights"
REPOSITORY = "https://github.com/your_name/d2ltorch"
REGISTRY = Path(__file__).with_name("weights.json")  # name -> file, SHA-256 and the ledger's row that it comes from


def init_xavier(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for ``Linear`` and ``Conv2d`` layers: ``net.apply(d2lt.init_xavier)``.

    Follows Glorot and Bengio (2010), equation 16: the variance of signals and gradients is kept from layer to layer.
    Called with a whole network, it initialises all of its layers.
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        check_module(module)
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif sys._getframe(1).f_code is not nn.Module.apply.__code__:  # apply() has met the layers inside already
        module.apply(init_xavier)


def modern_recipe(lr: float = 2e-3, weight_decay: float = 5e-2, augment: bool = True) -> dict[str, Any]:
    """Arguments for ``d2lt.train``: AdamW, warm-up and cosine decay, shifted and mirrored images, label smoothing.

    Use it as ``d2lt.train(net, train_iter, test_iter, num_epochs, **d2lt.modern_recipe())``. Sources: Loshchilov and
    Hutter (2019) for AdamW, Loshchilov and Hutter (2017) for the cosine, Goyal et al. (2017) for the warm-up,
    Szegedy et al. (2016) for label smoothing.

    Args:
        lr: peak learning rate.
        weight_decay: decoupled weight decay of AdamW, for weight matrices and kernels alone.
        augment: whether to shift and mirror the images; a small network learns more in ten epochs without.
    """
    weight_decay = real_number("weight_decay", weight_decay, 0.05)
    require(weight_decay >= 0, ValueError, f"weight_decay={weight_decay:g} makes weights grow: give 0 or more")
    require(isinstance(augment, bool), TypeError, f"augment={augment!r} is neither True nor False")

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        parameters = [p for p in parameters if p.requires_grad]
        matrices, vectors = [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        # One fused pass over the weights: on a CPU seven times as fast for VGG's 43 million, and on a GPU one that
        # float16's gradient scaling can skip without asking the GPU for an answer.
        fused = all(p.device.type in ("cpu", "cuda") for p in parameters)
        return torch.optim.AdamW(groups, lr=lr, fused=fused or None)

    return {
        "lr": lr,
        "optimizer": adamw,
        "schedule": warmup_cosine,
        "augment": shift_and_mirror if augment else None,
        "label_smoothing": 0.1,
    }


def warmup_cosine(progress: float, warmup: float = 0.1) -> float:
    """Factor on the learning rate: rises linearly over the first tenth of training, then falls to 0 along a cosine."""
    if progress < warmup:
        return (progress + 0.01 * warmup) / (1.01 * warmup)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def shift_and_mirror(X: torch.Tensor, fraction: float = 1 / 14) -> torch.Tensor:
    """Shift each image (B, C, H, W) by up to ``fraction`` of its size, over black, and mirror half of them."""
    batch, channels, height, width = X.shape
    reach = max(1, round(height * fraction))
    padded = F.pad(X, (reach,) * 4)
    offset = torch.randint(0, 2 * reach + 1, (2, batch, 1), device=X.device)
    rows = offset[0] + torch.arange(height, device=X.device)  # (B, H)
    columns = offset[1] + torch.arange(width, device=X.device)  # (B, W)
    mirrored = torch.rand(batch, 1, device=X.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = padded.gather(2, rows[:, None, :, None].expand(-1, channels, -1, padded.shape[3]))
    return padded.gather(3, columns[:, None, None, :].expand(-1, channels, height, -1))


def load_trained(net: nn.Module, name: str) -> bool:
    """Give ``net`` the weights that a full run of the ledger left, and say which run; put it into evaluation mode.

    The files hold float16 numbers, the network keeps its own type. They are taken from a checkout of the book, else
    fetched once from its repository.

    Args:
        net: the chapter's network, as its builder makes it.
        name: the network's name in the ledger, such as ``"nin"`` (by the modern recipe) or ``"lenet-classic"``.

    Returns:
        Whether there were weights to load. Where there were none, a printed line says why and ``net`` is untouched.

    Raises:
        ValueError: a name that no network has, or another network than the weights are for.
    """
    registry = json.loads(REGISTRY.read_text(encoding="utf-8"))
    require(name in registry, ValueError, f"name={name!r} is unknown: choose one of {', '.join(registry)}")
    entry = registry[name]
    path = _weights_file(entry)
    if path is None:
        print(f"Trained weights of {name} could not be fetched from {REPOSITORY}: the network keeps its own.")
        return False
    weights = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    shapes, own = ({key: value.shape for key, value in each.items()} for each in (weights, net.state_dict()))
    odd = sorted(key for key in shapes.keys() | own.keys() if shapes.get(key) != own.get(key))
    cure = f"{', '.join(map(repr, odd[:1]))} differs; use its builder"
    require(not odd, ValueError, f"net={type(net).__name__} is not the {name} of its chapter: {cure}")
    net.load_state_dict(weights)
    net.eval()
    row = entry["row"]
    run = f"{row['recipe']} recipe, {row['epochs']} epochs, seed {row['seed']}"
    print(f"Weights of {row['network']}: {run}; test accuracy {entry['test_acc']:.3f}")
    return True


def _weights_file(entry: dict[str, Any]) -> Path | None:
    """The file with the published checksum; None where it is not in a checkout and cannot be fetched."""
    local = WEIGHTS / (entry["file"] or entry["asset"])
    if local.is_file():
        is_whole = pooch.file_hash(str(local)) == entry["sha256"]
        require(is_whole, ValueError, f"{local} is damaged: its checksum is not the published one; check it out again")
        return local
    place = "raw/main/book/results/weights" if entry["file"] else "releases/latest/download"  # too large for the former
    try:
        return fetch([f"{REPOSITORY}/{place}/{local.name}"], f"sha256:{entry['sha256']}", pooch.os_cache("d2ltorch"))
    except (OSError, Unreachable):
        return None
