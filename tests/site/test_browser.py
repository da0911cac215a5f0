"""Every page of the built site in a real browser: at three widths, in both themes."""

from __future__ import annotations

import re

import pytest
from browsing import (
    CHAPTERS,
    CHINESE,
    CHINESE_CHAPTERS,
    MISSING,
    PAGES,
    SITE,
    WIDTHS,
    fold_problems,
    needs_browser,
    use_theme,
    violations,
    visit,
)

pytestmark = [pytest.mark.browser, needs_browser]


SOME_CHINESE = [page for page in CHINESE if page in ("book/zh/intro", "chapters/zh/lenet", "book/zh/results")]


@pytest.mark.parametrize("name", [*PAGES, *SOME_CHINESE, "search", "zh/search", "genindex", MISSING])
def test_page_in_the_browser(tab, axe_source, name):
    """Nothing fails to load, folds open, nothing is wider than the screen, WCAG 2.1 AA holds."""
    visit(tab, name)
    problems = list(tab.complaints)
    if name == MISSING:
        assert "not found" in tab.title().lower() or "404" in tab.inner_text("article"), tab.title()
        home = tab.locator("a.navbar-brand").first
        assert tab.request.get(home.evaluate("a => a.href")).status == 200
        problems += tab.evaluate(
            "getComputedStyle(document.querySelector('.bd-main')).display != 'flex' ? ['unstyled'] : []"
        )
    if name in CHAPTERS or name in CHINESE_CHAPTERS:
        problems += fold_problems(tab)
        cells = tab.locator("div.cell_input div.highlight").count()
        buttons = tab.locator("div.cell_input button.copybtn").count()
        if not 0 < cells == buttons:
            problems.append(f"{cells} code cells, {buttons} copy buttons")
        tab.set_viewport_size({"width": 1280, "height": 900})
        problems += tab.evaluate(
            "() => [...document.querySelectorAll('div.cell_input pre')]"
            # the first reading lays out what was far from the screen
            ".map(e => [e, e.scrollWidth][0])"
            ".filter(e => !e.closest('details') && e.scrollWidth > e.clientWidth + 1)"
            ".map(e => `code that scrolls sideways at 1280: ${e.textContent.slice(0, 80)}`)"
        )
    if tab.locator("mjx-merror").count():
        problems.append("a formula that TeX cannot read")
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    for label, width in WIDTHS.items():
        tab.set_viewport_size({"width": width, "height": 900})
        found = tab.evaluate("document.documentElement.scrollWidth")
        if found > width:
            problems.append(f"{label}: the page is {found} pixels wide")
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('.figure-scroll > img')]"
        ".filter(i => i.getBoundingClientRect().width < Math.min(600, i.getAttribute('width')) - 2)"
        ".map(i => `phone: ${i.src.slice(-60)} is narrower than 600 pixels`)"
    )
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('article img')]"
        ".filter(i => !i.closest('.figure-scroll') && i.getBoundingClientRect().width > innerWidth)"
        ".map(i => `phone: ${i.src} is wider than the screen`)"
    )
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('article img')]"
        ".filter(i => i.naturalWidth && getComputedStyle(i).objectFit == 'fill')"
        ".filter(i => Math.abs(i.width / i.height * i.naturalHeight / i.naturalWidth - 1) > 0.05)"
        ".map(i => `phone: ${i.src.slice(-60)} is out of proportion`)"
    )
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('.prev-next-area a')]"
        ".filter(a => a.scrollWidth > a.clientWidth)"
        ".map(a => `phone: the link to ${a.title || a.innerText} is cut off`)"
    )
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('article span.math')].filter(f => f.nextSibling?.nodeType == 3)"
        ".filter(f => /^[.,;:!?)，。；：！？、）]/.test(f.nextSibling.data)).filter(f => {"
        " const sign = document.createRange(); sign.setStart(f.nextSibling, 0); sign.setEnd(f.nextSibling, 1);"
        " const [box, next] = [f, sign].map(e => e.getBoundingClientRect());"
        " return next.width && next.left < box.left && next.top > box.top })"
        ".map(f => `phone: a line begins with the sign after ${f.innerText}`)"
    )
    # One of each kind of code token is tested below; thousands would take most of the time.
    tab.evaluate(
        "document.querySelectorAll('div.highlight pre, mjx-container').forEach(e => { e.textContent = e.textContent })"
    )
    problems += [f"light phone, {line}" for line in violations(tab, axe_source)]
    tab.set_viewport_size({"width": WIDTHS["wide"], "height": 900})
    use_theme(tab, "dark")
    problems += [f"dark wide, {line}" for line in violations(tab, axe_source, True)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_colours(site, tab, axe_source, theme):
    """Every kind of code token in the book, once, on the background of a code cell."""
    kinds = sorted(
        {
            kind
            for name in CHAPTERS
            for kind in re.findall(r'<span class="(\w{1,3})">', (site / f"{name}.html").read_text(encoding="utf-8"))
        }
    )
    visit(tab, (CHAPTERS or PAGES)[0], theme=theme)
    use_theme(tab, theme)
    tab.evaluate(
        "kinds => { document.querySelector('div.cell_input div.highlight pre').innerHTML ="
        " kinds.map(k => `<span class=\"${k}\">word</span>`).join(' ');"
        " document.querySelector('article').replaceChildren(document.querySelector('div.cell')) }",
        kinds,
    )
    assert not violations(tab, axe_source, only_colours=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_formulae_are_accessible(tab, axe_source, theme):
    """The chapter with the most formulae, as readers get it."""
    name = max(PAGES, key=lambda page: (SITE / f"{page}.html").read_text(encoding="utf-8").count("<mjx-container"))
    visit(tab, name, theme=theme)
    use_theme(tab, theme)
    assert tab.locator("mjx-container mjx-assistive-mml").count() == tab.locator("mjx-container").count() > 0
    tab.evaluate("document.querySelectorAll('div.highlight pre').forEach(e => { e.textContent = e.textContent })")
    assert not violations(tab, axe_source)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_button_and_contrast(tab, theme):
    visit(tab, PAGES[0], theme=theme)
    use_theme(tab, theme)
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.locator("button.theme-switch-button:visible").first.click()
    mode = tab.evaluate("document.documentElement.dataset.mode")
    assert mode in {"light", "dark"}
    chosen = tab.evaluate("document.documentElement.dataset.theme")
    after = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert chosen == mode and (after == before) == (mode == theme), f"{mode} chosen: {before} became {after}"
    tab.evaluate("localStorage.clear()")
    level = sum(int(n) for n in re.findall(r"\d+", before)[:3]) / 3
    assert (level > 200) == (theme == "light"), f"{theme}: background {before}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_copy_button_copies_the_code(tab, name):
    visit(tab, name)
    cell = tab.locator("div.cell_input div.highlight").first
    cell.hover()
    cell.locator("button.copybtn").click()
    tab.wait_for_function("navigator.clipboard.readText().then(text => text.length > 0)")
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


def test_next_and_previous_by_clicking(tab):
    visit(tab, PAGES[0])
    tab.locator("a.right-next").click()
    tab.wait_for_url(f"**/{PAGES[1]}.html")
    tab.locator("a.left-prev").click()
    tab.wait_for_url(f"**/{PAGES[0]}.html")


def test_keyboard_reaches_search_content_and_buttons(tab):
    visit(tab, (CHAPTERS or PAGES)[0])
    wanted = {
        "the link that skips to the text": "#pst-skip-link a",
        "the theme button": "button.theme-switch-button",
        "the Colab menu": ".dropdown-launch-buttons button",
        "a code cell": "div.cell pre, div.cell .copybtn",
    }
    reached = set()
    for _ in range(80):
        tab.keyboard.press("Tab")
        reached |= set(
            tab.evaluate("wanted => Object.keys(wanted).filter(k => document.activeElement.matches(wanted[k]))", wanted)
        )
        if len(reached) == len(wanted):
            break
    assert reached == set(wanted)
    positive = tab.evaluate("[...document.querySelectorAll('[tabindex]')].filter(e => e.tabIndex > 0).length")
    assert positive == 0, "a positive tabindex takes the keyboard out of reading order"


def test_prose_has_a_readable_measure_and_code_has_room(tab):
    visit(tab, CHAPTERS[0])
    widths = tab.evaluate(
        "[...document.querySelectorAll('article section > p')].map(p => p.getBoundingClientRect().width)"
    )
    code = tab.evaluate("document.querySelector('div.cell_input').getBoundingClientRect().width")
    assert max(widths) < 700 < 800 < code


def test_exercises_and_solutions_have_addresses(tab):
    visit(tab, CHAPTERS[0])
    tab.goto(f"{CHAPTERS[0]}.html#solution-2")
    fold = tab.locator("#solution-2")
    assert fold.evaluate("fold => fold.open") and fold.locator("summary").inner_text() == "Solution 2"
    assert tab.locator("#exercise-2").inner_text().startswith("2.")


def test_a_word_of_the_glossary_says_what_it_means(tab):
    visit(tab, CHAPTERS[2])
    word = tab.locator("a.term").first
    word.scroll_into_view_if_needed()
    word.focus()
    tip = tab.locator(".tooltip")
    tip.wait_for()
    assert len(tip.inner_text()) > 30
    assert tab.locator("a.term").evaluate_all(
        "links => new Set(links.map(a => a.hash)).size == links.length && links.every(a => a.hash)"
    )
    tab.evaluate("document.activeElement.blur()")


def test_columns_of_numbers_stand_right(tab):
    visit(tab, "book/results")
    aligned = tab.evaluate(
        "[...document.querySelectorAll('article table')][0].rows[1].cells.length && "
        "[...[...document.querySelectorAll('article table')][0].rows[1].cells].map(c => getComputedStyle(c).textAlign)"
    )
    assert aligned[0] != "right" and aligned.count("right") >= 3, aligned


def test_code_has_its_colours_without_scripts(browser, address):
    context = browser.new_context(java_script_enabled=False, base_url=address)
    page = context.new_page()
    page.goto(f"{CHAPTERS[0]}.html")
    colours = {
        page.locator(f"div.highlight span.{kind}").first.evaluate("e => getComputedStyle(e).color")
        for kind in ("k", "s2", "mi")
    }
    context.close()
    assert len(colours) == 3


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_jump_lands_on_its_heading(tab, name):
    """What is far from the screen is laid out late; a jump must lead to the heading all the same."""
    visit(tab, name)
    links = tab.locator("#pst-page-toc-nav a").evaluate_all("links => links.map(a => a.hash)")
    for anchor in (links[-1], links[len(links) // 2], links[-2]):
        tab.evaluate("anchor => { location.hash = anchor }", anchor)
        tab.wait_for_timeout(1300)
        top = tab.evaluate("document.querySelector(location.hash).querySelector('h2, h3').getBoundingClientRect().top")
        assert 0 <= top < 250 or tab.evaluate("innerHeight + scrollY > document.body.scrollHeight - 5"), (anchor, top)
