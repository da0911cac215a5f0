"""The Chinese edition: in step with the English, and its checks find what they are for."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from book.notebooks import prose, read
from book.zh import catalogue, check, make
from book.zh import start as starting

ROOT = Path(__file__).resolve().parents[2]
FILES = catalogue.translated()
NOTEBOOKS = [path for path in FILES if path.suffix == ".ipynb"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_says_what_the_english_says_in_good_chinese(path):
    found, gone = catalogue.entries(path)
    assert [f"{e.key}: {problem}" for e in found for problem in check.problems(e, path.stem)] == []
    assert not gone, f"python -m book.zh.start {path.stem}"


@pytest.mark.parametrize("path", make.written(), ids=lambda path: path.stem)
def test_is_written_from_its_catalogue(path):
    assert make.target(path).read_text(encoding="utf-8") == make.chinese(path), "make zh"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_the_english_code_outputs_and_ids(path):
    ours, theirs = read(make.target(path)), read(path)
    assert [cell["id"] for cell in ours] == [cell["id"] for cell in theirs]
    for our, their in zip(ours, theirs, strict=True):
        del their["source" if their["cell_type"] == "markdown" else "metadata"]
        assert their.items() <= our.items(), our["id"]


@pytest.mark.parametrize("path", [make.target(path) for path in make.written()], ids=lambda path: path.stem)
def test_links_to_headings_find_their_anchor(path):
    """JupyterLab finds no Chinese one."""
    for file, anchor in re.findall(r"\]\(([^#():]*)#([^)]+)\)", prose(path)):
        other = (path.parent / file).resolve() if file else path
        assert anchor.isascii() and f'<a id="{anchor}"></a>\n\n##' in prose(other), f"{file}#{anchor}"


# ---- a small book of one chapter and one page ------------------------------------------------------------------------


CHAPTER = {
    "title": "# LeNet\n\nA kernel of 3 × 3 weights has 9 numbers. It is small, as [the exercises](#Exercises) show.",
    "figure": "A grey square.",
    "next": "## Exercises\n\nSee [NiN](nin.ipynb#Exercises) and [the results](../book/results.md).",
}
PAGE = "# Results\n\nOne paragraph.\n\n| network | accuracy |\n|---|---|\n"
PAGE += "| LeNet | 0.90 (5 runs) |\n| NiN | 0.91 (3 runs) |\n"
CHINESE = {
    "title": "# LeNet\n\n一个 3 × 3 的卷积核有 9 个数。它很小，见[练习](#Exercises)。",
    "figure": "一个灰色的方块。",
    "next": "## 练习\n\n见 [NiN](nin.ipynb#Exercises) 和[结果](../book/results.md)。",
}


def write_chapter(file: Path, title: str = CHAPTER["title"]) -> None:
    picture = {"output_type": "display_data", "data": {"image/png": "iVBOR"}, "metadata": {}}
    code = {"cell_type": "code", "id": "figure", "source": ["x = 1\n", "x"], "outputs": [picture], "execution_count": 1}
    code["metadata"] = {"mystnb": {"image": {"alt": CHAPTER["figure"]}}, "tags": ["hide-input"]}
    text = [{"cell_type": "markdown", "id": k, "metadata": {}, "source": [s]} for k, s in CHAPTER.items()]
    text[0]["source"] = [title]
    book = {"cells": [text[0], code, text[2]], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    file.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book with a chapter, whose Chinese is complete, and a page, whose Chinese has been begun."""
    here = tmp_path / "book" / "zh"
    for folder in ("chapters", "book/zh/chapters", "book/zh/pages"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "book" / "zh" / "TERMS.md", here)
    for module in (catalogue, make):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for module in (catalogue, check):
        monkeypatch.setattr(module, "HERE", here)
    write_chapter(tmp_path / "chapters" / "lenet.ipynb")
    shutil.copy(tmp_path / "chapters" / "lenet.ipynb", tmp_path / "chapters" / "nin.ipynb")
    (tmp_path / "book" / "results.md").write_text(PAGE, encoding="utf-8")
    said = "\n\n".join(f"<!-- zh {'figure alt' if key == 'figure' else key} -->\n{zh}" for key, zh in CHINESE.items())
    for name in ("lenet", "nin"):
        (here / "chapters" / f"{name}.md").write_text(said + "\n", encoding="utf-8")
        start(monkeypatch, name)
    start(monkeypatch, "results")
    yield tmp_path
    fresh()


def fresh() -> None:
    catalogue.entries.cache_clear()
    make.linked.cache_clear()


def start(monkeypatch, *arguments: str) -> None:
    fresh()
    monkeypatch.setattr("sys.argv", ["start", *arguments])
    starting.main()
    fresh()


def states(book: Path, name: str = "chapters/lenet.ipynb") -> dict[str, str]:
    fresh()
    return {entry.key: entry.state for entry in catalogue.entries(book / name)[0]}


def test_one_changed_sentence_makes_one_entry_stale_until_it_is_renewed(book, monkeypatch, capsys):
    assert set(states(book).values()) == {"fresh"}
    write_chapter(book / "chapters" / "lenet.ipynb", CHAPTER["title"].replace("It is small", "It is tiny"))
    assert states(book) == {"title": "stale", "figure alt": "fresh", "next": "fresh"}
    monkeypatch.setattr(check, "ROOT", book)
    monkeypatch.setattr("sys.argv", ["check", "lenet", "--changes"])
    assert check.main() == 1
    shown = capsys.readouterr().out
    assert (
        "-A kernel of 3 × 3 weights has 9 numbers. It is small" in shown and "It is tiny" in shown and "它很小" in shown
    )
    start(monkeypatch, "lenet")
    assert states(book)["title"] == "stale", "start alone renews nothing"
    start(monkeypatch, "lenet", "--renewed", "title")
    assert set(states(book).values()) == {"fresh"}


def test_changed_numbers_reach_the_chinese_by_themselves(book):
    write_chapter(book / "chapters" / "lenet.ipynb", CHAPTER["title"].replace("9 numbers", "10 numbers"))
    assert set(states(book).values()) == {"fresh"}
    assert "有 10 个数" in make.chinese(book / "chapters" / "lenet.ipynb")


def test_renumbering_gives_up_where_places_are_unclear():
    assert (
        catalogue.renumbered("每批 8 张，共 8 批", "8 batches of 8", "9 batches of 8") == "每批 9 张，共 8 批"
    )  # in order
    assert catalogue.renumbered("每批 8 张", "8 batches of 8", "9 batches of 8") is None
    assert catalogue.renumbered("370 万个", "3.7 million", "3.8 million") is None
    assert (
        catalogue.renumbered("共 3 批，每批 8 张", "8 images in each of 3", "9 images in each of 3")
        == "共 3 批，每批 9 张"
    )
    assert catalogue.renumbered("九个", "9 images", "9 pictures") is None


def test_a_changed_block_of_a_page_keeps_its_old_chinese_beside_it(book):
    page = book / "book" / "results.md"
    file = book / "book" / "zh" / "pages" / "results.md"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("One paragraph.\n\n<!-- zh", "One paragraph.\n\n<!-- ZH").replace("<!-- ZH", "<!-- zh")
    )
    key = catalogue.key_of("One paragraph.")
    file.write_text(text.replace(f"<!-- zh {key} -->", f"<!-- zh {key} -->\n一个段落。"), encoding="utf-8")
    page.write_text(PAGE.replace("One paragraph.", "One longer paragraph."), encoding="utf-8")
    fresh()
    entry = next(entry for entry in catalogue.entries(page)[0] if "paragraph" in entry.english)
    assert (entry.state, entry.old, entry.chinese) == ("stale", "One paragraph.", "一个段落。")


def test_cells_of_computed_tables_share_an_entry_and_keep_their_numbers(book):
    file = book / "book" / "zh" / "pages" / "results.md"
    key = catalogue.key_of("0.90 (5 runs)")
    text = file.read_text(encoding="utf-8")
    assert text.count("runs)") == 1
    file.write_text(text.replace(f"<!-- zh {key} -->", f"<!-- zh {key} -->\n0.90（5 次）"), encoding="utf-8")
    fresh()
    made = make.chinese(book / "book" / "results.md")
    assert "| LeNet | 0.90（5 次） |\n| NiN | 0.91（3 次） |\n" in made


def test_words_of_a_script_are_chinese_in_its_page_and_stale_once_changed(book, monkeypatch):
    script = book / "book" / "static" / "live" / "view.js"
    script.parent.mkdir(parents=True)
    script.write_text('say(t("Draw on it."), t("map {n} of 6", { n }), "en");\n', encoding="utf-8")
    start(monkeypatch, "view")
    file = book / "book" / "zh" / "pages" / "view.md"
    keys = {entry.english: entry.key for entry in catalogue.entries(script)[0]}
    said = {"Draw on it.": "在上面画。", "map {n} of 6": "6 张中的第 {n} 张"}
    file.write_text("".join(f"<!-- zh {keys[english]} -->\n{zh}\n\n" for english, zh in said.items()), encoding="utf-8")
    start(monkeypatch, "view")
    assert make.chinese(script) == 'say(t("在上面画。"), t("6 张中的第 {n} 张", { n }), "en");\n'
    assert script not in make.written()
    script.write_text(script.read_text(encoding="utf-8").replace("Draw on it.", "Draw on the image."), encoding="utf-8")
    fresh()
    assert next((e.state, e.old) for e in catalogue.entries(script)[0]) == ("stale", "Draw on it.")
    wrong = catalogue.Entry("key", "map {n} of 6", "map {n} of 6", "6 张中的第 {m} 张", "fresh")
    assert any("placeholders: lacks {n}; has beside the English {m}" in line for line in check.problems(wrong, "view"))


def test_links_lead_to_chinese_neighbours_and_headings(book):
    made = make.chinese(book / "chapters" / "lenet.ipynb")
    assert "[练习](#Exercises)" in made and "(nin.ipynb#Exercises)" in made and "(../../book/zh/results.md)" in made
    assert made.count("<a id") == 1 and json.dumps('<a id="Exercises"></a>\n')[1:-1] in made
    (book / "book" / "zh" / "pages" / "results.md").unlink()
    (book / "book" / "zh" / "chapters" / "nin.md").unlink()
    fresh()
    made = make.chinese(book / "chapters" / "lenet.ipynb")
    assert "(../nin.ipynb#Exercises)" in made and "(../../book/results.md)" in made


def test_a_notebook_that_is_read_and_written_without_words_is_the_same(book):
    for path in (
        *NOTEBOOKS,
        ROOT / "chapters" / "vgg.ipynb",
        ROOT / "book" / "intro.md",
        ROOT / "book" / "glossary.md",
    ):
        assert catalogue.rewrite(path, lambda _, english: english) == path.read_text(encoding="utf-8")


GOOD = (
    "Use `relu` with **3.7 million** weights and $x^2$, see [NiN](nin.ipynb). In the 1990s the stride was two.",
    "用 `relu` 和 $x^2$，共有 **370 万**个权重，见 [NiN](nin.ipynb)。20 世纪 90 年代的步幅是 2。",
)
BAD = [
    ("`relu`", "`ReLU`", "code words"),
    ("$x^2$", "$x^3$", "formulae: lacks"),
    ("370 万", "3700 万", "numbers: lacks 3.7e+06"),
    ("nin.ipynb", "vgg.ipynb", "links: lacks"),
    ("**370 万**", "370 万", "bold: 0 passages and 1"),
    ("**370 万**个", "**370 万。**个", "not read as emphasis"),
    ("步幅", "步长", "步长 is not used: write 步幅"),
    ("步幅是", "那个是", "stride: the Chinese has no 步幅"),
    ("，见", ",见", "full-width punctuation"),
    ("用 `relu`", "用`relu`", "put a space between"),
    ("步幅是", "步幅 是", "no space belongs here"),
    ("，共有", "，\n共有", "a line break inside a paragraph"),
    ("步幅是", "步幅是 the size of the step that it takes，", "is English"),
    ("权重", "權重", "not a simplified character"),
    ("用 ", "<details>用 ", "1 × <details> and 0"),
    ("用 ", "# 用 ", "form: the English has"),
]


def found_in(english: str, chinese: str) -> list[str]:
    return list(check.problems(catalogue.Entry("key", english, english, chinese, "fresh"), "lenet"))


def test_check_accepts_a_good_translation():
    assert found_in(*GOOD) == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("stride\n  By how many pixels it moves.", "步幅（stride；步长）\n  每次移动几个像素。"),
        (":::{grid-item-card} A stride\n:link: a\n:::", ":::{grid-item-card} 步幅\n:link: a\n:::"),
        ("[![A stride of two](a.png)](b.md)", "[![步幅为二](a.png)](b.md)"),
    ],
    ids=["entry of the glossary", "title of a card", "image"],
)
def test_check_accepts_the_forms_of_pages(english, chinese):
    assert list(check.problems(catalogue.Entry("key", english, english, chinese, "fresh"), "glossary")) == []


def test_text_between_two_generated_parts_has_an_entry():
    page = ROOT / "book" / "helpers.md"
    headings = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert [text for text in catalogue.texts(page).values() if text.startswith("#")] == headings


@pytest.mark.parametrize(("right", "wrong", "message"), BAD, ids=[bad[2] for bad in BAD])
def test_check_names_what_is_wrong(right, wrong, message):
    assert right in GOOD[1]
    assert any(message in problem for problem in found_in(GOOD[0], GOOD[1].replace(right, wrong, 1)))


def test_check_compares_right_answers_and_fixed_wording():
    english = "- (a) Right: it moves.\n- (b) Wrong: it stays."
    assert found_in(english, "- (a) 正确：它会移动。\n- (b) 错误：它不动。") == []
    swapped = found_in(english, "- (a) 错误：它会移动。\n- (b) 正确：它不动。")
    assert any("the right answers are" in problem for problem in swapped)
    assert any("'## Summary' is '## 小结'" in problem for problem in found_in("## Summary", "## 总结"))


def test_check_refuses_english_left_as_it_was():
    english = "Look at the data before you model it."
    assert any("no Chinese in it" in problem for problem in found_in(english, english))
