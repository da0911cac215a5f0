"""Small repairs to the pages' markup, for a keyboard, a screen reader or a slow line.

* What folds says what it holds: the theme labels every fold "Toggle hidden content".
* Names, punctuation and blanks in code have the colour of the text, and need no element: a third of
  a chapter's HTML.
* Entries of the bibliography are items of its list; the role that docutils gives is deprecated.
* The italic line below a cell's figure, "Figure 3. …", is its caption, with an address, #fig-3.
* A link to a heading as JupyterLab and GitHub name it, #Looking-inside, leads there on the site, too.
* No line begins with the punctuation that follows a formula.
* A number stays on one line with its %, × or MB; the search, which has read the page before, knows nothing of it.
* A picture without alternative text is a warning, which a strict build turns into an error.
"""

from __future__ import annotations

import re

from docutils import nodes
from site_chinese import counterpart, is_chinese
from sphinx import addnodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

FOLD = re.compile(
    r'<summary aria-label="Toggle hidden content">\s*'
    r'<p class="collapsed admonition-title">Show the (\w+)</p>\s*'
    r'<p class="expanded admonition-title">Hide the \w+</p>\s*</summary>'
)
FOLD_LABELS = {"source": "Code of this figure", "content": "Solution in code", "outputs": "Output"}
CHINESE = {"Code of this figure": "本图的代码", "Solution in code": "解答（代码）", "Output": "输出", "Code": "代码"}
PARTS = {  # of solutions in several cells
    "the builder": "构造函数",
    "the comparison": "比较",
    "the shortcut": "捷径",
    "the sizes": "大小",
    "the function": "函数",
    "fooling the plain table": "骗过普通的表",
}
UNIT = re.compile(r"(?<=\d) (?=[%×]|[KMG]B\b)|(?<=×) (?=\d)")
PLAIN_TOKEN = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')


def label_folds(body: str, chinese: bool = False) -> str:
    def label(match: re.Match) -> str:
        words = FOLD_LABELS.get(match[1], "Code")
        return f"<summary>{CHINESE[words] if chinese else words}</summary>"

    return FOLD.sub(label, body)


EXERCISE = re.compile(
    r"<p>(?=<strong>(?P<number>\d+)\.</strong>)"
    r"|<details>\s*<summary>(?P<solution>Solution|解答)</summary>"
    r"|<summary>(?P<code>Solution in code|解答（代码）)</summary>"
    r"(?=(?:\s*<[^>]+>)*# ?@title [^<:]*(?:: (?P<part>[^<]+))?)"
)


def name_exercises(body: str) -> str:
    """Exercises and solutions have addresses, #exercise-3, #solution-3, or names, "Solution 3 in code: the builder"."""
    number = ""

    def name(match: re.Match) -> str:
        nonlocal number
        if match["number"]:
            number = match["number"]
            return f'<p class="exercise" id="exercise-{number}">'
        if match["solution"]:
            return f'<details id="solution-{number}"><summary>{match["solution"]} {number}</summary>'
        words = match["code"].replace("Solution", f"Solution {number}").replace("解答", f"解答 {number}")
        if match["part"]:
            words += f"：{PARTS.get(match['part'], match['part'])}" if "解答" in words else f": {match['part']}"
        return f"<summary>{words}</summary>"

    before, heading, exercises = body.partition('<section id="exercises">')
    return before + heading + EXERCISE.sub(name, exercises)


OUTPUT = '<div class="cell_output docutils container">'
CAPTION = re.compile(r"<p><em[^>]*>(?P<label>(?:Figure|图) (?P<number>\d+)[.。：]?)")


def caption_figures(body: str) -> str:
    """A caption and the output right above it belong together, for the eye and for a screen reader."""
    done, last = [], 0
    for caption in CAPTION.finditer(body):
        above, found, figure = body[last : caption.start()].rpartition(OUTPUT)
        name = f"fig-{caption['number']}"
        if found and "<img" in figure and "<p>" not in figure:
            found = found.replace("<div", f'<div role="figure" aria-labelledby="{name}"')
        done += [above, found, figure, f'<p class="figure-caption" id="{name}"><em><b>{caption["label"]}</b>']
        last = caption.end()
    return "".join([*done, body[last:]])


NUMBER = re.compile(r"[−–-]?[\d,.]+( ?[%MkGs×]| ms| MB)?( ± [\d.]+)?( \(\d+ runs?\))?")


def align_numbers(app, doctree) -> None:
    """Columns that hold numbers only stand right-aligned, headings included."""
    for group in doctree.findall(nodes.tgroup):
        rows = [list(row.children) for row in group.findall(nodes.row)]
        body = [list(row.children) for part in group.findall(nodes.tbody) for row in part.findall(nodes.row)]
        for column in range(len(rows[0]) if rows else 0):
            texts = [row[column].astext().strip() for row in body if column < len(row)]
            if any(texts) and all(not text or text in "–—" or NUMBER.fullmatch(text) for text in texts):
                for row in rows:
                    row[column]["classes"].append("number")


def repair_page(app, pagename, templatename, context, doctree) -> None:
    if doctree is None or app.builder.format != "html":
        return
    body = PLAIN_TOKEN.sub(r"\1", context.get("body", ""))
    body = body.replace('role="doc-biblioentry"', 'role="listitem"')
    context["body"] = caption_figures(name_exercises(label_folds(body, is_chinese(pagename))))


def require_alt(app, doctree) -> None:
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            logger.warning("a picture without alternative text", location=image, type="access")


SHORT_CELL = 20  # lines; what is no longer stays on one sheet of paper


def mark_short_cells(app, doctree) -> None:
    for block in doctree.findall(nodes.literal_block):
        if "cell_input" in block.parent.get("classes", []) and block.astext().count("\n") < SHORT_CELL:
            block.parent["classes"].append("short")


def link_headings(app, doctree) -> None:
    """Headings go by their words with hyphens, too; the Chinese ones by the English words; written anchors go."""
    env = app.env
    found = env.metadata[counterpart(env.docname) if is_chinese(env.docname) else env.docname].get("myst_slugs", {})
    slugs = found | {title.replace(" ", "-"): (line, name, title) for line, name, title in found.values()}
    env.metadata[env.docname]["myst_slugs"] = slugs
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link["reftype"] == "myst" and not link["refdomain"] and link["reftarget"] in slugs:
            name = slugs[link["reftarget"]][1]
            link.replace_self(nodes.reference("", "", *link[0].children, internal=True, refid=name))
    for raw in list(doctree.findall(nodes.raw)):
        if raw.astext().startswith("<a id="):
            raw.parent.parent.remove(raw.parent)


def keep_together(app, doctree) -> None:
    for text in list(doctree.findall(nodes.Text)):
        together = UNIT.sub("\u00a0", text)
        if together != text and not isinstance(text.parent, (nodes.FixedTextElement, nodes.literal, nodes.raw)):
            text.parent.replace(text, nodes.Text(together))


def keep_signs(app, doctree, docname) -> None:
    """A browser may break a line on either side of a formula."""
    if app.builder.format != "html":
        return
    for formula in list(doctree.findall(nodes.math)):
        following = formula.next_node(nodes.Text, descend=False, siblings=True)
        if following is None or formula.parent.index(formula) + 1 != following.parent.index(following):
            continue
        if signs := re.match("[.,;:!?)’”，。；：！？、）]+", following):
            formula.parent.replace(following, nodes.Text(following[signs.end() :]))
            pair = (formula.deepcopy(), nodes.Text(signs[0]))
            formula.replace_self(nodes.inline("", "", *pair, classes=["together"]))


def setup(app):
    app.connect("doctree-read", mark_short_cells)
    app.connect("doctree-read", link_headings)
    app.connect("doctree-read", align_numbers)
    app.connect("doctree-read", require_alt)
    app.connect("doctree-read", keep_together, priority=950)
    app.connect("doctree-resolved", keep_signs)
    app.connect("html-page-context", repair_page, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
