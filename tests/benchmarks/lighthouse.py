"""make bench-site: Google's Lighthouse (a slow phone on a slow line) on pages of the built site, as a table.

Needs Node with the package ``lighthouse`` (``npm install --global lighthouse``; without it ``npx`` fetches it) and
Chromium on the path. The server compresses text and keeps connections open, as GitHub Pages does.

    python tests/benchmarks/lighthouse.py [--site FOLDER] [--runs 3] [page ...]
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TEXT = (".html", ".css", ".js", ".svg", ".json", ".txt", ".ipynb", ".bin")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
AUDITS = {
    "first paint": "first-contentful-paint",
    "largest paint": "largest-contentful-paint",
    "blocking": "total-blocking-time",
    "shift": "cumulative-layout-shift",
    "bytes": "total-byte-weight",
}


class CompressingHandler(http.server.SimpleHTTPRequestHandler):
    """Answers over connections that stay open, text compressed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.answer(404, b"not found", {"Content-Type": "text/plain"})
            return
        headers = {"Content-Type": self.guess_type(str(path)), "Cache-Control": "max-age=600"}
        content = path.read_bytes()
        if path.suffix in TEXT and "gzip" in self.headers.get("Accept-Encoding", ""):
            content = compressed(path)
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        self.answer(200, content, headers)

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args) -> None:
        pass


@functools.cache
def compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


def serve(folder: Path) -> http.server.ThreadingHTTPServer:
    """A server of the folder on a free port of localhost, in a thread of its own."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(CompressingHandler, directory=str(folder))
    )
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def lighthouse() -> list[str] | None:
    """The command that starts Lighthouse, or None where there is no Node."""
    for name, command in (("lighthouse", ["lighthouse"]), ("npx", ["npx", "--yes", "lighthouse"])):
        if shutil.which(name):
            return command
    return None


def measure(command: list[str], url: str, browser: str) -> dict[str, float]:
    """One run: the four scores of 0 to 100, and what the first of them is made of (milliseconds, bytes)."""
    flags = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    done = subprocess.run(
        [*command, url, "--quiet", "--output=json", f"--chrome-flags={flags}"],
        capture_output=True,
        text=True,
        env=os.environ | {"CHROME_PATH": browser},
    )
    if done.returncode:
        raise RuntimeError(f"Lighthouse failed on {url}:\n{done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    scores = {name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES}
    return scores | {label: report["audits"][key].get("numericValue", 0.0) for label, key in AUDITS.items()}


def main() -> int:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", help="names as in _toc.yml; all of them if none is given")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--runs", type=int, default=1, help="runs a page; the median of each column is printed")
    arguments = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    command = lighthouse()
    if browser is None or command is None:
        print("Lighthouse needs Chromium and Node (npm install --global lighthouse) on the path: not measured")
        return 1
    server = serve(arguments.site)
    columns = [*CATEGORIES, *AUDITS]
    print(f"{'page':<22}" + "".join(f"{column:>15}" for column in columns))
    for name in arguments.pages or pages:
        url = f"http://127.0.0.1:{server.server_address[1]}/{name}.html"
        runs = [measure(command, url, browser) for _ in range(arguments.runs)]
        median = {column: statistics.median(run[column] for run in runs) for column in columns}
        cells = [f"{median[c]:>15.2f}" if c == "shift" else f"{median[c]:>15,.0f}" for c in columns]
        print(f"{name:<22}" + "".join(cells), flush=True)
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
