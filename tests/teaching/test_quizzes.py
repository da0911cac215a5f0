"""The chapters' questions as a learning system gets them."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import pytest

from book import quiz
from book.networks import NETWORKS
from book.notebooks import CHAPTERS
from book.teaching import quizzes

qti_ns = "{http://www.imsglobal.org/xsd/ims_qtiasiv1p2}"


@pytest.mark.parametrize("chapter", NETWORKS)
def test_moodle_gives_full_marks_for_the_key_and_a_reason_for_every_answer(chapter):
    asked = ElementTree.fromstring(quizzes.moodle(chapter)).findall("question[@type='multichoice']")
    assert len(asked) == 6
    for entry, question in zip(asked, quiz.questions(CHAPTERS / f"{chapter}.ipynb"), strict=True):
        answers = entry.findall("answer")
        assert [answer.get("fraction") for answer in answers] == ["100" if x == question.right else "0" for x in "abcd"]
        assert all(answer.find("feedback/text").text.strip() for answer in answers)
        assert entry.find("single").text == "true"


@pytest.mark.parametrize("chapter", NETWORKS)
def test_qti_gives_full_marks_for_the_key_and_a_reason_for_every_answer(chapter):
    pytest.importorskip("text2qti", reason="text2qti is in the environment of graded work")
    package = quizzes.qti(chapter)
    assert package == quizzes.qti(chapter)
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        assert archive.testzip() is None and "imsmanifest.xml" in archive.namelist()
        (name,) = [n for n in archive.namelist() if "assessment_meta" not in n and "/text2qti" in n]
        items = ElementTree.fromstring(archive.read(name)).findall(f".//{qti_ns}item")
    assert len(items) == 6
    for item, question in zip(items, quiz.questions(CHAPTERS / f"{chapter}.ipynb"), strict=True):
        choices = [label.get("ident") for label in item.iter(f"{qti_ns}response_label")]
        scored = [c for c in item.iter(f"{qti_ns}respcondition") if c.find(f"{qti_ns}setvar") is not None]
        (right,) = [condition.find(f".//{qti_ns}varequal").text for condition in scored]
        assert choices.index(right) == "abcd".index(question.right)
        feedback = {f.get("linkrefid") for f in item.iter(f"{qti_ns}displayfeedback")}
        assert {f"{choice}_fb" for choice in choices} <= feedback


def test_a_question_in_another_form_is_named(tmp_path):
    page = tmp_path / "nin.md"
    page.write_text("## Check yourself\n\n**1. Why?**\n\n- (a) x\n- (b) y\n", encoding="utf-8")
    with pytest.raises(ValueError, match="nin, question 1 has not four answers"):
        quiz.questions(page)
