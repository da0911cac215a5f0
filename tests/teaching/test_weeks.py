"""The weeks themselves, without a kernel, and that the checks of weeks see what is wrong."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

pytest.importorskip("nbgrader", reason="graded work has an environment of its own: make test-class")

from book.teaching import check, course, weeks

EVERY = list(course.read().weeks)


@pytest.mark.parametrize("name", EVERY if os.environ.get("ALL") else ["week0", "vgg"])
def test_week_is_in_order(plan, name):
    assert check.check_week(plan.weeks[name]) == []


def problems(checker, notebook):
    return "\n".join(checker("vgg", notebook, False))


@pytest.fixture
def vgg():
    return weeks.teacher("vgg")


def test_a_wrong_reference_is_seen(vgg):
    weeks.by_name(vgg, "receptive_field").source = "def receptive_field(conv_arch):\n    return [4, 10]"
    assert "the reference does not earn" in problems(check.check_marks, vgg)


def test_points_for_nothing_are_seen(vgg):
    weeks.by_name(vgg, "vgg_block-visible").source = "assert True"
    assert "unedited notebook earns 1.0 for vgg_block" in problems(check.check_marks, vgg)


def test_a_cell_that_fails_unedited_is_seen(vgg):
    weeks.by_name(vgg, "my_weights-numbers").source = "my_weights_numbers = 1 / 0"
    assert "'my_weights-numbers' fails, and it is no check" in problems(check.check_marks, vgg)


def test_a_mistake_that_loses_more_or_less_is_seen(vgg, monkeypatch):
    planted = weeks.mistakes("vgg")
    monkeypatch.setattr(weeks, "mistakes", lambda week: [replace(planted[0], loses=1), *planted[1:]])
    assert "must lose 1 there, loses {'vgg_block': 3.0}" in problems(check.check_mistakes, vgg)


def test_a_mistake_carried_on_is_seen(vgg):
    cell = weeks.by_name(vgg, "vgg-visible")
    cell.source = weeks.REGION.sub("", cell.source)  # the reference of vgg_block is not put in its place
    assert "loses {'vgg_block': 3.0, 'vgg': 4.0}" in problems(check.check_mistakes, vgg)


def test_a_mistake_that_fits_no_longer_is_refused():
    with pytest.raises(ValueError, match="must hold 'gone' exactly once"):
        weeks.Mistake("why", "vgg", 1, swap={"gone": ""}).answer("def vgg(): ...")


def test_numbers_that_are_everybodys_are_seen(vgg):
    numbers = weeks.by_name(vgg, "my_weights-numbers")
    numbers.source = 'my_weights_numbers = {"k": 5, "C": 32}'
    check_cell = weeks.by_name(vgg, "my_weights-hidden")
    check_cell.source = check_cell.source.split('my_weights_numbers = {"k"')[0] + "### END HIDDEN TESTS"
    found = problems(check.check_numbers, vgg)
    assert "my_weights: ada passes with the number of emmy" in found
    assert "thirty students share 1 different answers" in found


def test_a_plan_that_lacks_something_is_seen(plan, vgg):
    week = plan.weeks["vgg"]
    poorer = replace(
        week,
        points=29,
        questions={**week.questions, "vgg": {"level": 4, "minutes": 10}},
        objectives={words: names for words, names in week.objectives.items() if "training curve" not in words},
    )
    found = "\n".join(check.check_plan(poorer, vgg))
    assert "course.yml says 29 points, the notebook has 30" in found
    assert "vgg: level 1, 2 or 3" in found
    assert "no question trains the objective 'read a training curve" in found


def test_form(vgg):
    weeks.by_name(vgg, "draw").source += "\n"
    weeks.by_name(vgg, "explain_logits").source = "### BEGIN SOLUTION\nThe model answer.\n### END SOLUTION"
    vgg.cells = [cell for cell in vgg.cells if weeks.headings(cell.source) != ["vgg"]]
    found = problems(check.check_form, vgg)
    assert "the cell 'draw' differs" in found
    assert "explain_logits: no anchors" in found
    assert "headings" in found


def test_private_tests_take_the_place_of_the_samples(tmp_path):
    (tmp_path / "vgg").mkdir()
    (tmp_path / "vgg" / "vgg-hidden.py").write_text("assert False, 'ours'\n")
    notebook = weeks.teacher("vgg", private=tmp_path)
    failed = []
    earned = weeks.run(notebook, lambda name, error: failed.append((name, str(error))))
    assert failed == [("vgg-hidden", "ours")]
    assert earned["vgg"] == 2


def test_private_tests_for_a_cell_that_is_not_there_are_refused(tmp_path):
    (tmp_path / "vgg").mkdir()
    (tmp_path / "vgg" / "vgg_blok-hidden.py").write_text("")
    with pytest.raises(ValueError, match="no cell of hidden tests named 'vgg_blok-hidden'"):
        weeks.teacher("vgg", private=tmp_path)


def test_the_seed_decides_the_numbers_and_is_not_handed_out(plan, tmp_path):
    (tmp_path / "seed.txt").write_text("our seed\n")
    ours, theirs = course.key(plan, "vgg", tmp_path), course.key(plan, "vgg", None)
    assert ours != theirs and "our seed" not in ours
    assert ours != course.key(plan, "week0", tmp_path)


def test_an_unknown_week_is_named(plan):
    with pytest.raises(ValueError, match=r"no week 'vggg'; it has week0, "):
        plan.pick("vgg vggg")
