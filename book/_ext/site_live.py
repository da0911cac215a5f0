"""Give the page *LeNet, live* its style, its data and its script, and no other page; the Chinese one its own words.

The script is written as two modules, network.js and view.js, and reaches the page as one inline module: a browser that
opens the page from a disk (``file://``) refuses to import a module from a file, but runs one that stands in the page.
"""

from __future__ import annotations

from pathlib import Path

from site_chinese import counterpart, is_chinese

from book.zh.make import chinese

PAGE = "book/live"
IMPORT_END = '} from "./network.js";\n'


def one_module(folder: Path, in_chinese: bool = False) -> str:
    """network.js, and view.js without its import of network.js."""
    network, view = ((folder / name).read_text(encoding="utf-8") for name in ("network.js", "view.js"))
    if in_chinese:
        view = chinese(folder / "view.js")
    before, found, after = view.partition(IMPORT_END)
    if not found or "import" not in before:
        raise ValueError(f"view.js must import from ./network.js in a statement that ends with {IMPORT_END!r}")
    return network + before[: before.rindex("import")] + after


def add_live(app, pagename, templatename, context, doctree) -> None:
    if pagename in (PAGE, counterpart(PAGE)) and app.builder.format == "html":
        app.add_css_file("live/live.css")
        app.add_js_file("live/data.js", loading_method="defer")
        program = one_module(Path(app.srcdir) / "book" / "static" / "live", is_chinese(pagename))
        app.add_js_file(None, body=program, type="module")


def setup(app):
    app.connect("html-page-context", add_live)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
