"""A ninth network is one notebook, one row in ``book/networks.py`` and one line in ``_toc.yml``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chapter import copy_repository

pytestmark = pytest.mark.slow

ROW = """
    "ninth": Network(
        title="Ninth", year=2017, idea="one more", builder="lenet", size=28, batch_size=256, lr=0.5,
        colour="#123456", marker="<",
    ),
}  # fmt: skip
"""
SCRIPT = """
import sys, torch
import d2ltorch as d2lt
from book import networks
from book.notebooks import CHAPTERS
from book.results import ledger, page, quote, run

images = torch.zeros(40, 1, 28, 28, dtype=torch.uint8)
both = d2lt.DataIter(images, torch.arange(40) % 10, 20, source="Fashion-MNIST")
d2lt.load_data_fashion_mnist = lambda *_, **__: (both, both)
page._test_labels = lambda: None  # forty images have no confusions to list
_, record = run.train_once("ninth", "classic", 0, 1, animator=False)
ledger.append(record)
records = ledger.load()
page.draw_card("ninth", page.ROOT / "book" / "static" / "cards" / "ninth.png")
page.draw_accuracy_cost(records, page.FIGURES / "accuracy-cost.svg")
page.draw_curves(records, page.FIGURES / "curves.svg")
page.PAGE.write_text(page.page(records), encoding="utf-8")
assert quote.update(CHAPTERS / "ninth.ipynb", records)
"""


def run_python(folder: Path, *arguments: str, **environment: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment |= {"PYTHONPATH": str(folder), "MPLBACKEND": "Agg", "PATH": path}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


def test_it_has_its_card_its_rows_and_its_page(tmp_path):
    """Its notebook is LeNet's under another name, and it has one run."""
    copy = copy_repository(tmp_path / "book")
    shutil.copy(copy / "chapters" / "lenet.ipynb", copy / "chapters" / "ninth.ipynb")
    for file, old, new in (
        ("chapters/ninth.ipynb", '"# LeNet', '"# Ninth: LeNet'),
        ("book/networks.py", "\n}  # fmt: skip\n", ROW),
    ):
        text = (copy / file).read_text(encoding="utf-8")
        assert old in text
        (copy / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    (copy / "train_ninth.py").write_text(SCRIPT, encoding="utf-8")
    run_python(copy, "train_ninth.py", D2LTORCH_QUICK="1")
    assert (copy / "book" / "static" / "cards" / "ninth.png").stat().st_size > 1_000
    last = (copy / "book" / "results" / "runs.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert json.loads(last)["network"] == "ninth"
    page = (copy / "book" / "results.md").read_text(encoding="utf-8")
    assert "| [Ninth](../chapters/ninth.ipynb) | classic | 1 |" in page
    assert "| classic | 1 | 0." in (copy / "chapters" / "ninth.ipynb").read_text(encoding="utf-8")

    contents = "format: jb-book\nroot: book/changes\nchapters:\n  - file: chapters/ninth\n"
    (copy / "_toc.yml").write_text(contents, encoding="utf-8")
    run_python(copy, str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-q")
    html = (copy / "_build" / "html" / "chapters" / "ninth.html").read_text(encoding="utf-8")
    assert "<h1>Ninth: LeNet" in html
