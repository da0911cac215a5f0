"""make linkcheck: ask every external address that the built site links to, each once.

Publishers that answer robots with 403 or 429 count as there; the address is listed all the same.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urldefrag
from urllib.request import Request, urlopen

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
AGENT = "Mozilla/5.0 (link check of a textbook)"
ROBOTS_UNWELCOME = {401, 403, 405, 418, 429, 999}


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag, attributes) -> None:
        href = dict(attributes).get("href") or ""
        if tag == "a" and href.startswith("http"):
            self.found.add(urldefrag(href)[0])


def ask(url: str) -> str:
    """'' where the address answers, else what is wrong."""
    for _ in range(3):
        try:
            with urlopen(Request(url, headers={"User-Agent": AGENT}), timeout=30):
                return ""
        except HTTPError as error:
            if error.code in ROBOTS_UNWELCOME:
                return ""
            answer = f"{error.code} {error.reason}"
            if error.code < 500:
                return answer
        except (URLError, TimeoutError, OSError) as error:
            answer = str(error)
    return answer


def main() -> int:
    where: dict[str, list[str]] = {}
    for page in sorted(SITE.rglob("*.html")):
        links = Links()
        links.feed(page.read_text(encoding="utf-8"))
        for url in links.found:
            where.setdefault(url, []).append(page.relative_to(SITE).as_posix())
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(where, pool.map(ask, where)))
    broken = {url: answer for url, answer in answers.items() if answer}
    for url, answer in sorted(broken.items()):
        print(f"{answer}: {url}  (on {', '.join(where[url][:3])})")
    print(f"{len(where)} external addresses, {len(broken)} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
