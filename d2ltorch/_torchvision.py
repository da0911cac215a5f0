"""Import torchvision, also where its compiled operators do not fit the installed torch.

A CPU-only torch beside the registry's torchvision is a common pair on small machines. torchvision
then cannot load its operator library and its import dies with ``operator torchvision::nms does not
exist``, because it describes that operator to torch before anything has defined it. The book needs
torchvision's datasets, models and transforms, none of which calls the operator, so a definition
without an implementation is enough: calling it fails as before.
"""

import importlib
import re
import sys
from types import ModuleType

import torch

__all__ = ["torchvision"]

_MISSING_OPERATOR = re.compile(r"operator torchvision::(\w+) does not exist")
# The real signatures, so that whoever inspects the operator sees what torchvision would have
# defined.
_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_libraries: list[torch.library.Library] = []  # a definition lives only as long as its Library object


def _import_torchvision() -> ModuleType:
    """Import torchvision, defining each operator whose absence alone stops the import.

    Returns:
        The ``torchvision`` module, as ``import torchvision`` would bind it.

    Raises:
        Whatever torchvision's import raises for any other reason, or for an operator already
        defined here.
    """
    defined: set[str] = set()
    while True:
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            missing = _MISSING_OPERATOR.search(str(error))
            if missing is None or missing[1] in defined:
                raise
            name = missing[1]
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define(name + _SCHEMAS.get(name, "(...) -> ..."))
        _libraries.append(library)
        defined.add(name)
        _forget_half_imported_modules()


def _forget_half_imported_modules() -> None:
    """Drop what the failed import left behind, so that the next one starts afresh."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


torchvision = _import_torchvision()
