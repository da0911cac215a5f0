"""Whether the Chinese of a chapter or page holds to its English and to the rules of TERMS.md and WRITING.md.

Without a name it checks all. Each line of the answer names the entry, what is wrong and what to do.
"""

from __future__ import annotations

import argparse
import calendar
import difflib
import functools
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterator

from markdown_it import MarkdownIt

from book.notebooks import ROOT
from book.zh.catalogue import FENCE, HERE, Entry, catalogue, entries, source, translated

HAN = "[\u3400-\u9fff]"
PLACE = "\x01"  # stands for code and formulae
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]*)\)")
LATIN_LABEL = re.compile(r"\[[^]\u3400-\u9fff]*\]\([^)]*\)")  # a title that stays as it is
PLACEHOLDER = re.compile(r"(?<![`:$])\{\w+\}")
OPTION = re.compile(r"^ *(?::::+\{grid-item-card\}|::::*.*|`{3,}\{.*|`{3,}$|:(?!\w*-?alt:)[\w-]+:.*|-{3}$)", re.M)
DEFINITION = re.compile(r"[^\W\d][^\n]*\n  \S")  # a word of the glossary, and what it means
QUANTITY = re.compile(r"(\d+(?:[.,]\d+)*)(?: ?(thousand|million|billion|万亿|万|亿))?")
UNITS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "万": 1e4, "亿": 1e8, "万亿": 1e12, "": 1}
WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
SPELT = {word: float(number) for number, word in enumerate([*WORDS.split(), "eighteen", "nineteen", "twenty"])}
SPELT |= {"thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "hundred": 100.0, "half": 2.0, "twice": 2.0}
SPELT |= {"first": 1.0, "second": 2.0, "third": 3.0, "fourth": 4.0}
SPELT |= {month.lower(): float(number) for number, month in enumerate(calendar.month_name)}
BLOCKS = {"heading_open", "bullet_list_open", "ordered_list_open", "list_item_open", "tr_open", "td_open", "th_open"}
BLOCKS |= {"blockquote_open"}
RULES = {
    rf"{HAN} ?[,;:!?.()]|[,;:!?()] ?{HAN}": "use full-width punctuation （，。；：！？（））",
    rf"{HAN}[A-Za-z0-9\x01]|[A-Za-z0-9%\x01]{HAN}": "put a space between Chinese and Latin, digits, code or formulae",
    rf"{HAN} +{HAN}|[，。；：！？、（] (?!\|)|(?<=[^|\s]) [，。；：！？、）]": "no space belongs here",
    r"[\"']" + HAN + "|" + HAN + r"[\"']": "use “ ” for quotation marks",
}
FUNCTION = r"(?:the|of|is|are|and|a|an|to|in|that|it|for|with|as|on|by|from|which|not|you)"
ENGLISH = re.compile(rf"(?:[A-Za-z][\w'’-]*,? ){{0,9}}\b{FUNCTION} (?:[A-Za-z][\w'’-]*,? ){{1,9}}[A-Za-z]\w+")


@functools.cache
def tables() -> tuple[list[tuple[list[str], list[str], list[str]]], list[tuple[str, str]]]:
    """TERMS.md: the English words that are asked for, the Chinese ones and those not used; and the fixed wording."""
    rows, fixed = [], []
    for line in (HERE / "TERMS.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0].startswith("`"):
            fixed.append((cells[0].strip("`"), cells[1].strip("`")))
        elif len(cells) == 3 and cells[0] not in ("English", "---"):
            words = [] if cells[0].startswith("(") else cells[0].split(" / ")
            rows.append((words, cells[1].split(" / "), cells[2].split()))
    return rows, fixed


def quantities(text: str) -> Counter[float]:
    """The numbers of a text, 60,000 and 6 万 alike."""
    text = re.sub(r"(\d\d) 世纪 (\d)0 年代", lambda m: f"{int(m[1]) - 1}{m[2]}0", text)
    text = re.sub(r"(\d[\d.,]*)(?= (?:of|to)(?: the)? \d[\d.,]* (thousand|million|billion)\b)", r"\1 \2", text)
    found = [(number.replace(",", ""), UNITS[unit]) for number, unit in QUANTITY.findall(text)]
    return Counter(float(f"{float(n) * unit:.9g}") if n.count(".") < 2 else hash(n) for n, unit in found)


def plain(text: str) -> str:
    """The words alone: code and formulae become one letter, links their label."""
    text = FENCE.sub("", text)
    text = re.sub(r"<[^>]+>|^- \([a-z]\) ", "", OPTION.sub("", FORMULA.sub(PLACE, CODE.sub(PLACE, text))), flags=re.M)
    return re.sub(r"^:[\w-]*alt: |^ *description: |!?\[|\*", "", LINK.sub("", text), flags=re.M)


def shape(text: str) -> tuple[list[str], Counter[str], str]:
    """Code, headings, lists and tables in order; bold passages; and what the renderer took for plain text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(OPTION.sub("", FENCE.sub("", FORMULA.sub(PLACE, text))))
    inline = [child for token in tokens for child in token.children or []]
    blocks = [f"{token.type} {token.tag}" for token in tokens if token.type in BLOCKS] + FENCE.findall(text)
    kinds = Counter(child.type for child in inline if child.type in ("strong_open", "softbreak"))
    return blocks, kinds, "\n".join(child.content for child in inline if child.type == "text")


def difference(english: Counter, chinese: Counter) -> str:
    parts = []
    for words, more in (("lacks", english - chinese), ("has beside the English", chinese - english)):
        if more:
            parts.append(f"{words} {', '.join(f'{x:g}' if isinstance(x, float) else str(x) for x in more)}")
    return "; ".join(parts)


def same_facts(english: str, chinese: str) -> Iterator[str]:
    """Formulae, code words, links and numbers."""
    masked = [re.sub(r"\\text\{[^}]*\}", r"\\text{}", text) for text in (english, chinese)]
    for name, pattern, kind in (("formulae", FORMULA, Counter), ("code words", CODE, set), ("links", LINK, Counter)):
        texts = masked if name == "formulae" else (english, chinese)
        a, b = (Counter(kind(pattern.findall(CODE.sub("", t) if name == "formulae" else t))) for t in texts)
        if wrong := difference(a, b):
            yield f"{name}: {wrong}; copy them from the English"
    a, b = (Counter(PLACEHOLDER.findall(FORMULA.sub("", CODE.sub("", text)))) for text in (english, chinese))
    if wrong := difference(a, b):
        yield f"placeholders: {wrong}; they stand for what the page computes"
    a, b = (quantities(LINK.sub("", FORMULA.sub("", CODE.sub("", text)))) for text in (english, chinese))
    spelt = Counter({SPELT[word]: 99 for word in re.findall(r"[a-z]+", english.lower()) if word in SPELT})
    if wrong := difference(a, b - (b - a & spelt)):
        yield f"numbers: {wrong}; write the English cell's numbers"


def same_form(english: str, chinese: str) -> Iterator[str]:
    """Folds, directives, right answers, headings, lists, tables and bold passages."""
    for what in ("<details>", "</details>", "<summary>", "★", "<!--"):
        if english.count(what) != chinese.count(what):
            yield f"{chinese.count(what)} × {what} and {english.count(what)} in the English"
    if wrong := difference(Counter(OPTION.findall(english)), Counter(OPTION.findall(chinese))):
        yield f"directives: {wrong}; keep these lines as they are"
    right, found = re.findall(r"\((.)\) Right: ", english), re.findall(r"\((.)\) 正确：", chinese)
    if right != found:
        yield f"the right answers are {found}, and {right} in the English"
    (a, bold, _), (b, strong, text) = shape(english), shape(chinese)
    for there, here in itertools.zip_longest(a, b, fillvalue="nothing"):
        if there != here:
            yield f"form: the English has {there!r} where the Chinese has {here!r}"
            break
    if bold["strong_open"] != strong["strong_open"]:
        yield f"bold: {strong['strong_open']} passages and {bold['strong_open']} in the English"
    if "*" in text.replace("\\*", ""):
        yield "a * is not read as emphasis: put full-width punctuation outside, **像这样**。"
    if strong["softbreak"] and not english.startswith(("---", ":::", "```")) and not DEFINITION.match(english):
        yield "a line break inside a paragraph shows as a space: write each paragraph, item and answer as one line"


def same_words(english: str, chinese: str, page: str) -> Iterator[str]:
    """The words of TERMS.md."""
    terms, fixed = tables()
    words, text = plain(english), plain(chinese)
    for asked, answers, unused in terms:
        for word in asked:
            if re.search(rf"(?<![\w-]){word}(?:s|es)?(?![\w-])", words, re.I) and not any(a in text for a in answers):
                yield f"{word}: the Chinese has no {' / '.join(answers)} (TERMS.md)"
        for word in unused:
            if text.count(word) > (page == "glossary"):
                yield f"{word} is not used: write {' / '.join(answers)} (TERMS.md)"
    for here, there in fixed:
        if english.count(here) and english.count(here) != chinese.count(there):
            yield f"{here!r} is {there!r}, as often as in the English (TERMS.md)"


def good_chinese(english: str, chinese: str) -> Iterator[str]:
    """Punctuation, spaces, simplified characters, and nothing left in English."""
    words, text = plain(english), plain(chinese)
    for pattern, cure in RULES.items():
        for match in re.finditer(pattern, text):
            around = text[max(0, match.start() - 8) : match.end() + 8].replace(PLACE, "…")
            yield f"{around!r}: {cure}"
    if not english.startswith("## References") and (left := ENGLISH.search(plain(LATIN_LABEL.sub("", chinese)))):
        yield f"{left[0]!r} is English"
    if re.search(r"\b[a-z]{3,} [a-z]{3,}\b", words) and not re.search(HAN, text):
        yield "there is no Chinese in it"
    for letter in sorted(set(re.findall(HAN, text))):
        if not letter.encode("gb2312", "ignore"):
            yield f"{letter} is not a simplified character in common use"


def problems(entry: Entry, page: str) -> Iterator[str]:
    """What is wrong with one entry."""
    if entry.state == "missing":
        yield f"there is no Chinese yet: {entry.english.splitlines()[0][:80]}"
    elif entry.state == "stale":
        lines = difflib.unified_diff(entry.old.splitlines(), entry.english.splitlines(), n=0, lineterm="")
        change = "".join(f"\n    {line}" for line in list(lines)[3:])
        yield (
            f"the English has changed:{change}\n    zh {entry.chinese}\n"
            f"    renew it, then: python -m book.zh.start {page} --renewed '{entry.key}'"
        )
    else:
        yield from same_facts(entry.english, entry.chinese)
        yield from same_form(entry.english, entry.chinese)
        yield from same_words(entry.english, entry.chinese, page)
        yield from good_chinese(entry.english, entry.chinese)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m book.zh.check", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="lenet, intro …")
    parser.add_argument("--changes", action="store_true", help="only what is missing, stale or no longer needed")
    options = parser.parse_args()
    count = 0
    for path in [source(name) for name in options.names] or translated():
        found, gone = entries(path)
        judged = [entry for entry in found if entry.state != "fresh" or not options.changes]
        lines = [f"{entry.key}: {problem}" for entry in judged for problem in problems(entry, path.stem)]
        lines += [f"{key}: the English has no such text: python -m book.zh.start {path.stem} drops it" for key in gone]
        for line in lines:
            print(f"{catalogue(path).relative_to(ROOT)} {line}")
        count += len(lines)
    print(f"{count} things to mend" if count else "everything is in order")
    return count


if __name__ == "__main__":
    sys.exit(main() > 0)
