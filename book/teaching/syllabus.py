"""The course on one page, ``syllabus.html``: weeks, readings, objectives and what trains them, from plan and chapters.

python -m book.teaching.syllabus [--course my.yml] [--to folder]
"""

from __future__ import annotations

import argparse
import re
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from book.notebooks import CHAPTERS, prose
from book.teaching import course, weeks

READINGS = 2  # of a chapter's references
STYLE = """
body{font:16px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{border-bottom:1px solid #bbb;padding:.35rem .5rem;text-align:left;vertical-align:top}
.gap{color:#a3260a;font-weight:600}a{color:#00538a}
@media print{body{margin:0;max-width:none}tr{break-inside:avoid}}
"""
HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}: syllabus</title>
<style>{style}</style></head>
<body>"""


def page(plan: course.Course) -> str:
    """The whole page as HTML that needs nothing else."""
    picked = plan.pick()
    parts = [HEAD.format(title=escape(plan.title), style=STYLE), f"<h1>{escape(plan.title)}: syllabus</h1>"]
    parts.append(_table(("week", "points", "minutes of graded work"), [_row(week) for week in picked]))
    for name, sessions in plan.sessions.items():
        rows = [(str(i), ", ".join(_title(plan, week) for week in names)) for i, names in enumerate(sessions, 1)]
        parts += [f"<h2>In {escape(name)} sessions</h2>", _table(("session", "what it covers"), rows)]
    for week in picked:
        parts += [f"<h2>{escape(week.title)}</h2>", _readings(week.name), _objectives(week)]
    return "\n".join([*parts, "</body></html>", ""])


def gaps(week: course.Week) -> list[str]:
    """The objectives of a week that no exercise of its chapter, or no graded question, trains."""
    return [words for words, exercises, questions in trained(week) if not (exercises and questions)]


def trained(week: course.Week) -> list[tuple[str, list[str], list[str]]]:
    """Each objective in words, its exercises in the chapter and its graded questions."""
    rows = []
    for bullet in course.objectives(week.name):
        named = re.search(r" \(\[exercises? ([\d, and]+)\]\(#Exercises\)\)", bullet)
        exercises = re.findall(r"\d+", named[1]) if named else []
        questions = [name for words, names in week.objectives.items() if words in bullet for name in names]
        words = bullet.replace(named[0], "") if named else bullet
        if not (CHAPTERS / f"{week.name}.ipynb").is_file():
            exercises = ["–"]  # a week without a chapter has no exercises but its graded ones
        rows.append((words.rstrip(";."), exercises, questions))
    return rows


def _row(week: course.Week) -> tuple[str, str, str]:
    return week.title, f"{week.points:g}", str(week.minutes)


def _title(plan: course.Course, name: str) -> str:
    return plan.weeks[name].title if name in plan.weeks else name


def _readings(name: str) -> str:
    chapter = CHAPTERS / f"{name}.ipynb"
    if not chapter.is_file():
        return "<p>Read: the placement page.</p>"
    references = re.findall(r"^- (.+)$", prose(chapter).partition("## References")[2], re.MULTILINE)[:READINGS]
    items = [f"The chapter, `chapters/{name}.ipynb`", *references]
    return "<p>Read:</p><ul>" + "".join(f"<li>{_html(item)}</li>" for item in items) + "</ul>"


def _objectives(week: course.Week) -> str:
    points = weeks.points(weeks.teacher(week.name))
    rows = []
    for words, exercises, questions in trained(week):
        graded = ", ".join(f"<code>{name}</code> ({points[name]:g})" for name in questions)
        gap = '<span class="gap">none</span>'
        rows.append((_html(words), ", ".join(exercises) or gap, graded or gap))
    return _table(("After this week students can", "exercises", "graded questions (points)"), rows, escaped=True)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], *, escaped: bool = False) -> str:
    def line(cells_: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell if escaped else escape(cell)}</{tag}>" for cell in cells_) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"


def _html(words: str) -> str:
    return MarkdownIt("commonmark").renderInline(words)


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    course.add_options(parser)
    parser.add_argument("--to", type=Path, default=course.ROOT / "_build" / "class")
    options = parser.parse_args()
    plan = course.read(options.course)
    options.to.mkdir(parents=True, exist_ok=True)
    (options.to / "syllabus.html").write_text(page(plan), encoding="utf-8")
    print(f"syllabus: {options.to / 'syllabus.html'}")
    for week in plan.pick():
        for words in gaps(week):
            print(f"  gap in {week.name}: {words}")


if __name__ == "__main__":
    main()
