"""Write what the book quotes from the ledger: the cell tagged ``ledger`` of each notebook, and the parts of README.md and
book/intro.md between ``<!-- ledger: … -->`` and ``<!-- end -->``.

python -m book.results.quote            bring everything up to date
python -m book.results.quote --check    only say which ones are not
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat

from book.networks import NETWORKS
from book.notebooks import CHAPTERS, ROOT
from book.results import ledger


def results_table(rows: list[dict]) -> str:
    """A Markdown table of summary rows of one network."""
    lines = ["| recipe | epochs | test accuracy | minutes | hardware |", "|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['recipe']} | {row['epochs']} | {ledger.in_words(row)} | {row['minutes']:.1f} | {', '.join(row['devices'])} |"
        )
    return "\n".join(lines)


def chapter_cell(network: str, records: list[dict]) -> str:
    """The text of a chapter's ``ledger`` cell."""
    rows = ledger.summarise(ledger.select(records, network=network))
    changed = NETWORKS[network].modern if network in NETWORKS else {}
    settings = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    augmentation = "shifted and mirrored images, " if changed.get("augment", True) else ""
    lacking = [recipe for recipe in ledger.RECIPES if recipe not in {row["recipe"] for row in rows}]
    text = (
        "One run is an anecdote. The book keeps a [ledger of full runs](../book/results.md): all 60,000 images, "
        "one row for each recipe and number of epochs, mean ± standard deviation over seeds. The minutes are the median "
        "on the hardware named first; most of it had other work, too, so do not compare them. *Classic* is the recipe of "
        "the cell above; *modern* keeps the network and the epochs and changes the training: AdamW, warm-up and cosine decay, "
        f"{augmentation}label smoothing (`d2lt.modern_recipe({settings})`).\n\n"
    )
    if rows:
        text += results_table(rows)
    if lacking:
        text += f"\n\nNot yet in the ledger for this network: the {' and the '.join(lacking)} recipe."
    return text


def update(path: Path, records: list[dict], *, check: bool = False) -> bool:
    """Bring one notebook's ``ledger`` cell up to date; returns whether it was not."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if "ledger" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise SystemExit(f"{path.name} has {len(cells)} cells tagged 'ledger'; it needs exactly one")
    text = chapter_cell(path.stem, records)
    stale = cells[0].source != text
    if stale and not check:
        cells[0].source = text
        nbformat.write(notebook, path)
    return stale


def best_row(network: str, records: list[dict]) -> dict | None:
    """The summary row that the front pages quote: the recipe with the highest mean test accuracy."""
    rows = ledger.summarise(ledger.select(records, network=network))
    return max(rows, key=lambda row: row["mean"], default=None)


def front_table(prefix: str, records: list[dict]) -> str:
    """All eight networks in one table, each with its best measured accuracy and its cost; links start with ``prefix``."""
    lines = ["| network | year | idea | test accuracy | multiply-adds |", "|---|---|---|---|---|"]
    for network, facts in NETWORKS.items():
        row = best_row(network, records)
        accuracy = (
            f"{ledger.in_words(row)}, {row['recipe']}, {row['epochs']} epochs" if row else "no run on all images yet"
        )
        cost = f"{row['mult_adds'] / 1e6:,.1f} M" if row else "–"
        name = f"[{facts.title}]({prefix}chapters/{network}.ipynb)"
        lines.append(f"| {name} | {facts.year} | {facts.idea} | {accuracy} | {cost} |")
    return "\n".join(lines)


def cards(prefix: str, records: list[dict]) -> str:
    """The title page's cards (sphinx-design), one for each network."""
    parts = ["::::{grid} 1 2 2 2", ":gutter: 3", ""]
    for network, facts in NETWORKS.items():
        row = best_row(network, records)
        result = (
            f"test accuracy {ledger.in_words(row)}, {row['recipe']} recipe, {row['epochs']} epochs · "
            f"{row['mult_adds'] / 1e6:,.1f} M multiply-adds"
            if row
            else "no run on all images yet"
        )
        parts += [
            f":::{{grid-item-card}} {facts.title}",
            f":link: {prefix}chapters/{network}",
            ":link-type: doc",
            f":img-top: static/cards/{network}.png",
            f":img-alt: {facts.title} drawn as a row of boxes from its real shapes",
            "",
            f"{facts.year} · {facts.idea}",
            "",
            result,
            ":::",
            "",
        ]
    return "\n".join([*parts, "::::"])


REGIONS = {"table": front_table, "cards": cards}
FRONT_PAGES = {ROOT / "README.md": "", ROOT / "book" / "intro.md": "../"}


def update_front_page(path: Path, prefix: str, records: list[dict], *, check: bool = False) -> bool:
    """Bring the marked parts of a Markdown page up to date; returns whether they were not."""
    text = path.read_text(encoding="utf-8")

    def renew(match: re.Match) -> str:
        return f"<!-- ledger: {match[1]} -->\n{REGIONS[match[1]](prefix, records)}\n<!-- end -->"

    renewed = re.sub(r"<!-- ledger: (\w+) -->.*?<!-- end -->", renew, text, flags=re.DOTALL)
    if renewed != text and not check:
        path.write_text(renewed, encoding="utf-8")
    return renewed != text


def main() -> None:
    check, records = "--check" in sys.argv[1:], ledger.load()
    stale = [path.name for path in sorted(CHAPTERS.glob("*.ipynb")) if update(path, records, check=check)]
    stale += [
        path.name for path, prefix in FRONT_PAGES.items() if update_front_page(path, prefix, records, check=check)
    ]
    if stale:
        print(f"{'out of date' if check else 'updated'}: {', '.join(stale)}")
    if check and stale:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
