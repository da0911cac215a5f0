"""Publish what a page asks for, and nothing else."""

from __future__ import annotations

import gc
import json
import re
import shutil
from html import escape
from pathlib import Path
from urllib.parse import urlparse

from site_chinese import counterpart

SHARED_TAG = re.compile(r'<meta [^>]*(?:name="description"|property="og:|name="twitter:)[^>]*>')


def drop_unread_files(app) -> None:
    """Source maps, translations and fonts that no reader's browser asks for, and pictures that earlier builds left."""
    pages = "".join(page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html"))
    static = Path(app.outdir) / "_static"
    for path in (*(Path(app.outdir) / "_images").glob("*"), *(static / "social").glob("*")):
        if f"{path.parent.name}/{path.name}" not in pages:
            path.unlink()
    for path in static.rglob("*.map"):
        path.unlink()
    for folder in ("locales", "vendor", "mathjax"):
        shutil.rmtree(static / folder, ignore_errors=True)


ENTRANCE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={first}">
<title>{title}</title>
<link rel="canonical" href="{base}{first}">
{tags}
</head>
<body><p><a href="{first}">{title}</a></p></body>
</html>
"""


def write_entrance(app) -> None:
    """The site's root: it leads to the title page, and says to whoever shares the address what that page says."""
    first = f"{app.config.root_doc}.html"
    page = (Path(app.outdir) / first).read_text(encoding="utf-8")
    text = ENTRANCE.format(
        first=first,
        title=escape(app.config.html_title),
        base=app.config.html_baseurl,
        tags="\n".join(SHARED_TAG.findall(page)),
    )
    (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def publish_ledger(app) -> None:
    """The ledger that readers download, without the predictions of every run: nine tenths of its size."""
    for path in (Path(app.outdir) / "_downloads").rglob("runs.jsonl"):
        runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        short = [json.dumps({key: value for key, value in run.items() if key != "predictions"}) for run in runs]
        path.write_text("\n".join(short) + "\n", encoding="utf-8")


def finish_site(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        for step in (drop_unread_files, publish_ledger, write_entrance):
            step(app)


def place_not_found_page(app, config) -> None:
    """The page for a wrong address is served at any depth, so its links start at the site's own path."""
    prefix = urlparse(config.html_baseurl).path or "/"
    home = counterpart(config.root_doc)
    chinese = f'<p lang="zh-CN">没有这个页面。<a href="{prefix}{home}.html">首页</a>列出了所有章节。</p>'
    config.notfound_urls_prefix = prefix
    config.notfound_context = {
        "title": "Page not found",
        "body": "<h1>Page not found</h1>\n<p>This address leads nowhere. "
        f'The <a href="{prefix}{config.root_doc}.html">title page</a> lists all chapters.</p>\n'
        + (chinese if home in config.external_site_map else ""),
    }


def outdated_by_static_files(app, env, added, changed, removed) -> list[str]:
    """Every page, once a file of ours in ``_static`` has changed: pages name its version, and Sphinx does not look."""
    if app.builder.format != "html":
        return []
    for folder in (Path(app.confdir) / name for name in app.config.html_static_path):
        for source in folder.rglob("*"):
            for built in (Path(app.outdir) / "_static", Path(app.doctreedir) / "static"):
                copy = built / source.relative_to(folder)
                if source.is_file() and copy.exists() and source.read_bytes() != copy.read_bytes():
                    return sorted(env.found_docs)
    return []


def setup(app):
    # A build makes millions of objects and keeps most of them: looking for garbage takes a fifth of its time.
    gc.set_threshold(200_000, 20, 20)
    app.connect("env-get-outdated", outdated_by_static_files)
    app.connect("build-finished", finish_site, priority=900)
    app.connect("config-inited", place_not_found_page, priority=950)  # after the contents are known
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
