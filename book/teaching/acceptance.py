"""What nbgrader is needed to check: real kernels, answers searched in what students get, the same bytes twice."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from book.teaching import build, course, sandbox, weeks


def check_with_nbgrader(week: course.Week, plan: course.Course, private: Path | None) -> Iterator[str]:
    """Everything of this module for one week; yields what is wrong, a line each."""
    teacher = build.teacher(week, plan, private)
    base = build.graded(teacher)
    yield from check_stubs(teacher, base)
    yield from check_leaks(week, plan, private)
    yield from check_bytes(week, plan, private)
    yield from check_unedited(base, build.release(teacher))
    yield from check_answers(week, plan, private, teacher, base)


def check_stubs(teacher: NotebookNode, base: NotebookNode) -> Iterator[str]:
    """What the quick check calls unedited is what nbgrader makes of the notebook."""
    quick = weeks.marked(weeks.unedited(teacher))
    for name, cell in weeks.marked(base).items():
        if cell.source != quick[name].source:
            yield f"{name}: nbgrader's stub differs from that of the quick check"


def points_of(notebook: NotebookNode) -> tuple[dict[str, float], list[str], list[str]]:
    """Run ``notebook`` in a kernel: points of each question, cells that failed, and what the sandbox noted."""
    cells = weeks.marked(notebook)
    checks = [name for name, cell in cells.items() if cell.metadata.nbgrader.grade and cell.cell_type == "code"]
    outcome = sandbox.execute(notebook, checks)
    earned = dict.fromkeys(weeks.points(notebook, by_hand=False), 0.0)
    for name in checks:
        earned[weeks.question_of(name)] += cells[name].metadata.nbgrader.points * outcome.passed[name]
    failed = [
        weeks.name_of(cell) or cell.id
        for cell in notebook.cells
        if any(output.output_type == "error" for output in cell.get("outputs", ()))
    ]
    return earned, failed, outcome.notes


def check_unedited(base: NotebookNode, release: NotebookNode) -> Iterator[str]:
    """Unedited, the notebook earns nothing; only its checks fail, as graded and as students run it."""
    earned, failed, notes = points_of(weeks.with_answers(base, {}))
    graded = {name for name, cell in weeks.marked(base).items() if cell.metadata.nbgrader.grade}
    if any(earned.values()) or notes:
        yield f"unedited, in a kernel: {earned}, {notes}"
    as_student = weeks.with_answers(release, {})
    outcome = sandbox.execute(as_student, [])
    errors = {
        weeks.name_of(cell) or cell.id
        for cell in as_student.cells
        if any(output.output_type == "error" for output in cell.get("outputs", ()))
    }
    if outcome.notes or (set(failed) | errors) - graded:
        yield f"unedited, cells that are no checks fail: {sorted((set(failed) | errors) - graded)}, {outcome.notes}"


def check_answers(
    week: course.Week, plan: course.Course, private: Path | None, teacher: NotebookNode, base: NotebookNode
) -> Iterator[str]:
    """The reference earns everything in a kernel; planted mistakes, many at a time, lose what they must."""
    full, key = weeks.points(base, by_hand=False), course.key(plan, week.name, private)
    base = weeks.with_student(base, key, "ada")
    reference = {
        name: weeks.without_marks(cell.source)
        for name, cell in weeks.marked(teacher).items()
        if cell.metadata.nbgrader.solution and cell.cell_type == "code"
    }
    for planted in [[], *packs(weeks.mistakes(week.name))]:
        wrong = {mistake.cell: mistake.answer(reference[mistake.cell]) for mistake in planted}
        expected = dict(full)
        for mistake in planted:
            expected[weeks.question_of(mistake.cell)] -= mistake.loses
        earned, _, notes = points_of(weeks.with_answers(base, reference | wrong))
        if earned != expected or notes:
            differs = {name: (earned[name], expected[name]) for name in full if earned[name] != expected[name]}
            names = "; ".join(mistake.why for mistake in planted) or "the reference"
            yield f"in a kernel, {names}: question (earned, expected) {differs}, {notes}"


def packs(planted: list[weeks.Mistake]) -> list[list[weeks.Mistake]]:
    """The mistakes in as few notebooks as possible, one of each cell in a notebook."""
    notebooks: list[list[weeks.Mistake]] = []
    for mistake in planted:
        for notebook in notebooks:
            if mistake.cell not in [other.cell for other in notebook]:
                notebook.append(mistake)
                break
        else:
            notebooks.append([mistake])
    return notebooks


def squeezed(text: str) -> list[str]:
    """The lines of ``text`` without blanks that carry no meaning, and without empty ones."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def secrets_of(week: course.Week, source: NotebookNode) -> Iterator[tuple[str, str]]:
    """Pieces of solutions and hidden tests that students must not find: (cell, lines that follow each other)."""
    visible = "\n".join(squeezed("\n".join(weeks.REGION.sub("", cell.source) for cell in source.cells)))
    for name, cell in weeks.marked(source).items():
        if weeks.question_of(name) in week.shown and cell.metadata.nbgrader.solution:
            continue
        for _, kind, body in weeks.REGION.findall(cell.source):
            lines = squeezed(body)
            together = min(3 if kind == "SOLUTION" else 2, len(lines))
            windows = ["\n".join(lines[i : i + together]) for i in range(len(lines) - together + 1)]
            windows += [line for line in lines if len(line) >= 60]
            yield from ((name, window) for window in windows if len(window) >= 15 and window not in visible)


def numbers_of(source: NotebookNode) -> Iterator[tuple[str, str]]:
    """Numbers of four digits or more that only solutions and hidden tests hold: (cell, digits)."""
    visible = numbers_in("\n".join(weeks.REGION.sub("", cell.source) for cell in source.cells))
    for name, cell in weeks.marked(source).items():
        hidden = "\n".join(body for _, _, body in weeks.REGION.findall(cell.source))
        yield from ((name, number) for number in sorted(numbers_in(hidden) - visible))


def numbers_in(text: str) -> set[str]:
    """The numbers of four digits or more in ``text``, whatever parts their thousands."""
    return set(re.findall(r"(?<![\d.])\d{4,}(?![\d.])", re.sub(r"(?<=\d)[,_](?=\d{3})", "", text)))


def check_leaks(week: course.Week, plan: course.Course, private: Path | None) -> Iterator[str]:
    """Nothing of a solution or a hidden test, and none of their numbers, stands in what students get."""
    with tempfile.TemporaryDirectory() as folder:
        build.build(plan, [week], private, Path(folder))
        texts = {path.relative_to(folder): text_of(path) for path in sorted((Path(folder) / "student").rglob("*.*"))}
    source = weeks.teacher(week.name, private=private, expand=False)
    for path, text in texts.items():
        yield from (
            f"{path} holds {piece[:70]!r} of {name}" for name, piece in secrets_of(week, source) if piece in text
        )
        found = numbers_in(text)
        yield from (f"{path} holds {number} of {name}" for name, number in numbers_of(source) if number in found)


def text_of(path: Path) -> str:
    """The text in a file, a notebook's cells and stored outputs included, squeezed."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        parts = ["".join(cell["source"]) for cell in cells]
        parts += ["".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ())]
        text = "\n".join(parts)
    return "\n".join(squeezed(text))


def check_bytes(week: course.Week, plan: course.Course, private: Path | None) -> Iterator[str]:
    """Made twice, every file is the same."""
    made = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            build.build(plan, [week], private, Path(folder))
            files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
            made.append({path.relative_to(folder): path.read_bytes() for path in files})
    for path in made[0]:
        if made[0][path] != made[1].get(path):
            yield f"{path}: a second build gives other bytes"
