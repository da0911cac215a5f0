"""The built site, a server of it, and one tab of Chromium for all tests.

Without Chromium (``chromium``, ``google-chrome`` …) on the path, the browser's tests are skipped, unless CI and
D2LTORCH_REQUIRE_BROWSER are both set. What can be read from the files alone is tested without a browser.
"""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from pathlib import Path

import pytest
from browsing import CHROMIUM, PREFIX, ROOT, SITE, WIDTHS
from bs4 import BeautifulSoup


def newest(*folders: str) -> float:
    files = [ROOT / "_config.yml", ROOT / "_toc.yml"]
    for folder in folders:
        files += [f for f in (ROOT / folder).rglob("*") if "__pycache__" not in f.parts]
    return max(f.stat().st_mtime for f in files if f.is_file())


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site; built first where it is missing or older than its sources."""
    stamp = SITE / ".built"  # which make book leaves last
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


@pytest.fixture(scope="session")
def axe_source() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
