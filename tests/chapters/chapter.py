"""What the chapters' tests share."""

import functools
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from book.networks import NETWORKS, build
from book.notebooks import CHAPTERS, ROOT, cells, definitions, num_params

__all__ = ["CHAPTERS", "NAMES", "ROOT", "cells", "definitions", "num_params"]
NAMES = tuple(NETWORKS)  # in the book's order


def made(chapter: str, make: Callable[[SimpleNamespace], Any], device: str = "meta") -> Any:
    """What ``make`` makes of the chapter's definitions; on ``meta`` it has shapes and no numbers."""
    with torch.device(device):
        return make(SimpleNamespace(**definitions(chapter)))


@functools.cache
def parameters(name: str) -> int:
    """How many parameters the network of a chapter has."""
    with torch.device("meta"):
        return num_params(build(name))


def copy_repository(folder: Path) -> Path:
    """Put what a clone of this working tree would hold into ``folder``."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
