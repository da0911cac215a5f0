"""The search: one entry a section, so that a reader lands on the section and not at the top of a long chapter.

Sphinx's own index knows pages and single words: "1×1" is two ones to it, and half of what it quotes comes from menus.
``search-data.js`` holds every section's title and text; ``search.js`` ranks them in the reader's browser. Only the
search page loads the two; they work from a folder without a server, too.

Chinese has no blanks between its words. ``search-data-zh.js`` holds the text as it is, and the words of the book beside
it (book/zh/TERMS.md), so that what other books say finds what this one says; the browser takes the reader's question
apart. Words cut when the book is built would serve only a question that is cut by the same dictionary.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from docutils import nodes
from site_chinese import HAN, close_gaps, is_chinese

from book.zh.check import tables

FORMULAE = (nodes.math, nodes.math_block)
TEX = {r"\times": "×", r"\cdot": "·", "{,}": ",", r"\,": "", r"\ge": "≥", r"\le": "≤", r"\approx": "≈", r"\to": "→"}
TEX |= {r"\sigma": "σ", r"\mu": "µ", r"\gamma": "γ", r"\beta": "β", r"\epsilon": "ε", r"\pm": "±", r"\sqrt": "√"}


def is_inside(node, classes: set[str]) -> bool:
    while node is not None:
        if isinstance(node, nodes.Element) and classes & set(node.get("classes", [])):
            return True
        node = node.parent
    return False


def owner(node):
    """The section or glossary entry that a node stands in."""
    while node is not None and not isinstance(node, (nodes.section, nodes.definition_list_item)):
        node = node.parent
    if isinstance(node, nodes.definition_list_item) and not anchor_of(node):
        return owner(node.parent)
    return node


def anchor_of(node) -> str:
    if isinstance(node, nodes.definition_list_item):
        term = next(iter(node.findall(nodes.term)), None)
        return term["ids"][0] if term is not None and term["ids"] else ""
    return node["ids"][0] if node["ids"] else ""


def title_of(node) -> str:
    kind = nodes.term if isinstance(node, nodes.definition_list_item) else nodes.title
    return next((re.sub(r"\s+", " ", title.astext()) for title in node.findall(kind)), "")


def readable(tex: str) -> str:
    """A formula as a line of text: good enough to be found and quoted."""
    for command, text in TEX.items():
        tex = tex.replace(command, text)
    return re.sub(r"\\[a-zA-Z]+|[{}$&\\]", "", tex)


def sections(doctree) -> list[tuple[str, str, str, str]]:
    """Anchor, title, prose and code of each section and glossary entry; what cells printed is left out."""
    prose: dict[object, list[str]] = {}
    code: dict[object, list[str]] = {}
    for text in doctree.findall(nodes.Text):
        section = owner(text.parent)
        if section is None or isinstance(text.parent, (nodes.raw, nodes.comment)):
            continue
        if is_inside(text.parent, {"cell_output"}) or isinstance(text.parent, (nodes.title, nodes.term)):
            continue
        block = isinstance(text.parent, nodes.literal_block)
        words = readable(text.astext()) if isinstance(text.parent, FORMULAE) else text.astext()
        separator = "" if isinstance(text.parent, (nodes.emphasis, nodes.strong, nodes.literal)) else " "
        (code if block else prose).setdefault(section, []).append(separator + words)
    found = [*doctree.findall(nodes.section), *doctree.findall(nodes.definition_list_item)]
    rows = []
    for section in found:
        if anchor_of(section):
            plain, program = (re.sub(r"\s+", " ", "".join(t.get(section, []))).strip() for t in (prose, code))
            rows.append((anchor_of(section), title_of(section), plain, program))
    return rows


def collect(app, doctree) -> None:
    app.env.search_sections = {**getattr(app.env, "search_sections", {}), app.env.docname: sections(doctree)}


def forget(app, env, docname) -> None:
    getattr(env, "search_sections", {}).pop(docname, None)


def words_of_the_book() -> list[list[str]]:
    """Each Chinese word of the book, followed by what others say for it and by its English."""
    rows = []
    for english, chinese, unused in tables()[0]:
        rows.append([chinese[0], *unused, *(word for word in english if word not in chinese)])
        rows += [[word] for word in chinese[1:]]
    return [row for row in rows if HAN.search(row[0])]


def write_data(app, exception) -> None:
    """The address, title, prose and code of all sections of a language, page by page in the book's order."""
    if exception is not None or app.builder.format != "html":
        return
    pages = [app.config.root_doc, *app.env.toctree_includes.get(app.config.root_doc, [])]
    known = app.env.search_sections
    static = Path(app.outdir) / "_static"
    for name, chinese in (("search-data.js", False), ("search-data-zh.js", True)):
        mine = [page for page in pages if page in known and is_chinese(page) == chinese]
        rows = [(f"{page}.html", *row) for page in mine for row in known[page]]
        data = {"SECTIONS": [tuple(map(close_gaps, row)) for row in rows] if chinese else rows}
        data |= {"TERMS": words_of_the_book()} if chinese else {}
        lines = [f"const {k} = {json.dumps(v, ensure_ascii=False, separators=(',', ':'))};" for k, v in data.items()]
        if mine:
            (static / name).write_text("\n".join(['"use strict";', *lines, ""]), encoding="utf-8")
    # Sphinx needs its index for its next build; no reader does
    index = Path(app.outdir) / "searchindex.js"
    if index.exists():
        shutil.move(index, Path(app.doctreedir) / "searchindex.js")


def bring_back_index(app) -> None:
    aside = Path(app.doctreedir) / "searchindex.js"
    if app.builder.format == "html" and aside.exists():
        shutil.copy(aside, Path(app.outdir) / "searchindex.js")


def setup(app):
    app.connect("builder-inited", bring_back_index)
    app.connect("doctree-read", collect, priority=900)
    app.connect("env-purge-doc", forget)
    app.connect("build-finished", write_data, priority=840)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
