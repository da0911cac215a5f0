"""What the pages around the chapters promise: every paper listed, every word linked, colours that everyone can tell."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
import torch
from torch import nn

from book import quiz
from book.networks import NETWORKS
from book.notebooks import prose

ROOT = Path(__file__).resolve().parents[2]
PAPER = re.compile(r"\]\((https?://(?:arxiv\.org/abs|doi\.org|jmlr\.org|proceedings\.mlr\.press)[^)]*)\)")


def test_bibliography_lists_every_paper_that_a_page_links():
    bibliography = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    missing = {
        (path.name, url)
        for folder, pattern in (("chapters", "*.ipynb"), ("book", "*.ipynb"), ("book", "*.md"))
        for path in (ROOT / folder).glob(pattern)
        for url in PAPER.findall(prose(path))
        if url.removeprefix("https://doi.org/") + "}" not in bibliography
    }
    assert not missing


def test_every_entry_of_the_glossary_links_to_its_place():
    entries = re.split(r"\n(?=\S)", prose(ROOT / "book" / "glossary.md").split("```{glossary}\n")[1].split("\n```")[0])
    words = [entry.splitlines()[0] for entry in entries]
    assert len(words) > 25 and words == sorted(words, key=str.lower)
    assert [entry.splitlines()[0] for entry in entries if "](" not in entry] == []


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda path: path.stem)
def test_other_notebooks_open_with_the_chapters_installation(path):
    def installs(notebook: Path) -> str:
        cells = nbformat.read(notebook, as_version=4).cells
        return next(cell.source for cell in cells if cell.cell_type == "code").split("\n\n")[0]

    assert "%pip install" in installs(path) and installs(path) == installs(ROOT / "chapters" / "lenet.ipynb")


def test_the_placement_page_has_twelve_questions_with_answers_that_torch_confirms():
    asked = quiz.questions(ROOT / "book" / "placement.md")
    assert len(asked) == 12 and all(question.text.endswith("?") for question in asked)
    assert len({question.right for question in asked}) == 4
    A, b, X, values = torch.ones(5, 1), torch.ones(3), torch.ones(32, 3, 28, 28), torch.tensor([2.0, 4.0, 4.0, 6.0])
    edge = nn.functional.conv1d(torch.tensor([[0.0, 0, 5, 5, 0]]), torch.tensor([[[-1.0, 1]]]))
    w = torch.tensor(1.0, requires_grad=True)
    ((2 * w - 6) ** 2).backward()
    computed = {
        1: f"`{[n * n for n in range(4) if n % 2]}`",
        3: str(tuple((A + b).shape)),
        5: str(tuple(X.reshape(32, -1).shape)),
        6: str(sum(p.numel() for p in nn.Linear(20, 5).parameters())),
        9: " × ".join(map(str, nn.Conv2d(3, 1, 3, padding=1)(X).shape[2:])),
        10: str([int(value) for value in edge[0]]).replace("-", "−"),
        11: f"{(w - 0.1 * w.grad).item():.1f}",
        12: f"{values.mean():.0f} and {values.var(unbiased=False):.0f}",
    }
    assert computed == {k: asked[k - 1].answers[asked[k - 1].right] for k in computed}
    assert X.mean(dim=(0, 2, 3)).shape == (3,) and asked[3].answers[asked[3].right] == "One number for each channel."


# Machado, Oliveira and Fernandes (2009), table 1, severity 1.0: linear RGB as the reader's eye sees it.
BLINDNESS = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(colour: str, blindness: str) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as seen with a colour-blindness."""
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in to_xyz @ seen / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize("palette", ["figures", "results"])
def test_colours_of_plots_survive_colour_blindness(palette, blindness):
    style = matplotlib.rc_params_from_file(ROOT / "d2ltorch" / "book.mplstyle", use_default_template=False)
    cycle = style["axes.prop_cycle"].by_key()["color"]
    # A distance of 2.3 is just noticeable. Curves of one figure share the first four colours; the results page
    # has eight, with a marker for each.
    colours, least = (cycle[:4], 15) if palette == "figures" else ([row.colour for row in NETWORKS.values()], 8)
    for one, other in itertools.combinations(colours, 2):
        distance = np.linalg.norm(lab(one, blindness) - lab(other, blindness))
        assert distance > least, f"{one} and {other} differ by {distance:.1f} only"
    assert len({row.marker for row in NETWORKS.values()}) == len(NETWORKS)
