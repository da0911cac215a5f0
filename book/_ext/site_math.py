"""Formulae become HTML when the book is built, so that a page needs no script to show them.

MathJax does it, from the files that sphinx-mathjax-offline carries, in the V8 engine of mini-racer: what readers get is
what MathJax would have made in their browser, with MathML beside it for screen readers. The style sheet and the fonts
hold the characters that the book uses.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import shutil
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

COMPONENTS = ("startup", "core", "adaptors/liteDOM", "input/tex-full", "output/chtml", "output/chtml/fonts/tex")
COMPONENTS += ("a11y/assistive-mml",)
CONFIG = """
globalThis.setTimeout = f => f();
globalThis.MathJax = {
  loader: {load: [], paths: {mathjax: ""}},
  startup: {typeset: false, document: "", ready() {}},
  chtml: {fontURL: ".", adaptiveCSS: true},
  tex: {packages: ["base", "ams", "newcommand", "noundefined", "textmacros"]},
};
"""
FORMULAE = (nodes.math, nodes.math_block)
FOLDER = "_static/formulae"
FONTS = "output/chtml/fonts/woff-v2"
FACE = re.compile(
    r"@font-face[^{]*\{font-family:\s*(?P<family>[\w-]+);[^}]*?url\(\"?[./]*(?P<file>\w+-\w+|\w+)\.woff[^}]*\}"
)


def mathjax_folder() -> Path:
    """Where the installed sphinx-mathjax-offline keeps MathJax."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("sphinx-mathjax-offline is missing; install requirements.txt")
    return Path(spec.origin).parent / "static" / "mathjax"


@functools.cache
def engine():
    """MathJax, started once a build."""
    from py_mini_racer import MiniRacer

    racer = MiniRacer()
    racer.eval(CONFIG)
    for name in COMPONENTS:
        racer.eval((mathjax_folder() / f"{name}.js").read_text(encoding="utf-8") + "; 0")
    racer.eval(f"MathJax.loader.preLoad(...{json.dumps(COMPONENTS)}); MathJax.startup.getComponents()")
    racer.eval("MathJax.startup.makeMethods(); 0")
    return racer


@functools.cache
def formula(tex: str, display: bool) -> str:
    """The HTML of one formula; what TeX cannot read is in it as an element ``mjx-merror``."""
    call = f"MathJax.tex2chtml({json.dumps(tex)}, {{display: {json.dumps(display)}}})"
    return engine().eval(f"MathJax.startup.adaptor.outerHTML({call})")


def stop_engine(*_) -> None:
    """End the engine's thread, which would keep the build from ending."""
    if engine.cache_info().currsize:
        engine().close()
    engine.cache_clear()
    formula.cache_clear()


def is_display(node) -> bool:
    return isinstance(node, nodes.math_block)


def write_formula(translator, node) -> None:
    html = formula(node.astext(), is_display(node))
    if "mjx-merror" in html:
        logger.warning("a formula that TeX cannot read: %s", node.astext(), location=node, type="math")
    if is_display(node):
        label = f' id="{escape(node["ids"][0])}"' if node["ids"] else ""
        # what is wider than a phone scrolls, so the keyboard must reach it
        translator.body.append(f'<div class="math" tabindex="0" role="math"{label}>{html}</div>\n')
    else:
        translator.body.append(f'<span class="math">{html}</span>')
    raise nodes.SkipNode


def collect(app, doctree) -> None:
    """Remember a page's formulae: a build that writes one page styles those of all."""
    found = {(node.astext(), is_display(node)) for node in doctree.findall() if isinstance(node, FORMULAE)}
    all_pages = getattr(app.env, "formulae", {})
    app.env.formulae = {**all_pages, app.env.docname: sorted(found)}


def write_styles(app, exception) -> None:
    """The style sheet and fonts of all formulae of the site."""
    if exception is None and app.builder.format == "html":
        pairs = sorted({pair for page in app.env.formulae.values() for pair in page})
        write_sheet(pairs, Path(app.outdir) / FOLDER)


def write_sheet(pairs: list[tuple[str, bool]], folder: Path) -> None:
    """``formulae.css`` and its fonts into ``folder``, as small as the characters of these formulae allow."""
    html = "".join(formula(tex, display) for tex, display in pairs)
    css = engine().eval("MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet())")
    css = re.sub(r"\s*\n\s*", "", css)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    characters = set("".join(css_characters(text) for text in re.findall(r'content:\s*"((?:[^"\\]|\\.)*)"', css)))
    families = {"MJXZERO", "MJXTEX", "MJXTEX-S4", *(f"MJX{name}" for name in re.findall(r"\bTEX-\w+", html))}
    faces = []
    for face in FACE.finditer(css):
        if face["family"] in families:
            subset(mathjax_folder() / FONTS / f"{face['file']}.woff", characters, folder / f"{face['file']}.woff2")
            faces.append(f"@font-face{{font-family:{face['family']};src:url({face['file']}.woff2)}}")
    (folder / "formulae.css").write_text("".join(faces) + FACE.sub("", css), encoding="utf-8")


def css_characters(text: str) -> str:
    """The characters of a CSS string with its escapes resolved."""
    return re.sub(r"\\([0-9A-Fa-f]{1,6}) ?|\\(.)", lambda m: chr(int(m[1], 16)) if m[1] else m[2], text)


def subset(source: Path, characters: set[str], target: Path) -> None:
    """Write the font with these characters only, as WOFF2."""
    from fontTools import subset as fonts

    fonts.log.setLevel("ERROR")
    options = fonts.Options(flavor="woff2")
    font = fonts.load_font(str(source), options)
    subsetter = fonts.Subsetter(options)
    subsetter.populate(text="".join(characters))
    subsetter.subset(font)
    fonts.save_font(font, str(target), options)


def setup(app):
    app.add_html_math_renderer("built", (write_formula, None), (write_formula, None))
    app.config.html_math_renderer = "built"
    app.connect("doctree-read", collect)
    app.connect("build-finished", write_styles, priority=800)
    app.connect("build-finished", stop_engine, priority=999)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
