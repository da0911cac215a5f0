"""A word of the glossary is a link where a chapter first uses it, and shows its definition on hover and focus.

Chinese chapters have the Chinese glossary, if there is one. Its entries are written 学习率（learning rate）, with
other words for the same thing after the English one.
"""

from __future__ import annotations

import re
from html import escape

from docutils import nodes
from site_chinese import HAN, close_gaps, counterpart, is_chinese
from sphinx import addnodes
from sphinx.domains.std import StandardDomain

PAGE = "book/glossary"
NOT_IN = (nodes.reference, nodes.literal, nodes.title, nodes.math, nodes.raw, nodes.literal_block, nodes.table)
# sections: after the first use, or before any; and an answer to click holds no link
WITHOUT = {"exercises", "summary", "references", "set-up", "check-yourself"}


def remember_terms(app, doctree) -> None:
    """Each word with its anchor and definition, the link at its end left out."""
    if app.env.docname not in (PAGE, counterpart(PAGE)):
        return
    terms: dict[str, tuple[str, str]] = {}
    for item in doctree.findall(nodes.definition_list_item):
        definition = next(item.findall(nodes.definition)).deepcopy()
        for link in [*definition.findall(addnodes.pending_xref), *definition.findall(nodes.reference)]:
            link.parent.remove(link)
        text = re.sub(r"\s+", " ", definition.astext()).strip()
        text = close_gaps(re.sub(r"(?<=[.)。）])[^.)。）]*$", "", text) or text)
        for term in item.findall(nodes.term):
            for word in words_of(term.astext().split("\n")[0].strip()):
                terms[word] = (term["ids"][0], text)
    app.env.glossary_terms = {**getattr(app.env, "glossary_terms", {}), app.env.docname: terms}


def words_of(entry: str) -> list[str]:
    """The words that a chapter may use for an entry: the Chinese ones of a Chinese entry, from two letters on."""
    if not HAN.search(entry):
        return entry.split(", ")
    return [word for word in re.split(r"[\s（）()，、；/]+", entry) if len(HAN.findall(word)) > 1]


class Glossaries(StandardDomain):
    """A domain in which a word may stand in the glossary of each language; the English one is that of :term:."""

    def _note_term(self, term: str, labelid: str, location=None) -> None:
        if not is_chinese(self.env.docname):
            super()._note_term(term, labelid, location)


def is_plain(text) -> bool:
    """Whether a text stands in a sentence of the chapter, and not in a link, code, heading or folded section."""
    node = text.parent
    inside = False
    while node is not None:
        if isinstance(node, NOT_IN) or "cell_output" in getattr(node, "attributes", {}).get("classes", []):
            return False
        if isinstance(node, nodes.section) and WITHOUT & set(node["ids"]):
            return False
        inside = inside or isinstance(node, nodes.paragraph)
        node = node.parent
    return inside


def pattern_of(words: list[str]) -> re.Pattern:
    """A pattern that finds the longest of these words as its group 1 or 2: Chinese anywhere, English whole words."""
    parts = []
    for chosen in (filter(HAN.search, words), (word for word in words if not HAN.search(word))):
        parts.append("|".join(re.escape(word) for word in sorted(chosen, key=len, reverse=True)) or "(?!)")
    return re.compile(rf"({parts[0]})|(?<![\w-])({parts[1]})(?:s|es)?(?![\w-])", re.IGNORECASE)


def link_terms(app, doctree, docname) -> None:
    page = counterpart(PAGE) if is_chinese(docname) else PAGE
    terms = getattr(app.env, "glossary_terms", {}).get(page, {})
    if not docname.startswith("chapters/") or not terms or app.builder.format != "html":
        return
    address = app.builder.get_relative_uri(docname, page)
    known = {term.lower(): place for term, place in terms.items()}
    pattern = pattern_of(list(terms))
    linked = set()
    for text in [text for text in doctree.findall(nodes.Text) if is_plain(text)]:
        rest, pieces, end = text.astext(), [], 0
        for found in pattern.finditer(rest):
            anchor, definition = known[(found[1] or found[2]).lower()]
            if anchor in linked:
                continue
            linked.add(anchor)
            link = (
                f'<a class="term" href="{address}#{anchor}" data-bs-toggle="tooltip" title="{escape(definition)}">'
                f"{escape(found[0])}</a>"
            )
            pieces += [nodes.Text(rest[end : found.start()]), nodes.raw("", link, format="html")]
            end = found.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(rest[end:])])


def setup(app):
    app.add_domain(Glossaries, override=True)
    app.connect("doctree-read", remember_terms)
    app.connect("doctree-resolved", link_terms)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
