"""``import d2ltorch`` makes torchvision import where only its operator library does not fit."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import d2ltorch

SHIM = Path(d2ltorch.__file__).with_name("_torchvision.py")


def take_torchvision() -> dict:
    """Take torchvision's modules out of those that are imported."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "torchvision"}


@pytest.fixture
def import_with(tmp_path, monkeypatch):
    """Run the shim with a stand-in for torchvision, from the sources of its modules; return its variables."""

    def run(**sources: str) -> dict:
        (tmp_path / "torchvision").mkdir()
        for name, source in sources.items():
            (tmp_path / "torchvision" / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return runpy.run_path(str(SHIM))

    installed = take_torchvision()
    yield run
    take_torchvision()
    sys.modules.update(installed)


def test_what_imports_is_left_alone(import_with):
    assert import_with(__init__="from . import ops\nimported = 1", ops="x = 3")["torchvision"].ops.x == 3


def test_missing_operators_are_defined_one_after_the_other(import_with):
    describes = (
        "import torch\n"
        "@torch.library.register_fake('torchvision::stand_in_{0}')\n"
        "def {0}(dets, scores, iou_threshold): return dets.new_empty(0)\n"
    )
    shim = import_with(
        __init__="from . import first, second, third",
        first="state = []",
        second=describes.format("nms"),
        third=describes.format("qnms"),
    )
    assert shim["torchvision"].third.qnms
    assert hasattr(torch.ops.torchvision, "stand_in_nms") and hasattr(torch.ops.torchvision, "stand_in_qnms")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError, "operator other::nms does not exist"),
        (RuntimeError, "operator torchvision::stand_in_never does not exist"),  # although it is defined by then
        (ImportError, "operator torchvision::nms does not exist"),
    ],
)
def test_any_other_error_passes_through(import_with, error, message):
    with pytest.raises(error, match=message):
        import_with(__init__=f"raise {error.__name__}({message!r})")


def test_d2ltorch_imports_without_a_word():
    command = [sys.executable, "-W", "error", "-c", "import d2ltorch"]
    done = subprocess.run(command, cwd=SHIM.parents[1], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
