"""Publish what a page asks for, and nothing else.

Formulae need no other host: sphinx-mathjax-offline carries all of MathJax 3, 24 MB, of which a page
needs one script, the fonts that it names, and now and then a TeX extension.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

PUBLISHED = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")


def mathjax_folder() -> Path:
    """Where the installed sphinx-mathjax-offline keeps MathJax."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("sphinx-mathjax-offline is missing; install requirements.txt")
    return Path(spec.origin).parent / "static" / "mathjax"


def publish_mathjax(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for name in PUBLISHED:
        if (target / name).exists():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            shutil.copy2(source / name, target / name)


def drop_unread_files(app, exception) -> None:
    """Source maps and translations, 3 MB that no reader's browser asks for, and pictures that earlier builds left."""
    if exception is not None or app.builder.format != "html":
        return
    pages = "".join(page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html"))
    for path in (Path(app.outdir) / "_images").glob("*"):
        if path.name not in pages:
            path.unlink()
    static = Path(app.outdir) / "_static"
    for path in static.rglob("*.map"):
        path.unlink()
    shutil.rmtree(static / "locales", ignore_errors=True)


def outdated_by_static_files(app, env, added, changed, removed) -> list[str]:
    """Every page, once a file of ours in ``_static`` has changed: pages name its version, and Sphinx does not look."""
    if app.builder.format != "html":
        return []
    for folder in (Path(app.confdir) / name for name in app.config.html_static_path):
        for source in folder.rglob("*"):
            built = Path(app.outdir) / "_static" / source.relative_to(folder)
            if source.is_file() and built.exists() and source.read_bytes() != built.read_bytes():
                return sorted(env.found_docs)
    return []


def setup(app):
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("env-get-outdated", outdated_by_static_files)
    app.connect("build-finished", publish_mathjax)
    app.connect("build-finished", drop_unread_files, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
