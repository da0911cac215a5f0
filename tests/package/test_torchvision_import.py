"""``import d2ltorch`` makes torchvision import where only its operator library does not fit."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import d2ltorch

SHIM = Path(d2ltorch.__file__).with_name("_torchvision.py")


@pytest.fixture
def import_with(tmp_path, monkeypatch):
    """Run the shim's module with a stand-in for torchvision, from the sources of its modules."""

    def run(**sources: str):
        package = tmp_path / "torchvision"
        package.mkdir()
        for name, source in sources.items():
            (package / f"{name}.py").write_text(source)
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path)
        spec = importlib.util.spec_from_file_location("shim_under_test", SHIM)
        shim = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(shim)
        finally:
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
                    del sys.modules[name]
        return shim

    return run


def test_nothing_is_done_when_torchvision_imports(import_with):
    shim = import_with(__init__="from . import ops\nimported = 1", ops="x = 3")
    assert shim.torchvision.ops.x == 3
    assert shim._libraries == []


def test_missing_operators_are_defined_one_after_the_other(import_with):
    shim = import_with(
        __init__="from . import first, second, third",
        first="state = []",
        second=(
            "import torch\n"
            "@torch.library.register_fake('torchvision::stand_in_nms')\n"
            "def nms(dets, scores, iou_threshold): return dets.new_empty(0)\n"
        ),
        third=(
            "import torch\n"
            "@torch.library.register_fake('torchvision::stand_in_qnms')\n"
            "def qnms(dets, scores, iou_threshold): return dets.new_empty(0)\n"
        ),
    )
    assert len(shim._libraries) == 2
    assert shim.torchvision.third.qnms
    assert hasattr(torch.ops.torchvision, "stand_in_nms")
    assert hasattr(torch.ops.torchvision, "stand_in_qnms")


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("raise RuntimeError('operator other::nms does not exist')", RuntimeError),
        ("raise RuntimeError('CUDA versions differ')", RuntimeError),
        ("raise ImportError('operator torchvision::nms does not exist')", ImportError),
        ("import no_such_module_at_all", ModuleNotFoundError),
    ],
)
def test_any_other_error_passes_through(import_with, statement, error):
    with pytest.raises(error):
        import_with(__init__=statement)


def test_an_operator_that_stays_missing_ends_in_the_error(import_with):
    message = "operator torchvision::stand_in_never does not exist"
    with pytest.raises(RuntimeError, match=message):
        import_with(__init__=f"raise RuntimeError('{message}')")


def test_the_installed_torchvision_imports_without_a_word():
    program = (
        "import d2ltorch, torchvision, torch\n"
        "from torchvision import datasets, models, transforms\n"
        "assert d2ltorch.torchvision is torchvision\n"
        "loads = torchvision.extension._has_ops()\n"
        "from d2ltorch._torchvision import _libraries\n"
        "assert (len(_libraries) == 0) == loads, (_libraries, loads)\n"
        "transforms.Resize(8)(torch.zeros(3, 16, 16))\n"
        "models.vgg11(num_classes=2).features(torch.zeros(1, 3, 32, 32))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=SHIM.parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
