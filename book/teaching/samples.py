"""Sample submissions, to try grading before there is a class: planted mistakes, and some submissions that are none.

    python -m book.teaching.samples week0 folder [--course my.yml] [--private folder]

Prints what each must earn by its checks, for comparison with grades.csv.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.teaching import acceptance, build, course, weeks

NAMES = ("ada", "bao", "carla", "dmitri", "esi", "farid", "greta", "hugo")


def all_right(release: NotebookNode, teacher: NotebookNode, student: str) -> NotebookNode:
    """The notebook of a student who has everything right, words included."""
    notebook = weeks.with_answers(release, {})
    for name, cell in weeks.marked(teacher).items():
        if not cell.metadata.nbgrader.solution:
            continue
        text = weeks.without_marks(cell.source).strip("\n")
        if cell.cell_type == "markdown":
            text = re.search(r"\*\*2 points\*\*:\s*(.+?)\n\n", text, re.S)[1]
        weeks.by_name(notebook, name).source = text
    weeks.by_name(notebook, "student").source = f'STUDENT = "{student}"'
    return notebook


def write(week: course.Week, plan: course.Course, private: Path | None, to: Path) -> dict[str, float]:
    """Write the samples into ``to``; returns the points that their checks must give, by student."""
    teacher = build.teacher(week, plan, private)
    release = build.release(teacher)
    full = sum(weeks.points(teacher, by_hand=False).values())
    must = {}
    for student, planted in zip(NAMES, [[], *acceptance.packs(weeks.mistakes(week.name))]):
        notebook = all_right(release, teacher, student)
        for mistake in planted[:3]:
            cell = weeks.by_name(notebook, mistake.cell)
            cell.source = mistake.answer(cell.source + "\n").rstrip("\n")
        must[student] = full - sum(mistake.loses for mistake in planted[:3])
        nbformat.write(notebook, to / f"{student}.ipynb")
    nbformat.write(release, to / "unedited.ipynb")
    tampered = all_right(release, teacher, "tampered")
    for name, cell in weeks.marked(tampered).items():
        if name.endswith(("-visible", "-hidden")):
            cell.source = "pass  # this student removed the checks"
    nbformat.write(tampered, to / "tampered.ipynb")
    endless = all_right(release, teacher, "endless")
    weeks.by_name(endless, "student").source = 'STUDENT = "endless"\nwhile True:\n    pass'
    nbformat.write(endless, to / "endless.ipynb")
    (to / "essay.txt").write_text("This student handed in something else.\n", encoding="utf-8")
    return {**must, "unedited": 0, "tampered": full, "endless": full, "essay": 0}


def main() -> None:
    """Write the samples that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("week")
    parser.add_argument("folder", type=Path)
    course.add_options(parser)
    options = parser.parse_args()
    if options.folder.exists() and any(options.folder.iterdir()):
        sys.exit(f"DIR={options.folder} is not empty: name a new folder")
    options.folder.mkdir(parents=True, exist_ok=True)
    plan = course.read(options.course)
    (week,) = plan.pick(options.week)
    for student, points in write(week, plan, options.private, options.folder).items():
        print(f"{student:<10}{points:>4g} points by checks")


if __name__ == "__main__":
    main()
