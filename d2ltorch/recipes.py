"""The two recipes that every chapter is trained with: the classic one's start, and the modern one whole."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F


def init_xavier(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for ``Linear`` and ``Conv2d`` layers: ``net.apply(d2lt.init_xavier)``.

    Follows Glorot and Bengio (2010), equation 16: the variance of signals and gradients is kept from layer to layer.
    """
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        if isinstance(module.weight, nn.parameter.UninitializedParameter):
            raise ValueError(f"module={module} is lazy: run one batch through the network before initialising it")
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def load_trained(net: nn.Module, name: str) -> bool:
    """Load the weights that the book's modern recipe has trained, and say whether there were any.

    Reads ``book/results/weights/<name>.pt`` beside the package: a dictionary with ``state_dict`` (float16 tensors) and
    ``row``, the line of the ledger that they come from.

    Args:
        net: the network of chapter ``name``; changed only where weights were found.
        name: the chapter's file name without its ending, for example ``"densenet"``.
    """
    path = Path(__file__).parent.parent / "book" / "results" / "weights" / f"{name}.pt"
    if not path.exists():
        return False
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])
    return True


def modern_recipe(lr: float = 2e-3, weight_decay: float = 5e-2, augment: bool = True) -> dict:
    """Arguments for ``d2lt.train``: AdamW, warm-up and cosine decay, shifted and mirrored images, label smoothing.

    Use it as ``d2lt.train(net, train_iter, test_iter, num_epochs, **d2lt.modern_recipe())``. Sources: Loshchilov and
    Hutter (2019) for AdamW, Loshchilov and Hutter (2017) for the cosine, Goyal et al. (2017) for the warm-up,
    Szegedy et al. (2016) for label smoothing.

    Args:
        lr: peak learning rate.
        weight_decay: decoupled weight decay of AdamW, for weight matrices and kernels alone.
        augment: whether to shift and mirror the images; a small network learns more in ten epochs without.
    """

    def adamw(parameters) -> torch.optim.Optimizer:
        parameters = [p for p in parameters if p.requires_grad]
        matrices = [p for p in parameters if p.dim() > 1]
        vectors = [p for p in parameters if p.dim() <= 1]
        groups = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
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
