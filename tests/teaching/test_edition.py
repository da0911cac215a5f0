"""The student's edition of the chapters, and the links."""

from __future__ import annotations

import re
from dataclasses import replace

import nbformat
import pytest

from book.networks import NETWORKS
from book.teaching import course, edition


@pytest.mark.parametrize("name", NETWORKS)
def test_no_solutions(plan, name):
    chapter = nbformat.read(course.ROOT / "chapters" / f"{name}.ipynb", as_version=4)
    student = edition.student_chapter(name, plan)
    text = "\n\n".join(cell.source for cell in student.cells)
    exercises = text[text.index("\n## Exercises") :]
    assert "<details>" not in exercises and "Solution" not in exercises
    whole = "\n".join(cell.source for cell in chapter.cells)
    asked = re.findall(r"^\*\*\d+\.\*\* .+", whole[whole.index("\n## Exercises") :], re.M)
    # every exercise is still there, and a paragraph of its own
    assert asked and re.findall(r"(?<=\n\n)\*\*\d+\.\*\* .+", exercises) == asked
    hidden = [cell for cell in student.cells if "hide-cell" in cell.metadata.get("tags", [])]
    start = next(i for i, cell in enumerate(student.cells) if cell.source.startswith("## Exercises"))
    assert all(cell in student.cells[:start] for cell in hidden)


def test_solutions_elsewhere_stay(plan):
    """What is folded in the running text is no answer to an exercise."""
    for name in NETWORKS:
        chapter = nbformat.read(course.ROOT / "chapters" / f"{name}.ipynb", as_version=4)
        start = next(i for i, cell in enumerate(chapter.cells) if cell.source.startswith("## Exercises"))
        assert edition.student_chapter(name, plan).cells[:start] == chapter.cells[:start]


def test_buttons_and_links(plan):
    published = replace(
        plan, publish={"repository": "https://github.com/you/course.git", "hub": "https://hub.example.org/"}
    )
    first = edition.student_chapter("vgg", published).cells[0].source
    assert "https://colab.research.google.com/github/you/course/blob/main/chapters/vgg.ipynb" in first
    links = edition.hub_links(published, ["week0"])
    assert (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fyou%2Fcourse.git"
        "&branch=main&urlpath=lab%2Ftree%2Fcourse%2Fweek0%2Fweek0.ipynb" in links
    )
    elsewhere = replace(
        plan, publish={"repository": "https://git.example.org/you/course", "hub": "https://hub.example.org"}
    )
    assert "colab" not in edition.student_chapter("vgg", elsewhere).cells[0].source
    assert "git.example.org" in edition.hub_links(elsewhere, ["vgg"])
    assert edition.hub_links(plan, ["vgg"]) == ""
