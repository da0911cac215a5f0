"""The Chinese pages beside the English ones, in one build.

A page is Chinese if it stands in a folder zh, and it is in the book if it is there: the contents list the English
pages, and the Chinese ones follow in the same order. Headings and words of the glossary have the English addresses, so
that a switch of language stays in its place. The themes' words are Chinese; the sidebar, previous and next, the search
and the way home lead to Chinese pages, and to an English one only where there is no Chinese.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import pydata_sphinx_theme
import sphinx.locale
import sphinx_book_theme
import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

TITLE = "从 LeNet 到 DenseNet"
CAPTIONS = {"Before you start": "开始之前", "Networks": "网络", "Results and reference": "结果与参考"}
ENGLISH_ONLY = "英文页面"
SEARCH = "zh/search"
FOOTER = """<p>文字和图片：<a href="https://creativecommons.org/licenses/by/4.0/deed.zh-hans">CC BY 4.0</a>。代码：MIT。
<a href="{url}">源代码</a> · <a href="{url}/issues/new">指出错误或缺漏</a></p>"""
# What the themes' own Chinese leaves in English: in attributes, and as the text of buttons.
WORDS = {
    "Link to this heading": "本节的链接",
    "Link to this image": "本图的链接",
    "Link to this table": "本表的链接",
    "Link to this term": "本词条的链接",
    "Link to this code": "这段代码的链接",
    "Search this book...": "搜索本书……",
    "Toggle primary sidebar": "显示或隐藏目录",
    "Toggle secondary sidebar": "显示或隐藏本页目录",
    "Color mode": "浅色或深色",
    "System Settings": "跟随系统",
    "Launch interactive content": "运行本章",
    "Launch on Colab": "在 Colab 中运行",
    "Source repositories": "源代码仓库",
    "Source repository": "源代码仓库",
    "Open an issue": "报告问题",
    "Open issue": "报告问题",
    "Repository": "仓库",
    "Download this page": "下载本页",
    "Download notebook file": "下载 notebook",
    "Download source file": "下载源文件",
    "Print to PDF": "打印为 PDF",
    "Main": "全书目录",
    "Page": "本页目录",
    "Section Navigation": "本部分目录",
}
KNOWN = "|".join(map(re.escape, WORDS))
LEFT = re.compile(rf'((?:title|aria-label|placeholder)="|btn__text-container">)({KNOWN})(?=["<])')
HAN = re.compile("[\u3400-\u9fff]")
CATALOGUES = (
    (Path(sphinx.locale.__file__).parent, "zh_CN", "sphinx"),
    (Path(pydata_sphinx_theme.__file__).parent / "locale", "zh", "sphinx"),
    (Path(sphinx_book_theme.__file__).parent / "theme/sphinx_book_theme/static/locales", "zh_CN", "booktheme"),
)


def is_chinese(docname: str) -> bool:
    return "zh" in docname.split("/")[:-1]


def counterpart(docname: str) -> str:
    """The same page in the other language."""
    if is_chinese(docname):
        return f"/{docname}".replace("/zh/", "/", 1).lstrip("/")
    folder, slash, name = docname.rpartition("/")
    return f"{folder}{slash}zh/{name}"


def has_chinese(app) -> bool:
    return any(map(is_chinese, app.env.found_docs))


def add_chinese_pages(app, config) -> None:
    """The contents with a Chinese part for each of theirs, of the pages that there are."""
    toc = yaml.safe_load(Path(config.external_toc_path).read_text(encoding="utf-8"))
    for number, part in enumerate(list(toc.get("parts", []))):
        listed = [chapter["file"] for chapter in part["chapters"]]
        names = [counterpart(name) for name in ([toc["root"], *listed] if number == 0 else listed)]
        found = [{"file": n} for n in names if any((Path(app.srcdir) / f"{n}{e}").exists() for e in (".md", ".ipynb"))]
        if part["caption"] not in CAPTIONS:
            logger.warning("site_chinese.CAPTIONS lacks the Chinese of %r", part["caption"], type="chinese")
        elif found:
            toc["parts"].append({"caption": CAPTIONS[part["caption"]], "chapters": found})
    path = Path(app.doctreedir) / "contents.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(toc, allow_unicode=True), encoding="utf-8")
    config.external_toc_path = path.as_posix()


# ---- what a page is made of ------------------------------------------------------------------------------------------


def read_without_index(app, docname: str, source: list[str]) -> None:
    """What a docstring describes is indexed once, on the English page."""
    if is_chinese(docname):
        source[0] = re.sub(r"^(\.\. auto\w+:: .+)$", r"\1\n   :no-index:", source[0], flags=re.MULTILINE)


def share_anchors(app, doctree) -> None:
    """The headings and glossary entries of a Chinese page have the addresses of the English ones."""
    env = app.env
    if not is_chinese(env.docname):
        return
    english = env.get_doctree(counterpart(env.docname))  # read before: its name comes first
    env.note_dependency(env.doc2path(counterpart(env.docname)))
    for kind in (nodes.section, nodes.term):
        for here, there in zip(doctree.findall(kind), english.findall(kind), strict=True):
            if there["ids"]:
                here["ids"] = there["ids"][:1]
    env.get_domain("index").entries[env.docname] = []  # the index is English


def mark_emphasis(app, doctree) -> None:
    """Chinese letters do not slant: a word has dots below it, but not a whole paragraph, and no Latin."""
    if is_chinese(app.env.docname):
        for emphasis in doctree.findall(nodes.emphasis):
            if not HAN.search(emphasis.astext()):
                emphasis["classes"].append("latin")
            elif len(emphasis.parent) == 1 or len(emphasis.astext()) > 16:
                emphasis["classes"].append("whole")


def close_gaps(text: str) -> str:
    """The text without the blanks between Chinese letters or beside their punctuation that joining its pieces left."""
    sign, letter = "[\u3000-\u303f\uff00-\uffef]", HAN.pattern
    return re.sub(f"(?<={sign}) +| +(?={sign})|(?<={letter}) +(?={letter})", "", text)


# ---- what the themes say ---------------------------------------------------------------------------------------------


def switch_words(app, docname: str) -> None:
    """Sphinx and the themes speak the language of the page that is written next."""
    chinese = is_chinese(docname)
    if getattr(app, "speaks_chinese", None) != chinese:
        app.speaks_chinese = chinese
        sphinx.locale.translators.clear()
        for folder, language, name in CATALOGUES:
            sphinx.locale.init([str(folder)], language if chinese else None, name)
        app.builder.templates.environment.install_gettext_translations(sphinx.locale.get_translator())


def before_writing(app, doctree, docname) -> None:
    if app.builder.format == "html":
        switch_words(app, docname)


def before_context(app, pagename, templatename, context, doctree) -> None:
    """The way to the other language, before the theme drops the parts of a page that hold nothing."""
    if app.builder.format == "html":
        switch_words(app, pagename)
        other = counterpart(pagename)
        if other in app.env.found_docs or ({pagename, other} == {"search", SEARCH} and has_chinese(app)):
            language, name = ("en", "English") if is_chinese(pagename) else ("zh-CN", "中文")
            context["other_language"] = (language, name, context["pathto"](other))


def sidebar_of(app, pagename: str, home: str, html: str) -> str:
    """The parts of the sidebar in the page's language; in Chinese, the pages that are in English alone come last."""
    soup, chinese = BeautifulSoup(html, "html.parser"), is_chinese(pagename)
    names = dict(zip(soup.select("li"), app.env.toctree_includes.get(app.config.root_doc, []), strict=True))
    english = []
    for caption in soup.select("p.caption"):
        links = caption.find_next_sibling("ul")
        if (caption.get_text().strip() in CAPTIONS.values()) == chinese:
            for item in [item for item in links.find_all("li") if names[item] == home]:
                item.decompose()  # the theme has put it on top
            if not links.find("li"):
                caption.decompose()
            continue
        english += [item for item in links.find_all("li") if counterpart(names[item]) not in app.env.found_docs]
        caption.extract()
        links.extract()
    if chinese and english:
        caption = (
            f'<p class="caption" role="heading" aria-level="2"><span class="caption-text">{ENGLISH_ONLY}</span></p>'
        )
        soup.append(BeautifulSoup(caption, "html.parser"))
        soup.append(soup.new_tag("ul", attrs={"class": "nav bd-sidenav", "lang": "en"}))
        soup.contents[-1].extend(english)
    return str(soup)


def adapt(app, pagename, templatename, context, doctree) -> None:
    """Language, title, ways home and to the other language, sidebar and search of a page."""
    if app.builder.format != "html":
        return
    chinese, other = is_chinese(pagename), counterpart(pagename)
    pages = app.env.found_docs
    context["language"] = "zh-CN" if chinese else "en"
    home = counterpart(app.config.root_doc)
    if chinese:
        context["docstitle"] = context["shorttitle"] = TITLE
        context["theme_logo"] = {**context["theme_logo"], "text": TITLE, "alt_text": f"{TITLE}，首页"}
        context["theme_extra_footer"] = FOOTER.format(url=app.config.html_theme_options["repository_url"])
        pathto = context["pathto"]
        context["pathto"] = lambda to, *args, **options: pathto(SEARCH if to == "search" else to, *args, **options)
        if home in pages:
            context["root_doc"], context["root_title"] = home, TITLE
    if other in pages:
        base = app.config.html_baseurl.rstrip("/")
        for name in sorted({pagename, other}):
            language = "zh-CN" if is_chinese(name) else "en"
            link = f'<link rel="alternate" hreflang="{language}" href="{escape(f"{base}/{name}.html")}">'
            context["metatags"] = (context.get("metatags") or "") + link + "\n"
    previous, following = app.env.collect_relations().get(pagename, [None] * 3)[1:]
    for key, neighbour in (("prev", previous), ("next", following)):
        if neighbour and is_chinese(neighbour) != chinese:
            context[key] = None
    tree = context.get("generate_toctree_html")
    if tree:
        context["generate_toctree_html"] = lambda *args, **options: sidebar_of(
            app, pagename, context["root_doc"], str(tree(*args, **options))
        )


def say_the_rest(app, exception) -> None:
    """The themes' words that no catalogue has in Chinese; figures have the numbers of the English page."""
    if exception is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("zh/*.html"):
            english = page.parent.parent / page.name
            numbers = iter(re.findall(r'"caption-number">\D*([\d.]+)', english.read_text(encoding="utf-8")))
            text = LEFT.sub(lambda left: left[1] + WORDS[left[2]], page.read_text(encoding="utf-8"))
            text = re.sub(r'(?<="caption-number">)[^<]*', lambda _, numbers=numbers: f"图 {next(numbers)} ", text)
            page.write_text(text, encoding="utf-8")


def search_page(app):
    """A search page for the Chinese, which Sphinx does not write."""
    if app.builder.format == "html" and has_chinese(app):
        yield SEARCH, {}, "search.html"


def setup(app):
    app.config.templates_path.append(str(Path(__file__).parent / "templates"))
    app.connect("config-inited", add_chinese_pages, priority=100)
    app.connect("source-read", read_without_index)
    app.connect("doctree-read", share_anchors, priority=100)
    app.connect("doctree-read", mark_emphasis)
    app.connect("doctree-resolved", before_writing)
    app.connect("html-page-context", before_context, priority=1)
    app.connect("html-page-context", adapt, priority=950)
    app.connect("html-collect-pages", search_page)
    app.connect("build-finished", say_the_rest, priority=830)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
