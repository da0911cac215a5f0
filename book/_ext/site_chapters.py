"""A chapter that is not in the table of contents yet is named on the site, not linked.

The sources keep their links: on GitHub and in Colab the notebook is there.
"""

from __future__ import annotations

import re
from pathlib import Path


def name_unlisted_chapters(app, docname: str, source: list[str]) -> None:
    listed = app.config.listed_chapters
    for path in (Path(app.srcdir) / "chapters").glob("*.ipynb"):
        if path.stem not in listed:
            source[0] = re.sub(rf"\[([^][\n\"]*)\]\([^)\s\"]*\b{path.stem}\.ipynb[^)\s\"]*\)", r"\1", source[0])


def read_contents(app, config) -> None:
    contents = (Path(app.srcdir) / "_toc.yml").read_text(encoding="utf-8")
    config.listed_chapters = re.findall(r"file: *chapters/(\w+)", contents)


def setup(app):
    app.add_config_value("listed_chapters", [], "env")
    app.connect("config-inited", read_contents)
    app.connect("source-read", name_unlisted_chapters)
    return {"parallel_read_safe": True}
