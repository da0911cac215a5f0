"""What the tests of graded work share."""

from __future__ import annotations

import nbformat
import pytest

from book.teaching import course, weeks


@pytest.fixture(scope="session")
def plan() -> course.Course:
    """The book's own plan."""
    return course.read()


@pytest.fixture
def right():
    """Makes the notebook of a student who has everything right, as it is handed in: without hidden tests."""

    def make(student: str = "ada", week: str = "vgg"):
        teacher = weeks.teacher(week)
        notebook = weeks.handed_out(teacher)
        for name, cell in weeks.marked(teacher).items():
            if cell.metadata.nbgrader.solution:
                weeks.by_name(notebook, name).source = weeks.without_marks(cell.source).strip("\n")
        weeks.by_name(notebook, "student").source = f'STUDENT = "{student}"'
        return nbformat.from_dict(notebook)

    return make
