"""Benchmarks of the book: ``make bench``. They print ratios measured in one run, and assert nothing.

    python -m tests.benchmarks.run                       everything
    python -m tests.benchmarks.run training --only lenet vgg --repeats 3
    python -m tests.benchmarks.run training --against ../first-edition
    python -m tests.benchmarks.run imports build

training  images a second of ``d2lt.train`` and of a peer's loop (``train_ch6`` and the loader of d2l 1.0.3, fetched
          from the package registry) on the same images, batch size and number of steps, each in a process of its own,
          the two taking turns; the share of the machine's own matrix-product ceiling; and peak memory. With --against,
          the peer is the d2ltorch of another checkout, on this book's networks: is a version slower than the one
          before it?
imports   what ``import d2ltorch`` adds to ``import torch, torchvision``.
build     the site's cold build, and one with a single chapter touched.
"""

from __future__ import annotations

import argparse
import contextlib
import json
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
STEPS = 10  # of training a measurement, 20 times as many for images of 28×28 pixels and on a GPU
# A worker's d2ltorch comes from the folder that it is given, all else from here.
WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
import d2ltorch
del sys.path[0]
from tests.benchmarks import run
run.work(*sys.argv[2:])
"""


# --- training ---------------------------------------------------------------------------------------------------------


def training(only: list[str], repeats: int, against: Path | None) -> None:
    """One line a network: both loops' images a second, their ratio, share of the ceiling, peak memory."""
    if against is None and not (PEER_FOLDER / "scipy").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
        subprocess.run([*pip, "--target", str(PEER_FOLDER), *PEER], check=True)
    if against is not None and not (against / "d2ltorch" / "__init__.py").is_file():
        raise SystemExit(f"--against {against}: there is no d2ltorch in it; give the folder of a checkout")
    peer_kind, peer_package = ("peer", ROOT) if against is None else ("ours", against)
    ceiling = measure("ceiling")
    speed = f"{ceiling['flops'] / 1e12:.2f} TFLOP/s in a {ceiling['precision']} matrix product"
    print(f"ceiling: {speed}, {ceiling['device']}")
    columns = f"{'network':<11} {'ours':>9} {'peer':>9} {'ratio':>6} {'of ceiling':>10}"
    print(f"{columns} {'ours MB':>8} {'peer MB':>8}  precision")
    ratios = []
    for name in only or NETWORKS:
        ours, peer = [], []
        for _ in range(repeats):
            ours.append(measure("ours", name))
            peer.append(measure(peer_kind, name, peer_package))
        rate, peer_rate = (statistics.median(run["rate"] for run in runs) for runs in (ours, peer))
        ratios.append(rate / peer_rate)
        share = 6 * ours[0]["mult_adds"] * rate / ceiling["flops"]  # forward once, backward twice; two operations each
        memory, peer_memory = (max(run["peak_mb"] for run in runs) for runs in (ours, peer))
        print(
            f"{name:<11} {rate:>9,.0f} {peer_rate:>9,.0f} {ratios[-1]:>6.1f} {share:>10.1%} "
            f"{memory:>8,} {peer_memory:>8,}  {ours[0]['precision']}",
            flush=True,
        )
    print(f"geometric mean of the ratios: {statistics.geometric_mean(ratios):.1f}")


def measure(kind: str, name: str = "", package: Path = ROOT) -> dict:
    """Measure in a process of its own, so that memory and caches start empty."""
    command = [sys.executable, "-c", WORKER, str(package.resolve()), kind, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"the {kind} worker for {name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def work(kind: str, name: str) -> None:
    """Print one measurement as JSON: ``ours``, ``peer`` or the ``ceiling``."""
    print(json.dumps(measure_ceiling() if kind == "ceiling" else measure_loop(kind, name)))


def measure_loop(kind: str, name: str) -> dict:
    import torch

    import d2ltorch as d2lt
    from book.results import ledger

    settings = NETWORKS[name]
    batch_size, size, lr = settings.batch_size, settings.size, settings.lr / 100
    num_images = batch_size * STEPS * (20 if size == 28 or d2lt.try_gpu().type == "cuda" else 1)
    torch.manual_seed(0)
    net = networks.build(name, initialise=True)
    measured = {"mult_adds": d2lt.layer_summary(net, (1, 1, size, size)).total_mult_adds}
    if kind == "peer":
        seconds = time_peer(net, settings, num_images)
        return measured | {"rate": num_images / seconds, "peak_mb": ledger.peak_memory_mb()}
    train_iter, _ = d2lt.load_data_fashion_mnist(batch_size, size, num_train=num_images)
    images, labels = train_iter.images[:batch_size], train_iter.labels[:batch_size]
    d2lt.train(net, d2lt.DataIter(images, labels, batch_size, resize=size), None, 1, lr, animator=False)  # warm up
    history = d2lt.train(net, train_iter, None, 1, lr, animator=False)
    measured |= {"rate": num_images / history.seconds[0], "precision": history.meta["precision"]}
    return measured | {"peak_mb": ledger.peak_memory_mb()}


def time_peer(net, settings: networks.Network, num_images: int) -> float:
    """Seconds from asking for the first batch to the end of the last step of the peer's ``train_ch6``."""
    import torch

    import d2ltorch as d2lt

    os.environ["MPLBACKEND"] = "Agg"
    device = d2lt.try_gpu()
    data = Path(os.environ.get("D2LTORCH_DATA", Path.home() / ".cache" / "d2ltorch")).resolve()
    sys.path.insert(0, str(PEER_FOLDER))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr), contextlib.chdir(folder):
        (Path(folder) / "data").symlink_to(data)
        Path("work").mkdir()
        os.chdir("work")  # its loader reads ../data
        from d2l import torch as d2l

        train_iter, test_iter = d2l.load_data_fashion_mnist(settings.batch_size, resize=settings.size)
        ended = []
        d2l.evaluate_accuracy_gpu = lambda *_: ended.append(time.perf_counter()) or 0.0
        train_iter.dataset.data = train_iter.dataset.data[:num_images]
        train_iter.dataset.targets = train_iter.dataset.targets[:num_images]
        images = torch.zeros(settings.batch_size, 1, settings.size, settings.size, device=device)
        net.to(device)(images).sum().backward()  # warm up
        started = time.perf_counter()
        d2l.train_ch6(net, train_iter, test_iter, 1, settings.lr / 100, device)
    return ended[0] - started


def measure_ceiling() -> dict:
    """Operations a second in a large square matrix product, in the precision that ``auto`` picks for large networks."""
    import torch
    from torch import nn
    from torch.utils.benchmark import Timer

    import d2ltorch as d2lt
    from d2ltorch.device import choose_precision, device_name

    device = d2lt.try_gpu()
    precision = choose_precision("auto", device, nn.Conv2d(64, 64, 3))
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device).to(getattr(torch, precision))
    timer = Timer("a @ a", globals={"a": a}, num_threads=torch.get_num_threads())  # it waits for a GPU
    best = min(timer.timeit(1).mean for _ in range(8))
    return {"flops": 2 * size**3 / best, "precision": precision, "device": device_name(device)}


# --- imports and builds -----------------------------------------------------------------------------------------------


def imports() -> None:
    """Seconds to import torch and torchvision, which is what d2ltorch._torchvision does, and what the rest adds."""
    command = [sys.executable, "-X", "importtime", "-c", "import d2ltorch"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    columns = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:")]
    seconds = {module.strip(): float(microseconds) / 1e6 for _, microseconds, module in columns[1:]}
    both, all_of_it = seconds["d2ltorch._torchvision"], seconds["d2ltorch"]
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
    steps = ["imports", "build", "training"]
    parser.add_argument("what", nargs="*", choices=steps, help="all three if none is given")
    parser.add_argument("--only", nargs="+", help="networks, by chapter name")
    parser.add_argument("--repeats", type=int, default=1, help="measurements of each loop, taking turns")
    parser.add_argument("--against", type=Path, help="a folder with another version of d2ltorch, in the peer's place")
    options = parser.parse_args()
    what = options.what or steps
    if "imports" in what:
        imports()
    if "build" in what:
        build()
    if "training" in what:
        training(options.only, options.repeats, options.against)


if __name__ == "__main__":
    main()
