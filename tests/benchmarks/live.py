"""How long the page *LeNet, live* takes for an image in Chromium: the forward pass alone, and with everything drawn.

    python -m tests.benchmarks.live        needs the built site (make book) and Chromium

A screen shows a picture every 16.7 ms; while the reader draws, a new image has that long.
"""

from __future__ import annotations

import re
import shutil
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "book" / "static" / "live"
REPEATS = 200
LIMIT = 16  # milliseconds an image

FORWARD = """repeats => {
    const net = network.lenet(network.loadWeights(LENET.modern.tensors));
    const X = network.tensor([1, 28, 28], Float32Array.from({ length: 784 }, (_, n) => (n % 29) / 28));
    return Array.from({ length: repeats }, () => {
        const start = performance.now();
        network.forward(net, X);
        return performance.now() - start;
    });
}"""
# A click on a probe image computes, draws 47 maps, the answer and the panel, and has the page laid out.
WHOLE = """repeats => {
    const choices = document.querySelectorAll("#live [name=image]");
    return Array.from({ length: repeats }, (_, n) => {
        const start = performance.now();
        choices[n % 16].click();
        document.body.offsetHeight;
        return performance.now() - start;
    });
}"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    source = (STATIC / "network.js").read_text(encoding="utf-8")
    names = ", ".join(re.findall(r"^export (?:function|const) (\w+)", source, re.MULTILINE))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto((ROOT / "_build" / "html" / "book" / "live.html").as_uri())
        page.locator("#live .verdict strong").wait_for()
        page.add_script_tag(type="module", content=f"{source}\nwindow.network = {{ {names} }};")
        page.wait_for_function("window.network")
        for title, script in (("forward pass", FORWARD), ("computed, drawn and laid out", WHOLE)):
            times = page.evaluate(script, REPEATS)
            verdict = "under" if statistics.median(times) < LIMIT else "NOT UNDER"
            print(
                f"{title}: median {statistics.median(times):.1f} ms, fastest {min(times):.1f} ms an image, "
                f"{verdict} {LIMIT} ms (Chromium {browser.version})"
            )
        browser.close()


if __name__ == "__main__":
    main()
