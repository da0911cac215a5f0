"""A folder of submissions graded in real kernels. `make test-class` runs the first; with ALL=1 also every wrongdoer."""

from __future__ import annotations

import csv
import os
import sys

import nbformat
import pytest
import wrongdoers

pytest.importorskip("nbgrader", reason="grading has an environment of its own: make test-class")

from book.teaching import build, course, grade, sandbox, weeks

ISOLATED = not sandbox.isolation()


def handed_in(student):
    """The VGG notebook, everything right, as a student of the book's own plan hands it in."""
    plan = course.read()
    teacher = build.teacher(plan.weeks["vgg"], plan, None)
    notebook = build.release(teacher)
    for name, cell in weeks.marked(teacher).items():
        if cell.metadata.nbgrader.solution:
            weeks.by_name(notebook, name).source = weeks.without_marks(cell.source).strip("\n")
    weeks.by_name(notebook, "student").source = f'STUDENT = "{student}"'
    return notebook


def run(folder, monkeypatch):
    """`make grade WEEK=vgg DIR=folder`; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["grade", "vgg", str(folder)])
    with pytest.raises(SystemExit) as stopped:
        grade.main()
    return stopped.value.code


def grades(folder):
    with (folder / "grades.csv").open(encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Three notebooks and a file that is none, graded once."""
    folder = tmp_path_factory.mktemp("submissions")
    nbformat.write(handed_in("ada"), folder / "ada.ipynb")
    silent = wrongdoers.silences_errors(wrongdoers.reads_files(handed_in("silent")))
    nbformat.write(silent, folder / "silent.ipynb")
    nbformat.write(wrongdoers.exits(handed_in("exits")), folder / "exits.ipynb")
    (folder / "carol.pdf").write_text("%PDF")
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert run(folder, monkeypatch) == 0
    return folder


def test_grades(graded):
    table = grades(graded)
    assert list(table["ada"])[:4] == ["student", "total", "points", "vgg_block"]
    assert {student: row["total"] for student, row in table.items()} == {
        "ada": "26",
        "carol": "0",
        "exits": "10",
        "silent": "23",
    }
    assert table["silent"]["vgg_block"] == "0" and table["ada"]["explain_logits"] == ""
    assert {row["points"] for row in table.values()} == {"30"}


def test_report_names_who_did_what(graded):
    report = (graded / "report.txt").read_text()
    assert "carol: carol.pdf is no notebook" in report
    assert "exits: its kernel ended before the notebook did" in report
    assert "silent: lists /" in report
    assert "silent: read this one: it uses get_ipython" in report
    assert "\nada: " not in report


def test_feedback_shows_no_hidden_test(graded):
    page = (graded / "feedback" / "silent.html").read_text()
    assert "to be marked" in page and "23 of 30 points" in page
    assert "expected = out_channels" not in page and "num_convs, in_channels, out_channels, side" not in page
    assert (graded / "feedback" / "carol.html").is_file()


def test_marks_by_hand_are_taken_and_nothing_runs_twice(graded, monkeypatch, capsys):
    with (graded / "by_hand.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {(row["student"], row["question"]) for row in rows} == {
        (student, question)
        for student in ("ada", "exits", "silent")
        for question in ("explain_logits", "explain_curves")
    }
    assert "5 × 5 places" in rows[0]["answer"] and "<strong>1 point</strong>" in (graded / "by_hand.html").read_text()
    with (graded / "by_hand.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerow({**rows[0], "points": "1,5"})
        table.writerow({**rows[1], "points": "7"})
    monkeypatch.setattr(grade, "grade_one", lambda *arguments: pytest.fail("graded twice"))
    assert run(graded, monkeypatch) == 1
    assert "7 is not between 0 and 2" in capsys.readouterr().out
    row = grades(graded)[rows[0]["student"]]
    assert row["explain_logits"] == "1.5"
    with (graded / "by_hand.csv").open(encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == len(rows) - 1


def test_an_interrupted_call_goes_on(tmp_path, monkeypatch):
    for student in ("ada", "bao", "carla"):
        (tmp_path / f"{student}.txt").write_text(student)
    calls = []
    whole = grade.grade_one

    def interrupted(assignment, student, path):
        calls.append(student)
        if calls == ["ada", "bao"]:
            raise KeyboardInterrupt
        return whole(assignment, student, path)

    monkeypatch.setattr(grade, "grade_one", interrupted)
    assert run(tmp_path, monkeypatch) == 1
    assert list(grades(tmp_path)) == ["ada"]
    assert run(tmp_path, monkeypatch) == 0
    assert calls == ["ada", "bao", "bao", "carla"]
    assert list(grades(tmp_path)) == ["ada", "bao", "carla"]


def test_one_that_grading_itself_fails_on_is_named(tmp_path, monkeypatch):
    for student in ("ada", "bao"):
        (tmp_path / f"{student}.txt").write_text(student)
    whole = grade.grade_one
    monkeypatch.setattr(
        grade, "grade_one", lambda a, student, path: whole(a, student, path) if student == "bao" else 1 / 0
    )
    assert run(tmp_path, monkeypatch) == 1
    assert "not graded: ada" in (tmp_path / "report.txt").read_text()
    assert list(grades(tmp_path)) == ["bao"]


def test_another_courses_notebooks_are_refused(tmp_path, monkeypatch):
    notebook = handed_in("ada")
    weeks.set_course(notebook, "0123456789ab")
    nbformat.write(notebook, tmp_path / "ada.ipynb")
    assert "grade with the COURSE and CLASS_PRIVATE that made them" in run(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["no-such-folder", ""])
def test_a_folder_without_submissions_is_refused(tmp_path, monkeypatch, name):
    assert f"DIR={tmp_path / name}" in run(tmp_path / name, monkeypatch)


def test_without_isolation_python_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "isolation", lambda: "no unshare")
    outside = tmp_path / "outside.txt"
    notebook = wrongdoers.writes_to(handed_in("eve"), outside)
    nbformat.write(wrongdoers.reaches_out(notebook), tmp_path / "eve.ipynb")
    assert run(tmp_path, monkeypatch) == 0
    assert grades(tmp_path)["eve"]["total"] == "26" and not outside.exists()
    report = (tmp_path / "report.txt").read_text()
    assert "This system cannot isolate a process (no unshare)" in report
    assert f"eve: writes to {outside}" in report and "eve: reaches for the network" in report


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("ALL"), reason="a quarter of an hour: ALL=1")
@pytest.mark.parametrize("wrongdoer", wrongdoers.LOSES, ids=lambda wrongdoer: wrongdoer.__name__)
def test_wrongdoers(tmp_path, monkeypatch, wrongdoer):
    if not ISOLATED and wrongdoer in wrongdoers.NEED_ISOLATION:
        pytest.skip("this system cannot isolate a process")
    nbformat.write(wrongdoer(handed_in("eve")), tmp_path / "eve.ipynb")
    (tmp_path / "late.txt").write_text("graded after eve, whatever eve does")
    assert run(tmp_path, monkeypatch) == 0
    table = grades(tmp_path)
    full = {name: float(points) for name, points in weeks.points(weeks.teacher("vgg"), by_hand=False).items()}
    loses = wrongdoers.LOSES[wrongdoer]
    if isinstance(loses, str):  # everything from a question on
        loses = {name: full[name] for name in list(full)[list(full).index(loses) :]}
    lost = {name: full[name] - float(table["eve"][name]) for name in full}
    assert loses is None or lost == {**dict.fromkeys(full, 0), **loses}
    assert ("eve: " in (tmp_path / "report.txt").read_text()) == (wrongdoer not in wrongdoers.UNREMARKABLE)
    assert "late" in table
