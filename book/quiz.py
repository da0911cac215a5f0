"""The chapters' *Check yourself*: six questions with four answers each, read from one plain form of Markdown.

**1. Question?**

- (a) an answer
…

<details><summary>Answers</summary>

- (a) Wrong: why.
- (b) Right: why.
…

</details>
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from book.notebooks import cells

HEADING = "## Check yourself"
LETTERS = "abcd"
_QUESTION = re.compile(r"^\*\*(\d+)\. (.+?)\*\*$", re.MULTILINE | re.DOTALL)
_ANSWERS = "<details><summary>Answers</summary>"
_LINE = re.compile(r"^- \(([a-z])\) (.+?)(?=\n- \(|\n\n|\n</details>|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Question:
    """One question: its words, and by letter its answers and what is said of each, in Markdown."""

    text: str
    answers: dict[str, str]
    reasons: dict[str, str]
    right: str


def questions(chapter: str) -> list[Question]:
    """The questions of ``chapters/<chapter>.ipynb``, in order.

    Raises:
        ValueError: a question that has not the form above; it names chapter and question.
    """
    sources = [cell["source"] for cell in cells(chapter) if cell["cell_type"] == "markdown"]
    section = "\n\n".join(sources).partition(f"{HEADING}\n")[2].split("\n## ")[0]
    parts = _QUESTION.split(section)[1:]
    return [_read(chapter, *parts[i : i + 3]) for i in range(0, len(parts), 3)]


def _read(chapter: str, number: str, text: str, body: str) -> Question:
    where = f"{chapter}, question {number}"
    offered, found, judged = body.partition(_ANSWERS)
    answers, verdicts = dict(_LINE.findall(offered)), dict(_LINE.findall(judged.split("</details>")[0]))
    right = [letter for letter, verdict in verdicts.items() if verdict.startswith("Right: ")]
    if not found or "".join(answers) != LETTERS or "".join(verdicts) != LETTERS:
        raise ValueError(f"{where} has not four answers, (a) to (d), each with its reason")
    if len(right) != 1 or not all(re.match(r"(Right|Wrong): \S", verdict) for verdict in verdicts.values()):
        raise ValueError(f"{where} has {len(right)} right answers: give one 'Right: …' and three 'Wrong: …'")
    reasons = {letter: verdict.split(": ", 1)[1] for letter, verdict in verdicts.items()}
    return Question(text.strip(), answers, reasons, right[0])
