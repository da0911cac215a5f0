"""The stored chapters: executed in order, clean, and readable wherever a notebook is shown."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from chapter import CHAPTERS, NAMES, ROOT

import d2ltorch as d2lt
from book import quiz

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
CODE_TAGS = {"setup", "imports", "definition", "hide-input", "hide-cell", "nbval-ignore-output"}
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")

pytestmark = pytest.mark.parametrize("path", [CHAPTERS / f"{name}.ipynb" for name in NAMES], ids=lambda path: path.stem)


@cache
def read(path: Path):
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def text_cells(path: Path) -> list:
    return [cell for cell in read(path).cells if cell.cell_type == "markdown"]


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def figures(cell) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def prose(cell) -> str:
    """A text cell without its code."""
    return INLINE_CODE.sub("", FENCE.sub("", cell.source))


def show(cell) -> str:
    return f"cell {cell.get('execution_count', cell.get('id'))}: {cell.source.splitlines()[:1]}"


def headings(path: Path) -> list[tuple[int, str]]:
    text = "\n\n".join(FENCE.sub("", cell.source) for cell in text_cells(path))
    return [(len(level), title.strip()) for level, title in re.findall(r"^(#{1,6})\s+(.+)$", text, re.MULTILINE)]


def exercises(path: Path) -> dict[int, str]:
    """The exercises by number, each with its line."""
    source = "\n".join(cell.source for cell in text_cells(path)).partition("## Exercises")[2]
    return {int(match[1]): match[0] for match in re.finditer(r"^\*\*(\d+)\.\*\*.*$", source, re.MULTILINE)}


# --- code and outputs -------------------------------------------------------------------------------------------------


def test_valid_and_executed_in_order(path):
    nbformat.validate(read(path))
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "execute the whole notebook: make chapters"


def test_outputs_are_those_of_a_full_run_and_need_no_script(path):
    for cell in code_cells(path):
        for output in cell.outputs:
            data = output.get("data", {})
            assert output.output_type != "error" and output.get("name") != "stderr", show(cell)
            # A last line such as ``ax.legend()`` or ``net.eval()`` shows what it returns.
            assert output.output_type != "execute_result", f"{show(cell)}: {data.get('text/plain')}"
            assert set(data) <= {"text/plain", "image/png"}, f"{show(cell)}: {sorted(data)}"
            text = output.get("text", "") + str(data.get("text/plain", ""))
            assert "quick mode" not in text.lower(), f"{show(cell)}: stored from quick mode"


def test_metadata_is_clean(path):
    notebook = read(path)
    assert set(notebook.metadata) <= {"accelerator", "colab", "kernelspec", "language_info"}
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    for cell in notebook.cells:
        folded = {"jupyter", "cellView"} if "hide-cell" in tags(cell) else set()
        assert set(cell.metadata) <= {"tags", "mystnb"} | folded, show(cell)
        assert tags(cell) <= (CODE_TAGS if cell.cell_type == "code" else {"ledger"}), show(cell)
        assert not cell.get("attachments"), show(cell)
        if "mystnb" in cell.metadata:
            assert set(cell.metadata.mystnb) == {"image"} and set(cell.metadata.mystnb.image) == {"alt"}, show(cell)
        for output in cell.get("outputs", []):  # a picture with two pixels for one says at what size it is shown
            stated = {kind: set(value) for kind, value in output.get("metadata", {}).items()}
            assert stated in ({}, {"image/png": {"height", "width"}}), show(cell)


def test_every_figure_says_what_it_shows(path):
    seen = [""]
    for cell in code_cells(path):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        assert figures(cell) <= 1, f"{show(cell)}: split a cell that shows several figures"
        assert len(alt) >= 25 if figures(cell) else not alt, f"{show(cell)}: figure and text do not agree: {alt!r}"
        assert not alt or alt not in seen, f"{show(cell)}: the same alternative text twice"
        seen.append(alt)


def test_figures_have_numbers_and_captions(path):
    """The cell behind a figure begins with its caption, in plain Markdown for every front end; solutions have none."""
    captions = [
        re.match(r"\*Figure (\d+)\. [^*\n]{25,}[.?]\*(\n\n|$)", following.source)
        for cell, following in itertools.pairwise(read(path).cells)
        if figures(cell) and "hide-cell" not in tags(cell)
    ]
    assert [int(caption[1]) for caption in captions if caption] == list(range(1, len(captions) + 1))


def test_set_up_comes_first_and_agrees_with_the_configuration(path):
    first, *others = code_cells(path)
    assert tags(first) == {"setup", "nbval-ignore-output"}
    url = CONFIG["repository"]["url"]
    assert f'%pip install -qqq "git+{url}@v{d2lt.__version__}"' in first.source
    assert '%config InlineBackend.figure_format = "retina"' in first.source
    kinds = [kind for cell in others for kind in ("setup", "imports", "definition") if kind in tags(cell)]
    assert kinds[:2] == ["imports", "definition"]
    everything = "\n".join(cell.source for cell in read(path).cells)
    assert everything.count("%pip") + everything.count("!pip") == 1
    owners = re.findall(r"github\.com/([\w.-]+/d2ltorch)\b", everything, re.IGNORECASE)
    assert {owner.lower() for owner in owners} <= {url.removeprefix("https://github.com/").lower()}


def test_cells_fit_a_screen(path):
    for cell in code_cells(path):
        # What is folded on the site may be longer; what everyone sees fits the page without scrolling.
        longest, widest = (50, 160) if tags(cell) & {"hide-input", "hide-cell"} else (35, 96)
        lines = cell.source.splitlines()
        assert sum(bool(line.strip()) for line in lines) <= longest, f"{show(cell)}: over {longest} lines"
        assert max(map(len, lines)) <= widest, f"{show(cell)}: a line over {widest} characters"
        assert "clear_output" not in cell.source and "tqdm" not in cell.source, show(cell)
        assert cell.source == cell.source.strip(), f"{show(cell)}: blank lines at an end"


def test_solutions_are_folded_in_every_front_end(path):
    """On the site by the tag, in JupyterLab by ``jupyter``, in Colab by ``cellView`` and a title."""
    coded = [cell for cell in code_cells(path) if "hide-cell" in tags(cell)]
    assert len(coded) >= 2, "at least two exercises are solved in code"
    for cell in coded:
        assert cell.metadata.get("jupyter") == {"source_hidden": True, "outputs_hidden": True}, show(cell)
        assert cell.metadata.get("cellView") == "form", show(cell)
        assert re.match(r"# ?@title \S", cell.source), f"{show(cell)}: no title"


def test_checked_cells_are_the_rule(path):
    """Only outputs that training, timing, devices or the images change may go uncompared."""
    ignored = ["nbval-ignore-output" in tags(cell) for cell in code_cells(path)]
    assert sum(ignored) <= len(ignored) // 2, f"{sum(ignored)} of {len(ignored)} cells are not compared"


# --- text -------------------------------------------------------------------------------------------------------------


def test_text_is_plain_markdown_in_short_paragraphs(path):
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
        for paragraph in re.split(r"\n\n|\n(?=- )", FENCE.sub("", cell.source)):
            assert paragraph.startswith("|") or len(paragraph.split()) < 170, paragraph[:80]


def test_headings(path):
    levels, titles = zip(*headings(path))
    assert levels[0] == 1 and levels.count(1) == 1, "one title, at the top"
    assert all(deeper <= level + 1 for level, deeper in itertools.pairwise(levels)), "a level is left out"
    assert len(titles) == len(set(titles)), "two headings with the same words"


def anchor_of(title: str) -> str:
    """The anchor that JupyterLab and nbconvert, which GitHub shows a notebook by, make of a heading."""
    return re.sub(r"[`*$\\]", "", title).replace(" ", "-")


def test_links_lead_somewhere(path):
    targets = []
    for cell in text_cells(path):
        for label, target in re.findall(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", prose(cell)):
            assert label.lower() not in {"here", "link", "this"}, f"{show(cell)}: [{label}]"
            targets.append(target)
            if target.startswith("https://"):
                continue
            file, _, anchor = target.partition("#")
            other = (path.parent / file).resolve() if file else path
            assert other.is_file(), f"{show(cell)}: no such file: {target}"
            if anchor and other.suffix == ".ipynb":
                assert anchor in {anchor_of(title) for _, title in headings(other)}, f"{show(cell)}: {target}"
                assert anchor.isascii(), f"{show(cell)}: JupyterLab follows no link but to ASCII: {target}"
    successor = dict(zip(NAMES, [f"{name}.ipynb" for name in NAMES[1:]] + ["../book/results.md"]))[path.stem]
    assert any(target.startswith(successor) for target in targets), f"no link to {successor}"
    if path.stem not in ("lenet", "nin"):  # torchvision has neither
        source = rf"https://github\.com/pytorch/\S+/{path.stem.replace('_', '')}\.py"
        assert any(re.match(source, target) for target in targets), "no link to torchvision's source"


def test_six_questions_to_check_yourself(path):
    """In the form that quizzes are made from: four answers, one of them right, a reason for each."""
    asked = quiz.questions(path)
    assert len(asked) == 6
    assert all(question.text.endswith("?") for question in asked)
    assert len({question.right for question in asked}) >= 3, "the right answer is nearly always in the same place"


def test_exercises_say_how_hard_and_how_long_and_have_solutions(path):
    found, source = exercises(path), "\n".join(cell.source for cell in text_cells(path))
    assert list(found) == list(range(1, len(found) + 1)) and len(found) >= 8
    for line in found.values():
        assert re.match(r"\*\*\d+\.\*\* ★{1,3} · \d+ minutes[^·]* · \*[A-Z][^*]+\.\* \S", line), line[:60]
    assert source.count("<summary>Solution") + sum("hide-cell" in tags(cell) for cell in code_cells(path)) >= len(found)


def test_every_objective_has_its_exercises(path):
    """The list at the top names the exercises that train each objective, and they exist."""
    objectives = re.findall(r"^- .*$", text_cells(path)[0].source, re.MULTILINE)
    assert 3 <= len(objectives) <= 8
    for line in objectives:
        named = re.search(r" \(\[exercises? ([\d, and]+)\]\(#Exercises\)\)[;.]$", line)
        assert named and set(map(int, re.findall(r"\d+", named[1]))) <= set(exercises(path)), line
