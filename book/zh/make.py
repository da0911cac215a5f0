"""``make zh``: write the Chinese notebooks and pages from the catalogues.

Code, outputs, metadata and ids are the English ones, and so are the anchors of headings: JupyterLab follows a link to
ASCII alone. Links lead to the Chinese neighbour where there is one. A text without its Chinese stands there in English;
the tests refuse it.
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
    r"(?P<file>[^#)\s]*)",
    re.MULTILINE,
)
ANCHOR = re.compile(r"\]\(([^#)\s]*)#([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)


def target(path: Path) -> Path:
    """Where the Chinese of a notebook or page is written."""
    return path.parent / "zh" / path.name


def headings(text: str) -> list[str]:
    return HEADING.findall(FENCE.sub("", text))


def anchor(heading: str, path: Path) -> str:
    """Of a heading in a notebook, as JupyterLab and nbconvert make it; in a page, as GitHub does."""
    title = re.sub(r"[`*$\\]", "", heading.lstrip("#")).strip().replace(" ", "-")
    return title if path.suffix == ".ipynb" else re.sub(r"[^\w-]", "", title.lower())


@functools.cache
def linked() -> set[tuple[Path | None, str]]:
    """The headings that links of the book lead to: file and anchor."""
    texts = [(path, entry.english) for path in written() for entry in entries(path)[0]]
    return {(find(path, file), name) for path, english in texts for file, name in ANCHOR.findall(english)}


def with_anchors(text: str, english: str, path: Path) -> str:
    """The text with the English anchor above each heading that a link leads to."""
    for there, here in zip(headings(english), headings(text)):
        if (path, name := anchor(there, path)) in linked():
            marked = f'<a id="{name}"></a>\n\n{here}'
            text = re.sub(rf"^{re.escape(here)}$", lambda _, marked=marked: marked, text, count=1, flags=re.M)
    return text


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
        address, on_github = match["file"], match["before"] == "blob/main/"
        file = find(ROOT / "README.md" if on_github else path, address)
        if file is None or not address:
            return match[0]
        is_chinese = catalogue(file).exists() and file.parent in (ROOT / "book", ROOT / "chapters")
        new = os.path.relpath(target(file) if is_chinese else file, ROOT if on_github else target(path).parent)
        return match["before"] + Path(new).with_suffix(Path(address).suffix).as_posix()  # .ipynb, .html, or none

    return LINK.sub(link, text)


def chinese(path: Path) -> str:
    """The Chinese notebook, page or script of an English one."""
    found = {entry.key: entry for entry in entries(path)[0]}

    def say(key: str, english: str) -> str:
        entry = found[key]
        text = renumbered(entry.chinese, entry.english, english) if entry.chinese else None
        text = with_anchors(text or english, english, path)
        is_cell = path.suffix == ".ipynb" and not key.endswith(" alt")
        return relink(text, path) if is_cell else text

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
