"""Import torchvision, also where its compiled operators do not fit the installed torch.

Beside a CPU-only torch, the registry's torchvision dies with ``operator torchvision::nms does not exist``: it describes
that operator before anything has defined it. No model or transform of the book calls it, so a definition without an
implementation is enough: calling it fails as before.
"""

import importlib
import re
import sys
from types import ModuleType

import torch

_libraries: dict[str, torch.library.Library] = {}  # by operator: a definition lives only as long as its Library object


def _import_torchvision() -> ModuleType:
    """``import torchvision``, defining each operator whose absence alone stops it; any other failure is raised."""
    while True:
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None or missing[1] in _libraries:
                raise
        library = _libraries[missing[1]] = torch.library.Library("torchvision", "FRAGMENT")
        library.define(f"{missing[1]}(...) -> ...")
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported: the next import starts afresh


torchvision = _import_torchvision()
