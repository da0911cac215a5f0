"""The syllabus, and that every objective is trained."""

from __future__ import annotations

import dataclasses

import pytest
from bs4 import BeautifulSoup

from book.teaching import course, syllabus

WEEKS = [week.name for week in course.read().pick()]


@pytest.mark.parametrize("name", WEEKS)
def test_every_objective_has_exercises_and_graded_questions(plan, name):
    assert syllabus.gaps(plan.weeks[name]) == []


def test_the_page_lists_weeks_sessions_and_what_trains_what(plan):
    page = BeautifulSoup(syllabus.page(plan), "html.parser")
    tables = page.find_all("table")
    assert [row.td.text for row in tables[0].tbody.find_all("tr")] == [week.title for week in plan.pick()]
    assert [len(table.tbody.find_all("tr")) for table in tables[1:4]] == [9, 5, 3]
    for table, week in zip(tables[4:], plan.pick(), strict=True):
        assert {code.text for code in table.find_all("code")} >= {
            n for names in week.objectives.values() for n in names
        }


def test_a_gap_is_marked(plan):
    week = plan.weeks["vgg"]
    words, *rest = week.objectives
    gap = dataclasses.replace(week, objectives={key: week.objectives[key] for key in rest})
    assert len(syllabus.gaps(gap)) == 1 and words in syllabus.gaps(gap)[0]
