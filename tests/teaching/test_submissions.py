"""Submissions as they arrive: found, read and put together, without running them."""

from __future__ import annotations

import json

import nbformat
import pytest
import wrongdoers
from nbformat.v4 import new_code_cell

from book.teaching import submissions, weeks


@pytest.fixture
def base():
    return weeks.unedited(weeks.teacher("vgg"))


@pytest.fixture
def handed_out():
    return weeks.handed_out(weeks.teacher("vgg"))


def points(base, notebook, student="ada"):
    assembled = submissions.assemble(base, submissions.answers(notebook, base))
    weeks.set_course(assembled, "sample", student)
    return weeks.run(assembled)


def lost(base, notebook, student="ada"):
    full = weeks.points(base, by_hand=False)
    return {
        name: full[name] - earned for name, earned in points(base, notebook, student).items() if earned != full[name]
    }


def test_a_right_one_earns_everything(base, right):
    assert lost(base, right()) == {}


@pytest.mark.parametrize(
    "wrongdoer, loses",
    [
        (wrongdoers.deletes_a_check, {}),
        (wrongdoers.deletes_an_answer, {"vgg": 4}),
        (wrongdoers.tampers, {"vgg_block": 3}),
        (wrongdoers.loses_marks, {}),
        (wrongdoers.splits_an_answer, {}),
        (wrongdoers.another_id, {}),
    ],
)
def test_what_was_done_to_cells(base, right, wrongdoer, loses):
    assert lost(base, wrongdoer(right())) == loses


def test_words_without_marks_are_found_by_their_heading(base, right):
    notebook = wrongdoers.loses_marks(right())
    found = submissions.answers(notebook, base)
    assert "5 × 5 places" in found.own["explain_logits"]


def test_added_cells_run_where_their_author_put_them(base, right):
    notebook = right()
    index = notebook.cells.index(weeks.by_name(notebook, "same_head_sizes"))
    notebook.cells.insert(index, new_code_cell("def factor(arch):\n    return 2 ** len(arch)"))
    weeks.by_name(notebook, "same_head_sizes").source = (
        "def same_head_sizes(conv_arch, image_size):\n"
        "    f = factor(conv_arch)\n    return list(range(image_size // f * f, image_size // f * f + f))"
    )
    assert lost(base, notebook) == {}


def test_numbers_are_those_of_the_file(base, right):
    notebook = right("emmy")
    values = weeks.values(weeks.with_student(weeks.teacher("vgg"), "sample", "emmy"), ["my_weights"])
    weeks.by_name(notebook, "my_weights").source = f"def my_weights():\n    return {values['my_weights']}"
    assert lost(base, notebook, "emmy") == {}
    assert lost(base, notebook, "ada") == {"my_weights": 2}


def test_remarks(base, handed_out, right):
    notebook = wrongdoers.deletes_a_check(wrongdoers.tampers(wrongdoers.another_id(right())))
    notes = submissions.remarks(submissions.answers(notebook, base), base, handed_out, "ada")
    assert notes == [
        "changed, and restored: vgg_block-visible, vgg_block-hidden",
        "missing, and put back: vgg-hidden",
        "its author wrote the id 'emmy'; the numbers are those of 'ada'",
    ]
    assert submissions.remarks(submissions.answers(right(), base), base, handed_out, "ada") == []


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.ipynb", "{not json", "holds no notebook"),
        ("a.ipynb", "[]", "holds no notebook"),
        ("a.ipynb", json.dumps({"cells": [{"cell_type": "code"}], "nbformat": 4, "nbformat_minor": 5}), "no notebook"),
        ("a.pdf", "%PDF", "a.pdf is no notebook"),
    ],
)
def test_files_that_are_no_notebooks(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        submissions.read(tmp_path / name)


def test_nothing_but_text_and_names_is_read(tmp_path, right):
    notebook = right()
    notebook.cells[0].attachments = {"x.png": {"image/png": "AAAA"}}
    notebook.cells[1].metadata.nbgrader = {"grade_id": ["a list"]}
    nbformat.write(notebook, tmp_path / "ada.ipynb")
    read = submissions.read(tmp_path / "ada.ipynb")
    assert {key for cell in read.cells for key in cell} == {"cell_type", "source", "metadata"}
    assert {key for cell in read.cells for key in cell.metadata} <= {"nbgrader"}


def test_both_kinds_of_folders(tmp_path, right):
    nbformat.write(right(), tmp_path / "ada.ipynb")
    for path in ("emmy/vgg", "submitted/grace/vgg"):
        (tmp_path / path).mkdir(parents=True)
        nbformat.write(right(), tmp_path / path / "vgg.ipynb")
    (tmp_path / "carol.pdf").write_text("")
    (tmp_path / "nobody").mkdir()
    (tmp_path / "grades.csv").write_text("ours")
    (tmp_path / ".hidden").write_text("")
    found = submissions.find(tmp_path, "vgg")
    assert sorted(found) == ["ada", "carol", "emmy", "grace", "nobody"]
    assert found["grace"].is_file() and not found["nobody"].exists()
