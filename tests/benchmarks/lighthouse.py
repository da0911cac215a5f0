"""Google's Lighthouse (a slow phone on a slow line) on pages of the built site, as a table; part of ``make bench``.

    python -m tests.benchmarks.lighthouse [page ...]        names as in _toc.yml; all of them if none is given

Needs Chromium and Node on the path; ``npx`` fetches Lighthouse where it is not installed.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading

import yaml
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, StaticFileHandler

from book.notebooks import ROOT

CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
AUDITS = {
    "first paint": "first-contentful-paint",
    "largest paint": "largest-contentful-paint",
    "blocking": "total-blocking-time",
    "shift": "cumulative-layout-shift",
    "bytes": "total-byte-weight",
}


def serve() -> int:
    """Serve the site as GitHub Pages does, text compressed and connections kept open; returns the port."""
    (socket,) = bind_sockets(0, "127.0.0.1")

    async def answer() -> None:
        files = (r"/(.*)", StaticFileHandler, {"path": ROOT / "_build" / "html"})
        site = Application([files], compress_response=True, log_function=lambda handler: None)
        HTTPServer(site).add_socket(socket)
        await asyncio.Event().wait()

    threading.Thread(target=asyncio.run, args=(answer(),), daemon=True).start()
    return socket.getsockname()[1]


def measure(url: str) -> dict[str, float]:
    """The four scores of 0 to 100, and what the first of them is made of (milliseconds, bytes)."""
    flags = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    command = ["npx", "--yes", "lighthouse", url, "--quiet", "--output=json", f"--chrome-flags={flags}"]
    report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    scores = {name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES}
    return scores | {label: report["audits"][key].get("numericValue", 0.0) for label, key in AUDITS.items()}


def main() -> None:
    if shutil.which("npx") is None:
        raise SystemExit("Lighthouse needs Node (npx) on the path: not measured")
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    port = serve()
    print(f"{'page':<22}" + "".join(f"{column:>15}" for column in [*CATEGORIES, *AUDITS]))
    for name in sys.argv[1:] or pages:
        found = measure(f"http://127.0.0.1:{port}/{name}.html")
        cells = [f"{value:>15.2f}" if column == "shift" else f"{value:>15,.0f}" for column, value in found.items()]
        print(f"{name:<22}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
