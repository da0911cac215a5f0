"""The Chinese pages: each beside its English one, with nothing left in English around its text."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from browsing import CHAPTERS, CHINESE, CHINESE_CHAPTERS, CONFIG, PAGES, ROOT, ask, needs_browser, visit
from bs4 import BeautifulSoup

from book import quiz
from book.zh.catalogue import translated

pytestmark = pytest.mark.browser

HAN = re.compile("[\u3400-\u9fff]")
BASE = CONFIG["html"]["baseurl"]
# What Chinese readers look for, and where it must lead first; of several places, one.
QUERIES = {
    "批量规范化": "chapters/zh/batch_norm.html",
    "批量归一化": "chapters/zh/batch_norm.html",
    "残差": "chapters/zh/resnet.html",
    "感受野": ("book/zh/glossary.html#term-receptive-field", "chapters/zh/vgg.html"),
    "梯度消失": ("book/zh/glossary.html#term-vanishing-gradient", "chapters/zh/resnet.html"),
    "学习率": ("chapters/zh/", "book/zh/glossary.html#term-learning-rate"),
    "1×1 卷积": "chapters/zh/nin.html",
    "1x1 convolution": "chapters/zh/nin.html",
    "池化": "chapters/zh/",
    "暂退法": "chapters/zh/alexnet.html",
    "支票": "chapters/zh/lenet.html",
    "怎样选择学习率": "",
}


def english(name: str) -> str:
    return name.replace("/zh/", "/")


def hreflangs(page: BeautifulSoup) -> dict[str, str]:
    return {link["hreflang"]: link["href"] for link in page.select("head link[hreflang]")}


def test_every_catalogue_has_its_page():
    pages = [path.relative_to(ROOT).with_suffix("").as_posix() for path in translated() if path.suffix != ".js"]
    assert {english(name) for name in CHINESE} == set(pages)


@pytest.mark.parametrize("name", CHINESE)
def test_a_page_and_its_counterpart_link_each_other(soup, name):
    here, there = soup(name), soup(english(name))
    assert (here.html["lang"], there.html["lang"]) == ("zh-CN", "en")
    for page, own, other in ((here, name, english(name)), (there, english(name), name)):
        (switch,) = page.select("a.other-language")
        assert urljoin(f"/{own}.html", switch["href"]) == f"/{other}.html"
        assert hreflangs(page) == {"en": f"{BASE}{english(name)}.html", "zh-CN": f"{BASE}{name}.html"}
    assert here.select_one("a.other-language").text == "English"
    assert there.select_one("a.other-language").text == "中文"


@pytest.mark.parametrize("name", [page for page in PAGES if page.replace("/", "/zh/") not in CHINESE])
def test_a_page_without_chinese_offers_none(soup, name):
    assert not soup(name).select("a.other-language, link[hreflang]")


@pytest.mark.parametrize("name", CHINESE)
def test_headings_have_the_english_addresses(soup, name):
    here, there = ([e["id"] for e in soup(n).select("article section")] for n in (name, english(name)))
    assert here == there and len(here) > 0


@pytest.mark.parametrize("name", [*CHINESE, "zh/search"])
def test_what_stands_around_the_text_is_chinese(soup, name):
    """Buttons, tooltips, sidebar, footer and what our own programs write; names and code stay as they are."""
    page = BeautifulSoup(str(soup(name)), "html.parser")
    for element in page.select(
        "pre, code, script, style, .cell_output, [lang=en], mjx-container, #references, noscript"
    ):
        element.decompose()
    said = [e[key] for e in page.find_all(True) for key in ("title", "aria-label", "placeholder") if e.get(key)]
    around = page.select("nav, .bd-sidebar, .bd-header-article, footer, summary, .reading-time, .btn, .headerlink")
    said += [text for element in around for text in element.stripped_strings]
    words = re.compile(r"\b[a-z]{3,}\b")
    left = {s for s in said if words.search(s) and not HAN.search(s)}
    names = {"softmax", "logits", "dropout", "torchvision", "d2ltorch", "ipynb", "pdf"}
    left = {
        s
        for s in left
        if not set(words.findall(s)) <= names and not re.search(r"^\w+\.[\w.]+$|\bd2ltorch\b.*authors", s)
    }
    assert not left


@pytest.mark.parametrize("name", CHINESE)
def test_sidebar_next_and_previous_stay_in_the_language(soup, name):
    for page, own in ((name, True), (english(name), False)):
        sidebar = soup(page).select("nav.bd-docs-nav a")
        links = [a for a in sidebar if not a.find_parent(lang="en")] + soup(page).select(".prev-next-area a")
        found = {urljoin(f"/{page}.html", a["href"]).strip("/").removesuffix(".html") for a in links}
        found = {name.split("#")[0].removesuffix(".html") for name in found}
        assert found <= set(CHINESE if own else PAGES), found
        listed = {urljoin(f"/{page}.html", a["href"]).strip("/").removesuffix(".html") for a in sidebar}
        assert len(listed) == len(PAGES), "every page of the book is in the sidebar, in one language"


@needs_browser
def test_the_switch_keeps_the_place(tab):
    name = CHINESE_CHAPTERS[0]
    visit(tab, name)
    tab.locator("#pst-page-toc-nav a").nth(3).click()
    anchor = tab.evaluate("location.hash")
    tab.wait_for_function("document.querySelector('#pst-page-toc-nav a.active')")
    tab.locator("a.other-language").click()
    tab.wait_for_url(f"**/{english(name)}.html#*")
    assert tab.evaluate("document.documentElement.lang") == "en"
    tab.locator("a.other-language").click()
    tab.wait_for_url(f"**/{name}.html#*")
    assert anchor.startswith("#") and tab.evaluate("document.getElementById(location.hash.slice(1)) !== null")


@needs_browser
def test_chinese_is_set_as_chinese(tab):
    """Nothing Chinese slants, lines are of 30 to 42 letters, and the letters stand apart."""
    visit(tab, CHINESE_CHAPTERS[0])
    slanted = tab.evaluate(
        "[...document.querySelectorAll('article *')].filter(e => getComputedStyle(e).fontStyle == 'italic')"
        ".filter(e => [...e.childNodes].some(n => n.nodeType == 3 && /\\p{Script=Han}/u.test(n.data)))"
        ".map(e => e.outerHTML)"
    )
    assert not slanted
    letters, leading = tab.evaluate(
        "() => { const p = document.querySelector('article section > p:not(.reading-time)');"
        " const s = getComputedStyle(p); return [p.getBoundingClientRect().width / parseFloat(s.fontSize),"
        " parseFloat(s.lineHeight) / parseFloat(s.fontSize)] }"
    )
    assert 30 < letters < 42 and leading > 1.7


@needs_browser
@pytest.mark.parametrize("query", QUERIES)
def test_the_first_answer(tab, query):
    wanted = QUERIES[query] if isinstance(QUERIES[query], tuple) else (QUERIES[query],)
    if not all(place.endswith("/") or not place or place.split(".html")[0] in CHINESE for place in wanted):
        pytest.skip(f"{wanted} is not in Chinese yet")
    tab.complaints.clear()
    tab.goto(f"zh/search.html?q={query}")
    tab.wait_for_selector("#search-results [role=status]")
    found = tab.locator("#search-results li").evaluate_all(
        "items => items.map(i => [i.querySelector('a').href, i.querySelector('p').innerText,"
        " i.querySelectorAll('mark').length])"
    )
    address, text, marks = found[0]
    assert any(place in re.sub(r"\?highlight=[^#]*", "", address) for place in wanted), [row[0] for row in found[:4]]
    assert marks > 0 and HAN.search(text) and "\\times" not in text
    assert not tab.complaints


@needs_browser
def test_an_answer_leads_to_its_section_with_the_words_marked(tab):
    tab.goto("zh/search.html?q=卷积")
    tab.locator("#search-results li a").first.click()
    tab.wait_for_url("**/zh/*.html*#*")
    assert tab.evaluate("document.getElementById(location.hash.slice(1)) !== null")
    marked = tab.evaluate("[...CSS.highlights.get('search')].map(range => range.toString())")
    assert len(marked) > 5 and set(marked) == {"卷积"}


@needs_browser
def test_chinese_pages_search_in_chinese(tab):
    ask(tab, CHINESE_CHAPTERS[0], "袋鼠开拖拉机")
    tab.wait_for_url("**/zh/search.html?q=*")
    assert "没有哪一节" in tab.inner_text("#search-results [role=status]")


@needs_browser
def test_questions_answer_in_chinese(tab):
    name = CHINESE_CHAPTERS[0]
    visit(tab, name)
    questions = quiz.questions(ROOT / f"{english(name)}.ipynb")
    for box, question in zip(tab.locator("fieldset.question").all(), questions, strict=True):
        box.locator("label").nth("abcd".index(question.right)).click()
        assert box.locator(".said").text_content().startswith(f"({question.right}) 正确：")
    assert tab.locator("p.score").text_content() == f"{len(questions)} 题中，第一次就答对 {len(questions)} 题。"


@needs_browser
@pytest.mark.skipif("book/zh/glossary" not in CHINESE, reason="the glossary is not in Chinese yet")
def test_a_word_of_the_glossary_says_what_it_means_in_chinese(tab):
    visit(tab, CHINESE_CHAPTERS[0])
    word = tab.locator("a.term").first
    assert HAN.search(word.inner_text()) and "book/zh/glossary.html#term-" in word.evaluate("a => a.href")
    word.scroll_into_view_if_needed()
    word.focus()
    tip = tab.locator(".tooltip")
    tip.wait_for()
    assert len(HAN.findall(tip.inner_text())) > 8
    tab.evaluate("document.activeElement.blur()")


@needs_browser
@pytest.mark.skipif("book/zh/live" not in CHINESE, reason="LeNet, live is not in Chinese yet")
def test_lenet_live_computes_the_same_and_speaks_chinese(tab):
    numbers, words = {}, ""
    for name in ("book/live", "book/zh/live"):
        visit(tab, name)
        tab.locator("#live .verdict strong").wait_for()
        tab.locator("#live .stage-7 .map").focus()
        tab.keyboard.press("Enter")
        numbers[name] = tab.locator("#live data").evaluate_all("all => all.map(e => e.value)")
        words = tab.locator("#live").evaluate(
            "e => [...e.querySelectorAll('[aria-label], [title]')].map(x => `${x.ariaLabel}\\n${x.title}`).join('\\n')"
            " + '\\n' + e.innerText"
        )
        assert not tab.complaints
    assert len(numbers["book/live"]) > 30 and numbers["book/live"] == numbers["book/zh/live"]
    names = {"sigmoid", "logit", "logits", "elogit", "thread", "threads"}  # the ledger's words for a device, too
    left = {word for word in re.findall(r"\b[a-z]{3,}\b", words) if word not in names and not re.search(r"\d", word)}
    assert not left, left


def test_shared_pictures_are_there_once(soup):
    """A Chinese chapter shows the very files of the English one."""
    for name in CHINESE_CHAPTERS:
        ours, theirs = (
            {urljoin(f"/{n}.html", i["src"]) for i in soup(n).select("article img")} for n in (name, english(name))
        )
        assert ours == theirs and len(ours) > 3


def test_the_order_of_the_chapters_is_the_english_one(soup):
    walked = [CHINESE[0]]
    while link := soup(walked[-1]).select_one("a.right-next"):
        walked.append(urljoin(f"/{walked[-1]}.html", link["href"]).strip("/").removesuffix(".html"))
    assert walked == CHINESE and [english(name) for name in walked if name in CHINESE_CHAPTERS] == [
        name for name in CHAPTERS if name.replace("/", "/zh/") in CHINESE
    ]
