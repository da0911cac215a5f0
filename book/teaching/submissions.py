"""Submissions as they arrive: found in a folder, read with distrust, and their answers put into the teacher's notebook.

Nothing of a submission is executed or kept but the text of its answers and of the cells that its author added.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from book.teaching import weeks

OURS = ("grades.csv", "by_hand.csv", "by_hand.html", "report.txt", "feedback", "nbgrader")
MOST_BYTES = 20_000_000
STUDENT_ID = re.compile(r"\w[\w .@+'()-]{0,99}")
# No exercise needs these, and whoever means to deceive the checks does: a person should read such a submission.
TOOLS = re.compile(r"get_ipython|_getframe|currentframe|__closure__|settrace|ctypes|\bgc\b|x-check|__builtins__")
WRITTEN_ID = re.compile(r"^STUDENT = (['\"])(.+)\1", re.M)


@dataclass
class Answers:
    """What a submission holds."""

    own: dict[str, str] = field(default_factory=dict)  # cell -> what its author wrote there
    before: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # cells added in front of
    after: list[str] = field(default_factory=list)  # added cells behind the last marked one
    locked: dict[str, str] = field(default_factory=dict)  # cells that only the teacher writes, as they came back


def find(folder: Path, week: str) -> dict[str, Path]:
    """The file of each student: ``<student>.ipynb``, or nbgrader's ``[submitted/]<student>/<week>/<week>.ipynb``.

    Anything else that lies in the folder counts as its author's submission, so that it is named in the report.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name in OURS or path.name.startswith("."):
            continue
        if path.is_dir() and path.name == "submitted":
            found = {**find(path, week), **found}
        elif path.is_dir():
            inside = path / week / f"{week}.ipynb"
            found.setdefault(path.name, inside)
        elif path.suffix == ".ipynb" or path.stem not in found:
            found[path.stem] = path
    return found


def read(path: Path) -> NotebookNode:
    """The notebook in ``path``; raises ValueError, saying what is wrong, if it holds none."""
    if not path.is_file():
        raise ValueError("no notebook was handed in")
    if path.suffix != ".ipynb":
        raise ValueError(f"{path.name} is no notebook")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"the file has {path.stat().st_size / 1e6:.0f} MB; {MOST_BYTES / 1e6:.0f} are the most")
    try:
        notebook = nbformat.read(path, as_version=4)
        return NotebookNode(cells=[_clean(cell) for cell in notebook.cells])
    except Exception as error:
        raise ValueError(f"the file holds no notebook ({type(error).__name__})") from error


def _clean(cell: NotebookNode) -> NotebookNode:
    """The cell's type, text and name, and nothing else."""
    marks = cell.get("metadata", {}).get("nbgrader", {})
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    metadata = {"nbgrader": {"grade_id": str(name)}} if name else {}
    return NotebookNode(cell_type=str(cell.cell_type), source=str(cell.source), metadata=nbformat.from_dict(metadata))


def answers(submission: NotebookNode, base: NotebookNode) -> Answers:
    """Sort the cells of ``submission`` by what they are in ``base``, the notebook that answers are put into."""
    known, found, added = weeks.marked(base), Answers(), []
    _name_lost_cells(submission, known)
    for cell in submission.cells:
        name = weeks.name_of(cell)
        if name in known and name not in found.own and name not in found.locked:
            is_answer = known[name].metadata.nbgrader.solution
            (found.own if is_answer else found.locked)[name] = cell.source
            found.before[name] += added
            added = []
        elif cell.cell_type == "code" and name not in found.locked:
            added.append(cell.source)  # a cell of its author, or the second half of an answer that was split
    found.after = added
    return found


def _name_lost_cells(submission: NotebookNode, known: dict[str, NotebookNode]) -> None:
    """Some editors drop the marks. Find such answers by what they define, those in words by the heading above them."""
    missing = {name for name, cell in known.items() if cell.metadata.nbgrader.solution}
    missing -= {weeks.name_of(cell) for cell in submission.cells}
    heading = None
    for cell in submission.cells:
        if weeks.name_of(cell):
            continue
        if cell.cell_type == "markdown":
            announced = weeks.headings(cell.source)
            name, heading = (heading, None) if not announced else (None, announced[-1])
        else:
            defined = re.findall(r"^(?:def|class) (\w+)", cell.source, re.M)
            name = next((name for name in defined if name in missing), None)
        if name in missing and known[name].cell_type == cell.cell_type:
            cell.metadata = nbformat.from_dict({"nbgrader": {"grade_id": name}})
            missing.discard(name)


def assemble(base: NotebookNode, found: Answers) -> NotebookNode:
    """``base`` with the answers of a submission, and with the cells that its author added, in the author's order."""
    notebook = nbformat.from_dict(base)
    cells = []
    for cell in notebook.cells:
        name = weeks.name_of(cell)
        cells += [new_code_cell(source) for source in found.before.get(name, ())] if name else []
        if name in found.own and (found.own[name].strip() or cell.cell_type == "code"):
            cell.source = found.own[name]
        cells.append(cell)
    notebook.cells = cells + [new_code_cell(source) for source in found.after]
    return notebook


def remarks(found: Answers, base: NotebookNode, handed_out: NotebookNode, student: str) -> list[str]:
    """What a lecturer should know about a submission before it runs."""
    notes = []
    out, known = weeks.marked(handed_out), weeks.marked(base)
    changed = [name for name, source in found.locked.items() if source.strip() != out[name].source.strip()]
    if changed:
        notes.append(f"changed, and restored: {', '.join(changed)}")
    missing = [name for name in known if name not in found.own and name not in found.locked]
    if missing:
        notes.append(f"missing, and put back: {', '.join(missing[:8])}{' …' if len(missing) > 8 else ''}")
    added = "\n".join([*(source for sources in found.before.values() for source in sources), *found.after])
    written = WRITTEN_ID.search(added)
    if written and written[2] != student:
        notes.append(f"its author wrote the id {written[2]!r}; the numbers are those of {student!r}")
    tools = sorted(set(TOOLS.findall("\n".join([added, *found.own.values()]))))
    if tools:
        notes.append(f"read this one: it uses {', '.join(tools)}")
    return notes
