"""What decks and lecture notes take from the chapters when they are built: ``{{ kind cell … }}``.

A number, a figure, a table or code is never written a second time, so it cannot differ from its chapter.
"""

from __future__ import annotations

import ast
import base64
import functools
import re
import textwrap
from html import escape

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from book import notebooks
from book._ext import site_math
from book.teaching import course, weeks

REFERENCE = re.compile(r"\{\{\s*(?P<kind>\w+)\s+(?P<rest>.+?)\s*\}\}", re.DOTALL)
CELL = re.compile(r"(?:(?P<notebook>\w+):)?(?P<id>[\w-]+)(?:\[(?P<output>\d+)\])?")
MAX_LINES = 12  # of code, or of an output, on a slide
STYLE = HtmlFormatter(style="a11y-high-contrast-light")


class Wrong(ValueError):
    """Something in a deck or in notes that cannot be built."""


@functools.cache
def cells(notebook: str) -> dict[str, dict]:
    """The cells of a chapter by id; those of a week without a chapter are its assignment's."""
    paths = (course.ROOT / "chapters" / f"{notebook}.ipynb", weeks.FOLDER / notebook / "assignment.ipynb")
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise Wrong(f"there is no chapter {notebook!r}")
    return {cell["id"]: cell for cell in notebooks.read(path)}


class Quotes:
    """Renders the Markdown of one week; ``pictures`` and ``formulae`` collect what is written beside the pages."""

    def __init__(self, week: str, pictures: dict[str, bytes], formulae: set[tuple[str, bool]], *, slides: bool) -> None:
        self.week, self.pictures, self.formulae, self.slides = week, pictures, formulae, slides
        self.used: list[str] = []  # cells whose outputs were shown, as notebook:id
        self.markdown = MarkdownIt("commonmark", {"html": True, "typographer": False}).enable("table")
        self.markdown.use(dollarmath_plugin, renderer=self.formula)

    def formula(self, tex: str, options: dict) -> str:
        html = site_math.formula(tex, options["display_mode"])
        if "mjx-merror" in html:
            raise Wrong(f"a formula that TeX cannot read: {tex}")
        self.formulae.add((tex, options["display_mode"]))
        return html

    def html(self, text: str) -> str:
        """Markdown as HTML, every reference resolved."""
        blocks: list[str] = []

        def resolve(match: re.Match) -> str:
            if match["kind"] == "value":
                return self.value(match["rest"])
            make = getattr(self, f"make_{match['kind']}", None)
            if make is None:
                raise Wrong(f"{match[0]}: there are value, figure, table, output, code and anchors")
            blocks.append(make(*match["rest"].split()))
            return f"<!--{len(blocks) - 1}-->"

        html = self.markdown.render(REFERENCE.sub(resolve, text))
        return re.sub(r"<!--(\d+)-->", lambda match: blocks[int(match[1])], html)

    def cell(self, reference: str) -> tuple[str, dict, int | None]:
        """Notebook, cell and number of the output that ``notebook:id[output]`` names."""
        match = CELL.fullmatch(reference)
        if not match:
            raise Wrong(f"{reference!r} is no reference to a cell: id, id[output] or chapter:id[output]")
        notebook = match["notebook"] or self.week
        if match["id"] not in cells(notebook):
            raise Wrong(f"the notebook of {notebook} has no cell {match['id']!r}")
        return notebook, cells(notebook)[match["id"]], None if match["output"] is None else int(match["output"])

    def text(self, reference: str) -> str:
        """What a code cell has printed, or a Markdown cell's own text."""
        notebook, cell, number = self.cell(reference)
        if cell["cell_type"] == "markdown":
            return cell["source"]
        self.used.append(f"{notebook}:{cell['id']}")
        outputs = cell["outputs"] if number is None else cell["outputs"][number : number + 1]
        text = "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")
        if not text:
            raise Wrong(f"cell {reference!r} has printed nothing")
        return text

    def value(self, rest: str) -> str:
        """The one text that a pattern finds: its group, or without a group all of it."""
        reference, _, pattern = rest.partition(" ")
        text = self.text(reference)
        found = sorted({match[match.lastindex or 0] for match in re.finditer(pattern.strip(), text, re.MULTILINE)})
        if len(found) != 1 or not pattern:
            raise Wrong(f"the pattern {pattern!r} finds {found or 'nothing'} in cell {reference!r}: one text is needed")
        return found[0]

    def make_figure(self, reference: str) -> str:
        notebook, cell, number = self.cell(reference)
        pictures = [(i, o) for i, o in enumerate(cell.get("outputs", [])) if "image/png" in o.get("data", {})]
        pictures = [(i, output) for i, output in pictures if number in (None, i)]
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        if len(pictures) != 1 or not alt or not self.slides:
            raise Wrong(f"{reference!r}: a figure is one stored picture with alternative text, on a slide")
        self.used.append(f"{notebook}:{cell['id']}")
        name = f"{notebook}-{cell['id']}-{pictures[0][0]}.png"
        png = "".join(pictures[0][1]["data"]["image/png"])
        self.pictures[name] = base64.b64decode(png)
        width, height = (int.from_bytes(self.pictures[name][i : i + 4], "big") for i in (16, 20))
        shape = f'width="{width}" height="{height}"'
        tall = ' class="tall"' if height > 0.62 * width else ""
        return f'<figure{tall}><img src="figures/{name}" alt="{escape(alt)}" {shape}></figure>'

    def make_table(self, reference: str) -> str:
        tables = re.findall(r"(?:^\|.*\n?)+", self.text(reference), re.MULTILINE)
        if len(tables) != 1:
            raise Wrong(f"cell {reference!r} holds {len(tables)} tables in Markdown, not one")
        return self.markdown.render(tables[0]).replace("<table>", '<table class="quoted">', 1)

    def make_output(self, reference: str, lines: str = "") -> str:
        picked = self._pick(self.text(reference).rstrip("\n").split("\n"), lines, reference)
        return '<pre class="output">' + "\n".join(escape(line) for _, line in picked) + "</pre>"

    def make_code(self, reference: str, lines: str = "", word: str = "steps", steps: str = "") -> str:
        """Lines of a cell, by numbers or by the name of a function or class; each step marks some of them."""
        _, cell, _ = self.cell(reference)
        source = cell["source"]
        if cell["cell_type"] != "code" or "### BEGIN" in source or word != "steps":
            raise Wrong(
                f"{reference!r}: code comes from a cell of code that holds no solution: code id [lines] [steps 1,2-3]"
            )
        if lines and not re.fullmatch(r"\d+(-\d+)?", lines):
            named = {
                node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)
            }
            if lines not in named:
                raise Wrong(f"cell {reference!r} defines no {lines!r}")
            lines = f"{named[lines].lineno}-{named[lines].end_lineno}"
        picked = self._pick(source.split("\n"), lines, reference)
        coloured = highlight(textwrap.dedent("\n".join(line for _, line in picked)), PythonLexer(stripnl=False),
                             HtmlFormatter(nowrap=True)).rstrip("\n").split("\n")  # fmt: skip
        step_of = {n: i for i, step in enumerate(filter(None, steps.split(","))) for n in _numbers(step)}
        if not step_of.keys() <= {number for number, _ in picked}:
            raise Wrong(f"cell {reference!r}: a step of {steps!r} lies outside the lines shown")
        parts = []
        for (number, line), html in zip(picked, coloured, strict=True):
            step = step_of.get(number)
            marks = "" if step is None else f' fragment custom" data-fragment-index="{step}'
            parts.append(f'<span class="line{marks}" style="--indent:{_indent(line, picked)}">{html or " "}</span>')
        return f'<pre class="highlight"><code>{"".join(parts)}</code></pre>'

    def make_anchors(self, question: str) -> str:
        """What earns 2, 1 and 0 points, from the assignment's own marks; for notes, since it is an answer."""
        if self.slides:
            raise Wrong(f"anchors {question}: answers stand in notes, not on slides")
        return self.markdown.render(weeks.without_marks(weeks.by_name(weeks.teacher(self.week), question).source))

    def _pick(self, all_lines: list[str], lines: str, reference: str) -> list[tuple[int, str]]:
        numbers = _numbers(lines or f"1-{len(all_lines)}")
        if not 1 <= numbers[0] <= numbers[-1] <= len(all_lines):
            raise Wrong(f"cell {reference!r} has {len(all_lines)} lines, not {lines}")
        if self.slides and len(numbers) > MAX_LINES:
            raise Wrong(f"{len(numbers)} lines of cell {reference!r}: a slide shows {MAX_LINES} at most")
        return [(number, all_lines[number - 1]) for number in numbers]


def _numbers(lines: str) -> range:
    first, _, last = lines.partition("-")
    return range(int(first), int(last or first) + 1)


def _indent(line: str, picked: list[tuple[int, str]]) -> int:
    """How far a line is set in, for the lines that it wraps into."""
    depth = [len(text) - len(text.lstrip()) for _, text in picked if text.strip()]
    return max(0, len(line) - len(line.lstrip()) - min(depth)) if line.strip() else 0
