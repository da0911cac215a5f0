"""The stored chapters: executed in order, clean, and readable wherever a notebook is shown."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from chapter import NAMES

import d2ltorch as d2lt
from book import quiz

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [ROOT / "chapters" / f"{name}.ipynb" for name in NAMES]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
CODE_TAGS = {"setup", "imports", "definition", "hide-input", "hide-cell", "nbval-ignore-output"}
TEXT_TAGS = {"ledger"}
LONGEST_CELL = 35
FOLDED = {"hide-input", "hide-cell"}
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")

pytestmark = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


@cache
def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def text_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "markdown"]


def outputs(path: Path):
    for cell in code_cells(path):
        for output in cell.outputs:
            yield cell, output


def prose(cell) -> str:
    """A text cell without its code."""
    return INLINE_CODE.sub("", FENCE.sub("", cell.source))


def show(cell) -> str:
    return f"cell {cell.get('execution_count', cell.get('id'))}: {cell.source.splitlines()[:1]}"


def headings(path: Path) -> list[tuple[int, str]]:
    found = []
    for cell in text_cells(path):
        for match in re.finditer(r"^(#{1,6})\s+(.+)$", FENCE.sub("", cell.source), re.MULTILINE):
            found.append((len(match[1]), match[2].strip()))
    return found


def test_valid_and_executed_in_order(path):
    nbformat.validate(read(path))
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "execute the whole notebook: make chapters"


def test_no_error_and_nothing_on_stderr(path):
    for cell, output in outputs(path):
        assert output.output_type != "error", show(cell)
        assert output.get("name") != "stderr", f"{show(cell)}: {output.text[:200]}"


def test_stored_from_a_full_run_on_real_images(path):
    for cell, output in outputs(path):
        text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
        assert "quick mode" not in text.lower(), f"{show(cell)}: stored from quick mode"


def test_no_cell_shows_an_object_by_accident(path):
    """A last line such as ``ax.legend()`` or ``net.eval()`` prints what it returns."""
    for cell, output in outputs(path):
        shown = str(output.get("data", {}).get("text/plain", ""))
        assert output.output_type != "execute_result", f"{show(cell)}: {shown[:100]}"


def test_outputs_need_no_script_and_no_other_host(path):
    allowed = {"text/plain", "image/png"}
    for cell, output in outputs(path):
        kinds = set(output.get("data", {}))
        assert kinds <= allowed, f"{show(cell)}: {sorted(kinds - allowed)}"


def test_metadata_is_clean(path):
    notebook = read(path)
    assert set(notebook.metadata) <= {"accelerator", "colab", "kernelspec", "language_info"}
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    for cell in notebook.cells:
        folded = {"jupyter", "cellView"} if "hide-cell" in cell.metadata.get("tags", []) else set()
        assert set(cell.metadata) <= {"tags", "mystnb"} | folded, show(cell)
        assert not cell.get("attachments"), show(cell)
        if "mystnb" in cell.metadata:
            assert set(cell.metadata.mystnb) == {"image"} and set(cell.metadata.mystnb.image) == {"alt"}, show(cell)
    for cell, output in outputs(path):  # a figure with two pixels for one knows its size
        sizes = output.get("metadata", {}).get("image/png", {})
        assert not output.get("metadata") or sizes.keys() == {"width", "height"}, f"{show(cell)}: an output's metadata"


def test_tags_are_known(path):
    for cell in read(path).cells:
        tags = cell.metadata.get("tags", [])
        known = CODE_TAGS if cell.cell_type == "code" else TEXT_TAGS
        assert set(tags) <= known, f"{show(cell)}: {tags}"
        assert len(tags) == len(set(tags)), f"{show(cell)}: {tags}"


def test_every_figure_says_what_it_shows(path):
    seen = set()
    for cell in code_cells(path):
        figures = sum("image/png" in output.get("data", {}) for output in cell.outputs)
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        assert figures <= 1, f"{show(cell)}: split a cell that shows {figures} figures"
        if figures:
            assert len(alt) >= 25, f"{show(cell)}: no alternative text, or a short one: {alt!r}"
            assert alt not in seen, f"{show(cell)}: the same alternative text twice"
            seen.add(alt)
        else:
            assert not alt, f"{show(cell)}: alternative text without a figure"


def test_figures_have_numbers_and_captions(path):
    """The cell behind a figure begins with its caption, in plain Markdown for every front end; solutions have none."""
    cells, captions = read(path).cells, []
    for cell, following in itertools.pairwise(cells):
        drawn = any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        if drawn and "hide-cell" not in cell.metadata.get("tags", []):
            captions.append(re.match(r"\*Figure (\d+)\. [^*\n]{25,}[.?]\*(\n\n|$)", following.source))
    assert [int(caption[1]) for caption in captions if caption] == list(range(1, len(captions) + 1))


def test_set_up_comes_first_and_agrees_with_the_configuration(path):
    first = code_cells(path)[0]
    assert first.metadata.get("tags") == ["setup", "nbval-ignore-output"]
    url = CONFIG["repository"]["url"]
    assert f'%pip install -qqq "git+{url}@v{d2lt.__version__}"' in first.source
    everything = "\n".join(cell.source for cell in read(path).cells)
    assert everything.count("%pip") + everything.count("!pip") == 1
    owners = {match.lower() for match in re.findall(r"github\.com/([\w.-]+/d2ltorch)\b", everything, re.IGNORECASE)}
    assert owners <= {url.removeprefix("https://github.com/").lower()}


def test_definitions_come_after_imports(path):
    tags = [
        tag
        for cell in code_cells(path)
        for tag in cell.metadata.get("tags", [])
        if not tag.startswith(("hide", "nbval"))
    ]
    assert tags[:3] == ["setup", "imports", "definition"]


def test_cells_fit_a_screen(path):
    for cell in code_cells(path):
        lines = cell.source.splitlines()
        # What is folded on the site may be longer; what everyone sees fits the page without scrolling.
        tags = set(cell.metadata.get("tags", []))
        longest, widest = (50 if tags & FOLDED else LONGEST_CELL), (160 if tags & FOLDED else 96)
        filled = [line for line in lines if line.strip()]
        assert len(filled) <= longest, f"{show(cell)}: {len(filled)} lines"
        assert max(map(len, lines)) <= widest, f"{show(cell)}: a line over {widest} characters"
        assert "clear_output" not in cell.source and "tqdm" not in cell.source, show(cell)
        assert cell.source == cell.source.strip(), f"{show(cell)}: blank lines at an end"


def test_chapter_links_its_successor_and_the_reference_source(path):
    text = "\n".join(prose(cell) for cell in text_cells(path))
    successor = dict(zip(NAMES, [f"{name}.ipynb" for name in NAMES[1:]] + ["../book/results.md"]))[path.stem]
    assert f"]({successor}" in text
    if path.stem not in ("lenet", "nin"):  # torchvision has neither
        assert re.search(rf"github\.com/pytorch/\S+/{path.stem.replace('_', '')}\.py", text)


def test_text_is_plain_markdown(path):
    for cell in text_cells(path):
        text = prose(cell)
        html = re.findall(r"</?([a-zA-Z][\w-]*)(?:\s[^>]*)?>", re.sub(r"\$[^$]*\$", "", text))
        assert set(html) <= {"details", "summary"}, f"{show(cell)}: {html}"
        assert not re.search(r"^(:::|```)\{", cell.source, re.MULTILINE), f"{show(cell)}: directive"
        assert not re.search(r"\{[a-z:-]+\}`", cell.source), f"{show(cell)}: a role"
        assert not re.search(r"@@\w+@@", cell.source), f"{show(cell)}: a placeholder is left"
        assert not re.search(r"!\[[^\]]*\]\(", text), f"{show(cell)}: figures are drawn by code"
        opened, closed = cell.source.count("<details>"), cell.source.count("</details>")
        assert opened == closed == cell.source.count("<summary>"), f"{show(cell)}: unbalanced"


def test_headings(path):
    levels = [level for level, _ in headings(path)]
    assert levels[0] == 1 and levels.count(1) == 1, "one title, at the top"
    skips = [titles for titles in zip(headings(path), headings(path)[1:]) if titles[1][0] > titles[0][0] + 1]
    assert not skips
    titles = [title for _, title in headings(path)]
    assert len(titles) == len(set(titles)), "two headings with the same words"


def anchor_of(title: str) -> str:
    """The anchor that JupyterLab and nbconvert, which GitHub shows a notebook by, make of a heading."""
    return re.sub(r"[`*$\\]", "", title).replace(" ", "-")


def test_links_lead_somewhere(path):
    for cell in text_cells(path):
        for label, target in re.findall(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", prose(cell)):
            assert label.lower() not in {"here", "link", "this"}, f"{show(cell)}: [{label}]"
            if target.startswith("https://"):
                continue
            assert not target.startswith("http://"), f"{show(cell)}: {target}"
            file, _, anchor = target.partition("#")
            other = (path.parent / file).resolve() if file else path
            assert other.is_file(), f"{show(cell)}: no such file: {target}"
            if anchor and other.suffix == ".ipynb":
                anchors = {anchor_of(title) for _, title in headings(other)}
                assert anchor in anchors, f"{show(cell)}: no such heading: {target}"
                assert anchor.isascii(), f"{show(cell)}: JupyterLab follows no link but to ASCII: {target}"


def test_exercises_have_solutions(path):
    source = "\n".join(cell.source for cell in text_cells(path))
    coded = [cell for cell in code_cells(path) if "hide-cell" in cell.metadata.get("tags", [])]
    assert source.count("<details>") + len(coded) >= 5
    assert len(coded) >= 2, "at least two exercises are solved in code"


def test_solutions_are_folded_in_every_front_end(path):
    """On the site by the tag, in JupyterLab by ``jupyter``, in Colab by ``cellView`` and a title."""
    for cell in code_cells(path):
        if "hide-cell" in cell.metadata.get("tags", []):
            assert cell.metadata.get("jupyter") == {"source_hidden": True, "outputs_hidden": True}, show(cell)
            assert cell.metadata.get("cellView") == "form", show(cell)
            assert re.match(r"# ?@title \S", cell.source), f"{show(cell)}: no title"
        else:
            assert not {"jupyter", "cellView"} & set(cell.metadata), show(cell)


def test_six_questions_to_check_yourself(path):
    """In the form that quizzes are made from: four answers, one of them right, a reason for each."""
    asked = quiz.questions(path)
    assert len(asked) == 6
    assert all(question.text.endswith("?") for question in asked)
    assert len({question.right for question in asked}) >= 3, "the right answer is nearly always in the same place"


def exercises(path: Path) -> dict[int, str]:
    """The exercises by number, each with its line."""
    source = "\n".join(cell.source for cell in text_cells(path))
    return {
        int(m[1]): m[0] for m in re.finditer(r"^\*\*(\d+)\.\*\*.*$", source.partition("## Exercises")[2], re.MULTILINE)
    }


def test_exercises_say_how_hard_and_how_long(path):
    found = exercises(path)
    assert list(found) == list(range(1, len(found) + 1)) and len(found) >= 8
    for line in found.values():
        assert re.match(r"\*\*\d+\.\*\* ★{1,3} · \d+ minutes[^·]* · \*[A-Z][^*]+\.\* \S", line), line[:60]


def test_every_objective_has_its_exercises(path):
    """The list at the top names the exercises that train each objective, and they exist."""
    objectives = re.findall(r"^- .*$", text_cells(path)[0].source, re.MULTILINE)
    assert 3 <= len(objectives) <= 8
    for line in objectives:
        named = re.search(r" \(\[exercises? ([\d, and]+)\]\(#Exercises\)\)[;.]$", line)
        assert named, line
        assert set(map(int, re.findall(r"\d+", named[1]))) <= set(exercises(path)), line


def test_paragraphs_are_short(path):
    for cell in text_cells(path):
        for paragraph in re.split(r"\n\n|\n(?=- )", FENCE.sub("", cell.source)):
            assert paragraph.startswith("|") or len(paragraph.split()) < 170, paragraph[:80]


def test_checked_cells_are_the_rule(path):
    """Only outputs that training, timing, devices or the images change may go uncompared."""
    cells = code_cells(path)
    ignored = [c for c in cells if "nbval-ignore-output" in c.metadata.get("tags", [])]
    assert len(ignored) <= len(cells) // 2, f"{len(ignored)} of {len(cells)} cells are not compared"
