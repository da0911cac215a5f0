"""Makes what a class gets, and what its teachers keep, into `_build/class`.

    python -m book.teaching.build [week …] [--course my.yml] [--private folder] [--to folder]

student/   <week>/<week>.ipynb without solutions and hidden tests, chapters/ likewise, links.md where there is a hub
staff/     <week>/<week>.ipynb with everything, marking.md with the anchors for answers in words, overview.md
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from traitlets.config import Config

from book.networks import NETWORKS
from book.teaching import course, edition, weeks

CLASS = course.ROOT / "_build" / "class"


def graded(teacher: NotebookNode) -> NotebookNode:
    """What answers are put into when they are graded: no solutions, hidden tests in place, cells locked."""
    config = Config()
    config.ClearSolutions.code_stub = {"python": weeks.CODE_STUB}
    config.ClearSolutions.text_stub = weeks.TEXT_STUB
    notebook = nbformat.from_dict(teacher)
    for step in (ClearSolutions, LockCells, ComputeChecksums, CheckCellMetadata, ClearOutput):
        notebook, _ = step(config=config).preprocess(notebook, {})
    return notebook


def release(teacher: NotebookNode) -> NotebookNode:
    """What students get."""
    notebook = graded(teacher)
    for step in (ClearHiddenTests, ComputeChecksums, CheckCellMetadata):
        notebook, _ = step().preprocess(notebook, {})
    for cell in notebook.cells:
        cell.source = cell.source.strip("\n")
    return notebook


def announce(notebook: NotebookNode, week: course.Week) -> None:
    """Write points, minutes and level below the headings."""
    points = weeks.points(notebook)
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n*{week.points:g} points, about {week.minutes} minutes.*\n{rest}"
    for cell in notebook.cells:
        for name in weeks.headings(cell.source) if cell.cell_type == "markdown" else ():
            heading, _, rest = cell.source.partition("\n")
            question = week.questions[name]
            line = f"*{points[name]:g} points, about {question['minutes']} minutes, level {question['level']}.*"
            cell.source = f"{heading}\n\n{line}\n{rest}"


def teacher(week: course.Week, plan: course.Course, private: Path | None) -> NotebookNode:
    """The week's notebook with everything in it, for this course."""
    notebook = weeks.teacher(week.name, private=private)
    weeks.set_course(notebook, course.key(plan, week.name, private))
    announce(notebook, week)
    return notebook


def marking(notebook: NotebookNode) -> str:
    """The anchors for answers in words, as Markdown."""
    parts = []
    for name, cell in weeks.marked(notebook).items():
        if cell.metadata.nbgrader.grade and cell.metadata.nbgrader.solution:
            parts.append(f"## {name}\n\n{weeks.without_marks(cell.source).strip()}\n")
    return "\n".join(parts)


def overview(plan: course.Course, picked: list[course.Week], private: Path | None) -> str:
    """A table of all questions, and whose hidden tests are used."""
    lines = [f"# {plan.title}: graded work", "", course.whose_tests(private), ""]
    for week in picked:
        points = weeks.points(weeks.teacher(week.name, private=private))
        lines += [f"## {week.title}", "", f"{week.points:g} points, about {week.minutes} minutes.", ""]
        lines += ["| question | points | minutes | level | trains |", "|---|---|---|---|---|"]
        bullets = course.objectives(week.name)
        for name, question in week.questions.items():
            words = [words for words, names in week.objectives.items() if name in names]
            trained = [bullet for bullet in bullets if any(word in bullet for word in words)]
            trains = "; ".join(trained).rstrip(";.")
            lines.append(f"| `{name}` | {points[name]:g} | {question['minutes']} | {question['level']} | {trains} |")
        lines.append("")
    return "\n".join(lines)


def write(notebook: NotebookNode, path: Path) -> None:
    """Store a notebook, making the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def build(plan: course.Course, picked: list[course.Week], private: Path | None, to: Path) -> None:
    """Everything for the weeks picked; what stood in ``to`` is replaced."""
    for part in ("student", "staff"):
        shutil.rmtree(to / part, ignore_errors=True)
    for week in picked:
        everything = teacher(week, plan, private)
        student = release(everything)
        edition.add_button(student, f"{week.name}/{week.name}.ipynb", plan)
        write(student, to / "student" / week.name / f"{week.name}.ipynb")
        write(everything, to / "staff" / week.name / f"{week.name}.ipynb")
        (to / "staff" / week.name / "marking.md").write_text(marking(everything), encoding="utf-8")
    for name in NETWORKS:
        write(edition.student_chapter(name, plan), to / "student" / "chapters" / f"{name}.ipynb")
    (to / "staff" / "overview.md").write_text(overview(plan, picked, private), encoding="utf-8")
    if links := edition.hub_links(plan, [week.name for week in picked]):
        (to / "student" / "links.md").write_text(links, encoding="utf-8")


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weeks", nargs="*")
    course.add_options(parser)
    parser.add_argument("--to", type=Path, default=CLASS)
    options = parser.parse_args()
    plan = course.read(options.course)
    picked = plan.pick(" ".join(options.weeks))
    build(plan, picked, options.private, options.to)
    print(course.whose_tests(options.private))
    for week in picked:
        print(f"{week.name}: {len(week.questions)} questions, {week.points:g} points, about {week.minutes} minutes")
    print(f"for students: {options.to / 'student'}\nfor teachers: {options.to / 'staff'}")


if __name__ == "__main__":
    main()
