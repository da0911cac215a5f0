"""The chapters as students get them, without solutions, and the links by which they open everything."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from book.networks import NETWORKS
from book.teaching import course

SOLUTION = re.compile(r"\n*<details>.*?</details>\n*", re.S)
COLAB = "https://colab.research.google.com"


def student_chapter(name: str, plan: course.Course) -> NotebookNode:
    """The chapter without what stands folded under its exercises: no ``<details>``, no ``hide-cell`` after them."""
    notebook = nbformat.read(course.ROOT / "chapters" / f"{name}.ipynb", as_version=4)
    kept, in_exercises = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            in_exercises = cell.source.startswith("## Exercises")
        if in_exercises and cell.cell_type == "code" and "hide-cell" in cell.metadata.get("tags", []):
            continue
        if in_exercises and cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("\n\n", cell.source).strip()
        kept.append(cell)
    notebook.cells = kept
    add_button(notebook, f"chapters/{name}.ipynb", plan)
    return notebook


def add_button(notebook: NotebookNode, path: str, plan: course.Course) -> None:
    """A button that opens the notebook in Colab, where the plan names the repository on GitHub that students get."""
    repository = plan.publish.get("repository", "")
    if match := re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", repository):
        link = f"{COLAB}/github/{match[1]}/blob/{branch(plan)}/{quote(path)}"
        button = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({link})"
        notebook.cells.insert(0, new_markdown_cell(button, id="open-in-colab"))


def branch(plan: course.Course) -> str:
    """The branch that students get."""
    return plan.publish.get("branch", "main")


def hub_links(plan: course.Course, names: list[str]) -> str:
    """nbgitpuller's links as Markdown: one for each week and each chapter; empty where the plan names no hub."""
    hub, repository = plan.publish.get("hub"), plan.publish.get("repository")
    if not (hub and repository):
        return ""
    folder = repository.rstrip("/").removesuffix(".git").split("/")[-1]
    lines = [f"# {plan.title}", ""]
    paths = [(name, f"{name}/{name}.ipynb") for name in names] + [
        (f"chapter {c}", f"chapters/{c}.ipynb") for c in NETWORKS
    ]
    for title, path in paths:
        query = urlencode({"repo": repository, "branch": branch(plan), "urlpath": f"lab/tree/{folder}/{path}"})
        lines.append(f"- [{title}]({hub.rstrip('/')}/hub/user-redirect/git-pull?{query})")
    return "\n".join([*lines, ""])
