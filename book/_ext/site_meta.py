"""What a page says about itself: reading time, description, and a card for when it is shared.

The description is the page's first paragraph, unless its front matter has one. The card is drawn
with matplotlib, once for every English title, so that the site holds no picture made elsewhere.
"""

from __future__ import annotations

import math
import re
import zlib
from html import escape
from pathlib import Path

from docutils import nodes
from site_chinese import HAN, TITLE, close_gaps, counterpart, is_chinese

WORDS_PER_MINUTE = 200
CHINESE_LETTERS_PER_MINUTE = 350
SECONDS_PER_CODE_LINE = 2
SECONDS_PER_FIGURE = 12
DESCRIPTION_LENGTH = 200
SILENT = (nodes.literal_block, nodes.math_block, nodes.raw, nodes.comment)


def is_inside(node, kinds) -> bool:
    while node is not None:
        if isinstance(node, kinds):
            return True
        node = node.parent
    return False


def reading_minutes(doctree) -> int:
    """Minutes to read a page: its words, its code lines and its figures, outputs left out."""
    texts = [text for text in doctree.findall(nodes.Text) if not is_inside(text.parent, SILENT)]
    letters = sum(len(HAN.findall(text)) for text in texts)
    words = sum(len(HAN.sub(" ", text).split()) for text in texts)
    code_lines = sum(
        len(block.astext().splitlines())
        for block in doctree.findall(nodes.literal_block)
        if "cell_output" not in block.parent.get("classes", [])
    )
    figures = sum(1 for _ in doctree.findall(nodes.image))
    minutes = words / WORDS_PER_MINUTE + letters / CHINESE_LETTERS_PER_MINUTE
    return math.ceil(minutes + (SECONDS_PER_CODE_LINE * code_lines + SECONDS_PER_FIGURE * figures) / 60)


def description(doctree) -> str:
    """The first paragraph that is a sentence, cut at a word, or at a letter where it is Chinese."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = close_gaps(re.sub(r"\s+", " ", paragraph.astext()).strip())
        if len(text) > (20 if HAN.search(text) else 40):
            break
    else:
        return ""
    if len(text) <= (DESCRIPTION_LENGTH // 2 if HAN.search(text) else DESCRIPTION_LENGTH):
        return text
    if HAN.search(text):
        return text[: DESCRIPTION_LENGTH // 2].rstrip("，；：、") + "……"
    return text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0].rstrip(",;:–") + " …"


def card_name(title: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40]
    return f"{slug}-{zlib.crc32(title.encode()):08x}.png"


def draw_card(title: str, book: str, path: Path) -> None:
    """A 1200 × 630 card: the page's title, the book's, and shrinking feature maps."""
    import textwrap

    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon

    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="#10202c")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 1200), ylim=(0, 630))
        axes.axis("off")
        stages = [(860, 30, 330, 46, "#0072B2"), (960, 46, 210, 36, "#009E73"), (1056, 60, 120, 28, "#D55E00")]
        for left, width, height, depth, colour in stages:
            bottom = 300 - height / 2
            right, top = left + width, bottom + height
            for shade, corners in (
                (1.0, [(left, bottom), (right, bottom), (right, top), (left, top)]),
                (0.7, [(right, bottom), (right + depth, bottom + depth), (right + depth, top + depth), (right, top)]),
                (1.3, [(left, top), (right, top), (right + depth, top + depth), (left + depth, top + depth)]),
            ):
                rgb = [min(1.0, shade * c) for c in matplotlib.colors.to_rgb(colour)]
                axes.add_patch(Polygon(corners, facecolor=rgb, linewidth=0))
        lines = textwrap.wrap(title, 22)[:4]
        axes.text(80, 340, "\n".join(lines), color="white", size=44, weight="bold", va="center", linespacing=1.25)
        if title != book:
            axes.text(80, 80, book, color="#a5d8f6", size=24, va="center")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=100)


def add_page_meta(app, pagename, templatename, context, doctree) -> None:
    if doctree is None or app.builder.format != "html":
        return
    plain_title = re.sub(r"<[^>]+>", "", context.get("title", "")) or app.config.html_title
    chinese, root = is_chinese(pagename), app.config.root_doc
    is_home = pagename in (root, counterpart(root))
    book = TITLE if chinese else app.config.html_title
    title = book if is_home else plain_title
    tags = context.get("metatags") or ""
    written = re.search(
        r'name="description"[^>]*content="([^"]*)"|content="([^"]*)"[^>]*'
        r'name="description"',
        tags,
    )
    text = (written.group(1) or written.group(2)) if written else escape(description(doctree))
    base = app.config.html_baseurl.rstrip("/")
    english = app.env.titles[counterpart(pagename)].astext() if chinese else title  # the card's font has no Chinese
    card = card_name(english)
    app.env.page_cards = {**getattr(app.env, "page_cards", {}), pagename: (card, english)}
    properties = {
        "og:type": "article",
        "og:site_name": escape(book),
        "og:title": escape(title),
        "og:description": text,
        "og:url": f"{base}/{pagename}.html",
        "og:image": f"{base}/_static/social/{card}",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": escape(f"{english}, beside three shrinking stacks of feature maps"),
    }
    lines = [] if written else [f'<meta name="description" content="{text}">']
    lines += [f'<meta property="{key}" content="{value}">' for key, value in properties.items()]
    lines.append('<meta name="twitter:card" content="summary_large_image">')
    context["metatags"] = tags + "\n" + "\n".join(lines) + "\n"

    minutes = reading_minutes(doctree)
    if minutes >= 3 and not is_home and "</h1>" in context.get("body", ""):
        words = f"阅读约需 {minutes} 分钟" if chinese else f"About {minutes} minutes to read"
        note = f'<p class="reading-time">{words}</p>'
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{note}", 1)


def draw_missing_cards(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "social"
    for card, title in getattr(app.env, "page_cards", {}).values():
        if not (folder / card).exists():
            draw_card(title, app.config.html_title, folder / card)


def setup(app):
    app.connect("html-page-context", add_page_meta)
    app.connect("build-finished", draw_missing_cards)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
