"""Give pages with questions the script that lets them answer at a click, and each question an address of its own."""

from __future__ import annotations

import re

SECTION = re.compile(r'<section id="check-yourself">.*?(?=<section |</section>)', re.DOTALL)
QUESTION = re.compile(r"<p>(?=<strong>(?P<number>\d+)\. )|<details>\s*<summary>(?P<answers>Answers|答案)</summary>")


def name_questions(section: str) -> str:
    """Addresses, #question-3, and folds that say whose answers they hold."""
    number = ""

    def name(match: re.Match) -> str:
        nonlocal number
        if match["number"]:
            number = match["number"]
            return f'<p id="question-{number}">'
        words = f"Answers to question {number}" if match["answers"] == "Answers" else f"第 {number} 题的答案"
        return f'<details class="answers"><summary>{words}</summary>' if number else match[0]

    return QUESTION.sub(name, section)


def add_quiz(app, pagename, templatename, context, doctree) -> None:
    if app.builder.format != "html":
        return
    context["body"] = SECTION.sub(lambda section: name_questions(section[0]), context.get("body", ""))
    if '<details class="answers">' in context["body"]:
        app.add_js_file("quiz.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", add_quiz)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
