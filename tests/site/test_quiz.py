"""*Check yourself* answers at a click: by mouse, by keyboard, on paper, and as folded text where scripts are off."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from browsing import CHAPTERS, PAGES, ROOT, needs_browser, use_theme, violations, visit

from book import quiz

pytestmark = [pytest.mark.browser, needs_browser]

PLACEMENT = "book/placement"
FIRST = CHAPTERS[0]


def asked(name: str) -> list[quiz.Question]:
    source = ROOT / f"{name}.ipynb"
    return quiz.questions(source if source.exists() else ROOT / f"{name}.md")


def letters(words: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", unicodedata.normalize("NFKD", words))


def says(text: str, markdown: str) -> bool:
    """Whether a page's text has the words of the Markdown; formulae are looked at elsewhere."""
    return all(letters(re.sub(r"\]\([^)]*\)", "", part)) in letters(text) for part in markdown.split("$")[::2])


def said(question) -> str:
    return question.locator(".said").text_content()


@pytest.mark.parametrize("name", [*CHAPTERS, PLACEMENT])
def test_the_key_scores_everything_and_each_wrong_answer_shows_its_own_line(tab, name):
    questions = asked(name)
    visit(tab, name)
    boxes = tab.locator("fieldset.question")
    assert boxes.count() == len(questions) == (12 if name == PLACEMENT else 6)
    score = tab.locator("p.score[role=status]")
    for box, question in zip(boxes.all(), questions):
        assert score.text_content() == ""
        assert says(box.locator("legend").text_content(), question.text)
        box.locator("label").nth("abcd".index(question.right)).click()
        assert said(box).startswith(f"({question.right}) Right: ")
    assert score.text_content() == f"Right at the first try: {len(questions)} of {len(questions)}."
    for box, question in zip(boxes.all(), questions):
        for label, letter in zip(box.locator("label").all(), "abcd", strict=True):
            label.click()
            verdict = "Right" if letter == question.right else "Wrong"
            assert said(box).startswith(f"({letter}) {verdict}: ")
            assert says(said(box), question.reasons[letter])
    assert not tab.complaints


def test_only_the_first_try_counts(tab):
    visit(tab, FIRST)
    for box, question in zip(tab.locator("fieldset.question").all(), asked(FIRST)):
        for letter in ("a", question.right):
            box.locator("label").nth("abcd".index(letter)).click()
    right = sum(question.right == "a" for question in asked(FIRST))
    assert 0 < right < 6
    assert tab.locator("p.score").text_content() == f"Right at the first try: {right} of 6."


def test_the_keyboard_alone_answers_every_question(tab):
    """Arrow keys choose and do not answer; Enter does, or Space."""
    visit(tab, FIRST)
    tab.locator("#how-to-answer").click()
    boxes = tab.locator("fieldset.question")
    for k, (box, question) in enumerate(zip(boxes.all(), asked(FIRST))):
        tab.keyboard.press("Tab")
        assert box.locator("input").first.evaluate("input => input === document.activeElement")
        for _ in range("abcd".index(question.right)):
            tab.keyboard.press("ArrowDown")
            assert said(box) == ""
        tab.keyboard.press(("Enter", "Space")[k % 2])
        assert said(box).startswith(f"({question.right}) Right: ")
    assert tab.locator("p.score").text_content() == "Right at the first try: 6 of 6."


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", ["wide", "phone"])
def test_answered_questions_are_accessible(tab, axe_source, theme, width):
    visit(tab, PLACEMENT, width=width, theme=theme)
    use_theme(tab, theme)
    for k, box in enumerate(tab.locator("fieldset.question").all()):
        box.locator("label").nth(k % 4).click()
    hint = tab.locator("#how-to-answer")
    assert "Enter" in hint.text_content()
    assert tab.locator("fieldset.question").evaluate_all("all => all.every(f => f.ariaDescribedByElements?.[0]?.id)")
    assert tab.locator("fieldset.question .said:not([role=status])").count() == 0
    assert not violations(tab, axe_source)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_the_answers_are_folded_text(browser, address):
    context = browser.new_context(java_script_enabled=False, base_url=address)
    page = context.new_page()
    page.goto(f"{FIRST}.html#question-3")
    folds = page.locator("details.answers")
    assert page.locator("#check-yourself input").count() == 0 and folds.count() == 6
    names = folds.locator("summary").all_inner_texts()
    assert names == [f"Answers to question {k}" for k in range(1, 7)]
    assert page.locator("#question-3").is_visible()
    fold, question = folds.nth(2), asked(FIRST)[2]
    assert not fold.locator("li").first.is_visible()
    fold.locator("summary").click()
    assert says(fold.locator("li").nth(1).inner_text(), question.reasons["b"])
    context.close()


@pytest.mark.parametrize("name", [FIRST, PLACEMENT])
def test_paper_has_questions_and_answers_as_text(tab, name):
    from pypdf import PdfReader

    visit(tab, name)
    tab.locator("fieldset.question label").nth(1).click()
    tab.emulate_media(media="print")
    controls = tab.locator("fieldset.question input:visible, .said:visible, #how-to-answer:visible").count()
    paper = "".join(page.extract_text() for page in PdfReader(io.BytesIO(tab.pdf(format="A4"))).pages)
    tab.emulate_media(media="screen")
    assert controls == 0
    for question in asked(name):
        for words in (question.text, *question.answers.values(), *question.reasons.values()):
            assert says(paper, words), words


def test_only_pages_with_questions_load_the_script(soup):
    with_script = {name for name in PAGES if soup(name).select('script[src*="quiz.js"]')}
    assert with_script == {*CHAPTERS, PLACEMENT}
    assert (ROOT / "book" / "static" / "quiz.js").stat().st_size <= 3 * 1024
