"""What the page *LeNet, live* computes with: weights and probe images, written as scripts that a page can load.

    python -m book.live            write book/static/live/data.js and data-classic.js from book/results/weights
    python -m book.live --still    photograph the built page for the title page and for browsers without scripts

The data are scripts and not JSON because a page opened from a disk may load scripts, but fetch nothing. The classic
weights stand in a file of their own: the page asks for them when the reader does.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

import d2ltorch as d2lt
from d2ltorch.data import PROBE_INDICES

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "book" / "static" / "live"
WEIGHTS = {  # what the page calls them: their file in book/results/weights, and the script that carries them
    "modern": ("lenet.pt", "data.js"),
    "classic": ("lenet-classic.pt", "data-classic.js"),
}


def packed_weights(path: Path) -> dict[str, Any]:
    """The trained weights in ``path`` as base64 of little-endian float16, with shapes, SHA-256 and ledger row.

    Args:
        path: a file that ``torch.load`` reads: ``{"state_dict": …, "row": …}``.

    Returns:
        ``row``, what tells this run from the ledger's others; ``sha256`` of the bytes of all tensors in
        the order of the state dict; ``tensors``, by name ``{"shape": [...], "float16": base64}``.
    """
    stored = torch.load(path, map_location="cpu", weights_only=True)
    digest, tensors = hashlib.sha256(), {}
    for name, tensor in stored["state_dict"].items():
        content = tensor.half().contiguous().numpy().astype("<f2").tobytes()
        digest.update(content)
        tensors[name] = {"shape": list(tensor.shape), "float16": base64.b64encode(content).decode()}
    return {"row": stored["row"], "sha256": digest.hexdigest(), "tensors": tensors}


def packed_probes() -> dict[str, Any]:
    """The sixteen probe images as base64 of their 16 × 28 × 28 bytes, with their labels and places in the test set."""
    _, test_iter = d2lt.load_data_fashion_mnist(256, device="cpu", num_test=256)
    if "Fashion-MNIST" not in test_iter.source:
        raise SystemExit(f"The page shows Fashion-MNIST, and this is {test_iter.source!r}: set D2LTORCH_DATA.")
    rows = list(PROBE_INDICES)
    pixels = test_iter.images[rows].numpy().tobytes()  # uint8 (16, 1, 28, 28)
    return {
        "indices": rows,
        "labels": test_iter.labels[rows].tolist(),
        "pixels": base64.b64encode(pixels).decode(),
    }


def write_data(weights: Path, target: Path = STATIC) -> list[Path]:
    """Write the page's data into ``target`` from the weights in the folder ``weights``; returns the files."""
    written = []
    for name, (source, script) in WEIGHTS.items():
        packed = json.dumps(packed_weights(weights / source), ensure_ascii=False)
        text = f"/* Written by python -m book.live from book/results/weights/{source}. */\n"
        if script == "data.js":
            classes, probes = json.dumps(d2lt.text_labels(range(10))), json.dumps(packed_probes())
            text += f"const LENET = {{ classes: {classes} }};\nLENET.probes = {probes};\n"
        text += f"LENET.{name} = {packed};\n"
        (target / script).write_text(text, encoding="utf-8")
        written.append(target / script)
    return written


def photograph(site: Path, target: Path) -> None:
    """Store a picture of the page in ``site``, wide and light, as it opens, down to the second convolution."""
    import shutil

    from PIL import Image
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(
            viewport={"width": 1400, "height": 1600},
            color_scheme="light",
            reduced_motion="reduce",
            device_scale_factor=1.5,
        )
        page.goto((site / "book" / "live.html").as_uri())
        page.locator("#live .verdict strong").wait_for()
        whole, last = (page.locator(part).bounding_box() for part in ("#live .instrument", "#live .stage-3"))
        picture = page.screenshot(clip=whole | {"height": last["y"] + last["height"] - whole["y"]})
        browser.close()
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "book" / "results" / "weights", help="their folder")
    parser.add_argument("--still", action="store_true", help="photograph the page in _build/html instead")
    options = parser.parse_args()
    if options.still:
        photograph(ROOT / "_build" / "html", STATIC / "still.png")
    else:
        for path in write_data(options.weights):
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
