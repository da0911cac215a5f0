"""A word of the glossary is a link where a chapter first uses it, and shows its definition on hover and focus."""

from __future__ import annotations

import re
from html import escape

from docutils import nodes
from sphinx import addnodes

PAGE = "book/glossary"
NOT_IN = (nodes.reference, nodes.literal, nodes.title, nodes.math, nodes.raw, nodes.literal_block, nodes.table)
# sections: after the first use, or before any; and an answer to click holds no link
WITHOUT = {"Exercises", "Summary", "References", "Set-up", "Check yourself"}


def remember_terms(app, doctree) -> None:
    """Each word with its anchor and definition, the link at its end left out."""
    if app.env.docname != PAGE:
        return
    terms = {}
    for item in doctree.findall(nodes.definition_list_item):
        definition = next(item.findall(nodes.definition)).deepcopy()
        for link in [*definition.findall(addnodes.pending_xref), *definition.findall(nodes.reference)]:
            link.parent.remove(link)
        text = re.sub(r"\s+", " ", definition.astext()).strip()
        text = re.sub(r"(?<=[.)])[^.)]*$", "", text) or text
        for term in item.findall(nodes.term):
            terms[term.astext().split("\n")[0].strip()] = (term["ids"][0], text)
    app.env.glossary_terms = terms


def is_plain(text) -> bool:
    """Whether a text stands in a sentence of the chapter, and not in a link, code, heading or folded section."""
    node = text.parent
    inside = False
    while node is not None:
        if isinstance(node, NOT_IN) or "cell_output" in getattr(node, "attributes", {}).get("classes", []):
            return False
        if isinstance(node, nodes.section) and node[0].astext() in WITHOUT:
            return False
        inside = inside or isinstance(node, nodes.paragraph)
        node = node.parent
    return inside


def link_terms(app, doctree, docname) -> None:
    terms = dict(getattr(app.env, "glossary_terms", {}))
    if not docname.startswith("chapters/") or not terms or app.builder.format != "html":
        return
    address = app.builder.get_relative_uri(docname, PAGE)
    for text in [text for text in doctree.findall(nodes.Text) if is_plain(text)]:
        rest, pieces = text.astext(), []
        while terms:
            pattern = "|".join(re.escape(term) for term in sorted(terms, key=len, reverse=True))
            found = re.search(rf"(?<![\w-])({pattern})(s|es)?(?![\w-])", rest, re.IGNORECASE)
            if not found:
                break
            term = next(term for term in terms if term.lower() == found[1].lower())
            anchor, definition = terms.pop(term)
            link = (
                f'<a class="term" href="{address}#{anchor}" data-bs-toggle="tooltip" title="{escape(definition)}">'
                f"{escape(found[0])}</a>"
            )
            pieces += [nodes.Text(rest[: found.start()]), nodes.raw("", link, format="html")]
            rest = rest[found.end() :]
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(rest)])


def setup(app):
    app.connect("doctree-read", remember_terms)
    app.connect("doctree-resolved", link_terms)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
