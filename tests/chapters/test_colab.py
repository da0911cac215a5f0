"""Each chapter as Colab runs it: alone in a folder, beside only what Colab ships.

A virtual environment with torch, torchvision, matplotlib, pandas and Jupyter stands in for Colab's
machine, and git's ``insteadOf`` sends the repository's address to a clone of this working tree.
The environment is kept in .cache/colab and reused; d2ltorch is taken out again before each run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chapter import NAMES, ROOT, copy_repository

import d2ltorch

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
CHAPTERS = [*(ROOT / "chapters" / f"{name}.ipynb" for name in NAMES), ROOT / "book" / "errata.ipynb"]
PLACE = ROOT / ".cache" / "colab"
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.M))
SHIPPED = [f"{name}=={PINNED[name]}" for name in ("torch", "torchvision", "matplotlib", "pandas")]

pytestmark = [pytest.mark.colab, pytest.mark.slow]


def run(*command, **kwargs) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def installed(python: Path) -> set[str]:
    """``name==version`` of every package, and ``name @ address`` of one that came from elsewhere."""
    return set(run(python, "-m", "pip", "freeze", "--all").splitlines())


@pytest.fixture(scope="session")
def colab_python() -> Path:
    """An environment with what Colab ships, and nothing of the book's."""
    python, stamp = PLACE / "bin" / "python", PLACE / "shipped.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(SHIPPED):
        shutil.rmtree(PLACE, ignore_errors=True)
        run(sys.executable, "-m", "venv", PLACE)
        run(python, "-m", "pip", "install", "-q", *SHIPPED, "ipykernel", "nbclient", "nbformat")
        stamp.write_text("\n".join(SHIPPED))
    run(python, "-m", "pip", "uninstall", "-q", "-y", "d2ltorch", "torchinfo")
    return python


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """A repository with the working tree as its one commit, as a reader's clone would hold it."""
    folder = copy_repository(tmp_path_factory.mktemp("clone") / "d2ltorch")
    author = ["-c", "user.name=Reader", "-c", "user.email=reader@example.org"]
    run("git", "init", "-q", "-b", "main", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", *author, "commit", "-q", "-m", "The working tree", cwd=folder)
    run("git", "tag", f"v{d2ltorch.__version__}", cwd=folder)  # which the first cells install
    return folder


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_runs_alone(chapter, colab_python, clone, tmp_path):
    run(colab_python, "-m", "pip", "uninstall", "-q", "-y", "d2ltorch", "torchinfo")
    before = installed(colab_python)
    folder, settings = tmp_path / "content", tmp_path / "gitconfig"
    folder.mkdir()
    shutil.copy2(chapter, folder / chapter.name)
    url = CONFIG["repository"]["url"]
    settings.write_text(f'[url "file://{clone}"]\n\tinsteadOf = {url}\n[safe]\n\tdirectory = *\n')
    theirs = {"PYTHONPATH", "VIRTUAL_ENV", "JUPYTER_PATH"}
    environment = {key: value for key, value in os.environ.items() if key not in theirs} | {
        "PATH": f"{colab_python.parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(settings),
        "D2LTORCH_QUICK": "1",
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    execute = colab_python.with_name("jupyter-execute")  # an error in a cell ends it
    run(execute, chapter.name, "--timeout=600", "--kernel_name=python3", cwd=folder, env=environment)
    after = installed(colab_python)
    assert before <= after, "opening the chapter changed what Colab has"
    assert any(line.startswith("d2ltorch ") for line in after - before), "the first cell did not install the package"
