"""On paper: everything that the page holds, in light colours."""

from __future__ import annotations

import io
import re
import unicodedata

import pytest
from browsing import CHAPTERS, CHINESE_CHAPTERS, PAGES, needs_browser, use_theme, visit

pytestmark = [pytest.mark.browser, needs_browser]


# Chinese fonts have one picture for a letter and for the radical that looks like it, and the PDF names the radical.
RADICALS = "⻅见⻆角⻉贝⻋车⻓长⻔门⻘青⻙韦⻚页⻛风⻜飞⻝食⻢马⻤鬼⻥鱼⻦鸟⻨麦⻩黄⻬齐⻮齿⻰龙⻳龟⻁虎⻣骨"
LETTER_OF = str.maketrans(RADICALS[::2], RADICALS[1::2])


def letters(text: str) -> str:
    text = text.translate(LETTER_OF)
    return re.sub(r"[^0-9A-Za-z\u3400-\u9fff]", "", unicodedata.normalize("NFKD", text))  # ligatures are letters


def strange_fonts(reader) -> set[str]:
    """The fonts of a PDF that it does not carry: a reader's machine would have to have them."""
    missing = set()
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
            carried = {"/FontFile", "/FontFile2", "/FontFile3"} & set(inner.get("/FontDescriptor", {}))
            if font["/Subtype"] != "/Type3" and not carried:
                missing.add(str(font.get("/BaseFont")))
    return missing


@pytest.mark.parametrize("name", [*CHAPTERS, "book/results", "book/glossary", *CHINESE_CHAPTERS[:1]])
def test_paper_holds_what_the_page_holds(tab, name):
    """The PDF's text has every paragraph, list item and line of code, folded ones too."""
    from pypdf import PdfReader

    visit(tab, name)
    tab.emulate_media(media="print", color_scheme="light")
    reader = PdfReader(io.BytesIO(tab.pdf(format="A4")))
    tab.emulate_media(media="screen")
    assert not strange_fonts(reader)
    paper = letters("".join(page.extract_text() for page in reader.pages))
    blocks = tab.evaluate(
        "() => { const a = document.querySelector('article').cloneNode(true);"
        " a.querySelectorAll('mjx-container, .headerlink, .caption-number, script, style, button')"
        ".forEach(e => e.replaceWith('\\n'));"
        " return [...a.querySelectorAll('p, li, pre, summary')].filter(e => !e.querySelector('p, li, pre'))"
        ".flatMap(e => e.textContent.split('\\n')) }"
    )
    blocks = [text for text in map(letters, blocks) if len(text) > 8]
    assert len(blocks) > 20
    missing = [text for text in blocks if text not in paper]
    assert len(missing) < 0.01 * len(blocks), f"{len(missing)} of {len(blocks)} are not on paper: {missing[:8]}"


def test_printing_opens_what_is_folded_and_closes_it_again(tab):
    visit(tab, (CHAPTERS or PAGES)[0])
    shut = "document.querySelectorAll('article details:not([open])').length"
    before = tab.evaluate(shut)
    assert before > 0
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate(shut) == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(shut) == before


def test_a_dark_page_is_printed_light(tab):
    visit(tab, CHAPTERS[0], theme="dark")
    use_theme(tab, "dark")
    places = "'body', 'article section > p:not(.reading-time)', 'div.cell_input'"
    colours = f"[{places}].map(s => getComputedStyle(document.querySelector(s)))"
    level = "c => c.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3"
    script = f"{colours}.map((c, i) => ({level})(i == 1 ? c.color : c.backgroundColor))"
    dark = tab.evaluate(script)
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    page, text, cell = tab.evaluate(script)
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    tab.emulate_media(media="screen")
    assert dark[0] < 60 < 150 < dark[1]
    assert page > 240 and text < 60 and cell > 230
    assert tab.evaluate(script) == dark


def test_short_cells_stay_in_one_piece(tab):
    visit(tab, CHAPTERS[0])
    tab.emulate_media(media="print")
    cells = tab.evaluate(
        "[...document.querySelectorAll('div.cell_input')].map(e => [e.innerText.trim().split('\\n').length,"
        " getComputedStyle(e).breakInside])"
    )
    tab.emulate_media(media="screen")
    assert any(lines <= 20 for lines, _ in cells) and any(lines > 20 for lines, _ in cells)
    assert {rule for lines, rule in cells if lines < 20} == {"avoid"}
    assert {rule for lines, rule in cells if lines > 21} == {"auto"}
