"""A week of graded work: its notebook in nbgrader's marks, its questions, and what a set of answers earns.

`WRITING.md` says how a week is written. A cell's name is nbgrader's ``grade_id``; what stands before the first dash is
the question that it belongs to.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
REGION = re.compile(r"^([ \t]*)### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)^[ \t]*### END \2(?:\n|\Z)", re.M | re.S)
REFERENCE = re.compile(r"^# reference: (.+)$", re.M)
COURSE = re.compile(r"^COURSE = .*$", re.M)
HEADING = re.compile(r"^## \d+ · `(\w+)`", re.M)
CODE_STUB = 'raise NotImplementedError("your code here")'
TEXT_STUB = "*Your answer here.*"


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that students give, and the points that it must lose, all of them in its own question.

    ``swap`` turns the reference in the cell named ``cell`` into the mistake, old text to new; ``code`` replaces it.
    """

    why: str
    cell: str
    loses: float
    swap: dict[str, str] = field(default_factory=dict)
    code: str | None = None

    def answer(self, reference: str) -> str:
        """The student's cell; raises ValueError if the reference no longer holds the text to swap."""
        if self.code is not None:
            return self.code.strip("\n")
        for old, new in self.swap.items():
            if reference.count(old) != 1:
                raise ValueError(f"{self.cell}, {self.why!r}: the reference must hold {old!r} exactly once")
            reference = reference.replace(old, new)
        return reference


def name_of(cell: NotebookNode) -> str | None:
    """The cell's ``grade_id``; None for a cell without nbgrader's marks."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def question_of(name: str) -> str:
    """``vgg_block-hidden`` belongs to the question ``vgg_block``."""
    return name.split("-")[0]


def marked(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """The cells with nbgrader's marks, by name, in order; raises ValueError if a name stands twice."""
    cells: dict[str, NotebookNode] = {}
    for cell in notebook.cells:
        name = name_of(cell)
        if name in cells:
            raise ValueError(f"two cells are named {name!r}")
        if name:
            cells[name] = cell
    return cells


def points(notebook: NotebookNode, by_hand: bool = True) -> dict[str, float]:
    """Points of each question; ``by_hand=False`` leaves out the answers that a person marks."""
    total: dict[str, float] = {}
    for name, cell in marked(notebook).items():
        marks = cell.metadata.nbgrader
        if marks.grade and (by_hand or not marks.solution):
            total[question_of(name)] = total.get(question_of(name), 0) + marks.points
    return total


def without_marks(source: str) -> str:
    """``source`` with what its regions hold and without the lines that mark them."""
    return REGION.sub(lambda region: region[3], source)


def teacher(week: str, *, private: Path | None = None, expand: bool = True) -> NotebookNode:
    """The week's notebook with solutions and hidden tests, each ``# reference:`` line replaced by what it names.

    ``expand=False`` leaves these lines as they are.

    ``private/<week>/<cell>.py``, where it exists, takes the place of that cell's hidden tests.
    """
    notebook = nbformat.read(FOLDER / week / "assignment.ipynb", as_version=4)
    cells = marked(notebook)
    if private:
        for path in sorted((private / week).glob("*.py")):
            if path.stem not in cells or "-hidden" not in path.stem:
                raise ValueError(f"{path}: {week} has no cell of hidden tests named {path.stem!r}")
            tests = f"### BEGIN HIDDEN TESTS\n{path.read_text(encoding='utf-8').strip()}\n### END HIDDEN TESTS\n"
            cells[path.stem].source = REGION.sub(lambda _: tests, cells[path.stem].source)  # noqa: B023
    if not expand:
        return notebook
    sources = {name: without_marks(cell.source) for name, cell in cells.items()}
    for name, cell in cells.items():
        try:
            cell.source = REFERENCE.sub(lambda line: "\n".join(sources[n] for n in line[1].split()), cell.source)
        except KeyError as error:
            raise ValueError(f"{week}, {name}: '# reference:' names {error}, and there is no such cell") from None
    return notebook


def headings(markdown: str) -> list[str]:
    """The questions that headings like ``## 1 · `vgg_block` `` announce."""
    return HEADING.findall(markdown)


def by_name(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell with that name or, without marks, that id; raises ValueError if there is none."""
    for cell in notebook.cells:
        if name in (name_of(cell), cell.id):
            return cell
    raise ValueError(f"no cell {name!r} in the notebook")


def set_course(notebook: NotebookNode, course: str, student: str | None = None) -> None:
    """Write the course's seed, and when it is graded the student's id, where the numbers are drawn."""
    line = f'COURSE = "{course}"' if student is None else f'STUDENT, COURSE = {student!r}, "{course}"'
    for cell in marked(notebook).values():
        cell.source = COURSE.sub(lambda _: line, cell.source)


def mistakes(week: str) -> list[Mistake]:
    """The week's planted mistakes."""
    return importlib.import_module(f"book.teaching.{week}.mistakes").MISTAKES


def with_answers(notebook: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """A copy of ``notebook`` in which the cells named in ``answers`` hold them."""
    copy = nbformat.from_dict(notebook)
    cells = marked(copy)
    for name, answer in answers.items():
        cells[name].source = answer
    return copy


def with_student(notebook: NotebookNode, course: str, student: str) -> NotebookNode:
    """A copy of ``notebook`` with the numbers of that course and student."""
    copy = nbformat.from_dict(notebook)
    set_course(copy, course, student)
    return copy


def unedited(notebook: NotebookNode) -> NotebookNode:
    """A copy of ``notebook`` without solutions; its hidden tests stay."""
    copy = nbformat.from_dict(notebook)
    for cell in marked(copy).values():
        if cell.metadata.nbgrader.solution:
            stub = CODE_STUB if cell.cell_type == "code" else TEXT_STUB
            cell.source = REGION.sub(lambda region: f"{region[1]}{stub}\n", cell.source).rstrip("\n")  # noqa: B023
    return copy


def handed_out(notebook: NotebookNode) -> NotebookNode:
    """A copy of ``notebook`` without solutions and without hidden tests: what `build.release` makes, by hand."""
    copy = unedited(notebook)
    for cell in copy.cells:
        cell.source = REGION.sub("", cell.source).strip("\n")
    return copy


def values(notebook: NotebookNode, names: list[str]) -> dict[str, object]:
    """What the functions named, which take no argument, return after the cells ``draw`` and their numbers alone."""
    cells = marked(notebook)
    namespace: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for name in ("draw", *(cell for question in names for cell in cells if question_of(cell) == question)):
            if not cells[name].metadata.nbgrader.grade:
                exec(without_marks(cells[name].source), namespace)
    return {name: namespace[name]() for name in names}


def run(notebook: NotebookNode, report: Callable[[str, BaseException], None] | None = None) -> dict[str, float]:
    """Points that the checks give each question, the cells run one after the other in this process, without a kernel.

    ``report(name, error)`` is told of every cell that fails. Meant for answers one trusts: the planted mistakes.
    """
    namespace: dict = {"__name__": "__main__"}
    earned = dict.fromkeys(points(notebook, by_hand=False), 0.0)
    transform = TransformerManager().transform_cell
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        name = name_of(cell) or cell.id
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(transform(without_marks(cell.source)), f"<{name}>", "exec"), namespace)
        except Exception as error:
            if report:
                report(name, error)
        else:
            if cell.metadata.get("nbgrader", {}).get("grade"):
                earned[question_of(name)] += cell.metadata.nbgrader.points
    return earned


def last_line(error: BaseException) -> str:
    """The error as one line."""
    return traceback.format_exception_only(error)[-1].strip()
