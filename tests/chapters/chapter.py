"""What the chapters' tests share."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from book.networks import NETWORKS
from book.notebooks import CHAPTERS, ROOT, definitions, num_params
from d2ltorch import torchvision

__all__ = ["CHAPTERS", "NAMES", "PARAMETERS", "ROOT", "definitions", "num_params"]
NAMES = tuple(NETWORKS)  # in the book's order
PARAMETERS = {
    "lenet": 61_706,
    "alexnet": 46_764_746,
    "vgg": 43_093_322,
    "nin": 1_992_166,
    "googlenet": 5_977_530,
    "batch_norm": 62_158,
    "resnet": 11_175_370,
    "densenet": 757_322,
}


def copy_repository(folder: Path) -> Path:
    """Put what a clone of this working tree would hold into ``folder``."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def assert_same_logits(chapter: dict[str, Any], name: str, expected: int) -> None:
    """The chapter's ``name``, with torchvision's random weights copied in, counts and answers as torchvision's does."""
    theirs, weights = chapter["torchvision_reference"](name, pretrained=False)
    ours = chapter[name](in_channels=3, num_classes=1000).eval()
    assert weights == "random"
    assert num_params(ours) == num_params(theirs) == expected
    chapter["copy_weights"](theirs, ours)
    X = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = theirs(X)
        assert logits.std() > 1e-3  # a network that answers the same to everything would prove nothing
        assert (ours(X) - logits).abs().max() <= 1e-5


def assert_random_weights_without_a_network(chapter: dict[str, Any], name: str, monkeypatch, capsys) -> None:
    """The switch for pretrained weights goes on with random ones where they cannot be fetched, and says so."""
    build = getattr(torchvision.models, name)

    def refuse(*args, weights=None):
        if weights is not None:
            raise OSError("no route to host")
        return build()

    monkeypatch.setattr(torchvision.models, name, refuse)
    net, weights = chapter["torchvision_reference"](name, pretrained=True)
    assert weights == "random" and not net.training
    assert "could not fetch" in capsys.readouterr().out


def fit(net: nn.Module, X: torch.Tensor, y: torch.Tensor, optimizer, steps: int, until: float = 0.0) -> torch.Tensor:
    """Train on one batch for ``steps`` steps, or until the loss is below ``until``; returns the last loss."""
    for _ in range(steps):
        loss = F.cross_entropy(net(X), y)
        if loss < until:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss
