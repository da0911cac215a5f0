"""make pdf: the whole book as _build/book.pdf, and its Chinese pages as _build/book-zh.pdf, printed by Chromium.

The pages' articles go into one document in the order of the contents, with folds open, so that
page numbers run through; links between chapters become links inside the PDF, other links lead to the site.
"""

from __future__ import annotations

import functools
import http.server
import posixpath
import shutil
import sys
import threading
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup
from site_chinese import counterpart

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NOT_PRINTED = ".headerlink, .copybtn, button, script, .prev-next-footer, .reading-time"
STYLE = """
body { background: #fff; padding: 0; }
article.printed { break-before: page; max-width: none; }
article.printed:first-of-type { break-before: auto; }
details > summary { display: block; list-style: none; font-weight: 600; }
"""
FOOTER = """<div style="width:100%;font-size:8px;color:#555;text-align:center">
<span class="pageNumber"></span></div>"""


def pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]


def chinese_pages() -> list[str]:
    names = [counterpart(name) for name in pages()]
    return [name for name in names if (SITE / f"{name}.html").exists()]


def anchor(name: str, identifier: str = "") -> str:
    return name.replace("/", "-") + (f"--{identifier}" if identifier else "")


def article(name: str, names: list[str], base: str):
    """A page's article with every identifier and link made unique to the one document."""
    page = BeautifulSoup((SITE / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    body = page.select_one("article.bd-article")
    for element in body.select(NOT_PRINTED):
        element.decompose()
    for details in body.find_all("details"):
        details["open"] = ""
    for element in body.find_all(id=True):
        element["id"] = anchor(name, element["id"])
    folder = posixpath.dirname(name)
    for element in body.find_all(["a", "img"]):
        key = "href" if element.name == "a" else "src"
        target = element.get(key, "")
        parts = urlsplit(target)
        if not target or parts.scheme:
            continue
        path = posixpath.normpath(posixpath.join(folder, parts.path)) if parts.path else name
        other = path.removesuffix(".html")
        if other in names:
            element[key] = "#" + anchor(other, parts.fragment)
        else:
            element[key] = f"/{path}" if element.name == "img" else urljoin(base, path) + target[len(parts.path) :]
        if element.name == "img":
            element.attrs.pop("loading", None)
    body.name = "article"
    body["id"] = anchor(name)
    body["class"] = ["bd-article", "printed"]
    return body


def document(names: list[str]) -> str:
    pages = [BeautifulSoup((SITE / f"{name}.html").read_text(encoding="utf-8"), "html.parser") for name in names]
    sheets = {
        posixpath.normpath(posixpath.join("/", posixpath.dirname(name), link["href"])): None
        for name, page in zip(names, pages)
        for link in page.select('link[rel="stylesheet"]')
    }
    styles = "".join(f'<link rel="stylesheet" href="{sheet}">' for sheet in sheets)
    base = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]
    body = "\n".join(str(article(name, names, base)) for name in names)
    return (
        f'<!DOCTYPE html><html lang="{pages[0].html["lang"]}" data-theme="light" data-mode="light"><head>'
        f'<meta charset="utf-8"><title>{pages[0].title.get_text()}</title>{styles}<style>{STYLE}</style>'
        f"</head><body>{body}</body></html>"
    )


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


def print_book(browser, address: str, name: str, names: list[str]) -> list[str]:
    """Print these pages as _build/NAME; returns what is wider than the paper."""
    text, target = document(names), SITE.parent / name
    page = browser.new_page(viewport={"width": 900, "height": 1200}, color_scheme="light")
    page.set_default_timeout(300_000)
    page.route("**/whole-book.html", lambda route: route.fulfill(body=text, content_type="text/html; charset=utf-8"))
    page.goto(address, wait_until="networkidle")
    page.emulate_media(media="print")
    cut = page.evaluate(
        "() => [...document.querySelectorAll('pre, table, img')].filter(e =>"
        " e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
        ".map(e => e.outerHTML.slice(0, 100))"
    )
    page.pdf(
        path=target,
        format="A4",
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
        outline=True,
        tagged=True,
        margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
    )
    page.close()
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.1f} MB")
    return cut


def main() -> int:
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        print(f"make pdf needs one of {', '.join(BROWSERS)} on the path; the site is in {SITE}")
        return 1
    handler = functools.partial(QuietHandler, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/whole-book.html"
    books = {"book.pdf": pages(), "book-zh.pdf": chinese_pages()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        cut = [line for name, names in books.items() if names for line in print_book(browser, address, name, names)]
        browser.close()
    server.shutdown()
    for element in cut:
        print(f"wider than the paper: {element}")
    return 1 if cut else 0


if __name__ == "__main__":
    sys.exit(main())
