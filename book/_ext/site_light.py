"""One small style sheet and one script a page, whatever the theme and its extensions bring.

The theme's style sheets hold all of Bootstrap and a thousand icons. Here all of them become one file with the rules
that some page can use, and the icon fonts keep the icons that those rules name. The scripts become one file that does
not hold up the page; the search index is read by the search page alone.
"""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

import tinycss2
from PIL import Image
from sphinx.util import logging

logger = logging.getLogger(__name__)

STYLES = (
    "basic.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "sphinx-design.min.css",
    "custom.css",
)
SCRIPTS = (
    "documentation_options.js",
    "doctools.js",
    "clipboard.min.js",
    "copybutton.js",
    "scripts/sphinx-book-theme.js",
    "scripts/bootstrap.js",
    "scripts/pydata-sphinx-theme.js",
    "custom.js",
)
# Icons are in the fonts; folds are the browser's own; tabs and code run in a cloud are in no page.
LEFT_OUT = ("scripts/fontawesome.js", "togglebutton.js", "togglebutton.css", "design-tabs.js", "sphinx-thebe.*")
LEFT_OUT += (
    "sphinx_highlight.js",
    "searchtools.js",
    "language_data.js",
    "styles/theme.css",
    "vendor/fontawesome/webfonts/*.woff2",
)
SEARCH = ("search-data.js", "search-data-zh.js", "search.js")  # site_search.py
# What Bootstrap's script adds to a page, and no page holds when it is built.
ADDED_BY_SCRIPTS = (
    "show fade collapsing tooltip tooltip-inner tooltip-arrow bs-tooltip-auto bs-tooltip-top bs-tooltip-bottom"
)

# The theme's measuring of every block that could scroll, on load; custom.js does it where the reader is.
MEASURES_ALL = '"complete"===document.readyState?I():window.addEventListener("load",I)'
# The theme's own start leaves "auto", so that a dark page would first be light and then be styled a second time.
THEME = """<script>
    document.documentElement.dataset.mode = localStorage.getItem("mode") || "auto";
    document.documentElement.dataset.theme = {light: "light", dark: "dark"}[document.documentElement.dataset.mode]
      || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  </script>"""

LINK = re.compile(r'\s*<link\b[^>]*\b(?:rel="stylesheet"|as="script"|as="style")[^>]*>')
SCRIPT = re.compile(r"\s*<script\b(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)
NEEDLESS = re.compile(r"toggleHint|togglebuttonSelector|toggleOpenOnPrint|DOCUMENTATION_OPTIONS|thebe|MathJax")
WIDE = 600  # pixels: a figure that is wider, or nearly so, scrolls on a phone and does not shrink below this
FIGURE = re.compile(r'src="[^"]*/_images/(?:[0-9a-f]{64}\.\w+|[^"]+\.svg)"')  # of a cell, or drawn for a page
CELL = re.compile(r'src="[^"]*/_images/[0-9a-f]{64}\.png"')
IMAGES = re.compile(r"\b(?:imshow|show_images|contourf)\b")  # in a cell's code: its figure is more than lines on paper
SHOWN = re.compile(r' style="width: (\d+)px; height: (\d+)px;"')  # of a figure with two pixels for one
IMAGE = re.compile(r"<img\b[^>]*>")
NAME = re.compile(r"[.#]((?:[\w-]|[^\x00-\x7f]|\\.)+)")


# ---- style sheets --------------------------------------------------------------------------------------------------


def words_of(pages: list[str], scripts: list[str]) -> set[str]:
    """Every class and identifier of the pages, and every word that a script could make one of."""
    words = set(ADDED_BY_SCRIPTS.split())
    for page in pages:
        for value in re.findall(r'\b(?:class|id)=(?:"([^"]*)"|\'([^\']*)\')', page):
            words.update("".join(value).split())
        for script in re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL):
            words.update(re.findall(r"[\w-]{2,}", script))
    for script in scripts:
        words.update(re.findall(r"[\w-]{2,}", script))
    return words


def is_usable(selector: str, words: set[str]) -> bool:
    """Whether an element of some page could match: all classes and identifiers outside :not() and :is() are known."""
    plain = re.sub(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)", "", selector)
    plain = re.sub(r"\[[^\]]*\]", "", plain)
    return all(name.replace("\\", "") in words for name in NAME.findall(plain))


def top_level_commas(text: str) -> list[str]:
    """The selectors of a list, which may hold commas in brackets."""
    parts, depth, last = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    return [part.strip() for part in [*parts, text[last:]]]


def usable_rules(css: str, words: set[str]) -> str:
    """The style sheet without the rules that match nothing and without comments."""
    kept = []
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        prelude = tinycss2.serialize(rule.prelude).strip() if hasattr(rule, "prelude") else ""
        if rule.type == "qualified-rule":
            selectors = [selector for selector in top_level_commas(prelude) if is_usable(selector, words)]
            if selectors:
                kept.append(f"{','.join(selectors)}{{{squeezed(tinycss2.serialize(rule.content))}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in {"media", "supports"}:
            if inner := usable_rules(tinycss2.serialize(rule.content), words):
                kept.append(f"@{rule.at_keyword} {prelude}{{{inner}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword not in {"charset", "import"}:
            content = f"{{{squeezed(tinycss2.serialize(rule.content))}}}" if rule.content is not None else ";"
            kept.append(f"@{rule.at_keyword} {prelude}{content}")
    return "\n".join(kept)


def squeezed(declarations: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", declarations, flags=re.DOTALL)).strip().rstrip(";")


def shrink_icons(css: str, fonts: Path, static: Path) -> str:
    """The icon fonts with the icons that the style sheet names, and the style sheet pointing to them."""
    from fontTools import subset

    subset.log.setLevel("ERROR")
    icons = set(re.findall(r'content: ?"([\ue000-\uf8ff])"', css))

    def shrink(face: re.Match) -> str:
        source = re.search(r'url\("?\.\./(vendor/[^)"]*\.woff2)"?\)', face[0])
        if source is None:
            return face[0]
        target = static / Path(source[1]).name
        options = subset.Options(flavor="woff2", layout_features=[])
        font = subset.load_font(str(fonts / source[1]), options)
        if not {ord(icon) for icon in icons} & set(font.getBestCmap()):
            return ""
        subsetter = subset.Subsetter(options)
        subsetter.populate(text="".join(icons))
        subsetter.subset(font)
        subset.save_font(font, str(target), options)
        return re.sub(r"src:.*?(?=[;}])", f'src:url({target.name}) format("woff2")', face[0], flags=re.DOTALL)

    return re.sub(r"@font-face ?\{[^}]*\}", shrink, css)


# ---- pages -----------------------------------------------------------------------------------------------------------


def matches(address: str, names: tuple[str, ...]) -> bool:
    """Whether a page's address of a style sheet or script is that of one of these files of ``_static``."""
    path = address.split("?")[0]
    return any(re.search(rf"(?:^|/)(?:_static/)?{name.replace('.*.', '[.].*[.]')}$", path) for name in names)


def address_in(tag: str) -> str:
    found = re.search(r'\b(?:src|href)="([^"]*)"', tag)
    return found[1] if found else ""


@functools.cache
def picture_size(path: Path) -> tuple[float, float] | None:
    """Width and height of a picture, in CSS pixels."""
    if path.suffix == ".svg" and path.is_file():
        box = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', path.read_text(encoding="utf-8")[:2000])
        return (float(box[1]), float(box[2])) if box else None
    if path.suffix == ".png" and path.is_file():
        with Image.open(path) as picture:
            return picture.size
    return None


def compress_pictures(folder: Path) -> None:
    """Beside each PNG of the book's figures, the same pixels as WebP: a third less."""
    for path in folder.glob("*.png"):
        target = path.with_suffix(".webp")
        if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
            with Image.open(path) as picture:
                picture.save(target, lossless=True, quality=60, method=3)
        if target.stat().st_size >= path.stat().st_size:
            target.unlink()


def place_images(html: str, folder: Path) -> str:
    """Each picture knows its proportions; all but the first of the article wait until they come into view."""
    head, end, body = html.partition("</head>")
    start = body.find("<article")
    first = True

    def place(match: re.Match) -> str:
        nonlocal first
        opening = closing = ""
        tag = re.sub(r'\s(?:loading|decoding|fetchpriority)="[^"]*"', "", match[0]).rstrip(" />").removesuffix("/")
        picture = (folder / address_in(tag)).resolve()
        shown = SHOWN.search(tag)
        tag = SHOWN.sub("", tag)
        size = (int(shown[1]), int(shown[2])) if shown else picture_size(picture)
        cell = body[body.rfind('<div class="cell ', 0, match.start()) : match.start()]
        if CELL.search(tag) and not IMAGES.search(cell):
            tag += ' class="drawing"'
        if picture.parent.name == "_images" and picture.with_suffix(".webp").exists():
            tag = re.sub(r'(src="[^"]*)\.png"', r'\1.webp"', tag)
        if size and " width=" not in tag and " style=" not in tag:
            tag += f' width="{size[0]:.0f}" height="{size[1]:.0f}"'
        if (
            size
            and size[0] >= 0.9 * WIDE
            and FIGURE.search(tag)
            and "figure-scroll" not in body[max(0, match.start() - 40) : match.start()]
        ):
            opening, closing = f'<div class="figure-scroll" style="--width:{min(size[0], WIDE):.0f}px">', "</div>"
        if match.start() > start:
            tag += ' fetchpriority="high"' if first else ' loading="lazy" decoding="async"'
            first = False
        return opening + tag + ">" + closing

    return head + end + IMAGE.sub(place, body)


def lighten(html: str, root: str, versions: dict[str, str], is_search: bool) -> str:
    """The page with our style sheet and script in the place of all that we bundled or left out."""

    def keep_link(match: re.Match) -> str:
        known = (*STYLES, *SCRIPTS, *LEFT_OUT, "book.css", "formulae/formulae.css")
        return "" if matches(address_in(match[0]), known) else match[0]

    def keep_script(match: re.Match) -> str:
        if "dataset.mode = localStorage" in match["text"]:
            return "\n  " + THEME
        address = address_in(match["attributes"])
        known = (*SCRIPTS, *LEFT_OUT, "book.js", "searchindex.js", *SEARCH)
        if matches(address, known) if address else NEEDLESS.search(match["attributes"] + match["text"]):
            return ""
        return match[0]

    def versioned(name: str) -> str:
        return f"{root}_static/{name}?v={versions[name]}"

    html = html.replace('data-theme="auto"', 'data-theme="light"', 1)  # the script of THEME says otherwise where it may
    html = re.sub(r"<title>(.*?) (?:&#8212;|—) \1</title>", r"<title>\1</title>", html)
    head, body = html.split("</head>", 1)
    head, body = SCRIPT.sub(keep_script, LINK.sub(keep_link, head)), SCRIPT.sub(keep_script, body)
    lines = [f'<link rel="stylesheet" href="{versioned("book.css")}">']
    if "<mjx-container" in body:
        lines.append(f'<link rel="stylesheet" href="{versioned("formulae/formulae.css")}">')
    lines.append(f'<script defer src="{versioned("book.js")}"></script>')
    if is_search:
        data = "search-data-zh.js" if '<html lang="zh' in head else "search-data.js"
        lines += [f'<script defer src="{versioned(name)}"></script>' for name in (data, "search.js")]
    first = head.find("<link") if "<link" in head else len(head)
    return head[:first] + "\n".join(lines) + "\n" + head[first:] + "</head>" + body


def page_root(html: str) -> str:
    found = re.search(r'data-content_root="([^"]*)"', html)
    return found[1] if found else ""


def set_aside(static: Path, aside: Path) -> None:
    """Move what is bundled out of the published folder; a build that writes no page does not copy it there again."""
    for name in (*STYLES, *SCRIPTS, *LEFT_OUT):
        for path in static.glob(name):
            target = aside / path.relative_to(static)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def lighten_site(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    out, aside = Path(app.outdir), Path(app.doctreedir) / "static"
    static = out / "_static"
    set_aside(static, aside)
    pages = [page for page in sorted(out.rglob("*.html")) if "_static" not in page.parts and page.name != "index.html"]
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    scripts = {name: (aside / name).read_text(encoding="utf-8") for name in SCRIPTS}
    own = [(static / name).read_text(encoding="utf-8") for name in ("search.js", "quiz.js")]
    words = words_of([*texts.values()], [*own, *(text for name, text in scripts.items() if "bootstrap" not in name)])
    sheets = [path.read_text(encoding="utf-8") for name in STYLES for path in sorted(aside.glob(name))]
    css = shrink_icons("\n".join(usable_rules(sheet, words) for sheet in sheets), aside, static)
    (static / "book.css").write_text(css, encoding="utf-8")
    if MEASURES_ALL not in scripts["scripts/pydata-sphinx-theme.js"]:
        logger.warning("the theme's script has changed: does it still measure every block on load?", type="light")
    scripts["scripts/pydata-sphinx-theme.js"] = scripts["scripts/pydata-sphinx-theme.js"].replace(MEASURES_ALL, "0")
    javascript = "\n;\n".join(re.sub(r"//# sourceMappingURL=.*", "", script) for script in scripts.values())
    (static / "book.js").write_text(javascript, encoding="utf-8")
    names = ("book.css", "book.js", "formulae/formulae.css", *SEARCH)
    versions = {n: hashlib.sha256((static / n).read_bytes()).hexdigest()[:8] for n in names if (static / n).exists()}
    compress_pictures(out / "_images")
    for page, html in texts.items():
        # the page for a wrong address is served at any depth
        root = app.config.notfound_urls_prefix if page.name == "404.html" else page_root(html)
        light = lighten(html, root, versions, page.stem == "search")
        page.write_text(place_images(light, page.parent), encoding="utf-8")


def setup(app):
    app.connect("build-finished", lighten_site, priority=850)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
