"""The Chinese pages beside the English ones, in one build.

A page is Chinese if it stands in a folder zh. Its headings have the English addresses, so that a switch of language
stays in its place; the words of the themes are Chinese; sidebar, previous and next lead to Chinese pages alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import pydata_sphinx_theme
import sphinx.locale
import sphinx_book_theme
from docutils import nodes

CATALOGUES = (
    (Path(sphinx.locale.__file__).parent, "zh_CN", "sphinx"),
    (Path(pydata_sphinx_theme.__file__).parent / "locale", "zh", "sphinx"),
    (Path(sphinx_book_theme.__file__).parent / "theme/sphinx_book_theme/static/locales", "zh_CN", "booktheme"),
)
PART = re.compile(r'(?=<p [^>]*class="caption")')


def is_chinese(docname: str) -> bool:
    return "/zh/" in docname


def counterpart(docname: str) -> str:
    """The same page in the other language."""
    return docname.replace("/zh/", "/") if is_chinese(docname) else docname.replace("/", "/zh/", 1)


def share_anchors(app, doctree) -> None:
    """The headings of a Chinese page have the addresses of the English ones."""
    env = app.env
    if not is_chinese(env.docname):
        return
    english = env.get_doctree(counterpart(env.docname))  # read before: its name comes first
    env.note_dependency(env.doc2path(counterpart(env.docname)))
    new = {}
    for here, there in zip(doctree.findall(nodes.section), english.findall(nodes.section), strict=True):
        new |= dict.fromkeys(here["ids"], there["ids"][0])
        here["ids"] = there["ids"][:1]
    for reference in doctree.findall(nodes.reference):
        if reference.get("refid") in new:
            reference["refid"] = new[reference["refid"]]
    slugs = env.metadata[env.docname].get("myst_slugs", {})
    env.metadata[env.docname]["myst_slugs"] = {s: (line, new.get(i, i), title) for s, (line, i, title) in slugs.items()}


def switch_words(app, docname: str) -> None:
    """Sphinx and the themes speak the language of the page that is written next."""
    chinese = is_chinese(docname)
    if getattr(app, "speaks_chinese", None) != chinese:
        app.speaks_chinese = chinese
        sphinx.locale.translators.clear()
        for folder, language, name in CATALOGUES:
            sphinx.locale.init([str(folder)], language if chinese else None, name)
        app.builder.templates.environment.install_gettext_translations(sphinx.locale.get_translator())


def before_writing(app, doctree, docname) -> None:
    if app.builder.format == "html":
        switch_words(app, docname)


def adapt(app, pagename, templatename, context, doctree) -> None:
    if app.builder.format != "html":
        return
    switch_words(app, pagename)
    chinese = is_chinese(pagename)
    context["language"] = "zh-CN" if chinese else "en"
    if doctree is None:
        return
    if counterpart(pagename) in app.env.found_docs:
        base = app.config.html_baseurl.rstrip("/")
        for name in sorted({pagename, counterpart(pagename)}):
            language = "zh-CN" if is_chinese(name) else "en"
            link = f'<link rel="alternate" hreflang="{language}" href="{base}/{name}.html">'
            context["metatags"] = (context.get("metatags") or "") + link + "\n"
    previous, following = app.env.collect_relations().get(pagename, [None] * 3)[1:]
    for key, other in (("prev", previous), ("next", following)):
        if other and is_chinese(other) != chinese:
            context[key] = None
    tree = context["generate_toctree_html"]

    def own_language(*args, **kwargs) -> str:
        """The parts of the sidebar in the page's language."""
        first, *parts = PART.split(str(tree(*args, **kwargs)))
        mine = []
        for part in parts:
            links = re.findall(r'href="([^"]*)"', part)
            target = [(Path(pagename).parent / link).as_posix() if link != "#" else pagename for link in links]
            is_part_chinese = any("/zh/" in re.sub(r"[^/]+/\.\./", "", t) for t in target)
            mine += [part] * (is_part_chinese == chinese)
        return first + "".join(mine)

    context["generate_toctree_html"] = own_language


def setup(app):
    app.connect("doctree-read", share_anchors, priority=100)
    app.connect("doctree-resolved", before_writing)
    app.connect("html-page-context", adapt, priority=950)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
