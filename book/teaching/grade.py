"""Grades a folder of submissions, one after the other; a second call goes on where the first was interrupted.

    python -m book.teaching.grade vgg submissions [--course my.yml] [--private folder]

Into the folder it writes

grades.csv       student, total, points, and a column for each question; empty where an answer is still to be marked
by_hand.csv      the answers in words that are still to be marked: fill in the last column and call again
by_hand.html     the same answers, question by question, beside the anchors for 2, 1 and 0 points
feedback/        a page for each student
report.txt       what happened to each submission
nbgrader/        the course as nbgrader keeps it, with its gradebook: `make formgrader` opens it
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mistune
import nbformat
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import SaveAutoGrades, SaveCells

from book.teaching import build, course, sandbox, submissions, weeks

CONFIG = """c = get_config()
c.CourseDirectory.course_id = {title!r}
c.CourseDirectory.root = {root!r}
"""


@dataclass
class Assignment:
    """A week as it is graded in one folder."""

    week: course.Week
    base: NotebookNode  # answers are put into it
    handed_out: NotebookNode
    anchors: dict[str, str]  # question in words -> what earns 2, 1 and 0 points
    key: str  # what the students' numbers hang on
    folder: Path

    @property
    def root(self) -> Path:
        """nbgrader's course directory."""
        return self.folder / "nbgrader"

    @property
    def database(self) -> str:
        """The gradebook's address."""
        return f"sqlite:///{self.root / 'gradebook.db'}"

    @property
    def checks(self) -> list[str]:
        """The cells that are judged by running them."""
        return [name for name, cell in weeks.marked(self.base).items() if is_check(cell)]

    def resources(self, student: str) -> dict:
        """What nbgrader's steps want to know."""
        names = {"student": student, "assignment": self.week.name, "notebook": self.week.name, "db_url": self.database}
        return {"nbgrader": names, "unique_key": self.week.name}

    def path(self, step: str, student: str) -> Path:
        """Where nbgrader keeps a student's notebook."""
        return self.root / step / student / self.week.name / f"{self.week.name}.ipynb"


def is_check(cell: NotebookNode) -> bool:
    """Whether points hang on running the cell."""
    return cell.metadata.nbgrader.grade and not cell.metadata.nbgrader.solution


def open_assignment(week: course.Week, plan: course.Course, private: Path | None, folder: Path) -> Assignment:
    """Make nbgrader's course directory in ``folder``, or go on with the one that is there."""
    teacher = build.teacher(week, plan, private)
    words = {name: cell for name, cell in weeks.marked(teacher).items() if cell.cell_type == "markdown"}
    anchors = {name: weeks.without_marks(cell.source).strip() for name, cell in words.items()}
    key = course.key(plan, week.name, private)
    assignment = Assignment(week, build.graded(teacher), build.release(teacher), anchors, key, folder)
    assignment.root.mkdir(exist_ok=True)
    build.write(teacher, assignment.path("source", "."))
    build.write(assignment.handed_out, assignment.path("release", "."))
    config = CONFIG.format(title=re.sub(r"\W+", "_", plan.title), root=str(assignment.root.resolve()))
    (assignment.root / "nbgrader_config.py").write_text(config, encoding="utf-8")
    with Gradebook(assignment.database) as gradebook:
        gradebook.update_or_create_assignment(week.name)
    SaveCells().preprocess(nbformat.from_dict(assignment.base), assignment.resources("."))
    return assignment


def refuse_other_course(assignment: Assignment, found: dict[str, Path]) -> None:
    """Raises ValueError if most notebooks were handed out with another seed: everybody's numbers would be wrong."""
    keys: Counter = Counter()
    for path in found.values():
        try:
            locked = submissions.answers(submissions.read(path), assignment.base).locked
        except ValueError:
            continue
        keys.update(match[0] for match in [weeks.COURSE.search(locked.get("draw", ""))] if match)
    if keys and (most := keys.most_common(1)[0][0]) != f'COURSE = "{assignment.key}"':
        raise ValueError(
            f"these notebooks were handed out with {most}, and this plan and CLASS_PRIVATE give {assignment.key}: "
            "grade with the COURSE and CLASS_PRIVATE that made them"
        )


def grade_one(assignment: Assignment, student: str, path: Path) -> dict:
    """Grade one submission into the gradebook; returns its record: notes, and what to say about failed checks."""
    began = time.monotonic()
    notes: list[str] = []
    try:
        if not submissions.STUDENT_ID.fullmatch(student):
            raise ValueError("the file's name is no student's id: letters, digits and _ - . @ + only")
        found = submissions.answers(submissions.read(path), assignment.base)
    except ValueError as error:
        notes.append(str(error))
        found = submissions.Answers()
    else:
        notes += submissions.remarks(found, assignment.base, assignment.handed_out, student)
    notebook = submissions.assemble(assignment.base, found)
    weeks.set_course(notebook, assignment.key, student)
    if found.own:
        outcome = sandbox.execute(notebook, assignment.checks)
    else:  # nothing to run: every check has failed
        outcome = sandbox.fail_the_rest(notebook, assignment.checks, sandbox.Outcome())
    with Gradebook(assignment.database) as gradebook:
        gradebook.update_or_create_student(student)
        gradebook.update_or_create_submission(assignment.week.name, student)
    notebook, _ = SaveAutoGrades().preprocess(notebook, assignment.resources(student))
    build.write(notebook, assignment.path("autograded", student))
    return {
        "student": student,
        "notes": notes + outcome.notes,
        "errors": outcome.errors,
        "words": {name: found.own.get(name, "").strip() for name in assignment.anchors},
        "seconds": round(time.monotonic() - began, 1),
    }


def digest(assignment: Assignment, path: Path) -> str:
    """Changes when the submission or the assignment does."""
    parts = [path.read_bytes() if path.is_file() else b"", nbformat.writes(assignment.base).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def records_of(assignment: Assignment) -> dict[str, dict]:
    """The records of all students graded so far."""
    paths = sorted((assignment.root / "records").glob("*.json"))
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {record["student"]: record for record in records if record["week"] == assignment.week.name}


def keep(assignment: Assignment, record: dict) -> None:
    """Store a record in one move: it is there in full, or not at all."""
    name = hashlib.sha256(f"{record['week']} {record['student']}".encode()).hexdigest()[:16]
    path = assignment.root / "records" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(path.with_suffix(".new"), path)


def grade_all(assignment: Assignment, found: dict[str, Path]) -> None:
    """Grade what is new or changed; one submission's trouble never stops the others."""
    records = records_of(assignment)
    for number, (student, path) in enumerate(sorted(found.items()), 1):
        signature = digest(assignment, path)
        if records.get(student, {}).get("digest") == signature:
            continue
        try:
            record = grade_one(assignment, student, path)
        except Exception as error:
            print(f"{number}/{len(found)} {student}: NOT GRADED, {type(error).__name__}: {error}", flush=True)
            continue
        keep(assignment, {**record, "week": assignment.week.name, "digest": signature})
        remarks = "; ".join(record["notes"])
        print(f"{number}/{len(found)} {student} {record['seconds']} s{': ' if remarks else ''}{remarks}", flush=True)


def take_marks(assignment: Assignment) -> list[str]:
    """Put the points filled into by_hand.csv into the gradebook; returns what could not be taken."""
    path, problems = assignment.folder / "by_hand.csv", []
    if not path.is_file():
        return problems
    most = weeks.points(assignment.base)
    with path.open(newline="", encoding="utf-8-sig") as file, Gradebook(assignment.database) as gradebook:
        for row in csv.DictReader(file):
            given = (row.get("points") or "").strip().replace(",", ".")
            if not given:
                continue
            try:
                if not 0 <= float(given) <= most[row["question"]]:
                    raise ValueError(f"{given} is not between 0 and {most[row['question']]:g}")
                names = (row["question"], assignment.week.name, assignment.week.name, row["student"])
                grade = gradebook.find_grade(*names)
                grade.manual_score, grade.needs_manual_grade = float(given), False
                gradebook.db.commit()
            except Exception as error:
                problems.append(f"by_hand.csv, {row.get('student')}, {row.get('question')}: {error}")
    return problems


def scores(assignment: Assignment) -> dict[str, dict[str, dict[str, float | None]]]:
    """student -> question -> cell -> points, None where a person has still to mark."""
    result: dict = {}
    with Gradebook(assignment.database) as gradebook:
        for submission in gradebook.assignment_submissions(assignment.week.name):
            cells = {}
            for grade in submission.notebooks[0].grades:
                waits = grade.needs_manual_grade and grade.manual_score is None
                cells.setdefault(weeks.question_of(grade.name), {})[grade.name] = None if waits else grade.score
            result[submission.student.id] = cells
    return result


def write_grades(assignment: Assignment, found: dict[str, dict]) -> None:
    """grades.csv: a row for each student."""
    most = weeks.points(assignment.base)
    with (assignment.folder / "grades.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["student", "total", "points", *most])
        for student, questions in sorted(found.items()):
            row = [None if None in cells.values() else sum(cells.values()) for cells in (questions[q] for q in most)]
            total = sum(points for points in row if points is not None)
            shown = ["" if points is None else f"{points:g}" for points in row]
            table.writerow([student, f"{total:g}", f"{sum(most.values()):g}", *shown])


def write_queue(assignment: Assignment, found: dict[str, dict], records: dict[str, dict], pages: Environment) -> int:
    """by_hand.csv and by_hand.html: the answers that wait; returns how many."""
    waiting = [
        (student, name, records[student]["words"].get(name, ""))
        for name in assignment.anchors
        for student, questions in sorted(found.items())
        if questions[name][name] is None and student in records
    ]
    with (assignment.folder / "by_hand.csv").open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(["student", "question", "answer", "points"])
        for student, name, answer in waiting:
            table.writerow([student, name, "'" + answer if answer[:1] in "=+-@" else answer, ""])
    anchors = {name: Markup(mistune.html(text)) for name, text in assignment.anchors.items()}
    page = pages.get_template("by_hand.html").render(week=assignment.week, anchors=anchors, waiting=waiting)
    (assignment.folder / "by_hand.html").write_text(page, encoding="utf-8")
    return len(waiting)


def write_feedback(
    assignment: Assignment, found: dict[str, dict], records: dict[str, dict], pages: Environment
) -> None:
    """A page for each student: points, and what failed checks say. No hidden test is shown."""
    folder = assignment.folder / "feedback"
    folder.mkdir(exist_ok=True)
    cells = weeks.marked(assignment.handed_out)
    for student, record in records.items():
        if student not in found or not submissions.STUDENT_ID.fullmatch(student):
            continue
        page = pages.get_template("feedback.html").render(
            week=assignment.week, student=student, questions=found[student], cells=cells, record=record
        )
        (folder / f"{student}.html").write_text(page, encoding="utf-8")


def write_report(assignment: Assignment, records: dict[str, dict], extra: list[str]) -> None:
    """report.txt: what happened to each submission."""
    how = sandbox.isolation()
    isolated = "Each ran in namespaces of its own: no network, no other process, none of this machine's files."
    refused = f"This system cannot isolate a process ({how}): Python refused the network and files outside of its home."
    lines = [f"{assignment.week.title}: {len(records)} submissions", refused if how else isolated, *extra, ""]
    for student, record in sorted(records.items()):
        lines += [f"{student}: {note}" for note in record["notes"]]
    (assignment.folder / "report.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def main() -> None:
    """Grade the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("week")
    parser.add_argument("folder", type=Path)
    course.add_options(parser)
    options = parser.parse_args()
    os.environ["PATH"] = f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"  # nbgrader calls alembic
    warnings.filterwarnings("ignore", module="nbgrader")  # what its database layer says to its authors
    try:
        print(course.whose_tests(options.private))
        plan = course.read(options.course)
        (week,) = plan.pick(options.week or "?")
        if not options.folder.is_dir():
            raise ValueError(f"DIR={options.folder} is no folder")
        found = submissions.find(options.folder, week.name)
        if not found:
            raise ValueError(
                f"DIR={options.folder} holds no submission: <student>.ipynb, one notebook for each student"
            )
        assignment = open_assignment(week, plan, options.private, options.folder.resolve())
        refuse_other_course(assignment, found)
    except ValueError as error:
        sys.exit(str(error))
    problems = take_marks(assignment)
    try:
        grade_all(assignment, found)
    except KeyboardInterrupt:
        print("\ninterrupted; call again to go on", file=sys.stderr)
        problems.append("interrupted: not every submission has been graded")
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True)
    records, marks = records_of(assignment), scores(assignment)
    write_grades(assignment, marks)
    write_feedback(assignment, marks, records, pages)
    waiting = write_queue(assignment, marks, records, pages)
    missing = sorted(set(found) - set(records))
    problems += [f"not graded: {', '.join(missing)}"] if missing else []
    write_report(assignment, records, problems)
    print(*problems, sep="\n")
    print(f"{len(marks)} graded; {waiting} answers in words to mark: {options.folder / 'by_hand.html'}")
    print(f"{options.folder / 'grades.csv'}\n{options.folder / 'report.txt'}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
