"""The chapters' *Check yourself* for a learning system: Moodle XML, and QTI for Canvas and others through text2qti.

    python -m book.teaching.quizzes [chapter …] [--to folder]

quiz/<chapter>.xml    Moodle: Question bank > Import > Moodle XML format
quiz/<chapter>.zip    Canvas: Settings > Import course content > QTI .zip file
"""

from __future__ import annotations

import argparse
import io
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from book import quiz
from book.networks import NETWORKS
from book.notebooks import CHAPTERS, ROOT

TITLE = "From LeNet to DenseNet"


def moodle(chapter: str) -> str:
    """The chapter's questions in Moodle's XML: one right answer each, a reason as the feedback of every answer."""
    root = Element("quiz")
    category = SubElement(root, "question", type="category")
    _text(SubElement(category, "category"), f"$course$/top/{TITLE}/{NETWORKS[chapter].title}")
    for number, question in enumerate(quiz.questions(CHAPTERS / f"{chapter}.ipynb"), 1):
        entry = SubElement(root, "question", type="multichoice")
        _text(SubElement(entry, "name"), f"{NETWORKS[chapter].title} {number}")
        _text(SubElement(entry, "questiontext", format="html"), _html(question.text))
        for tag, value in (("defaultgrade", "1"), ("single", "true"), ("shuffleanswers", "true")):
            SubElement(entry, tag).text = value
        SubElement(entry, "answernumbering").text = "abc"
        for letter, words in question.answers.items():
            fraction = "100" if letter == question.right else "0"
            answer = SubElement(entry, "answer", fraction=fraction, format="html")
            _text(answer, _html(words))
            _text(SubElement(answer, "feedback", format="html"), _html(_sentence(question.reasons[letter])))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def plain(chapter: str) -> str:
    """The chapter's questions as text2qti reads them: Markdown with LaTeX, the right answer starred."""
    lines = [f"Quiz title: {TITLE}: {NETWORKS[chapter].title}", "Shuffle answers: true", ""]
    for number, question in enumerate(quiz.questions(CHAPTERS / f"{chapter}.ipynb"), 1):
        lines.append(f"{number}.  {_one_line(question.text)}")
        for letter, words in question.answers.items():
            lines.append(f"{'*' * (letter == question.right)}{letter}) {_one_line(words)}")
            lines.append(f"... {_sentence(question.reasons[letter])}")
        lines.append("")
    return "\n".join(lines)


def qti(chapter: str) -> bytes:
    """The chapter's questions as a QTI package, the same bytes every time."""
    from text2qti.config import Config
    from text2qti.qti import QTI
    from text2qti.quiz import Quiz

    made, packed = io.BytesIO(), io.BytesIO()
    QTI(Quiz(plain(chapter), config=Config())).write(made)
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), source.read(name))
    return packed.getvalue()


def build(chapters: list[str], folder: Path) -> None:
    """Both forms of each chapter's questions into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for chapter in chapters:
        (folder / f"{chapter}.xml").write_text(moodle(chapter), encoding="utf-8")
        (folder / f"{chapter}.zip").write_bytes(qti(chapter))


def _text(parent: Element, words: str) -> None:
    SubElement(parent, "text").text = words


def _one_line(words: str) -> str:
    return " ".join(words.split())


def _sentence(words: str) -> str:
    """A reason, which follows a colon in the chapter, on its own."""
    return words[0].upper() + _one_line(words[1:])


def _html(words: str) -> str:
    r"""Markdown as HTML, formulae between ``\(`` and ``\)`` as Moodle's MathJax filter reads them."""
    parser = MarkdownIt("commonmark").use(dollarmath_plugin, renderer=lambda formula, _: rf"\({formula}\)")
    html = parser.renderInline(words)
    return re.sub(r'<span class="math inline">(.*?)</span>', r"\1", html)


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", default=list(NETWORKS))
    parser.add_argument("--to", type=Path, default=ROOT / "_build" / "class" / "quiz")
    options = parser.parse_args()
    build(options.chapters, options.to)
    print(f"quizzes: {options.to}")


if __name__ == "__main__":
    main()
