"""The built site, in a real browser: every page, at three widths, in both themes.

Needs Chromium (``chromium``, ``google-chrome`` …) on the path. Without it the browser's tests are
skipped, unless CI and D2LTORCH_REQUIRE_BROWSER are both set. What can be read from the files alone
(links, weight, buttons) is tested without a browser.
"""

from __future__ import annotations

import functools
import http.server
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"]] + [c["file"] for part in TOC.get("parts", []) for c in part["chapters"]]
CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]
PREFIX = urlparse(CONFIG["html"]["baseurl"]).path  # where the site stands on its host
MISSING = "no/such/page"
WIDTHS = {"wide": 1400, "tablet": 820, "phone": 390}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)

pytestmark = pytest.mark.browser

needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not (os.environ.get("CI") == "true" and os.environ.get("D2LTORCH_REQUIRE_BROWSER")),
    reason="Chromium is not on the path: the site was not tested in a browser",
)


def newest(*folders: str) -> float:
    files = [ROOT / "_config.yml", ROOT / "_toc.yml"]
    for folder in folders:
        files += [f for f in (ROOT / folder).rglob("*") if "__pycache__" not in f.parts]
    return max(f.stat().st_mtime for f in files if f.is_file())


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site; built first where it is missing or older than its sources."""
    stamp = SITE / "searchindex.js"
    if not stamp.exists() or stamp.stat().st_mtime < newest("chapters", "book"):
        done = subprocess.run(["make", "book"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, f"make book failed:\n{done.stdout}\n{done.stderr}"
    return SITE


@pytest.fixture(scope="session")
def soup(site):
    """A parsed page by its name in the table of contents, parsed once."""

    @functools.cache
    def parse(name: str) -> BeautifulSoup:
        return BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")

    return parse


class PagesHandler(http.server.SimpleHTTPRequestHandler):
    """Serves as GitHub Pages does: below the path of the configured address, 404.html for what is not there."""

    def translate_path(self, path: str) -> str:
        if not path.startswith(PREFIX):
            return str(SITE / "outside the site's address")
        return super().translate_path("/" + path.removeprefix(PREFIX))

    def send_error(self, code, *args) -> None:
        if code != 404:
            return super().send_error(code, *args)
        content = (SITE / "404.html").read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="session")
def address(site):
    handler = functools.partial(PagesHandler, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}{PREFIX}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "D2LTORCH_REQUIRE_BROWSER is set, and Chromium is not on the path"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tab(browser, address):
    """One tab for all tests, with a record of everything that it asked for and complained of."""
    context = browser.new_context(
        viewport={"width": WIDTHS["wide"], "height": 900},
        color_scheme="light",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
        base_url=address,
    )
    page = context.new_page()
    page.set_default_timeout(120_000)  # machines that run the tests have other work, too
    page.complaints = []
    page.on("console", lambda m: m.type == "error" and page.complaints.append(f"console: {m.text}"))
    page.on("pageerror", lambda error: page.complaints.append(f"script: {error}"))
    page.on("response", lambda r: r.status >= 400 and page.complaints.append(f"{r.status} {r.url}"))
    page.on(
        "request",
        lambda r: (
            not r.url.startswith((address, "data:", "blob:"))
            and page.complaints.append(f"request to another host: {r.url}")
        ),
    )
    yield page
    context.close()


def visit(tab, name: str, width: str = "wide", theme: str = "light") -> None:
    tab.complaints.clear()
    tab.emulate_media(color_scheme=theme, reduced_motion="reduce")
    tab.set_viewport_size({"width": WIDTHS[width], "height": 900})
    tab.goto(f"{name}.html", wait_until="load")
    if name == MISSING:  # that it is missing is no complaint; what its page then asks for must be there
        tab.complaints[:] = [line for line in tab.complaints if MISSING not in line and "status of 404" not in line]
    tab.evaluate("() => window.MathJax?.startup?.promise")


def use_theme(tab, theme: str) -> None:
    tab.emulate_media(color_scheme=theme, reduced_motion="reduce")
    tab.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)


@pytest.fixture(scope="session")
def axe_source() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def violations(tab, axe_source: str, only_colours: bool = False) -> list[str]:
    """What axe-core finds against WCAG 2.1 AA, a line for each kind with its first places."""
    tab.evaluate("source => { if (!window.axe) { (0, eval)(source) } }", axe_source)
    rules = {"type": "rule", "values": ["color-contrast"]} if only_colours else WCAG
    found = tab.evaluate("rules => axe.run({runOnly: rules, preload: false, resultTypes: ['violations']})", rules)[
        "violations"
    ]
    return [f"{v['id']}: {v['help']}: " + " | ".join(n["html"][:150] for n in v["nodes"][:3]) for v in found]


def fold_problems(tab) -> list[str]:
    """Open and close the first solution and the first hidden cell by mouse and by keyboard."""
    problems = []
    for kind in ("article details:not(.hide)", "article details.hide"):
        fold = tab.locator(kind).first
        if tab.locator(kind).count() == 0:
            continue
        summary = fold.locator("summary").first
        if not summary.inner_text().strip():
            problems.append(f"{kind}: a fold without a name")
        for action, expected in (
            (lambda: None, False),
            (summary.click, True),
            (lambda summary=summary: summary.press("Enter"), False),
            (lambda summary=summary: summary.press("Space"), True),
        ):
            action()
            if fold.evaluate("d => d.open") != expected:
                problems.append(f"{kind}: wrongly {'closed' if expected else 'open'}")
    return problems


# ---- every page, in the browser ------------------------------------------------------------------


@needs_browser
@pytest.mark.parametrize("name", [*PAGES, "search", "genindex", MISSING])
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
    if name in CHAPTERS:
        problems += fold_problems(tab)
        cells = tab.locator("div.cell_input div.highlight").count()
        buttons = tab.locator("div.cell_input button.copybtn").count()
        if not 0 < cells == buttons:
            problems.append(f"{cells} code cells, {buttons} copy buttons")
        problems += tab.evaluate(
            "() => [...document.querySelectorAll('div.cell_input pre')]"
            ".filter(e => !e.closest('details') && e.scrollWidth > e.clientWidth + 1)"
            ".map(e => `code that scrolls sideways: ${e.innerText.slice(0, 80)}`)"
        )
    if tab.locator("mjx-merror").count():
        problems.append("a formula that MathJax cannot read")
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    for label, width in WIDTHS.items():
        tab.set_viewport_size({"width": width, "height": 900})
        found = tab.evaluate("document.documentElement.scrollWidth")
        if found > width:
            problems.append(f"{label}: the page is {found} pixels wide")
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('article img')]"
        ".filter(i => i.getBoundingClientRect().width > innerWidth)"
        ".map(i => `phone: ${i.src} is wider than the screen`)"
    )
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('article img')]"
        ".filter(i => i.naturalWidth && Math.abs(i.width / i.height * i.naturalHeight / i.naturalWidth - 1) > 0.05)"
        ".map(i => `phone: ${i.src.slice(-60)} is out of proportion`)"
    )
    problems += tab.evaluate(
        "() => [...document.querySelectorAll('.prev-next-area a')]"
        ".filter(a => a.scrollWidth > a.clientWidth)"
        ".map(a => `phone: the link to ${a.title || a.innerText} is cut off`)"
    )
    # One of each kind of code token is tested below; thousands would take most of the time.
    tab.evaluate(
        "document.querySelectorAll('div.highlight pre, mjx-container').forEach(e => { e.textContent = e.textContent })"
    )
    tab.wait_for_timeout(700)  # the theme makes what scrolls reachable by keyboard, 300 ms after a resize
    problems += [f"light phone, {line}" for line in violations(tab, axe_source)]
    tab.set_viewport_size({"width": WIDTHS["wide"], "height": 900})
    use_theme(tab, "dark")
    problems += [f"dark wide, {line}" for line in violations(tab, axe_source, True)]
    assert not problems, "\n".join(problems)


@needs_browser
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


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_formulae_are_accessible(tab, axe_source, theme):
    """The chapter with the most formulae, as MathJax renders them."""
    name = max(PAGES, key=lambda page: (SITE / f"{page}.html").read_text(encoding="utf-8").count('class="math '))
    visit(tab, name, theme=theme)
    use_theme(tab, theme)
    assert tab.locator("mjx-container mjx-assistive-mml").count() == tab.locator("mjx-container").count() > 0
    tab.evaluate("document.querySelectorAll('div.highlight pre').forEach(e => { e.textContent = e.textContent })")
    tab.wait_for_timeout(700)
    assert not violations(tab, axe_source)


@needs_browser
def test_printing_opens_what_is_folded(tab):
    visit(tab, (CHAPTERS or PAGES)[0])
    shut = "document.querySelectorAll('article details:not([open])').length"
    before = tab.evaluate(shut)
    assert before > 0
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate(shut) == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate(shut) == before


@needs_browser
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


@needs_browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_copy_button_copies_the_code(tab, name):
    visit(tab, name)
    cell = tab.locator("div.cell_input div.highlight").first
    cell.hover()
    cell.locator("button.copybtn").click()
    tab.wait_for_function("navigator.clipboard.readText().then(text => text.length > 0)")
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


@needs_browser
def test_search_finds_a_network(tab):
    word, page = ("Inception", "googlenet") if "chapters/googlenet" in PAGES else ("LeNet", "lenet")
    tab.complaints.clear()
    tab.goto(f"search.html?q={word}")
    tab.wait_for_selector("#search-results li a")
    hrefs = tab.locator("#search-results li a").evaluate_all("links => links.map(a => a.href)")
    assert any(page in href for href in hrefs), hrefs
    assert not tab.complaints


@needs_browser
def test_next_and_previous_by_clicking(tab):
    visit(tab, PAGES[0])
    tab.locator("a.right-next").click()
    tab.wait_for_url(f"**/{PAGES[1]}.html")
    tab.locator("a.left-prev").click()
    tab.wait_for_url(f"**/{PAGES[0]}.html")


@needs_browser
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


@needs_browser
def test_first_paint_within_a_second(tab):
    name = (CHAPTERS or PAGES)[0]
    paints = []
    for _ in range(3):
        visit(tab, name)
        tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        paints.append(tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert min(paints) < 1000, f"first paint after {paints} ms"


# ---- from the files alone --------------------------------------------------------------------------


def test_links_and_anchors_resolve(site, soup):
    broken, outside = [], set()
    identifiers = {}

    def has_anchor(path: Path, anchor: str) -> bool:
        if path not in identifiers:
            page = soup(path.relative_to(site).as_posix().removesuffix(".html"))
            identifiers[path] = {
                e.get("id") or e.get("name") for e in page.find_all(lambda e: e.get("id") or e.get("name"))
            }
        return anchor in identifiers[path]

    for name in [*PAGES, "genindex", "search", "index", "404"]:
        here = f"http://site/{name}.html"
        for element in soup(name).find_all(["a", "img", "script", "link"]):
            target = element.get("href") or element.get("src")
            if not target or target.startswith(("data:", "mailto:", "javascript:")):
                continue
            url, anchor = urldefrag(urljoin(here, target))
            parsed = urlparse(url)
            if parsed.netloc != "site":
                if element.name != "a" and element.get("rel") not in (["canonical"],):
                    broken.append(f"{name}: {element.name} from another host: {target}")
                outside.add(url)
                continue
            below = parsed.path.removeprefix(PREFIX if name == "404" else "/")  # any depth, so with the site's path
            path = site / unquote(below).lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            if not path.is_file():
                broken.append(f"{name}: no such file: {target}")
            elif anchor and path.suffix == ".html" and not has_anchor(path, unquote(anchor)):
                broken.append(f"{name}: no such anchor: {target}")
    (site.parent / "external-links.txt").write_text("\n".join(sorted(outside)) + "\n")
    plain = [url for url in outside if url.startswith("http://")]
    assert not broken, "\n".join(broken)
    assert not plain, f"unencrypted links: {plain}"


def test_previous_and_next_walk_the_whole_book(soup):
    for links, order in (("a.right-next", PAGES), ("a.left-prev", PAGES[::-1])):
        walked = [order[0]]
        while link := soup(walked[-1]).select_one(links):
            path = urlparse(urljoin(f"http://site/{walked[-1]}.html", link["href"])).path
            walked.append(path.lstrip("/").removesuffix(".html"))
            assert len(walked) <= len(PAGES), f"{links} walks in circles"
        assert walked == order


@pytest.mark.parametrize("name", CHAPTERS)
def test_colab_and_download_open_the_chapter(site, soup, name):
    repository = CONFIG["repository"]["url"].removeprefix("https://github.com/").rstrip("/")
    links = [a["href"] for a in soup(name).find_all("a", href=True)]
    colab = f"https://colab.research.google.com/github/{repository}/blob/main/{name}.ipynb"
    assert {link for link in links if "colab.research" in link} == {colab}
    downloads = [link for link in links if link.endswith(".ipynb") and "//" not in link]
    assert len(downloads) == 1, downloads
    file = (site / f"{name}.html").parent.joinpath(downloads[0]).resolve()
    assert file.read_bytes() == (ROOT / f"{name}.ipynb").read_bytes()


@pytest.mark.parametrize("name", PAGES)
def test_pictures_and_headings(soup, name):
    page = soup(name)
    missing = [i["src"] for i in page.find_all("img") if i.get("alt") is None]
    empty = [i["src"] for i in page.select("article img") if not i.get("alt", "").strip()]
    assert not missing + empty, f"no alternative text: {missing + empty}"
    article = page.select_one("article")
    levels = [int(h.name[1]) for h in article.find_all(re.compile("^h[1-6]$"))]
    assert levels.count(1) == 1, "a page has one title"
    skips = [(a, b) for a, b in itertools.pairwise(levels) if b > a + 1]
    assert not skips, f"heading levels skip: {skips}"


@pytest.mark.parametrize("name", PAGES)
def test_page_describes_itself(soup, name):
    page = soup(name)
    content = {
        m.get("name") or m.get("property"): m.get("content", "") for m in page.find_all("meta") if m.get("content")
    }
    assert len(content.get("description", "")) > 40, "a page's first paragraph describes it"
    for key in ("og:title", "og:description", "og:url", "og:image"):
        assert content.get(key), key
    card = SITE / "_static" / "social" / Path(content["og:image"]).name
    assert card.is_file(), f"the social card {card.name} was not drawn"


def test_the_root_leads_to_the_title_page_and_describes_the_book(soup):
    page = soup("index")
    assert page.html["lang"] == "en" and page.title.text == CONFIG["title"]
    first = f"{TOC['root']}.html"
    assert page.find("meta", attrs={"http-equiv": "refresh"})["content"].endswith(f"url={first}")
    assert page.select_one("body a")["href"] == first
    assert page.find("link", rel="canonical")["href"] == CONFIG["html"]["baseurl"] + first
    title_page = soup(TOC["root"])
    keys = [{"name": "description"}, *({"property": f"og:{key}"} for key in ("title", "description", "image"))]
    for key in keys:
        assert page.find("meta", key)["content"] == title_page.find("meta", key)["content"]


def test_published_ledger_is_the_books(site):
    (published,) = (site / "_downloads").rglob("runs.jsonl")
    own = [json.loads(line) for line in (ROOT / "book" / "results" / "runs.jsonl").read_text().splitlines()]
    for run in own:
        run.pop("predictions")
    assert [json.loads(line) for line in published.read_text().splitlines()] == own


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_weight(site, soup, name):
    html = site / f"{name}.html"
    pictures = {html.parent.joinpath(unquote(i["src"])).resolve() for i in soup(name).select("article img")}
    weight = html.stat().st_size + sum(p.stat().st_size for p in pictures)
    assert weight < 600_000, f"{weight:,} bytes with {len(pictures)} pictures"


def test_site_weight_and_offline_assets(site):
    files = [f for f in site.rglob("*") if f.is_file()]
    weight = sum(f.stat().st_size for f in files)
    assert weight < 15_000_000, f"{weight:,} bytes"
    mathjax = sum(f.stat().st_size for f in files if "mathjax" in f.parts)
    assert 0 < mathjax < 2_500_000, f"MathJax takes {mathjax:,} bytes"
    for style in site.rglob("*.css"):
        remote = re.findall(
            r"url\(\s*['\"]?(https?://[^)'\"]+)|@import\s+['\"]?(https?://[^'\";]+)", style.read_text(encoding="utf-8")
        )
        assert not remote, f"{style.name} asks {remote}"


def test_no_page_is_built_that_the_contents_do_not_list(site):
    generated = {"index", "genindex", "search", "404", "py-modindex"}
    built = {
        f.relative_to(site).as_posix().removesuffix(".html") for f in site.rglob("*.html") if "_static" not in f.parts
    }
    assert built - generated == set(PAGES)


def test_search_index_is_whole(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    data = json.loads(index[index.index("(") + 1 : index.rindex(")")])
    assert set(data["docnames"]) == set(PAGES)
