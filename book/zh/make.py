"""``make zh``: write the Chinese notebooks and pages from the catalogues.

Code, outputs, metadata and ids are the English ones. Links lead to the Chinese neighbour where there is one. A text
without its Chinese stands there in English; the tests refuse it.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from book.notebooks import ROOT
from book.zh.catalogue import FENCE, catalogue, entries, renumbered, rewrite, translated

LINK = re.compile(
    r"(?P<before>\]\(|^:(?:link|target|img-top): |\{(?:button-ref|image|figure|literalinclude)\} |blob/main/)"
    r"(?P<file>[^#)\s]*)(?P<anchor>#[^)\s]*)?",
    re.MULTILINE,
)
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def target(path: Path) -> Path:
    """Where the Chinese of a notebook or page is written."""
    return path.parent / "zh" / path.name


def headings(text: str) -> list[str]:
    return HEADING.findall(FENCE.sub("", text))


def slug(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    title = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*$\\]", r"\1", title).lower()
    return re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-")


@functools.cache
def anchors(path: Path) -> dict[str, str]:
    """The anchors of a notebook or page by those of the English."""
    pairs = [(entry.english, entry.chinese or entry.english) for entry in entries(path)[0]]
    return {slug(a): slug(b) for pair in pairs for a, b in zip(*map(headings, pair))}


def find(path: Path, address: str) -> Path | None:
    """The file of the book that a relative address means."""
    if not address:
        return path
    place = (path.parent / address).resolve()
    ends = ("", ".ipynb", ".md") if not place.suffix else ("",)
    candidates = [place.with_name(place.name + end) for end in ends] + [place.with_suffix(".md")]
    return next((file for file in candidates if file.is_file()), None)


def relink(text: str, path: Path) -> str:
    """The text with its relative links leading from the Chinese file, to Chinese files where there are some."""

    def link(match: re.Match) -> str:
        address, anchor, on_github = match["file"], match["anchor"] or "", match["before"] == "blob/main/"
        file = find(ROOT / "README.md" if on_github else path, address)
        if file is None:
            return match[0]
        there = file
        if catalogue(file).exists() and file.parent in (ROOT / "book", ROOT / "chapters"):
            anchor = "#" + anchors(file).get(anchor[1:], anchor[1:]) if anchor else ""
            there = target(file)
        if address:  # with the ending that it had: .ipynb, .html, or none
            new = os.path.relpath(there, ROOT if on_github else target(path).parent)
            address = Path(new).with_suffix(Path(address).suffix).as_posix()
        return match["before"] + address + anchor

    return LINK.sub(link, text)


def chinese(path: Path) -> str:
    """The Chinese notebook, page or script of an English one."""
    found = {entry.key: entry for entry in entries(path)[0]}

    def say(key: str, english: str) -> str:
        entry = found[key]
        text = renumbered(entry.chinese, entry.english, english) if entry.chinese else None
        is_cell = path.suffix == ".ipynb" and not key.endswith(" alt")
        return relink(text or english, path) if is_cell else text or english

    text = rewrite(path, say)
    return relink(text, path).replace('="../_static/', '="../../_static/') if path.suffix == ".md" else text


def written() -> list[Path]:
    """The English of all files that are written; the words of a script reach its page when the site is built."""
    return [path for path in translated() if path.suffix != ".js"]


def main() -> None:
    for path in written():
        text, file = chinese(path), target(path)
        file.parent.mkdir(exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file}")


if __name__ == "__main__":
    main()
