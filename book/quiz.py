"""*Check yourself* of a chapter or a page: questions with four answers each, read from one plain form of Markdown.

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
from pathlib import Path

from book.notebooks import prose

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


def questions(path: Path) -> list[Question]:
    """The questions of a notebook, or of a page in Markdown, in order.

    Raises:
        ValueError: a question that has not the form above; it names page and question.
    """
    section = prose(path).partition(f"{HEADING}\n")[2].split("\n## ")[0]
    parts = _QUESTION.split(section)[1:]
    return [_read(path.stem, *parts[i : i + 3]) for i in range(0, len(parts), 3)]


def _read(page: str, number: str, text: str, body: str) -> Question:
    where = f"{page}, question {number}"
    offered, found, judged = body.partition(_ANSWERS)
    answers, verdicts = dict(_LINE.findall(offered)), dict(_LINE.findall(judged.split("</details>")[0]))
    right = [letter for letter, verdict in verdicts.items() if verdict.startswith("Right: ")]
    if not found or "".join(answers) != LETTERS or "".join(verdicts) != LETTERS:
        raise ValueError(f"{where} has not four answers, (a) to (d), each with its reason")
    if len(right) != 1 or not all(re.match(r"(Right|Wrong): \S", verdict) for verdict in verdicts.values()):
        raise ValueError(f"{where} has {len(right)} right answers: give one 'Right: …' and three 'Wrong: …'")
    reasons = {letter: verdict.split(": ", 1)[1] for letter, verdict in verdicts.items()}
    return Question(text.strip(), answers, reasons, right[0])
