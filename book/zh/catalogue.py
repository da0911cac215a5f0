"""The catalogues: each text of a chapter or page in English, and below it the same in Chinese.

An entry is a Markdown cell or an alternative text of a notebook, under the cell's id, or a block of a page between
blank lines, or a text t("…") of a script, under a number made of its words. The English is kept so that a change shows
beside what it was. Numbers alone make no entry stale: they are carried over to the Chinese.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from book.notebooks import ROOT

HERE = Path(__file__).parent
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
MARK = re.compile(r"^<!-- (en|zh) (.+) -->$", re.MULTILINE)
# Code, and directives that hold none of the book's words, have no entry; nor have the blank lines between blocks.
FENCE = re.compile(
    r"^```(?:\w+|\{(?:literalinclude|eval-rst|bibliography)\}[^\n]*)\n.*?^```$", re.MULTILINE | re.DOTALL
)
APART = re.compile(rf"({FENCE.pattern}|\n\s*\n)", FENCE.flags)
SILENT = re.compile(
    r"`[^`\n]+`|\$[^$]+\$|\]\([^)]*\)|<[^>]+>|^[ :`]+\{[\w-]+\}(?: *\S*/\S*)?|^:(?!\w*-?alt)[\w-]+:.*", re.MULTILINE
)
CELL = re.compile(r"(?<=\| )[^|\n]+(?= \|)")
SAID = re.compile(r'\bt\("([^"\n]+)"')  # what a script says to its readers
COMPUTED = {"results"}  # pages whose tables are made by a program: an entry for each kind of cell


@dataclass
class Entry:
    """One text: its English, the English that the Chinese was made from, and the Chinese with the numbers of now."""

    key: str
    english: str
    old: str = ""
    chinese: str = ""
    state: str = "missing"  # or "stale", or "fresh"


def source(name: str) -> Path:
    """The English notebook, page or script of that name."""
    paths = [ROOT / folder / f"{name}{end}" for folder in ("chapters", "book") for end in (".ipynb", ".md")]
    paths.append(ROOT / "book" / "static" / "live" / f"{name}.js")
    for path in paths:
        if path.is_file():
            return path
    raise ValueError(f"name={name!r}: there is no chapters/{name}.ipynb, book/{name}.md or book/{name}.ipynb")


def catalogue(path: Path) -> Path:
    """Where the Chinese of a notebook, page or script of the book is kept, if there is any."""
    return HERE / ("chapters" if path.parent.name == "chapters" else "pages") / f"{path.stem}.md"


def translated() -> list[Path]:
    """The English notebooks, pages and scripts that have a catalogue."""
    return [source(path.stem) for folder in ("chapters", "pages") for path in sorted((HERE / folder).glob("*.md"))]


def masked(text: str) -> str:
    return NUMBER.sub("#", text)


def key_of(block: str) -> str:
    return hashlib.sha256(masked(block).encode()).hexdigest()[:8]


def rewrite(path: Path, say: Callable[[str, str], str]) -> str:
    """The file with ``say(key, english)`` in the place of each of its texts, and nothing else changed."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".js":
        return SAID.sub(lambda said: f't("{say(key_of(said[1]), said[1])}"', text)
    if path.suffix == ".ipynb":
        notebook = json.loads(text)
        for cell in notebook["cells"]:
            image = cell["metadata"].get("mystnb", {}).get("image", {})
            if cell["cell_type"] == "markdown":
                cell["source"] = say(cell["id"], "".join(cell["source"])).splitlines(keepends=True)
            elif image.get("alt"):
                image["alt"] = say(f"{cell['id']} alt", image["alt"])
        return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"

    def block(english: str) -> str:
        if re.search(r"\b(?:[A-Z]?[a-z]{2,}|[A-Z][a-z])\b", SILENT.sub("", english)):
            return say(key_of(english), english)
        return english

    def piece(part: str) -> str:
        if path.stem in COMPUTED and part.startswith("|"):
            return CELL.sub(lambda cell: block(cell[0]), part)
        ends = re.fullmatch(r"(\s*)(.*?)(\s*)", part, re.DOTALL)
        return ends[1] + block(ends[2]) + ends[3]

    parts = APART.split(text)
    return "".join(part if odd % 2 else piece(part) for odd, part in enumerate(parts))


def texts(path: Path) -> dict[str, str]:
    """Every text of a notebook or page by its key, in order."""
    found: dict[str, str] = {}
    rewrite(path, found.setdefault)
    return found


def load(path: Path) -> dict[str, tuple[str, str]]:
    """The catalogue of a notebook or page: by key, the English that it was made from and the Chinese."""
    file, found = catalogue(path), {}
    pieces = MARK.split(file.read_text(encoding="utf-8"))[1:] if file.exists() else []
    english = written = key = ""
    for language, mark, text in zip(pieces[::3], pieces[1::3], pieces[2::3]):
        if language == "en":
            english, written = text.strip(), mark
            key = mark if path.suffix == ".ipynb" else key_of(english)
        else:
            found[key if mark == written else mark] = (english if mark == written else "", text.strip())
    return found


def renumbered(chinese: str, old: str, new: str) -> str | None:
    """The Chinese of ``old`` with the numbers of ``new``; None where more has changed, or their places are unclear."""
    if masked(old) != masked(new):
        return None
    befores, afters, here = NUMBER.findall(old), NUMBER.findall(new), NUMBER.findall(chinese)
    if here == befores:
        values = iter(afters)
        return NUMBER.sub(lambda _: next(values), chinese)
    ways: dict[str, set[str]] = {}
    for before, after in zip(befores, afters):
        ways.setdefault(before, set()).add(after)
    changed = {before for before, after in ways.items() if after != {before}}
    if any(len(ways[before]) > 1 or before not in here for before in changed):
        return None
    return NUMBER.sub(lambda number: min(ways.get(number[0], {number[0]})), chinese)


@functools.cache
def entries(path: Path) -> tuple[list[Entry], dict[str, tuple[str, str]]]:
    """Every text of a notebook or page with its state, and what the catalogue holds of texts that are no more."""
    kept, found = load(path), []
    for key, english in texts(path).items():
        found.append(Entry(key, english, *kept.pop(key, ("", ""))))
    for entry in found:
        if not entry.chinese and path.suffix != ".ipynb":  # a block that was changed has another key: find what it was
            close = difflib.get_close_matches(entry.english, [old for old, _ in kept.values()], 1)
            for key in [key for key, (old, _) in kept.items() if old in close][:1]:
                entry.old, entry.chinese = kept.pop(key)
        if entry.chinese:
            new = renumbered(entry.chinese, entry.old or entry.english, entry.english)
            entry.state, entry.chinese = ("stale", entry.chinese) if new is None else ("fresh", new)
    return found, kept


def save(path: Path, found: list[Entry]) -> None:
    """Write a catalogue; a stale entry keeps the English that its Chinese was made from."""
    blocks = [f"<!-- Chinese of {path.relative_to(ROOT).as_posix()}; how it is written: book/zh/WRITING.md -->"]
    for entry in found:
        english = entry.old if entry.state == "stale" else entry.english
        blocks += [f"<!-- en {entry.key} -->\n{english.strip()}", f"<!-- zh {entry.key} -->\n{entry.chinese}".strip()]
    catalogue(path).parent.mkdir(exist_ok=True)
    catalogue(path).write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
