"""Whether a week can be handed to a class: the acceptance list, without a kernel and with nbgrader and real ones.

python -m book.teaching.check vgg [--verbose]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from nbformat import NotebookNode

from book.teaching import course, weeks

STUDENTS = ("ada", "emmy")  # two ids with numbers of their own
PERSONAL, PREDICTED, EXPLAINED = "my_", "predict_", "explain_"


def check_marks(week: str, notebook: NotebookNode, verbose: bool) -> Iterator[str]:
    """The reference earns every point that checks give, the unedited notebook none, and only its checks fail."""
    full = weeks.points(notebook, by_hand=False)
    errors: list[str] = []
    earned = weeks.run(notebook, lambda name, error: errors.append(f"{name}: {weeks.last_line(error)}"))
    if earned != full or errors:
        yield f"the reference does not earn every point: {'; '.join(errors)}"
    graded = {name for name, cell in weeks.marked(notebook).items() if cell.metadata.nbgrader.grade}
    failed: list[str] = []
    earned = weeks.run(weeks.unedited(notebook), lambda name, error: failed.append(name))
    for question in (question for question, points in earned.items() if points):
        yield f"the unedited notebook earns {earned[question]} for {question}"
    for name in set(failed) - graded:
        yield f"in the unedited notebook the cell {name!r} fails, and it is no check"


def check_mistakes(week: str, notebook: NotebookNode, verbose: bool) -> Iterator[str]:
    """Every planted mistake loses exactly what it must, in its own question only."""
    full, cells = weeks.points(notebook, by_hand=False), weeks.marked(notebook)
    planted = weeks.mistakes(week)
    if len(planted) < 10:
        yield f"{len(planted)} planted mistakes; ten or more are asked for"
    for mistake in planted:
        answer = mistake.answer(weeks.without_marks(cells[mistake.cell].source))
        caught: list[str] = []
        earned = weeks.run(
            weeks.with_answers(notebook, {mistake.cell: answer}),
            lambda name, error: caught.append(f"    {name}: {weeks.last_line(error)}"),  # noqa: B023
        )
        lost = {question: full[question] - earned[question] for question in full if earned[question] != full[question]}
        if verbose:
            print(f"  {mistake.cell}, {mistake.why}: {lost}", *caught, sep="\n")
        if lost != {weeks.question_of(mistake.cell): mistake.loses}:
            yield f"{mistake.cell}, {mistake.why!r}: must lose {mistake.loses} there, loses {lost}"


def check_numbers(week: str, notebook: NotebookNode, verbose: bool) -> Iterator[str]:
    """Each of two students passes with the numbers drawn for them and fails with the other's."""
    personal = [name for name in weeks.points(notebook) if name.startswith(PERSONAL)]
    if len(personal) < 2:
        yield "fewer than two questions with the student's own numbers (my_…)"
    variants = {student: weeks.with_student(notebook, "check", student) for student in STUDENTS}
    answers = {student: weeks.values(variants[student], personal) for student in STUDENTS}
    for student, other in (STUDENTS, STUDENTS[::-1]):
        for given, expected in ((student, True), (other, False)):
            constants = {name: f"def {name}():\n    return {answers[given][name]!r}" for name in personal}
            earned = weeks.run(weeks.with_answers(variants[student], constants))
            for name in (name for name in personal if bool(earned[name]) != expected):
                yield f"{name}: {student} {'fails' if expected else 'passes'} with the number of {given}"
    for name in personal:
        drawn = {weeks.values(weeks.with_student(notebook, "check", f"student{i}"), [name])[name] for i in range(30)}
        if len(drawn) < 15:
            yield f"{name}: thirty students share {len(drawn)} different answers; draw from more"


def check_form(week: str, notebook: NotebookNode, verbose: bool) -> Iterator[str]:
    """Headings, common cells, the kinds of questions, and that nothing is stored that a run leaves."""
    questions = weeks.points(notebook)
    headings = [name for cell in notebook.cells if cell.cell_type == "markdown" for name in weeks.headings(cell.source)]
    if headings != list(questions):
        yield f"headings '## 1 · `name`' stand for {headings}, graded cells for {list(questions)}"
    for prefix, wanted in ((PREDICTED, 1), (EXPLAINED, 2)):
        if sum(name.startswith(prefix) for name in questions) < wanted:
            yield f"fewer than {wanted} questions {prefix}…"
    for cell in notebook.cells:
        if cell.get("outputs") or cell.get("execution_count"):
            yield f"the cell {weeks.name_of(cell) or cell.id!r} is stored with outputs or a count"
    example = weeks.teacher("vgg")
    for name in ("student", "draw"):
        if weeks.by_name(notebook, name).source != weeks.by_name(example, name).source:
            yield f"the cell {name!r} differs from the one in vgg"
    for name, cell in weeks.marked(notebook).items():
        marks = cell.metadata.nbgrader
        if marks.grade and marks.solution and not re.search(r"2 points.*1 point.*0 points", cell.source, re.S):
            yield f"{name}: no anchors for 2, 1 and 0 points"
        if cell.cell_type == "code" and marks.solution and "### BEGIN SOLUTION" not in cell.source:
            yield f"{name}: nothing between ### BEGIN SOLUTION and ### END SOLUTION"


def check_plan(week: course.Week, notebook: NotebookNode) -> Iterator[str]:
    """The plan names every question with level and minutes, adds up, and trains every objective."""
    points = weeks.points(notebook)
    if sum(points.values()) != week.points:
        yield f"course.yml says {week.points} points, the notebook has {sum(points.values())}"
    if set(week.questions) != set(points):
        yield f"questions of course.yml and of the notebook differ: {sorted(set(week.questions) ^ set(points))}"
    for name, question in week.questions.items():
        if question.get("level") not in (1, 2, 3) or not question.get("minutes", 0) > 0:
            yield f"{name}: level 1, 2 or 3 and minutes above 0, not {question}"
    bullets = course.objectives(week.name)
    trained = set()
    for words, names in week.objectives.items():
        found = [bullet for bullet in bullets if words in bullet]
        if len(found) != 1:
            yield f"objective {words!r} stands in {len(found)} lines of the chapter's list, not in one"
        if not names or set(names) - set(points):
            yield f"objective {words!r} is trained by {names}; questions are {list(points)}"
        trained |= set(found)
    for bullet in set(bullets) - trained:
        yield f"no question trains the objective {bullet!r}"


def check_week(week: course.Week, *, verbose: bool = False, private: Path | None = None) -> list[str]:
    """Everything that can be checked without a kernel; returns what is wrong, a line each."""
    notebook = weeks.teacher(week.name, private=private)
    checks = (check_form, check_marks, check_mistakes, check_numbers)
    problems = [problem for check in checks for problem in check(week.name, notebook, verbose)]
    return problems + list(check_plan(week, notebook))


def main() -> None:
    """Check the weeks named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weeks", nargs="*", help="all weeks of the plan when none is named")
    course.add_options(parser)
    parser.add_argument("--kernel", action="store_true", help="with nbgrader and real kernels, too")
    parser.add_argument("--verbose", action="store_true", help="print which check caught which mistake")
    options = parser.parse_args()
    bad, plan = 0, course.read(options.course)
    chosen = plan.pick(" ".join(options.weeks))
    with ProcessPoolExecutor(1 if options.verbose else 2) as pool:  # what two weeks print would get mixed up
        for week, problems in zip(chosen, pool.map(partial(_check, plan=plan, options=options), chosen)):
            bad += len(problems)
            print(f"{week.name}: {week.points} points, {len(weeks.mistakes(week.name))} planted mistakes,", end=" ")
            print("in order" if not problems else f"{len(problems)} problems", *problems, sep="\n  - ", flush=True)
    sys.exit(bool(bad))


def _check(week: course.Week, plan: course.Course, options: argparse.Namespace) -> list[str]:
    problems = check_week(week, verbose=options.verbose, private=options.private)
    if options.kernel:
        from book.teaching import acceptance  # nbgrader is in .venv-class only

        problems += acceptance.check_with_nbgrader(week, plan, options.private)
    return problems


if __name__ == "__main__":
    main()
