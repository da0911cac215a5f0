"""The page *LeNet, live* in Chromium, opened from the disk and without a network, against PyTorch as the oracle.

It tests the built page: ``make book`` comes first.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import d2ltorch as d2lt
from book.live import WEIGHTS
from book.notebooks import definitions, num_params
from d2ltorch.data import PROBE_INDICES

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "book" / "static" / "live"
SITE = ROOT / "_build" / "html"
ADDRESS = (SITE / "book" / "live.html").as_uri()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
SEEN = {1: 1, 2: 2, 3: 4, 4: 5, 5: 8, 6: 10, 7: 11}  # the page's stages: which layer's output each of them shows
BOOT = 14  # among the probe images
CLASSES = d2lt.text_labels(range(10))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on the path: the live page was not tested"),
]


# ---- what the page is compared with ---------------------------------------------------------------


def stored(name: str) -> dict:
    """The weights that the page carries, read from its data without any JavaScript."""
    text = (STATIC / WEIGHTS[name][1]).read_text(encoding="utf-8")
    return json.loads(re.search(rf"^LENET\.{name} = (.*);$", text, re.MULTILINE)[1])


def net_of(name: str) -> torch.nn.Module:
    """The chapter's LeNet, in float32, with the weights that the page carries."""
    net = definitions("lenet")["lenet"]()
    state = {
        key: torch.from_numpy(
            np.frombuffer(base64.b64decode(t["float16"]), "<f2").astype(np.float32).reshape(t["shape"])
        )
        for key, t in stored(name)["tensors"].items()
    }
    net.load_state_dict(state)
    return net.eval()


@torch.no_grad()
def every_output(net: torch.nn.Module, X: torch.Tensor) -> list[torch.Tensor]:
    """What each layer makes of X (B, 1, 28, 28), the logits last."""
    return [X := layer(X) for layer in net]


@pytest.fixture(scope="module")
def probes() -> torch.Tensor:
    """The sixteen probe images that the page carries, (16, 1, 28, 28) in [0, 1]."""
    text = (STATIC / "data.js").read_text(encoding="utf-8")
    packed = json.loads(re.search(r"^LENET\.probes = (.*);$", text, re.MULTILINE)[1])
    pixels = np.frombuffer(base64.b64decode(packed["pixels"]), np.uint8).reshape(16, 1, 28, 28)
    return torch.from_numpy(pixels.astype(np.float32)) / 255


@pytest.fixture(scope="module")
def test_iter() -> d2lt.DataIter:
    return d2lt.load_data_fashion_mnist(250, device="cpu")[1]


# ---- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    assert (SITE / "book" / "live.html").exists(), "the site is not built: make book"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """A function that opens the page from the disk, with the network off, and notes what goes wrong."""
    contexts = []

    def open_one(width: int = 1400, theme: str = "light", **options):
        motion = options.pop("reduced_motion", "reduce")
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion=motion, **options
        )
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(f"script: {error}"))
        page.on("console", lambda m: m.type == "error" and page.complaints.append(f"console: {m.text}"))
        page.on("request", lambda r: r.url.startswith("file:") or page.complaints.append(f"request: {r.url}"))
        page.goto(ADDRESS)
        if options.get("java_script_enabled", True):
            page.locator("#live .verdict strong").wait_for()
        return page

    yield open_one
    complaints = [line for context in contexts for page in context.pages for line in page.complaints]
    for context in contexts:
        context.close()
    assert not complaints, complaints


@pytest.fixture
def page(open_page):
    return open_page()


def give_network(page) -> None:
    """Make network.js, as it stands in the sources, reachable from ``evaluate``."""
    names = re.findall(r"^export (?:function|const) (\w+)", (STATIC / "network.js").read_text(encoding="utf-8"), re.M)
    source = (STATIC / "network.js").read_text(encoding="utf-8")
    page.add_script_tag(type="module", content=f"{source}\nwindow.network = {{ {', '.join(names)} }};")
    page.wait_for_function("window.network")


def map_at(page, stage: int, number: int = 0):
    return page.locator(f'#live .map[data-stage="{stage}"][data-map="{number}"]')


def pin(page, stage: int, number: int, i: int, j: int) -> None:
    """Click on the pixel (i, j) of a map of the page."""
    place = map_at(page, stage, number)
    width, height = place.locator("canvas").evaluate("c => [c.width, c.height]")
    box = place.bounding_box()
    place.click(position={"x": (j + 0.5) * box["width"] / width, "y": (i + 0.5) * box["height"] / height})


def sum_lines(page) -> dict[str, float]:
    """The panel's table of the sum, a number for each of its lines."""
    pairs = page.locator("#live .sum tr").evaluate_all(
        "rows => rows.map(r => [r.cells[0].innerText, Number(r.cells[1].querySelector('data').value)])"
    )
    return dict(pairs)


def probabilities(page) -> list[float]:
    return page.locator("#live .answer tbody data").evaluate_all("all => all.map(d => Number(d.value))")[1::2]


def verdict(page) -> str:
    return page.locator("#live .verdict strong").inner_text()


def choose(page, name: str, value) -> None:
    page.locator(f'#live [name="{name}"][value="{value}"]').check(force=True)


def use_weights(page, name: str) -> None:
    choose(page, "weights", name)
    page.wait_for_function(
        "name => document.querySelector('#live .source-row').innerText.includes(name)",
        arg="random from" if name == "random" else f"{name} recipe",
    )


# ---- the data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_the_ledgers(name):
    packed = stored(name)
    original = torch.load(ROOT / "book" / "results" / "weights" / WEIGHTS[name][0], weights_only=True)
    content = b"".join(base64.b64decode(t["float16"]) for t in packed["tensors"].values())
    assert packed["sha256"] == hashlib.sha256(content).hexdigest()
    assert packed["row"] == original["row"] and packed["row"]["recipe"] == name
    assert list(packed["tensors"]) == list(original["state_dict"])
    for key, weight in net_of(name).state_dict().items():
        assert torch.equal(weight, original["state_dict"][key].float())
    assert num_params(net_of(name)) == 61_706


def test_probe_images_are_the_books(probes, test_iter):
    if not test_iter.source.startswith("Fashion-MNIST"):
        pytest.skip("needs Fashion-MNIST: set D2LTORCH_DATA")
    X, y = d2lt.probe_images(test_iter)
    text = (STATIC / "data.js").read_text(encoding="utf-8")
    packed = json.loads(re.search(r"^LENET\.probes = (.*);$", text, re.MULTILINE)[1])
    assert torch.equal(probes, X)
    assert packed["labels"] == y.tolist() and tuple(packed["indices"]) == PROBE_INDICES


@pytest.mark.parametrize("name", WEIGHTS)
def test_half_precision_costs_no_accuracy(name, test_iter):
    if test_iter.num_examples < 10_000 or not test_iter.source.startswith("Fashion-MNIST"):
        pytest.skip("needs all 10,000 test images: set D2LTORCH_DATA")
    _, accuracy = d2lt.evaluate(net_of(name), test_iter)
    assert abs(accuracy - stored(name)["row"]["test_acc"]) < 0.001


def test_the_page_is_light():
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in STATIC.iterdir()}
    assert sizes["network.js"] + sizes["view.js"] <= 25_000
    assert sizes["live.css"] <= 6_000
    assert sizes["data.js"] <= 140_000 and sizes["data-classic.js"] <= 140_000


def test_no_other_page_carries_it():
    pages = [path for path in SITE.rglob("*.html") if "_static" not in path.parts]
    carrying = {str(path.relative_to(SITE)) for path in pages if "live/data.js" in path.read_text(encoding="utf-8")}
    assert carrying == {"book/live.html", "book/zh/live.html"}


# ---- the numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_map_is_pytorchs(page, probes, test_iter, name):
    use_weights(page, name)
    give_network(page)
    others = [n for n in range(test_iter.num_examples) if n not in PROBE_INDICES][:64]
    X = torch.cat([probes, test_iter.examples(others)[0]])
    outputs = every_output(net_of(name), X)
    expected = torch.cat([outputs[layer].flatten(1) for layer in SEEN.values()], dim=1)  # (80, 8094)
    packed = page.evaluate(
        """([name, layers, images]) => {
            const net = network.lenet(network.loadWeights(LENET[name].tensors));
            const numbers = images.flatMap((pixels) => {
                const found = network.forward(net, network.tensor([1, 28, 28], Float32Array.from(pixels)));
                return layers.flatMap((layer) => Array.from(found[layer].data));
            });
            const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
            let text = "";
            for (let at = 0; at < bytes.length; at += 8192)
                text += String.fromCharCode(...bytes.subarray(at, at + 8192));
            return btoa(text);
        }""",
        [name, list(SEEN.values()), X.flatten(1).tolist()],
    )
    found = torch.from_numpy(np.frombuffer(base64.b64decode(packed), "<f4").reshape(expected.shape).copy())
    assert (found - expected).abs().max() <= 1e-5


def test_answers_are_pytorchs(page, probes):
    assert "61,706 parameters" in page.locator("#live .source-row").inner_text()
    for name in ("modern", "classic"):
        use_weights(page, name)
        expected = every_output(net_of(name), probes)[-1].softmax(dim=1)
        for n in range(16):
            choose(page, "image", n)
            assert verdict(page) == CLASSES[expected[n].argmax()]
            assert probabilities(page) == pytest.approx((100 * expected[n]).tolist(), abs=1e-3)


def test_the_page_counts_its_numbers(page):
    shown = page.locator(".stage canvas").evaluate_all("all => all.reduce((n, c) => n + c.width * c.height, 0)")
    outputs = every_output(net_of("modern"), torch.zeros(1, 1, 28, 28))
    assert shown == sum(outputs[layer].numel() for layer in SEEN.values())
    assert f"{shown:,} numbers" in page.locator("article").inner_text()


@pytest.mark.parametrize(
    ("stage", "number", "i", "j"),
    [
        *((1, 0, 12, 14), (1, 5, 0, 27), (2, 3, 13, 0), (3, 15, 9, 0), (3, 4, 5, 5), (4, 9, 2, 4)),
        *((5, 0, 5, 19), (6, 0, 2, 7), (7, 0, 0, 9)),
    ],
)
def test_the_panels_sum_is_the_pixel(page, probes, stage, number, i, j):
    net = net_of("modern")
    outputs = every_output(net, probes[BOOT : BOOT + 1])
    pin(page, stage, number, i, j)
    lines = sum_lines(page)
    at = (number, i, j)
    if stage > 4:
        columns = {5: 20, 6: 14, 7: 10}[stage]
        at = (columns * i + j,)
    value = outputs[SEEN[stage]][0][at].item()
    if stage in (2, 4):
        assert lines["sum of the four"] / 4 == pytest.approx(value, abs=1e-6)
        assert lines["a quarter of it, their mean"] == pytest.approx(value, abs=1e-6)
        return
    layer = SEEN[stage] - (stage != 7)  # the layer with weights, before its activation
    bias = net[layer].bias[at[0]].item()
    (products,) = [lines[name] for name in lines if name.startswith("sum of ")]
    assert lines["bias"] == pytest.approx(bias, abs=1e-6)
    assert products + bias == pytest.approx(outputs[layer][0][at].item(), abs=1e-5)
    assert lines["logit" if stage == 7 else "sigmoid of it"] == pytest.approx(value, abs=1e-6)
    if stage != 7:
        assert 1 / (1 + math.exp(-lines["together"])) == pytest.approx(value, abs=1e-5)


def test_window_kernel_and_products_of_a_table(page, probes):
    """The three tables hold the image's window, the kernel and their products, as rounded as they are shown."""
    pin(page, 1, 2, 0, 10)  # at the upper border: two rows of the window are padding
    cells = page.locator("#live .panel .grid").evaluate_all(
        "tables => tables.map(t => [...t.rows].map(r => [...r.cells].map(c => Number(c.innerText.replace('−', '-')))))"
    )
    window = torch.nn.functional.pad(probes[BOOT, 0], (2, 2, 2, 2))[0:5, 10:15]
    kernel = net_of("modern")[0].weight[2, 0].detach()
    for found, expected in zip(cells, (window, kernel, window * kernel), strict=True):
        assert torch.tensor(found) == pytest.approx(expected.numpy(), abs=0.051)
    pin(page, 3, 6, 4, 4)
    assert page.locator("#live .panel details").count() == 6
    assert page.locator("#live .panel details[open]").count() == 1
    parts = page.locator("#live .panel summary data").evaluate_all("all => all.map(d => Number(d.value))")
    assert sum(parts) == pytest.approx(sum_lines(page)["sum of 150 products"], abs=1e-6)


def test_marks_show_what_a_pixel_depends_on(page):
    def boxes(kind: str) -> list[tuple]:
        return page.locator(f"#live .map i.{kind}").evaluate_all(
            "all => all.map(b => [Number(b.parentElement.dataset.stage), Number(b.parentElement.dataset.map),"
            " ...['--i', '--j', '--h', '--w'].map(v => Number(b.style.getPropertyValue(v)))])"
        )

    pin(page, 1, 3, 10, 20)
    assert boxes("window") == [[0, 0, 8, 18, 5, 5]] and boxes("cursor") == [[1, 3, 10, 20, 1, 1]]
    pin(page, 3, 7, 2, 9)
    assert boxes("window") == [[2, c, 2, 9, 5, 5] for c in range(6)]
    assert boxes("field") == [[0, 0, 2, 16, 14, 14]]
    pin(page, 4, 7, 4, 0)
    assert boxes("window") == [[3, 7, 8, 0, 2, 2]] and boxes("field") == [[0, 0, 14, -2, 16, 16]]
    pin(page, 5, 0, 0, 0)
    assert len(boxes("source")) == 8 and {stage for stage, *_ in boxes("source")} == {4}


def test_pointing_follows_until_a_click_pins(page):
    heading = page.locator("#live .panel h2")
    map_at(page, 1, 0).hover(position={"x": 1, "y": 1})
    assert "map 1, row 1, column 1" in heading.inner_text()
    pin(page, 1, 4, 20, 5)
    map_at(page, 1, 0).hover(position={"x": 1, "y": 1})
    assert "map 5, row 21, column 6" in heading.inner_text()
    pin(page, 1, 4, 20, 5)  # again: released
    map_at(page, 1, 0).hover(position={"x": 1, "y": 1})
    assert "map 1, row 1, column 1" in heading.inner_text()


# ---- what the reader changes ----------------------------------------------------------------------


def image_of(page) -> torch.Tensor:
    """The image as it is drawn, (28, 28) in [0, 1]."""
    pixels = (
        map_at(page, 0)
        .locator("canvas")
        .evaluate("c => Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data).filter((_, n) => n % 4 === 0)")
    )
    return torch.tensor(pixels).reshape(28, 28) / 255


def drag(page, start: tuple[int, int], end: tuple[int, int]) -> None:
    box = map_at(page, 0).bounding_box()
    size = box["width"] / 28
    (i, j), (k, m) = start, end
    page.mouse.move(box["x"] + (j + 0.5) * size, box["y"] + (i + 0.5) * size)
    page.mouse.down()
    page.mouse.move(box["x"] + (m + 0.5) * size, box["y"] + (k + 0.5) * size, steps=3)  # a quick hand
    page.mouse.up()


def test_drawing(page):
    page.locator("#live [data-action=clear]").click()
    assert image_of(page).sum() == 0
    assert page.locator('#live [name="image"][value="16"]').is_checked()
    assert "no label" in page.locator("#live .verdict").inner_text()
    assert "not a garment" in page.locator("#live .choice").inner_text()
    choose(page, "tool", "fine")
    drag(page, (10, 4), (10, 23))
    assert torch.equal(image_of(page).nonzero(), torch.tensor([[10, j] for j in range(4, 24)]))
    choose(page, "tool", "broad")
    drag(page, (20, 4), (20, 23))
    assert (image_of(page)[19:22, 4:24] > 0).all()
    choose(page, "tool", "erase")
    drag(page, (10, 4), (10, 23))
    assert image_of(page)[9:12].sum() == 0 and image_of(page)[20, 10] == 1
    drawn = image_of(page)
    choose(page, "image", 0)
    assert not torch.equal(image_of(page), drawn)
    choose(page, "image", 16)
    assert torch.equal(image_of(page), drawn)
    expected = net_of("modern")(drawn.reshape(1, 1, 28, 28)).softmax(dim=1)[0]
    assert probabilities(page) == pytest.approx((100 * expected).tolist(), abs=0.5)  # drawn in 255 steps, kept in more


def test_shifting_is_torch_roll(page, probes):
    for name, shifts in (("left", (0, -1)), ("up", (-1, 0)), ("right", (0, 1)), ("down", (1, 0))):
        choose(page, "image", BOOT)
        page.get_by_role("button", name=f"Shift {name}").click()
        assert torch.allclose(image_of(page), torch.roll(probes[BOOT, 0], shifts, dims=(0, 1)), atol=1e-6)
        assert "label: ankle boot" in page.locator("#live .verdict").inner_text()


def test_a_zeroed_kernel_leaves_its_bias(page, probes):
    net = net_of("modern")
    net[0].weight.data[3] = 0
    page.locator("#live [name=zeroed]").select_option("0 3")
    expected = net(probes[BOOT : BOOT + 1]).softmax(dim=1)[0]
    assert probabilities(page) == pytest.approx((100 * expected).tolist(), abs=1e-3)
    pin(page, 1, 3, 5, 5)
    assert sum_lines(page)["sum of 25 products"] == 0
    page.locator("#live [name=zeroed]").select_option("")
    assert probabilities(page)[9] == pytest.approx(
        100 * net_of("modern")(probes[BOOT : BOOT + 1]).softmax(1)[0, 9].item(), abs=1e-3
    )


def test_random_weights_are_xaviers(page):
    give_network(page)
    shapes = {key: t["shape"] for key, t in stored("modern")["tensors"].items()}
    draw = """([shapes, seed]) =>
        Object.entries(network.xavier(shapes, seed)).map(([name, t]) => [name, Array.from(t.data)])"""
    once, again, other = (page.evaluate(draw, [shapes, seed]) for seed in (1, 1, 2))
    assert once == again != other
    for name, values in once:
        values = torch.tensor(values)
        if name.endswith("bias"):
            assert (values == 0).all()
            continue
        fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shapes[name]))
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.9 * bound < values.abs().max() <= bound
        assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.15)


def test_the_text_says_what_happens(page):
    """The experiments of the page end as their answers say."""
    choose(page, "image", BOOT)
    for _ in range(3):
        page.get_by_role("button", name="Shift right").click()
    assert verdict(page) == "sneaker"
    choose(page, "image", BOOT)
    for _ in range(3):
        page.get_by_role("button", name="Shift up").click()
    assert verdict(page) == "ankle boot"

    choose(page, "image", 4)  # a dress: columns 11 to 17 are bright in this row
    for j, sign in ((11, 1), (18, -1)):
        pin(page, 1, 0, 16, j)
        assert sign * sum_lines(page)["sum of 25 products"] > 1

    def answers() -> list[str]:
        found = []
        for n in range(16):
            choose(page, "image", n)
            found.append(verdict(page))
        return found

    def changed(a: list[str], b: list[str]) -> list[int]:
        return [n for n in range(16) if a[n] != b[n]]

    modern = answers()
    for kernel, count in (("0 3", 1), ("0 1", 9)):
        page.locator("#live [name=zeroed]").select_option(kernel)
        assert len(changed(answers(), modern)) == count
    page.locator("#live [name=zeroed]").select_option("")
    use_weights(page, "classic")
    classic = answers()
    assert {n: (modern[n], classic[n]) for n in changed(modern, classic)} == {
        10: ("shirt", "coat"),
        11: ("sandal", "sneaker"),
        14: ("ankle boot", "sneaker"),
    }
    use_weights(page, "random")
    table = []
    for n in range(16):
        choose(page, "image", n)
        table.append(probabilities(page))
    table = torch.tensor(table)
    assert (table - table[0]).abs().max() < 0.1  # per cent
    first = verdict(page)
    page.get_by_role("button", name="Draw again").click()
    assert verdict(page) != first and len(set(answers())) == 1
    use_weights(page, "modern")
    page.locator("#live [data-action=clear]").click()
    assert verdict(page) == "sandal"


# ---- for everyone ---------------------------------------------------------------------------------


def test_from_start_to_a_pinned_pixel_by_keyboard(page):
    focused = "document.activeElement"
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.matches('.map[data-stage=\"1\"]')"):
            break
    assert (
        page.evaluate(f"{focused}.getAttribute('aria-label')") == "Convolution 1, sigmoid, map 1 of 6, 28 by 28 pixels"
    )
    heading, status = page.locator("#live .panel h2"), page.locator("#live [role=status]")
    assert "row 15, column 15" in heading.inner_text()
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert "row 14, column 14" in heading.inner_text()
    assert re.fullmatch(r"map 1, row 14, column 14: 0\.\d{3}", status.inner_text())
    page.keyboard.press("Enter")
    assert "Pinned" in page.locator("#live .panel").inner_text()
    assert status.inner_text().startswith(
        "Pinned: Convolution 1, sigmoid, map 1, row 14, column 14, sum of 25 products"
    )
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.dataset.map") == "1"  # each map is one stop
    page.keyboard.press("ArrowUp")
    assert "map 1, row 14, column 14" in heading.inner_text()  # the pin holds
    page.keyboard.press("Escape")
    assert status.inner_text() == "Released."
    page.keyboard.press("ArrowUp")
    assert "map 2, row 13, column 15" in heading.inner_text()
    for _ in range(40):
        page.keyboard.press("ArrowUp")
    assert "row 1," in heading.inner_text()  # it stops at the border


def test_every_map_is_one_stop_and_has_a_name(page):
    maps = page.locator("#live .map")
    assert maps.count() == 1 + 6 + 6 + 16 + 16 + 3
    names = maps.evaluate_all("all => all.map(m => m.tabIndex === 0 && m.getAttribute('aria-label'))")
    assert all(names) and len(set(names)) == len(names)
    assert page.locator("#live .map :is(a, button, [tabindex])").count() == 0
    assert page.get_by_role("radio", name=re.compile("^16: ankle boot$")).count() == 1
    choose(page, "image", 3)
    assert page.locator("#live [role=status]").inner_text() == "pullover, 84 %, label: pullover ✓"


def test_drawing_by_keyboard(page):
    page.locator("#live [data-action=clear]").click()
    map_at(page, 0).focus()
    choose(page, "tool", "fine")
    map_at(page, 0).focus()
    for key in ("ArrowUp", "Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert image_of(page).nonzero().tolist() == [[13, 14], [13, 15]]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 820, 390, 320])
def test_axe_finds_nothing_and_nothing_is_too_wide(open_page, width, theme):
    import axe_playwright_python

    page = open_page(width, theme)
    page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    for stage, number, i, j in ((3, 4, 5, 5), (2, 2, 6, 6), (6, 0, 2, 7)):
        pin(page, stage, number, i, j)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert (
            page.locator("#live").evaluate(
                "live => [...live.querySelectorAll('.map, .panel, table, fieldset, select, p')]"
                ".filter(e => !e.closest('.unseen') && e.getBoundingClientRect().right > innerWidth)"
                ".map(e => e.className)"
            )
            == []
        )
        found = page.evaluate("w => axe.run('#live', {runOnly: w, preload: false, resultTypes: ['violations']})", WCAG)[
            "violations"
        ]
        assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found] == []


def test_on_a_phone_the_panel_opens_under_its_stage(open_page):
    page = open_page(390, has_touch=True)
    for stage in (1, 4):
        map_at(page, stage, 1).scroll_into_view_if_needed()
        before = map_at(page, stage, 1).bounding_box()
        page.touchscreen.tap(before["x"] + before["width"] / 2, before["y"] + before["height"] / 2)
        assert page.locator(f"#live .stage-{stage} + .panel").count() == 1
        assert "Pinned" in page.locator("#live .panel").inner_text()
        assert map_at(page, stage, 1).bounding_box()["y"] == pytest.approx(before["y"], abs=2)


def test_less_motion(open_page):
    duration = "getComputedStyle(document.querySelector('#live .bar')).transitionDuration"
    assert open_page(reduced_motion="no-preference").evaluate(duration) == "0.15s"
    assert open_page(reduced_motion="reduce").evaluate(duration) == "0s"


def test_without_scripts_there_is_a_picture(open_page):
    page = open_page(java_script_enabled=False)
    picture = page.locator("article img[src*='live/still.png']")
    assert picture.is_visible() and len(picture.get_attribute("alt")) > 100
    box = picture.bounding_box()
    assert box["width"] > 600 and box["height"] > 300
