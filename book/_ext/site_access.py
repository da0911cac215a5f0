"""Small repairs to the pages' markup, for a keyboard, a screen reader or a slow line.

* What folds says what it holds: the theme labels every fold "Toggle hidden content".
* Figures load when they come into view, and know their size, so that the text does not jump.
* Scripts that no page uses are left out: thebe runs code in a cloud, and the theme loads it twice.
* Names, punctuation and blanks in code have the colour of the text, and need no element: a third of
  a chapter's HTML.
* Entries of the bibliography are items of its list; the role that docutils gives is deprecated.
* A picture without alternative text is a warning, which a strict build turns into an error.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

FOLD = re.compile(
    r'<summary aria-label="Toggle hidden content">\s*'
    r'<p class="collapsed admonition-title">Show the (\w+)</p>\s*'
    r'<p class="expanded admonition-title">Hide the \w+</p>\s*</summary>'
)
FOLD_LABELS = {"source": "Code of this figure", "content": "Solution in code", "outputs": "Output"}
IMAGE = re.compile(r'<img\b[^>]*\bsrc="(?P<src>[^"]+\.png)"[^>]*?(?P<end>\s*/?>)')
PLAIN_TOKEN = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')


def png_size(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels from a PNG's header."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError:
        return None
    if head[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    return struct.unpack(">II", head[16:24])


def label_folds(body: str) -> str:
    def label(match: re.Match) -> str:
        return f"<summary>{FOLD_LABELS.get(match[1], 'Code')}</summary>"

    return FOLD.sub(label, body)


def size_images(body: str, pictures: dict[str, Path]) -> str:
    """Give each PNG of the page its size and load all but the first when they come into view."""
    count = 0

    def resize(match: re.Match) -> str:
        nonlocal count
        count += 1
        if " width=" in match[0] or " style=" in match[0]:
            return match[0]
        extra = ' loading="lazy" decoding="async"' if count > 1 else ""
        name = Path(match["src"]).name
        size = png_size(pictures[name]) if name in pictures else None
        if size:
            extra += f' width="{size[0]}" height="{size[1]}"'
        return match[0].removesuffix(match["end"]) + extra + match["end"]

    return IMAGE.sub(resize, body)


def repair_page(app, pagename, templatename, context, doctree) -> None:
    if doctree is None or app.builder.format != "html":
        return
    pictures = {name: Path(app.srcdir) / source for source, name in app.builder.images.items()}
    body = PLAIN_TOKEN.sub(r"\1", context.get("body", ""))
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    context["body"] = size_images(label_folds(body), pictures)


def drop_unused_assets(app, pagename, templatename, context, doctree) -> None:
    def is_used(asset) -> bool:
        text = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', {})}"
        return "thebe" not in text.lower()

    for key in ("script_files", "css_files"):
        if key in context:
            context[key] = [asset for asset in context[key] if is_used(asset)]


def require_alt(app, doctree) -> None:
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logger.warning("a picture without alternative text", location=image, type="access")


def setup(app):
    app.connect("doctree-read", require_alt)
    app.connect("html-page-context", repair_page, priority=400)
    app.connect("html-page-context", drop_unused_assets, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
