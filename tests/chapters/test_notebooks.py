"""The stored chapters: executed in order, clean, and readable wherever a notebook is shown."""

from __future__ import annotations

import itertools
import re

import nbformat
import pytest
from chapter import CHAPTERS, NAMES

from book.notebooks import prose

CODE_TAGS = {"setup", "imports", "definition", "hide-input", "hide-cell", "nbval-ignore-output"}
# Exact facts that a chapter's cells assert. A deleted assertion is a promise less: lower a number only on purpose.
ASSERTIONS = {
    "lenet": 28, "alexnet": 18, "vgg": 24, "nin": 19, "googlenet": 26, "batch_norm": 20, "resnet": 19, "densenet": 18,
}  # fmt: skip


@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def notebook(name):
    return nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4)


@pytest.fixture
def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def text(notebook) -> list[str]:
    """The Markdown cells without their blocks of code."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return [re.sub(r"^(```|~~~).*?^\1", "", source, flags=re.MULTILINE | re.DOTALL) for source in sources]


@pytest.fixture
def exercises(text) -> dict[int, str]:
    """What stands behind the number of each exercise."""
    found = re.findall(r"^\*\*(\d+)\.\*\* (.*)$", "\n".join(text).partition("## Exercises")[2], re.MULTILINE)
    return {int(number): line for number, line in found}


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def has_figure(cell) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def show(cell) -> str:
    return f"cell {cell.get('execution_count', cell.id)}: {cell.source.splitlines()[:1]}"


def test_valid_and_executed_in_order(notebook, code):
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(counts) + 1)), "execute the whole notebook: make chapters"


def test_outputs_are_those_of_a_full_run_and_need_no_script(code):
    for cell in code:
        for output in cell.outputs:
            # Neither an error nor what a last line such as ``ax.legend()`` returns.
            assert output.output_type in ("stream", "display_data") and output.get("name") != "stderr", show(cell)
            assert set(output.get("data", {})) <= {"text/plain", "image/png"}, show(cell)
            assert "quick mode" not in output.get("text", "").lower(), f"{show(cell)}: stored from quick mode"
        assert sum("data" in output for output in cell.outputs) <= 1, f"{show(cell)}: split it, a figure a cell"


def test_metadata_asks_for_a_gpu_and_has_known_tags(notebook):
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    for cell in notebook.cells:
        assert tags(cell) <= (CODE_TAGS if cell.cell_type == "code" else {"ledger"}), show(cell)


def test_every_figure_has_an_alternative_text_and_a_numbered_caption(notebook):
    """The cell behind a figure begins with its caption, in plain Markdown for every front end; solutions have none."""
    texts, numbers = [], []
    for cell, following in itertools.pairwise(notebook.cells):
        if has_figure(cell):
            texts.append(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
            assert len(texts[-1]) >= 25, show(cell)
        if has_figure(cell) and "hide-cell" not in tags(cell):
            caption = re.match(r"\*Figure (\d+)\. [^*\n]{25,}[.?]\*(\n\n|$)", following.source)
            assert caption, f"{show(cell)}: no caption follows"
            numbers.append(int(caption[1]))
    assert len(set(texts)) == len(texts) and numbers == list(range(1, len(numbers) + 1))


def test_cells_fit_a_screen(code):
    for cell in code:
        # What is folded on the site may be longer; what everyone sees fits the page without scrolling.
        longest, widest = (50, 160) if tags(cell) & {"hide-input", "hide-cell"} else (35, 96)
        lines = cell.source.splitlines()
        assert sum(bool(line.strip()) for line in lines) <= longest, f"{show(cell)}: over {longest} lines"
        assert max(map(len, lines)) <= widest, f"{show(cell)}: a line over {widest} characters"


def test_solutions_are_folded_in_every_front_end(code):
    """On the site by the tag, in JupyterLab by ``jupyter``, in Colab by ``cellView`` and a title."""
    for cell in code:
        if "hide-cell" in tags(cell):
            assert cell.metadata.get("jupyter") == {"source_hidden": True, "outputs_hidden": True}, show(cell)
            assert cell.metadata.get("cellView") == "form", show(cell)
            assert re.match(r"# ?@title \S", cell.source), f"{show(cell)}: no title"


def test_what_a_chapter_claims_is_checked(name, code):
    """By its assertions; and only outputs that training, timing, devices or the images change go uncompared."""
    count = sum(cell.source.count("assert ") for cell in code)
    assert count == ASSERTIONS.get(name), f'write "{name}": {count} into ASSERTIONS, if none is lost'
    assert sum("nbval-ignore-output" in tags(cell) for cell in code) <= len(code) // 2


def test_text_is_plain_markdown(name, text):
    """Colab, GitHub and JupyterLab know no MyST, and not all of them HTML."""
    for markdown in text:
        words = re.sub(r"\$[^$]*\$|`[^`\n]+`", "", markdown)
        html = re.findall(r"</?([a-zA-Z][\w-]*)(?:\s[^>]*)?>", words)
        assert set(html) <= {"details", "summary"}, f"{markdown[:80]}: {html}"
        assert not re.search(r"!\[[^\]]*\]\(", words), f"{markdown[:80]}: figures are drawn by code"
        opened, closed = markdown.count("<details>"), markdown.count("</details>")
        assert opened == closed == markdown.count("<summary>"), f"{markdown[:80]}: unbalanced"
    everything = prose(CHAPTERS / f"{name}.ipynb")
    assert not re.search(r"^(:::|```)\{|\{[a-z:-]+\}`", everything, re.MULTILINE), "a directive or a role"


def test_links_lead_to_headings_and_to_the_next_chapter(name, text):
    """JupyterLab, and nbconvert, by which GitHub shows a notebook, make other anchors of headings than the site."""
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", "\n".join(text))
    for file, anchor in links:
        if anchor and (not file or file.endswith(".ipynb")):
            headings = re.findall(r"^#+ (.+)$", prose(CHAPTERS / (file or f"{name}.ipynb")), re.MULTILINE)
            anchors = {re.sub(r"[`*$\\]", "", heading).strip().replace(" ", "-") for heading in headings}
            assert anchor in anchors and anchor.isascii(), f"{file}#{anchor}"
    successor = dict(itertools.pairwise([*NAMES, "../book/results"]))[name]
    assert any(file.startswith(f"{successor}.") for file, _ in links), f"no link to {successor}"


def test_exercises_say_how_hard_and_how_long_and_have_solutions(code, text, exercises):
    assert list(exercises) == list(range(1, len(exercises) + 1)) and len(exercises) >= 8
    for line in exercises.values():
        assert re.match(r"★{1,3} · \d+ minutes[^·]* · \*[A-Z][^*]+\.\* \S", line), line[:60]
    solutions = "\n".join(text).count("<summary>Solution") + sum("hide-cell" in tags(cell) for cell in code)
    assert solutions >= len(exercises)


def test_every_objective_has_its_exercises(text, exercises):
    """The list at the top names the exercises that train each objective, and they exist."""
    objectives = re.findall(r"^- .*$", text[0], re.MULTILINE)
    assert len(objectives) >= 3
    for line in objectives:
        named = re.search(r" \(\[exercises? ([\d, and]+)\]\(#Exercises\)\)[;.]$", line)
        assert named and set(map(int, re.findall(r"\d+", named[1]))) <= set(exercises), line
