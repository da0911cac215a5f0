"""The decks and notes: what the build refuses, and in a browser what is projected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from book._ext import site_math
from book.teaching import course, quoted, slides, weeks
from tests.site.browsing import CHROMIUM, needs_browser, violations

WEEKS = [name for name in course.read().weeks if (weeks.FOLDER / name / "slides.md").is_file()]
QUESTION = "## What? {asks=45f9d19b}\n\nGuess.\n\nNote:\nAsk.\n\n"
ANSWER = "## That {answers=45f9d19b}\n\n{{ value 45f9d19b test acc (\\S+) }}\n\nNote:\nSay.\n\n"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Folders of all decks and of all notes."""
    folder = tmp_path_factory.mktemp("class")
    slides.build(course.read().pick(), folder / "slides", folder / "staff" / "notes")
    yield folder
    site_math.stop_engine()


@pytest.fixture
def written(monkeypatch, tmp_path):
    """Builds a deck with these slides between a question and its answer, as the week ``vgg``."""

    def write(text: str, question: str = QUESTION, answer: str = ANSWER) -> list[slides.Slide]:
        (tmp_path / "vgg").mkdir(exist_ok=True)
        (tmp_path / "vgg" / "slides.md").write_text(question + text + answer, encoding="utf-8")
        monkeypatch.setattr(weeks, "FOLDER", tmp_path)
        return slides.deck("vgg", {}, set())

    return write


def shown(body: str) -> str:
    return f"## Shown\n\n{body}\n\nNote:\nSay.\n\n"


# ---- what is quoted --------------------------------------------------------------------------------------------------


def test_numbers_figures_and_outputs_are_the_chapters(built):
    """Every number of the nine decks that looks measured stands in a chapter or in the week's assignment."""
    assert len(WEEKS) == 9
    chapters = "".join(
        (course.ROOT / "chapters" / f"{name}.ipynb").read_text(encoding="utf-8") for name in WEEKS if name != "week0"
    )
    for name in WEEKS:
        text = chapters + (weeks.FOLDER / name / "assignment.ipynb").read_text(encoding="utf-8")
        for page in (built / "slides" / f"{name}.html", built / "staff" / "notes" / f"{name}.html"):
            soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
            for element in soup.select("style, script, mjx-container, p code"):
                element.decompose()
            numbers = set(re.findall(r"\d+\.\d+|\d{1,3}(?:,\d{3})+", soup.get_text(" ")))
            assert len(numbers) > 5
            assert not {number for number in numbers if number not in text}, page


def test_a_value_is_the_group_that_the_pattern_finds(written):
    assert "<p>0.920</p>" in written("")[-1].html


def test_code_is_the_named_function_with_its_steps(written):
    lines = BeautifulSoup(written(shown("{{ code 5e70e488 vgg_block steps 5,6-7 }}"))[1].html, "html.parser").select(
        ".line"
    )
    assert [line.get("data-fragment-index") for line in lines] == [None] * 4 + ["0", "1", "1", None]
    assert lines[0].text == "def vgg_block(num_convs, in_channels, out_channels):"


def test_a_tables_rows_come_from_the_cells_text(written):
    table = BeautifulSoup(written(shown("{{ table vgg-depth-idea }}"))[1].html, "html.parser").table
    assert table.select("tr")[1].td.text == "A (VGG-11)"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{{ figure gone }}", "has no cell 'gone'"),
        ("{{ figure resnett:gone }}", "no chapter 'resnett'"),
        ("{{ figure 45f9d19b }}", "one stored picture with alternative text"),
        ("{{ value 75f1fe57 x }}", "has printed nothing"),
        ("{{ value f4f1fdc1 weights }}", "finds nothing in cell 'f4f1fdc1'"),
        (r"{{ value f4f1fdc1 vgg\d+ }}", "one text is needed"),
        ("{{ code 19b20131 }}", "18 lines of cell '19b20131': a slide shows 12 at most"),
        ("{{ code 5e70e488 vgg }}", "defines no 'vgg'"),
        ("{{ code 5e70e488 7-9 }}", "has 8 lines, not 7-9"),
        ("{{ code 5e70e488 1-3 steps 4 }}", "lies outside the lines shown"),
        ("{{ output 3e9473ae }}", "a slide shows 12 at most"),
        ("{{ table 1fbfde30 }}", "holds 0 tables"),
        ("{{ anchors explain_logits }}", "not on slides"),
        ("{{ picture 642ca397 }}", "there are value, figure"),
        ("```python\nx = 1\n```", "code comes from the chapter"),
        ("accuracy 0.91", "'0.91' is written by hand"),
        ("grows by 8 %", "'8 %' is written by hand"),
        (r"$\frac{1$", "a formula that TeX cannot read"),
        ("word " * 41, "41 words, 40 at most"),
    ],
)
def test_what_cannot_be_built_is_said_with_deck_slide_and_cell(written, body, message):
    with pytest.raises(quoted.Wrong, match=rf"vgg/slides\.md, slide 2 \(Shown\): .*{re.escape(message)}"):
        written(shown(body))


def test_a_figure_without_alternative_text_is_refused(written, monkeypatch):
    bare = quoted.cells("vgg")["642ca397"] | {"metadata": {}}
    monkeypatch.setitem(quoted.cells("vgg"), "642ca397", bare)
    with pytest.raises(quoted.Wrong, match=r"'642ca397': a figure is one stored picture with alternative text"):
        written(shown("{{ figure 642ca397 }}"))


def test_words_are_counted_without_code_figures_formulae_and_quoted_tables(written):
    quoted_parts = "{{ table vgg-depth-idea }}\n\n{{ code 5e70e488 }}\n\n$a + b$"
    assert len(written(shown("word " * 40 + "\n\n" + quoted_parts))) == 3


def test_thirty_slides_are_the_most(written):
    assert len(written(shown("Text.") * 28)) == 30
    with pytest.raises(quoted.Wrong, match="has 31 slides"):
        written(shown("Text.") * 29)


def test_a_slide_without_notes_is_refused(written):
    with pytest.raises(quoted.Wrong, match=r"slide 2 \(Bare\): no speaker notes"):
        written("## Bare\n\nText.\n\n")


def test_an_answer_before_its_question_is_refused(written):
    with pytest.raises(quoted.Wrong, match="asked on slide 2, answered on slide 1: the question comes first"):
        written("", question=ANSWER, answer=QUESTION)


def test_an_answer_shown_before_its_slide_is_refused(written):
    with pytest.raises(quoted.Wrong, match=r"slide 2 \(Shown\): shows the output of 'vgg:45f9d19b'"):
        written(shown("{{ output 45f9d19b }}"))


def test_a_question_that_is_never_answered_is_refused(written):
    with pytest.raises(quoted.Wrong, match="answered on slide None"):
        written("", answer=shown("Text."))
    with pytest.raises(quoted.Wrong, match="asks nothing"):
        written("", question=shown("Text."), answer="")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("## 8–20 min", "## 9–20 min", "does not follow on minute 8"),
        ("slides 4–7", "slides 5–7", "does not follow on minute 8, slide 3"),
        ("## 86–90 min", "## 86–88 min", "ends at minute 88"),
        ("{asks=278059a1}", "", "the notes prepare"),
        ("## Marking", "## Marks", "no '## Marking'"),
        ("{{ anchors explain_curves }}", "", "no anchors for explain_curves"),
        ("3. The head", "The head", "has 2 numbered questions"),
        ("seven predictions", "0.9 predictions", "'0.9' is written by hand"),
        ("ef211f85 run 2", "ef211f85 run 3", "finds nothing in cell 'ef211f85'"),
    ],
)
def test_notes_with_a_gap_are_refused(monkeypatch, old, new, message):
    deck = slides.deck("vgg", {}, set())
    text = (weeks.FOLDER / "vgg" / "notes.md").read_text(encoding="utf-8")
    assert old in text
    read = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda p, **k: text.replace(old, new) if p.name == "notes.md" else read(p, **k)
    )
    with pytest.raises(quoted.Wrong, match=rf"vgg/notes\.md: .*{re.escape(message)}"):
        slides.notes("vgg", deck, set())


def test_a_rebuild_gives_the_same_bytes(built, tmp_path):
    slides.build(course.read().pick(), tmp_path / "slides", tmp_path / "staff" / "notes")
    first, second = (
        {f.relative_to(folder): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        for folder in (built, tmp_path)
    )
    assert first == second and len(first) > 10


def test_notes_stay_with_the_lecturer(built):
    """No deck holds the anchors of an answer that is marked."""
    for name in WEEKS:
        for anchor in re.findall(r"\*\*2 points\*\*: (.{40})", (weeks.FOLDER / name / "assignment.ipynb").read_text()):
            assert anchor not in (built / "slides" / f"{name}.html").read_text(encoding="utf-8")


# ---- what is projected -----------------------------------------------------------------------------------------------

LOOK = """() => {
  const problems = [], slide = Reveal.getCurrentSlide().querySelector(".slide");
  for (const e of slide.querySelectorAll("*")) {
    if (e.closest("mjx-container") && e.tagName !== "MJX-CONTAINER") continue;
    const box = e.getBoundingClientRect();
    if (box.width && (box.left < 0 || box.top < 0 || box.right > 1280 || box.bottom > 690))
      problems.push(`${e.tagName} reaches ${Math.round(box.right)}, ${Math.round(box.bottom)}`);
    const says = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (says && parseFloat(getComputedStyle(e).fontSize) < 28) problems.push(`small: ${e.textContent.slice(0, 40)}`);
  }
  for (const e of slide.querySelectorAll("pre, td, th, p, li"))
    if (e.scrollWidth > e.clientWidth + 1) problems.push(`too wide: ${e.textContent.slice(0, 40)}`);
  for (const e of slide.querySelectorAll("img")) {
    if (!e.alt || !e.naturalWidth) problems.push(`no picture or no alternative text: ${e.src}`);
    if (e.getBoundingClientRect().height < 200) problems.push(`a figure squeezed flat: ${e.src}`);
  }
  return problems;
}"""


@pytest.fixture(scope="session")
def screen(built):
    """A projector: 1280 × 720, without a network, and a record of what a deck asked for or complained of."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
        page.complaints = []
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        inside = (built.as_uri(), "data:", "about:blank")
        page.on("request", lambda r: r.url.startswith(inside) or page.complaints.append(f"asks for {r.url}"))
        yield page
        browser.close()


@pytest.fixture(scope="session")
def axe_source() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("name", WEEKS)
def test_a_deck_on_the_projector(built, screen, axe_source, name):
    """By keyboard through all slides and steps: nothing overflows, is small, lacks a name or asks the network."""
    screen.complaints.clear()
    screen.goto((built / "slides" / f"{name}.html").as_uri())
    screen.wait_for_function("Reveal.isReady()")
    # reveal.js paints each slide a second time behind it; axe-core would take that for what covers the words
    screen.add_style_tag(content=".backgrounds { display: none !important }")
    problems, seen = [], set()
    while True:
        number = screen.evaluate("Reveal.getIndices().h") + 1
        if number not in seen:
            seen.add(number)
            problems += [f"slide {number}: {line}" for line in screen.evaluate(LOOK)]
            problems += [f"slide {number}: {line}" for line in violations(screen, axe_source)]
        if screen.evaluate("Reveal.isLastSlide() && !Reveal.availableFragments().next"):
            break
        screen.keyboard.press("Space")
    assert seen == set(range(1, screen.evaluate("Reveal.getTotalSlides()") + 1))
    assert not problems + screen.complaints


@needs_browser
@pytest.mark.browser
def test_index_handout_and_speaker_view(built, screen, axe_source):
    screen.complaints.clear()
    screen.goto((built / "slides" / "index.html").as_uri())
    assert violations(screen, axe_source) == []
    decks = [link["href"] for link in BeautifulSoup(screen.content(), "html.parser").select("a")]
    assert decks == [f"{name}.html{view}" for name in WEEKS for view in ("", "?view=print")]
    screen.evaluate("window.print = () => 0")
    screen.goto((built / "slides" / "vgg.html").as_uri())
    with screen.expect_popup() as popup:
        screen.keyboard.press("s")
    popup.value.wait_for_function(
        "document.querySelector('.speaker-controls-notes .value').textContent.includes('predictions')"
    )
    popup.value.close()
    screen.add_init_script("window.print = () => { window.printed = true }")
    screen.goto((built / "slides" / "vgg.html").as_uri() + "?view=print")
    screen.wait_for_function("window.printed")
    import io

    import pypdf

    pages = pypdf.PdfReader(io.BytesIO(screen.pdf(prefer_css_page_size=True))).pages
    titles = [re.sub(r"<[^>]+>", "", slide.heading) for slide in slides.deck("vgg", {}, set())]
    squeezed = [re.sub(r"\W", "", page.extract_text()) for page in pages]
    assert len(pages) == len(titles)
    assert all(re.sub(r"\W", "", title) in page for title, page in zip(titles, squeezed, strict=True))
    assert screen.complaints == []
