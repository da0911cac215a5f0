"""Write the results page and its figures from the ledger: ``book/results.md`` and ``book/static/results/``.

``make book`` calls this first; nothing is written while the ledger is the one that the page was made from.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from pathlib import Path

from book import networks
from book.networks import NETWORKS
from book.notebooks import ROOT
from book.results import ledger, page_ablation

TUNING = Path(__file__).with_name("tuning.jsonl")
ABLATION = Path(__file__).with_name("ablation.jsonl")
PAGE = ROOT / "book" / "results.md"
FIGURES = ROOT / "book" / "static" / "results"
CARDS = ROOT / "book" / "static" / "cards"


def page(records: list[dict]) -> str:
    """The page's Markdown."""
    rows = ledger.summarise(records)
    parts = [
        "# Results\n\nOur numbers on this page come from a [ledger](results/runs.jsonl): one line for each full run on "
        "all 60,000 training images of Fashion-MNIST, tested on its 10,000 test images. A chapter's own training is one "
        "of these runs. (The repository's copy also holds what each run says of every test image.) "
        "*Classic* is plain SGD at a constant rate; *modern* is AdamW with warm-up and cosine decay, "
        "label smoothing and, where it helps, shifted and mirrored images ([below](#how-the-modern-recipe-was-chosen)). The spread is the standard "
        "deviation over seeds; a single run has none, and says less than it seems to. Times are the median on the hardware "
        "that is named first, often busy with other work, too. The table has, for each network and recipe, the runs of most "
        "epochs; the chapters have the others, too.",
        f"<!-- ledger {digest()} -->",
        "## Accuracy and cost\n\n" + _table(rows),
        "```{figure} static/results/accuracy-cost.svg\n:alt: Test accuracy against multiply-adds of one image, on a "
        "logarithmic axis, one marker for each network and recipe; the numbers are those of the table above.\n\n"
        "Test accuracy against the multiply-adds that one image costs.\n```",
        "## Learning curves\n\nTest accuracy after each epoch; where a network has several runs, the line is their mean "
        "and the band spans the lowest and the highest.\n\n```{figure} static/results/curves.svg\n:alt: One small panel "
        "for each network with test accuracy by epoch, the classic recipe as a solid line and the modern one dashed. They end at the "
        "accuracies of the first table.\n\nTest accuracy by epoch.\n```",
        "## What they confuse\n\n" + _confusions(records),
        _all_wrong(records),
        "## Beside published numbers\n\n" + _published(rows),
        _time_to_accuracy(records),
        _missing(records),
        _tuning(),
        _ablation(),
        "## Repeat a row\n\n"
        "One command repeats the runs of a row and prints each result beside the recorded one:\n\n"
        "```bash\npython -m book.results.run --again --only vgg --recipe classic --seeds 1 --epochs 10\n```\n\n"
        "Without `--again` it adds the runs that are missing (`--seeds 2` for a second seed), resuming where it was stopped. "
        "`make results` runs everything that is missing, one seed of each network first. A run keeps its seed, precision, "
        "device, versions, data checksum and commit. The same command on another kind of device gives another sample of "
        "the same distribution, not the same digits.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(rows: list[dict]) -> str:
    """One line for each network and recipe, that of most epochs."""
    rows = list({(row["network"], row["recipe"]): row for row in rows}.values())  # of several the last has most epochs
    columns = ["network", "recipe", "epochs", "test accuracy", "parameters", "multiply-adds", "time"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = [
            f"[{NETWORKS[row['network']].title}](../chapters/{row['network']}.ipynb)",
            row["recipe"],
            str(row["epochs"]),
            ledger.in_words(row),
            f"{row['parameters']:,}",
            _millions(row["mult_adds"]),
            f"{_in_minutes(60 * row['minutes'])}, {_kinds(row['devices'])}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    devices = sorted({device for row in rows for device in row["devices"]})
    return "\n".join(lines) + f"\n\nHardware: {'; '.join(devices)}."


def _kinds(devices: list[str]) -> str:
    """``CPU (also NVIDIA H200)``: the kind that the time is of, and the others."""
    first, *others = dict.fromkeys(_short(device) for device in devices)
    return first + (f" (also {', '.join(others)})" if others else "")


def _short(device: str) -> str:
    """``CPU`` for ``CPU (Intel Xeon, 2 threads)``."""
    return device.split(" (")[0]


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} M" if count < 1e8 else f"{count / 1e6:,.0f} M"


def _missing(records: list[dict]) -> str:
    """What the ledger should hold and does not: five seeds of both recipes at ten epochs."""
    lines = [f"| network | {' | '.join(ledger.RECIPES)} |", "|---" * (1 + len(ledger.RECIPES)) + "|"]
    for network, facts in NETWORKS.items():
        lacking = []
        for recipe in ledger.RECIPES:
            seeds = {run["seed"] for run in ledger.select(records, network=network, recipe=recipe, epochs=10)}
            lacking.append(5 - len(seeds))
        if any(count > 0 for count in lacking):
            lines.append(f"| {facts.title} | {' | '.join(str(max(0, count)) for count in lacking)} |")
    if len(lines) == 2:
        return ""
    return (
        "## What is missing\n\nRuns that are still to be made, of five seeds at ten epochs (`make results` runs them; the large networks "
        "want a GPU):\n\n" + "\n".join(lines)
    )


LEVELS = (0.90, 0.93)


def _time_to_accuracy(records: list[dict]) -> str:
    """How long until the test accuracy was first reached, by network, recipe and kind of hardware."""
    kinds = sorted({_short(record["device"]) for record in records})
    lines = [f"| network | recipe | {' | '.join(f'to {level:.2f}' for level in LEVELS)} | hardware |"]
    lines.append("|---|---|" + "---|" * len(LEVELS) + "---|")
    for network, facts in NETWORKS.items():
        for recipe, kind in itertools.product(ledger.RECIPES, kinds):
            runs = ledger.longest(ledger.select(records, network=network, recipe=recipe))
            runs = [run for run in runs if _short(run["device"]) == kind]
            best = min(runs, key=lambda run: [_seconds_to(run, level) for level in reversed(LEVELS)], default=None)
            if best is None or _seconds_to(best, LEVELS[0]) == float("inf"):
                continue
            words = " | ".join(_in_minutes(_seconds_to(best, level)) for level in LEVELS)
            lines.append(f"| {facts.title} | {recipe} | {words} | {best['device']} |")
    if len(lines) == 2:
        return ""
    return (
        "## Time to accuracy\n\nTraining until the test accuracy after an epoch first reached a level, in the fastest run on each kind of "
        "hardware that did; evaluation is not counted, and most machines had other work. A network that is not listed has not reached "
        f"{LEVELS[0]:.2f} in any run.\n\n" + "\n".join(lines)
    )


def _seconds_to(run: dict, level: float) -> float:
    """Seconds of training until ``level``, infinite for a run that did not reach it."""
    spent = itertools.accumulate(run["seconds"])
    return next((seconds for seconds, accuracy in zip(spent, run["test_acc"]) if accuracy >= level), float("inf"))


def _in_minutes(seconds: float) -> str:
    if seconds == float("inf"):
        return "–"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _best_runs(records: list[dict]) -> dict[str, dict]:
    """For each network that has one, the run with the highest test accuracy."""
    runs = {network: ledger.select(records, network=network) for network in NETWORKS}
    return {network: max(found, key=lambda r: r["test_acc"][-1]) for network, found in runs.items() if found}


def _confusions(records: list[dict]) -> str:
    """For each network the pair of classes that its best-tested recipe confuses most, from the stored predictions."""
    import numpy as np

    import d2ltorch as d2lt

    labels = _test_labels()
    if labels is None:
        return ""
    lines = ["| network | wrong of 10,000 | most confused | how often |", "|---|---|---|---|"]
    for network, run in _best_runs(records).items():
        predicted = np.array([int(digit) for digit in run["predictions"]])
        counts = np.zeros((10, 10), dtype=int)
        np.add.at(counts, (labels, predicted), 1)
        np.fill_diagonal(counts, 0)
        true, taken = np.unravel_index(counts.argmax(), counts.shape)
        names = d2lt.text_labels([int(true), int(taken)])
        lines.append(
            f"| {NETWORKS[network].title} ({run['recipe']}) | {counts.sum():,} | {names[0]} taken for {names[1]} "
            f"| {counts[true, taken]} of 1,000 |"
        )
    return "The best run of each network, by its stored predictions:\n\n" + "\n".join(lines)


def _wrong_in_all(records: list[dict]):
    """Indices of the test images that the best run of every network gets wrong."""
    import numpy as np

    labels = _test_labels()
    best = _best_runs(records).values()
    if labels is None or not best:
        return None, 0
    wrong = np.ones(len(labels), dtype=bool)
    for run in best:
        wrong &= np.array([int(digit) for digit in run["predictions"]]) != labels
    return np.flatnonzero(wrong), len(best)


def _all_wrong(records: list[dict]) -> str:
    indices, networks = _wrong_in_all(records)
    if indices is None or networks < 2 or len(indices) == 0:
        return ""
    return (
        f"{len(indices)} test images are wrong in the best run of all {networks} networks in the ledger. The first "
        "sixteen, with their labels: some are mislabelled, some could be either.\n\n"
        "```{figure} static/results/all-wrong.png\n:alt: Sixteen small grey images of garments that every network "
        "misclassifies, each with its label.\n\nTest images that every network gets wrong.\n```"
    )


def _published(rows: list[dict]) -> str:
    ours = {
        recipe: {
            row["network"]: ledger.in_words(row) + f", {row['epochs']} epochs"
            for row in rows
            if row["recipe"] == recipe
        }
        for recipe in ledger.RECIPES
    }
    lines = [
        "| network | published: lowest – median – highest | ours, classic | ours, modern (aim) |",
        "|---|---|---|---|",
    ]
    for network, facts in NETWORKS.items():
        published = " – ".join(f"{accuracy:.3f}" for accuracy in facts.published or ()) or "–"
        modern = ours["modern"].get(network, "not run") + (f" ({facts.aim:.3f})" if facts.aim else "")
        lines.append(f"| {facts.title} | {published} | {ours['classic'].get(network, 'not run')} | {modern} |")
    return (
        "The published column is the range of test accuracies, ten epochs of the classic recipe, in the stored "
        "notebooks of [Dive into Deep Learning](https://d2l.ai) over two years. They are single, unseeded runs: "
        "the lowest of them is what a reader may well get. The aim in brackets was set before the runs.\n\n"
        + "\n".join(lines)
    )


def _tuning() -> str:
    """How the modern recipe was chosen: held-out accuracy by rate and augmentation, from ``tuning.jsonl``."""
    trials = ledger.load(TUNING)
    if not trials:
        return ""

    def kind_of(trial: dict) -> tuple:
        number = list(NETWORKS).index(trial["network"])
        return number, trial.get("images", 55_000), trial["epochs"], not trial["augment"]

    lines = ["| network | trained on | held-out accuracy by rate, the choice in bold |", "|---|---|---|"]
    for kind in sorted({kind_of(trial) for trial in trials}):
        number, images, epochs, plain = kind
        name, results = list(NETWORKS)[number], {}
        chosen = networks.modern_settings(name)
        for trial in trials:
            if kind_of(trial) == kind:
                results[trial["lr"]] = max(trial["held_out_acc"][-1], results.get(trial["lr"], 0))
        cells = []
        for rate, accuracy in sorted(results.items()):
            bold = "**" * (chosen["lr"] == rate and chosen["augment"] != plain)
            cells.append(f"{bold}{rate:g}: {accuracy:.3f}{bold}")
        what = f"{images:,} images {'as they are' if plain else 'shifted and mirrored'}, {epochs} epochs"
        lines.append(f"| {NETWORKS[name].title} | {what} | {' · '.join(cells)} |")
    return (
        "## How the modern recipe was chosen\n\n"
        "Not by the test set. Each trial trains on 55,000 of the training images, or on fewer where that would take "
        "hours on a CPU, and is judged by the other 5,000 (`python -m book.results.tune`). A short trial says whether a "
        "network starts at a rate, and less about which rate is best after ten epochs. The recipe's own "
        "rate stays where none is half a point ahead of it, the standard error of an accuracy on 5,000 images.\n\n"
        + "\n".join(lines)
    )


def _ablation() -> str:
    """What each part of the modern recipe is worth, from ``ablation.jsonl``."""
    records = ledger.load(ABLATION)
    lenet, dense = (ledger.select(records, network=name) for name in ("batch_norm", "densenet"))
    short = [record for record in dense if record["images"] < 55_000]  # which has every part
    titled = ((lenet, "batch-norm LeNet"), (dense, "DenseNet"), (short, "DenseNet"))
    tables = [page_ablation.table(part, title) for part, title in titled]
    if not any(tables):
        return ""
    return (
        "## What each part of it is worth\n\nThe whole recipe, and the recipe without one part, judged by the 5,000 images held out "
        "(`python -m book.results.ablate`); the difference is taken seed by seed.\n\n"
        + "\n\n".join(filter(None, tables))
        + "\n\nAugmentation brings nothing at first and pays later (the "
        "[AlexNet chapter](../chapters/alexnet.ipynb#Augmentation,-where-it-pays) shows the crossing), so a short training "
        "does not say what it is worth in a full one."
    )


@functools.cache
def _test_labels():
    """The real test labels, or None where Fashion-MNIST is not at hand."""
    import contextlib
    import io

    import d2ltorch as d2lt

    with contextlib.redirect_stdout(io.StringIO()):
        _, test_iter = d2lt.load_data_fashion_mnist(256, device="cpu")
    return test_iter.labels.numpy() if test_iter.source == "Fashion-MNIST" else None


def draw_accuracy_cost(records: list[dict], path: Path) -> None:
    """All networks on one picture: accuracy against multiply-adds, a network's two recipes joined by a line."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    figure, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
    rows = ledger.summarise(records)
    names = []
    for network, facts in NETWORKS.items():
        colour, marker = facts.colour, facts.marker
        joined = []
        for recipe in ledger.RECIPES:
            of_recipe = [row for row in rows if (row["network"], row["recipe"]) == (network, recipe)]
            if not of_recipe:
                continue
            row = max(of_recipe, key=lambda row: row["epochs"])
            joined.append((row["mult_adds"], row["mean"]))
            ax.errorbar(
                *joined[-1], yerr=row["spread"] or 0, fmt=marker, markersize=9, color=colour, capsize=3,
                markerfacecolor=colour if recipe == "classic" else "white",
            )  # fmt: skip
        if joined:
            ax.plot(*zip(*joined), linestyle=":", linewidth=1, color=colour, zorder=0)
            names += ax.plot([], [], marker, color=colour, label=NETWORKS[network].title.replace(", channels", ""))
    fills = {"classic": "0.3", "modern": "white"}
    recipes = [Patch(edgecolor="0.3", facecolor=fill, label=recipe) for recipe, fill in fills.items()]
    ax.legend(handles=recipes, title="recipe", fontsize=9, title_fontsize=9, loc="lower center")
    figure.legend(handles=names, fontsize=9, loc="outside lower center", ncols=4, frameon=False)
    ax.set(xscale="log", xlabel="multiply-adds an image", ylabel="test accuracy")
    ax.margins(x=0.08, y=0.08)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_curves(records: list[dict], path: Path) -> None:
    """Test accuracy by epoch, a panel for each network, bands over seeds."""
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    num_rows = -(-len(NETWORKS) // 2)
    figure, axes = plt.subplots(num_rows, 2, figsize=(5.6, 1.9 * num_rows), layout="constrained", sharey=True)
    for ax, network in zip(axes.flat, NETWORKS):
        for recipe, style in zip(ledger.RECIPES, ("-", "--")):
            runs = ledger.select(records, network=network, recipe=recipe)
            if runs:
                longest = max(run["epochs"] for run in runs)
                runs = ledger.one_per_seed([run for run in runs if run["epochs"] == longest])
                curves = np.array([run["test_acc"] for run in runs])
                epochs = range(1, longest + 1)
                ax.plot(
                    epochs,
                    curves.mean(0),
                    style,
                    color=NETWORKS[network].colour,
                    label=recipe,
                    marker="o",
                    markersize=2.5,
                )
                ax.fill_between(epochs, curves.min(0), curves.max(0), color=NETWORKS[network].colour, alpha=0.2)
        ax.set_title(NETWORKS[network].title.replace(", channels", "").replace("with batch norm", "+ BN"), fontsize=9)
        if ax.lines:
            ax.legend(fontsize=8, loc="lower right")
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        else:
            ax.set_xticks([])
            ax.text(0.5, 0.5, "no full run yet", transform=ax.transAxes, ha="center", fontsize=8)
    for ax in axes.flat[len(NETWORKS) :]:
        ax.axis("off")
    lowest = min((row["mean"] for row in ledger.summarise(records)), default=1.0)
    axes[0, 0].set_ylim(min(0.5, lowest - 0.15), 0.97)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("test accuracy", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_all_wrong(records: list[dict], path: Path) -> None:
    """Sixteen images that every network gets wrong."""
    import matplotlib.pyplot as plt

    import d2ltorch as d2lt

    indices, networks = _wrong_in_all(records)
    if indices is None or networks < 2 or len(indices) == 0:
        return
    _, test_iter = d2lt.load_data_fashion_mnist(256, device="cpu")
    chosen = indices[:16].tolist()
    d2lt.show_images(test_iter.images[chosen], d2lt.text_labels(test_iter.labels[chosen]))
    plt.savefig(path)
    plt.close("all")


def draw_card(network: str, path: Path) -> None:
    """The title page's picture of a network, from its real shapes."""
    import matplotlib.pyplot as plt

    import d2ltorch as d2lt

    size = NETWORKS[network].size
    d2lt.draw_network(networks.build(network), (1, 1, size, size))
    plt.savefig(path, dpi=90)
    plt.close("all")


def digest() -> str:
    """A fingerprint of the ledger, the tuning and the code that reads them, which together decide the page."""
    sources = (ledger.LEDGER, TUNING, ABLATION, Path(__file__), Path(ledger.__file__), Path(networks.__file__))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.exists())).hexdigest()[:16]


def main() -> None:
    if PAGE.exists() and digest() in PAGE.read_text(encoding="utf-8"):
        return
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    import d2ltorch  # noqa: F401 - makes its matplotlib style known

    plt.style.use("d2ltorch.book")
    plt.rcParams["svg.hashsalt"] = "d2ltorch"
    records = ledger.load()
    if _test_labels() is None:
        raise SystemExit(
            "The ledger, or the code that reads it, has changed since the results page was written, and writing it needs the real Fashion-MNIST: "
            "set D2LTORCH_DATA or connect to the internet."
        )
    FIGURES.mkdir(parents=True, exist_ok=True)
    draw_accuracy_cost(records, FIGURES / "accuracy-cost.svg")
    draw_curves(records, FIGURES / "curves.svg")
    draw_all_wrong(records, FIGURES / "all-wrong.png")
    CARDS.mkdir(parents=True, exist_ok=True)
    for network in NETWORKS:
        draw_card(network, CARDS / f"{network}.png")
    PAGE.write_text(page(records), encoding="utf-8")
    print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
