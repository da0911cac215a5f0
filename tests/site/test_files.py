"""The built site as files: links, weight, buttons, what a page says about itself."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from browsing import CHAPTERS, CHINESE, CHINESE_CHAPTERS, CONFIG, PAGES, PREFIX, ROOT, SITE, TOC
from PIL import Image

from book import notebooks

pytestmark = pytest.mark.browser

HAN = re.compile("[\u3400-\u9fff]")


def prose(element) -> str:
    """The words of an element without its code and formulae."""
    return "".join(t for t in element.strings if not t.find_parents(["code", "pre", "mjx-container", "style"]))


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

    for name in [*PAGES, *CHINESE, "genindex", "search", "zh/search", "index", "404"]:
        here = f"http://site/{name}.html"
        for element in soup(name).find_all(["a", "img", "script", "link"]):
            target = element.get("href") or element.get("src")
            if not target or target.startswith(("data:", "mailto:", "javascript:")):
                continue
            url, anchor = urldefrag(urljoin(here, target))
            parsed = urlparse(url)
            if parsed.netloc != "site":
                if element.name != "a" and element.get("rel") not in (["canonical"], ["alternate"]):
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


@pytest.mark.parametrize("name", [*CHAPTERS, *CHINESE_CHAPTERS])
def test_colab_and_download_open_the_chapter(site, soup, name):
    repository = CONFIG["repository"]["url"].removeprefix("https://github.com/").rstrip("/")
    links = [a["href"] for a in soup(name).find_all("a", href=True)]
    colab = f"https://colab.research.google.com/github/{repository}/blob/main/{name}.ipynb"
    assert {link for link in links if "colab.research" in link} == {colab}
    downloads = [link for link in links if link.endswith(".ipynb") and "//" not in link]
    assert len(downloads) == 1, downloads
    file = (site / f"{name}.html").parent.joinpath(downloads[0]).resolve()
    assert file.read_bytes() == (ROOT / f"{name}.ipynb").read_bytes()


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
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


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
def test_page_describes_itself(soup, name):
    page = soup(name)
    content = {
        m.get("name") or m.get("property"): m.get("content", "") for m in page.find_all("meta") if m.get("content")
    }
    assert len(content.get("description", "")) > (20 if name in CHINESE else 40), (
        "a page's first paragraph describes it"
    )
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


@pytest.mark.parametrize("name", [*CHAPTERS, *CHINESE_CHAPTERS])
def test_each_caption_has_an_address_and_names_the_figure_above_it(soup, name):
    numbers = re.findall(r"^\*(?:Figure|图) (\d+)[.：]", notebooks.prose(ROOT / f"{name}.ipynb"), re.MULTILINE)
    written = [f"fig-{number}" for number in numbers]
    assert [caption["id"] for caption in soup(name).select("p.figure-caption")] == written
    figures = soup(name).select("[role=figure]")
    assert [figure["aria-labelledby"] for figure in figures] == written
    assert all(figure.find("img") for figure in figures)


@pytest.mark.parametrize("name", [*CHAPTERS, *CHINESE_CHAPTERS])
def test_every_solution_has_a_name_of_its_own(soup, name):
    """An exercise that is solved in two cells says what each does, in the page's language."""
    names = [summary.text for summary in soup(name).select("#exercises details > summary")]
    assert len(names) == len(set(names)) > 8, names
    parts = [words for words in names if re.search("[:：]", words)]
    assert all(HAN.search(words.split("：")[-1]) for words in parts) or name in CHAPTERS, parts
    assert ("in code: the builder" in " ".join(names)) == (name == "chapters/resnet")


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
def test_a_number_stays_on_one_line_with_its_unit(soup, name):
    lines = soup(name).select("article :is(p, li, td):not(.cell_output *, [role=listitem] *)")
    torn = [m[0] for line in lines for m in re.finditer(r".{9}\d ([%×]|MB|GB).{3}|.{9}× \d", prose(line))]
    assert not torn


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_have_two_pixels_for_one_and_drawings_turn_dark(soup, name):
    """What a dark page turns over is mostly white paper: no photograph, feature map or table of colours."""
    cells = json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    shown = soup(name).select("div.cell_output img")
    assert len(shown) == len(outputs)
    for image, output in zip(shown, outputs):
        picture = Image.open(io.BytesIO(base64.b64decode("".join(output["data"]["image/png"])))).convert("L")
        assert int(image["width"]) == picture.width // (2 if output["metadata"] else 1)
        assert not image.find_parent("a"), "a figure that is a link stops everybody who goes by the Tab key"
        if "drawing" in image.get("class", []):
            assert sum(picture.histogram()[245:]) > 0.5 * picture.width * picture.height, image["alt"]
    assert len([image for image in shown if "drawing" in image.get("class", [])]) >= 5


@pytest.mark.parametrize("name", [*CHAPTERS, *CHINESE_CHAPTERS])
def test_chapter_weight(site, soup, name):
    html = site / f"{name}.html"
    pictures = {html.parent.joinpath(unquote(i["src"])).resolve() for i in soup(name).select("article img")}
    weight = html.stat().st_size + sum(p.stat().st_size for p in pictures)
    assert weight < 1_200_000, f"{weight:,} bytes with {len(pictures)} pictures"


def test_site_weight_and_offline_assets(site):
    files = [f for f in site.rglob("*") if f.is_file()]
    weight = sum(f.stat().st_size for f in files)
    apart = [f for f in files if {"zh", "slides"} & set(f.relative_to(site).parts) or f.name == "search-data-zh.js"]
    assert weight - sum(f.stat().st_size for f in apart) < 18_000_000 and weight < 36_000_000, f"{weight:,} bytes"
    for style in site.rglob("*.css"):
        remote = re.findall(
            r"url\(\s*['\"]?(https?://[^)'\"]+)|@import\s+['\"]?(https?://[^'\";]+)", style.read_text(encoding="utf-8")
        )
        assert not remote, f"{style.name} asks {remote}"


def test_no_page_is_built_that_the_contents_do_not_list(site):
    generated = {"index", "genindex", "search", "zh/search", "404", "py-modindex"}
    built = {
        f.relative_to(site).as_posix().removesuffix(".html")
        for f in site.rglob("*.html")
        if f.relative_to(site).parts[0] not in {"_static", "slides"}
    }
    assert built - generated == {*PAGES, *CHINESE}


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
def test_what_a_page_loads_before_it_is_read(site, soup, name):
    """One style sheet, one more where there are formulae; scripts that hold nothing up, none of them an index."""
    page = soup(name)
    sheets = [Path(urlparse(link["href"]).path).name for link in page.select('link[rel="stylesheet"]')]
    assert sheets[0] == "book.css" and set(sheets[1:]) <= {"formulae.css", f"{Path(name).name}.css"}, sheets
    assert ("formulae.css" in sheets) == bool(page.select("mjx-container"))
    scripts = page.select("script[src]")
    assert all(script.has_attr("defer") or script.get("type") == "module" for script in scripts), scripts
    names = {Path(urlparse(script["src"]).path).name for script in scripts}
    assert not {name for name in names if re.search("search|mathjax|fontawesome|thebe", name)}, names
    loaded = [site / "_static" / name for name in ("book.css", "book.js")]
    assert sum(path.stat().st_size for path in loaded) < 300_000
    assert not page.select("link[as]"), "a preload of a file that is in the bundle"


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
def test_every_formula_was_set_when_the_book_was_built(soup, name):
    page = soup(name)
    formulae = page.select("span.math, div.math")
    assert all(f.select_one("mjx-container mjx-math mjx-c") and f.select_one("math") for f in formulae)
    assert not re.search(r"\\\(|\\\[", "".join(f.get_text() for f in formulae))


@pytest.mark.parametrize("name", [*PAGES, *CHINESE])
def test_pictures_know_their_size_and_wait_until_they_are_near(soup, name):
    pictures = soup(name).select("article img")
    sized = [i for i in pictures if (i.get("width") and i.get("height")) or i.get("style")]
    assert sized == pictures, [i["src"] for i in pictures if i not in sized]
    assert ["loading" in i.attrs for i in pictures] == [k > 0 for k in range(len(pictures))]


def test_icons_are_in_the_fonts(site):
    """Every icon that a page names has its character in one of the shrunken fonts."""
    from fontTools.ttLib import TTFont

    css = (site / "_static" / "book.css").read_text(encoding="utf-8")
    fonts = {code for path in (site / "_static").glob("fa-*.woff2") for code in TTFont(path).getBestCmap()}
    named = {
        name
        for page in site.rglob("*.html")
        for classes in re.findall(
            r'<(?:i|span) class="([^"]*\bfa[srb]? [^"]*|[^"]*fa-(?:solid|brands)[^"]*)"', page.read_text()
        )
        for name in classes.split()
        if name.startswith("fa-") and name not in {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-fw"}
    }
    assert len(named) > 8
    for name in named:
        rule = re.search(rf'\.{name}:{{1,2}}before[^{{]*\{{content: ?"(.)"', css)
        assert rule and ord(rule[1]) in fonts, name
