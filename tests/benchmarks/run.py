"""Benchmarks of the book: ``make bench``. They print ratios measured in one run, and assert nothing.

    python -m tests.benchmarks.run                       everything
    python -m tests.benchmarks.run training --only lenet vgg --batches 4
    python -m tests.benchmarks.run training --against ../first-edition
    python -m tests.benchmarks.run imports build

training  images a second of ``d2lt.train`` and of a peer's loop (``train_ch6`` and the loader of d2l 1.0.3, fetched
          from the package registry) on the same images, batch size and number of steps, each in a process of its own,
          the two taking turns; the share of the machine's own matrix-product ceiling; peak memory; and the three
          operators in which our loop spends most of its time, which is what holds it back. With --against, the peer
          is the d2ltorch of another checkout, on this book's networks: is a version slower than the one before it?
imports   what ``import d2ltorch`` adds to ``import torch, torchvision``.
build     the site's cold build, and one with a single chapter touched.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from book import networks
from book.networks import NETWORKS
from book.notebooks import ROOT

PEER = ("d2l==1.0.3", "scipy")  # d2l imports scipy; its other requirements are the book's own
PEER_FOLDER = ROOT / ".cache" / "peer"
# A worker's d2ltorch comes from the folder that it is given, all else from here.
WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
import d2ltorch
del sys.path[0]
from tests.benchmarks import run
run.measure(*sys.argv[2:])
"""


# --- training ---------------------------------------------------------------------------------------------------------


def training(only: list[str], batches: int, repeats: int, against: Path | None) -> None:
    """One line a network: both loops' images a second, their ratio, share of the ceiling, peak memory."""
    names = only or list(NETWORKS)
    if against is None:
        _fetch_peer()
    elif not (against / "d2ltorch" / "__init__.py").is_file():
        raise SystemExit(f"--against {against}: there is no d2ltorch in it; give the folder of a checkout")
    ceiling = _worker("ceiling", "-", 0)
    speed = f"{ceiling['flops'] / 1e12:.2f} TFLOP/s in a {ceiling['precision']} matrix product"
    print(f"ceiling: {speed}, {ceiling['device']}")
    columns = f"{'network':<11} {'ours':>9} {'peer':>9} {'ratio':>6} {'of ceiling':>10}"
    print(f"{columns} {'ours MB':>8} {'peer MB':>8}  {'precision':<9} most of its time in")
    ratios = []
    for name in names:
        steps = batches * (25 if NETWORKS[name].size == 28 else 1)
        ours, peer = [], []
        for _ in range(repeats):
            ours.append(_worker("ours", name, steps))
            peer.append(_worker("ours", name, steps, against) if against else _worker("peer", name, steps))
        rate = statistics.median(r["rate"] for r in ours)
        peer_rate = statistics.median(r["rate"] for r in peer)
        ratios.append(rate / peer_rate)
        share = 6 * ours[0]["mult_adds"] * rate / ceiling["flops"]  # forward once, backward twice; two operations each
        memory = [max(r["peak_mb"] for r in runs) for runs in (ours, peer)]
        print(
            f"{name:<11} {rate:>9,.0f} {peer_rate:>9,.0f} {ratios[-1]:>6.1f} {share:>10.1%} "
            f"{memory[0]:>8,} {memory[1]:>8,}  {ours[0]['precision']:<9} {ours[0]['operators']}",
            flush=True,
        )
    print(f"geometric mean of the ratios: {math.exp(statistics.mean(map(math.log, ratios))):.1f}")


def _fetch_peer() -> None:
    if not (PEER_FOLDER / "scipy").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
        command = [*pip, "--target", str(PEER_FOLDER), *PEER]
        subprocess.run(command, check=True)


def _worker(kind: str, name: str, steps: int, package: Path = ROOT) -> dict:
    """Measure in a process of its own, so that memory and caches start empty."""
    command = [sys.executable, "-c", WORKER, str(package.resolve()), kind, name, str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"the {kind} worker for {name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(kind: str, name: str, steps: str) -> None:
    """Print one measurement as JSON: ``ours``, ``peer`` or the ``ceiling``."""
    print(json.dumps(_measure(kind, name, int(steps))))


def _measure(kind: str, name: str, steps: int) -> dict:
    import torch

    import d2ltorch as d2lt

    device = d2lt.try_gpu()
    if kind == "ceiling":
        return measure_ceiling(device)
    from book.results import ledger

    settings = NETWORKS[name]
    torch.manual_seed(0)
    net, size = networks.build(name, initialise=True), settings.size
    mult_adds = d2lt.layer_summary(net, (1, 1, size, size)).total_mult_adds
    num_images = steps * settings.batch_size
    precision = "float32"
    if kind == "ours":
        sizes = {"num_train": num_images, "num_test": 256}
        train_iter, test_iter = d2lt.load_data_fashion_mnist(settings.batch_size, settings.size, **sizes)
        d2lt.train(net, *_first(train_iter, test_iter), 1, settings.lr / 100, animator=False)  # warm up
        history = d2lt.train(net, train_iter, None, 1, settings.lr / 100, animator=False)
        seconds, precision = history.seconds[0], history.meta["precision"]
    else:
        seconds = _time_peer(net, settings, num_images, device)
    memory = ledger.peak_memory_mb()
    measured = {"rate": num_images / seconds, "mult_adds": mult_adds, "peak_mb": memory, "precision": precision}
    if kind == "ours":  # last, because the profiler takes memory, too
        measured["operators"] = _operators(net, _first(train_iter, None)[0], settings.lr / 100)
    return measured


def _first(train_iter, test_iter):
    import d2ltorch as d2lt

    batch = train_iter.batch_size
    images, labels = train_iter.images[:batch], train_iter.labels[:batch]
    return d2lt.DataIter(images, labels, batch, resize=train_iter.resize, shuffle=True, source="warm-up"), None


def _operators(net, train_iter, lr: float) -> str:
    """The three operators with the largest shares of a training step."""
    import torch

    import d2ltorch as d2lt

    with torch.profiler.profile() as profile:
        d2lt.train(net, train_iter, None, 1, lr, animator=False)
    kind = "device" if train_iter.device.type == "cuda" else "cpu"
    times = {event.key: getattr(event, f"self_{kind}_time_total") for event in profile.key_averages()}
    largest = sorted(times, key=times.get, reverse=True)[:3]
    total = sum(times.values())
    return ", ".join(f"{name.removeprefix('aten::')} {times[name] / total:.0%}" for name in largest)


def _time_peer(net, settings: networks.Network, num_images: int, device) -> float:
    """Seconds from asking for the first batch to the end of the last step of the peer's ``train_ch6``."""
    import matplotlib

    matplotlib.use("Agg")
    import torch

    data = Path(os.environ.get("D2LTORCH_DATA", Path.home() / ".cache" / "d2ltorch")).resolve()
    sys.path.insert(0, str(PEER_FOLDER))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        (Path(folder) / "data").symlink_to(data)
        (Path(folder) / "work").mkdir()
        os.chdir(Path(folder) / "work")  # its loader reads ../data
        from d2l import torch as d2l

        train_iter, test_iter = d2l.load_data_fashion_mnist(settings.batch_size, resize=settings.size)
        ended = []
        d2l.evaluate_accuracy_gpu = lambda *_: ended.append(time.perf_counter()) or 0.0
        train_iter.dataset.data = train_iter.dataset.data[:num_images]
        train_iter.dataset.targets = train_iter.dataset.targets[:num_images]
        size = settings.size
        net(torch.zeros(settings.batch_size, 1, size, size)).sum().backward()  # warm up
        started = time.perf_counter()
        d2l.train_ch6(net, train_iter, test_iter, 1, settings.lr / 100, device)
        if device.type == "cuda":
            torch.cuda.synchronize()
        os.chdir(ROOT)
    return ended[0] - started


def measure_ceiling(device) -> dict:
    """Operations a second in a large square matrix product, in the precision that ``auto`` picks for large networks."""
    import torch
    from torch import nn

    from d2ltorch.device import choose_precision, device_name

    precision = choose_precision("auto", device, nn.Conv2d(64, 64, 3))
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device).to(getattr(torch, precision))
    best = math.inf
    for _ in range(8):
        started = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return {"flops": 2 * size**3 / best, "precision": precision, "device": device_name(device)}


# --- imports and builds -----------------------------------------------------------------------------------------------


def imports(repeats: int) -> None:
    """Seconds to import torch and torchvision, with and without the rest of d2ltorch."""
    # d2ltorch._torchvision alone is the plain pair, with torchvision's import repaired where that is needed.
    plain = (
        "import sys, types, torch; p = types.ModuleType('d2ltorch'); p.__path__ = [{!r}]; "
        "sys.modules['d2ltorch'] = p; import d2ltorch._torchvision".format(str(ROOT / "d2ltorch"))
    )
    seconds: dict[str, list[float]] = {plain: [], "import d2ltorch": []}
    for _ in range(max(3, repeats)):
        for code, times in seconds.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
            times.append(time.perf_counter() - started)
    both, all_of_it = (statistics.median(times) for times in seconds.values())
    print(f"import torch, torchvision {both:.2f} s; import d2ltorch {all_of_it:.2f} s: {all_of_it / both - 1:+.1%}")


def build() -> None:
    """Seconds for a strict build from nothing, and again with one chapter touched, in a copy of the repository."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "book"
        ignore = shutil.ignore_patterns(".venv", "_build", ".git", ".runs", ".cache", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignore)
        command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-W", "-n", "--keep-going", "-q"]
        for name in ("cold build", "one chapter touched"):
            started = time.perf_counter()
            subprocess.run(command, cwd=copy, check=True, stdout=subprocess.DEVNULL)
            print(f"{name}: {time.perf_counter() - started:.1f} s")
            (copy / "chapters" / "lenet.ipynb").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["training", "imports", "build", []], default=[])
    parser.add_argument("--only", nargs="+", default=[], help="networks, by chapter name")
    parser.add_argument("--batches", type=int, default=10, help="training steps a measurement (at least 5)")
    parser.add_argument("--repeats", type=int, default=1, help="measurements of each loop, taking turns")
    parser.add_argument("--against", type=Path, help="a folder with another version of d2ltorch, in the peer's place")
    options = parser.parse_args()
    what = options.what or ["imports", "build", "training"]
    if "imports" in what:
        imports(options.repeats)
    if "build" in what:
        build()
    if "training" in what:
        training(options.only, max(5, options.batches), options.repeats, options.against)


if __name__ == "__main__":
    main()
