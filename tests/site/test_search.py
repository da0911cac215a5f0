"""What readers look for, and where the search sends them first."""

from __future__ import annotations

import json
import re

import pytest
from browsing import CHINESE, PAGES, ask, needs_browser

pytestmark = pytest.mark.browser

# The words, and the page or section that must come first; of several, one.
QUERIES = {
    "1×1": "chapters/nin.html",
    "1x1 convolution": "chapters/nin.html",
    "inception": "chapters/googlenet.html",
    "vanishing gradient": "chapters/resnet.html",
    "out of memory": "book/running.html#when-memory",
    "receptive field": ("book/glossary.html#term-receptive-field", "chapters/vgg.html"),
    "exercise": "#exercises",
    "batch norm momentum": "chapters/batch_norm.html",
    "dropout": "chapters/alexnet.html",
    "colab": "book/running.html#in-colab",
    "growth rate": ("book/glossary.html#term-growth-rate", "chapters/densenet.html"),
    "pre-activation": "chapters/resnet.html#pre-activation",
    "bottleneck": ("chapters/resnet.html#the-bottleneck", "chapters/densenet.html#bottleneck"),
    "four branches": "chapters/googlenet.html",
    "cheques": "chapters/lenet.html",
    "global average pooling": (
        "book/glossary.html#term-global-average-pooling",
        "chapters/nin.html",
        "book/errata.html#max-pooling",
    ),
    "sigmoid": "chapters/lenet.html",
    "skip connection": ("book/glossary.html#term-residual-connection", "chapters/resnet.html"),
    "multiply-adds": "chapters/",
    "Fashion-MNIST": "chapters/lenet.html#fashion-mnist",
}


def results(tab, query: str) -> list[dict]:
    tab.complaints.clear()
    tab.goto(f"search.html?q={query}")
    tab.wait_for_selector("#search-results [role=status]")
    return tab.locator("#search-results li").evaluate_all(
        "items => items.map(i => ({href: i.querySelector('a').href, title: i.querySelector('a').innerText,"
        " text: i.querySelector('p').innerText, marks: i.querySelectorAll('mark').length}))"
    )


@needs_browser
@pytest.mark.parametrize("query", QUERIES)
def test_the_first_answer(tab, query):
    found = results(tab, query)
    wanted = QUERIES[query] if isinstance(QUERIES[query], tuple) else (QUERIES[query],)
    first = re.sub(r"\?highlight=[^#]*", "", found[0]["href"])
    assert any(address in first for address in wanted), [result["href"] for result in found[:4]]
    assert found[0]["marks"] > 0, found[0]
    assert not re.search("On this page|Skip to main|\\\\times", found[0]["text"])
    assert not tab.complaints


@needs_browser
def test_an_answer_leads_to_its_section_with_the_words_marked(tab):
    results(tab, "dropout")
    tab.locator("#search-results li a").first.click()
    tab.wait_for_url("**/chapters/alexnet.html*#*")
    top = tab.evaluate("document.getElementById(location.hash.slice(1)).getBoundingClientRect().top")
    assert abs(top) < 400, f"the section is {top} pixels away"
    marked = tab.evaluate("[...CSS.highlights.get('search')].map(range => range.toString().toLowerCase())")
    assert len(marked) > 5 and all(word.startswith("dropout") for word in marked)
    tab.keyboard.press("Escape")
    assert not tab.evaluate("CSS.highlights.has('search')")


@needs_browser
def test_nothing_found_is_said(tab):
    assert results(tab, "marsupial tractor") == []
    assert "No section" in tab.inner_text("#search-results")


@needs_browser
def test_searching_from_a_chapter(tab):
    ask(tab, PAGES[1], "inception")
    tab.wait_for_url("**/search.html?q=inception")
    tab.wait_for_selector("#search-results li a")


@pytest.mark.parametrize(("data", "names"), [("search-data", PAGES), ("search-data-zh", CHINESE)])
def test_every_section_can_be_found(site, soup, data, names):
    """Every page of a language is in its data, no other is, and every address in the data is a section of its page."""
    text = (site / "_static" / f"{data}.js").read_text(encoding="utf-8")
    rows = json.loads(re.search(r"SECTIONS = (.*);", text)[1])
    assert {row[0] for row in rows} == {f"{page}.html" for page in names}
    for page in names:
        anchors = {row[1] for row in rows if row[0] == f"{page}.html"}
        missing = [anchor for anchor in anchors if not soup(page).find(id=anchor)]
        assert not missing, missing
