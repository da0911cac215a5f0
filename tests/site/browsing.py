"""What the tests of the site share: where it is, and how they look at a page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import urlparse

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"]] + [c["file"] for part in TOC.get("parts", []) for c in part["chapters"]]
CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]
CHINESE = [  # a page is in the Chinese edition if it has been written
    zh for page in PAGES for zh in [page.replace("/", "/zh/")] if list((ROOT / zh).parent.glob(f"{Path(zh).name}.*"))
]
CHINESE_CHAPTERS = [page for page in CHINESE if page.startswith("chapters/")]
PREFIX = urlparse(CONFIG["html"]["baseurl"]).path  # where the site stands on its host
MISSING = "no/such/page"
WIDTHS = {"wide": 1400, "tablet": 820, "phone": 390}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)

needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not (os.environ.get("CI") == "true" and os.environ.get("D2LTORCH_REQUIRE_BROWSER")),
    reason="Chromium is not on the path: the site was not tested in a browser",
)


def visit(tab, name: str, width: str = "wide", theme: str = "light") -> None:
    tab.complaints.clear()
    tab.emulate_media(color_scheme=theme, reduced_motion="reduce")
    tab.set_viewport_size({"width": WIDTHS[width], "height": 900})
    tab.goto(f"{name}.html", wait_until="load")
    if name == MISSING:  # that it is missing is no complaint; what its page then asks for must be there
        tab.complaints[:] = [line for line in tab.complaints if MISSING not in line and "status of 404" not in line]


def ask(tab, page: str, words: str) -> None:
    """Search for ``words`` from a page, by keyboard."""
    visit(tab, page)
    tab.keyboard.press("Control+k")
    tab.locator("dialog[open] input[name=q]").fill(words)
    tab.keyboard.press("Enter")


def use_theme(tab, theme: str) -> None:
    tab.emulate_media(color_scheme=theme, reduced_motion="reduce")
    tab.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)


def violations(tab, axe_source: str, only_colours: bool = False) -> list[str]:
    """What axe-core finds against WCAG 2.1 AA, a line for each kind with its first places."""
    tab.evaluate("source => { if (!window.axe) { (0, eval)(source) } }", axe_source)
    if not only_colours:  # what scrolls becomes reachable by keyboard once somebody uses the Tab key
        tab.evaluate("dispatchEvent(new KeyboardEvent('keydown', {key: 'Tab'}))")
        tab.wait_for_function(  # measured when the browser is idle, which a busy machine makes late
            "() => [...document.querySelectorAll('article pre')]"
            ".every(block => block.scrollWidth <= block.clientWidth + 1 || block.tabIndex === 0)"
        )
    rules = {"type": "rule", "values": ["color-contrast"]} if only_colours else WCAG
    found = tab.evaluate("rules => axe.run({runOnly: rules, preload: false, resultTypes: ['violations']})", rules)[
        "violations"
    ]
    return [f"{v['id']}: {v['help']}: " + " | ".join(n["html"][:150] for n in v["nodes"][:3]) for v in found]


def fold_problems(tab) -> list[str]:
    """Open and close the first solution and the first hidden cell by mouse and by keyboard."""
    problems = []
    for kind in ("article details:not(.hide, .answers)", "article details.hide"):
        fold = tab.locator(kind).first
        if tab.locator(kind).count() == 0:
            continue
        summary = fold.locator("summary").first
        if not summary.text_content().strip():
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
