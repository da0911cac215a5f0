"""The decks that a lecturer projects and the notes that go with them; WRITING.md says how they are written.

    python -m book.teaching.slides [week …] [--course my.yml] [--to folder] [--notes folder]

slides/    index.html, <week>.html for each deck, and reveal.js: opens by double click, asks nothing of the network
notes/     <week>.html, for the lecturer alone
"""

from __future__ import annotations

import argparse
import re
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader

from book._ext import site_math
from book.teaching import course, weeks
from book.teaching.quoted import REFERENCE, STYLE, Quotes, Wrong

MAX_SLIDES, MAX_WORDS = 30, 40
MINUTES = 90
REVEAL = ("dist/reveal.js", "dist/reveal.css", "plugin/notes/notes.js", "LICENSE")
NOTES_HEADINGS = ("On the board", "In fifty minutes", "Marking", "To discuss")
HEADING = re.compile(r"(?P<words>.*?)(?:\s*\{(?P<mark>asks|answers)=(?P<cells>[^}]+)\})?")
# A measured number written by hand: with decimals, with thousands, or in percent.
BY_HAND = re.compile(r"\d+[.,]\d+|\d+\s?%")
PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True)


@dataclass
class Slide:
    """One slide as HTML, with what the limits are counted on."""

    number: int
    heading: str
    html: str
    note: str
    mark: str  # asks, answers or nothing
    cells: list[str]  # those that the mark names, as notebook:id
    used: list[str]  # those whose outputs are on it

    @property
    def form(self) -> str:
        """How it is laid out: words alone, words beside a tall figure, or one below the other."""
        if 'class="tall"' in self.html and _words(self.html):
            return "beside"
        return "" if re.search("<(?:figure|pre|table)", self.html) else "plain"


def deck(week: str, pictures: dict[str, bytes], formulae: set) -> list[Slide]:
    """The slides of ``<week>/slides.md``; raises Wrong, with deck, slide and cell, where one cannot be built."""
    source = (weeks.FOLDER / week / "slides.md").read_text(encoding="utf-8")
    parts = re.split(r"^(?=##? )", source, flags=re.MULTILINE)[1:]
    slides = []
    for number, part in enumerate(parts, 1):
        heading = part.split("\n", 1)[0].lstrip("# ")
        try:
            slides.append(_slide(week, number, part, pictures, formulae))
        except (Wrong, ValueError) as error:
            raise Wrong(f"{week}/slides.md, slide {number} ({heading}): {error}") from None
    if not 1 <= len(slides) <= MAX_SLIDES:
        raise Wrong(f"{week}/slides.md has {len(slides)} slides: 1 to {MAX_SLIDES}")
    _check_experiments(week, slides)
    return slides


def _slide(week: str, number: int, part: str, pictures: dict[str, bytes], formulae: set) -> Slide:
    first, _, rest = part.partition("\n")
    body, _, note = rest.partition("\nNote:")
    heading = HEADING.fullmatch(first.lstrip("# "))
    _refuse_numbers_by_hand(part)
    if not note.strip():
        raise Wrong("no speaker notes: end the slide with 'Note:' and what you say")
    if "```" in body:
        raise Wrong("code comes from the chapter: {{ code id lines }}")
    quotes = Quotes(week, pictures, formulae, slides=True)
    title = quotes.html(heading["words"]).removeprefix("<p>").removesuffix("</p>\n")
    html = quotes.html(body)
    if (words := _words(html)) > MAX_WORDS:
        raise Wrong(
            f"{words} words, {MAX_WORDS} at most: heading, code, outputs, formulae and quoted tables are not counted"
        )
    named = [quotes.cell(name) for name in (heading["cells"] or "").split()]
    used = list(quotes.used)
    said = Quotes(week, pictures, formulae, slides=False).html(note)
    cells = [f"{notebook}:{cell['id']}" for notebook, cell, _ in named]
    return Slide(number, title, html, said, heading["mark"] or "", cells, used)


def _refuse_numbers_by_hand(text: str) -> None:
    prose = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)", "", REFERENCE.sub("", text), flags=re.DOTALL)
    if found := BY_HAND.search(prose):
        raise Wrong(f"the number {found[0]!r} is written by hand: quote its cell, {{{{ value id pattern }}}}")


def _words(html: str) -> int:
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.select("pre, figure, .math, table.quoted"):
        element.decompose()
    return len(re.findall(r"\w[\w'’×÷.,%-]*", soup.get_text(" ")))


def _check_experiments(week: str, slides: list[Slide]) -> None:
    """Each question stands before its answer, and nothing of the answer is shown before."""
    asked: dict[str, int] = {}
    answered: dict[str, int] = {}
    for slide in slides:
        for cell in slide.cells:
            (asked if slide.mark == "asks" else answered).setdefault(cell, slide.number)
    for cell in asked | answered:
        if not asked.get(cell, MAX_SLIDES) < answered.get(cell, 0):
            raise Wrong(f"{week}/slides.md: cell {cell!r} is asked on slide {asked.get(cell)}, "
                        f"answered on slide {answered.get(cell)}: the question comes first")  # fmt: skip
        for slide in slides[: answered[cell] - 1]:
            if cell in slide.used:
                raise Wrong(f"{week}/slides.md, slide {slide.number} ({slide.heading}): shows the output of "
                            f"{cell!r}, which answers a question, before slide {answered[cell]}")  # fmt: skip
    if not asked:
        raise Wrong(
            f"{week}/slides.md asks nothing: mark a slide with {{asks=cell}}, a later one with {{answers=cell}}"
        )


def notes(week: str, slides: list[Slide], formulae: set) -> str:
    """``<week>/notes.md`` as HTML; raises Wrong where minutes, slides, experiments or anchors have a gap."""
    path = weeks.FOLDER / week / "notes.md"
    if not path.is_file():
        raise Wrong(f"{week} has slides.md and no notes.md: write it, WRITING.md says how")
    source = path.read_text(encoding="utf-8")
    try:
        _check_notes(week, source, slides)
        _refuse_numbers_by_hand(source)
        text = re.sub(r"^(###? .*?) *\{asks=[^}]+\}", r"\1", source, flags=re.MULTILINE)
        return Quotes(week, {}, formulae, slides=False).html(text)
    except (Wrong, ValueError) as error:
        raise Wrong(f"{week}/notes.md: {error}") from None


def _check_notes(week: str, source: str, slides: list[Slide]) -> None:
    minute = slide = 0
    for start, end, first, last in re.findall(r"^## (\d+)–(\d+) min · slides? (\d+)(?:–(\d+))?", source, re.MULTILINE):
        if int(start) != minute or int(first) != slide + 1:
            raise Wrong(f"'{start}–{end} min · slide {first}' does not follow on minute {minute}, slide {slide}")
        minute, slide = int(end), int(last or first)
    if (minute, slide) != (MINUTES, len(slides)):
        raise Wrong(f"the plan ends at minute {minute} with slide {slide}, not at {MINUTES} with slide {len(slides)}")
    quotes = Quotes(week, {}, set(), slides=False)
    named = [name for names in re.findall(r"\{asks=([^}]+)\}", source) for name in names.split()]
    prepared = {f"{notebook}:{cell['id']}" for notebook, cell, _ in map(quotes.cell, named)}
    asked = {cell for s in slides if s.mark == "asks" for cell in s.cells}
    if prepared != asked:
        raise Wrong(
            f"the deck asks for {sorted(asked)}, the notes prepare {sorted(prepared)}: ### heading {{asks=cell}}"
        )
    for heading in NOTES_HEADINGS:
        if not re.search(rf"^## {heading}$", source, re.MULTILINE):
            raise Wrong(f"there is no '## {heading}'")
    discussed = re.findall(r"^\d+\. ", source.partition("## To discuss")[2].partition("\n## ")[0], re.MULTILINE)
    if len(discussed) != 3:
        raise Wrong(f"'## To discuss' has {len(discussed)} numbered questions, not three")
    explained = {name for name in weeks.marked(weeks.teacher(week)) if name.startswith("explain_")}
    if lacking := explained - set(re.findall(r"\{\{ *anchors (\w+) *\}\}", source)):
        raise Wrong(f"no anchors for {', '.join(sorted(lacking))}: {{{{ anchors explain_… }}}}")


def build(picked: list[course.Week], to: Path, notes_to: Path | None) -> dict[str, int]:
    """Write the decks, and their notes where a folder is named; returns how many slides each week has."""
    site_math.stop_engine()  # its style sheet holds what it has set before, for other decks too
    picked = [week for week in picked if (weeks.FOLDER / week.name / "slides.md").is_file()]
    pictures: dict[str, bytes] = {}
    formulae: set[tuple[str, bool]] = set()
    decks = [(week, deck(week.name, pictures, formulae)) for week in picked]
    spoken = {week.name: notes(week.name, slides, formulae) for week, slides in decks}
    shutil.rmtree(to, ignore_errors=True)
    (to / "figures").mkdir(parents=True)
    for name, content in pictures.items():
        (to / "figures" / name).write_bytes(content)
    site_math.write_sheet(sorted(formulae), to / "formulae")
    reveal = Path(find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
    for name in REVEAL:
        shutil.copyfile(reveal / name, to / f"reveal-{name}" if name == "LICENSE" else to / Path(name).name)
    for name in ("book/teaching/pages/slides.css", "book/static/logo.svg"):
        shutil.copyfile(course.ROOT / name, to / Path(name).name)
    (to / "code.css").write_text(STYLE.get_style_defs("pre.highlight"), encoding="utf-8")
    _page("index.html", to / "index.html", decks=decks)
    for week, slides in decks:
        _page("slides.html", to / f"{week.name}.html", week=week, slides=slides)
        if notes_to:
            notes_to.mkdir(parents=True, exist_ok=True)
            _page("notes.html", notes_to / f"{week.name}.html", week=week, notes=spoken[week.name])
    return {week.name: len(slides) for week, slides in decks}


def _page(template: str, path: Path, **values) -> None:
    path.write_text(PAGES.get_template(f"deck_{template}").render(**values) + "\n", encoding="utf-8")


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weeks", nargs="*")
    course.add_options(parser)
    parser.add_argument("--to", type=Path, default=course.ROOT / "_build" / "class" / "slides")
    parser.add_argument("--notes", type=Path, help="for the lecturer's notes; none are written without it")
    options = parser.parse_args()
    try:
        made = build(course.read(options.course).pick(" ".join(options.weeks)), options.to, options.notes)
    except Wrong as error:
        raise SystemExit(str(error)) from None
    finally:
        site_math.stop_engine()  # its thread would keep the program from ending
    print(f"slides: {options.to / 'index.html'} ({', '.join(f'{name} {count}' for name, count in made.items())})")


if __name__ == "__main__":
    main()
