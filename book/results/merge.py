"""Add runs of another machine: one file with records and weights, written there, merged here.

    python -m book.results.merge results.zip           add its runs to runs.jsonl and its weights to weights/
    python -m book.results.merge --pack results.zip    write such a file

The second form takes every run that ``runs.jsonl`` did not have at the last commit (or at that of ``--since``), and those runs' weights. Merging is all or nothing: a run that is here already, a damaged file or weights of an unknown run stop it before anything is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

from book.results import ledger, weights

KEY = ("network", "recipe", "seed", "epochs", "device")


def key(record: dict) -> tuple:
    """What makes two records the same run."""
    return tuple(record[name] for name in KEY)


def pack(path: Path, records: list[dict], folder: Path = weights.FOLDER, outside: Path | None = None) -> list[str]:
    """Write ``path``: the records, and each stored network of theirs, in ``folder`` or in ``outside``.

    Returns the names in the file.
    """
    listed = json.loads(weights.listing(folder).read_text(encoding="utf-8")) if folder.exists() else {}
    runs = {key(record) for record in records}
    entries = {name: entry for name, entry in listed.items() if key(entry["row"]) in runs}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("runs.jsonl", "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
        file.writestr("weights.json", json.dumps(entries, indent=1, ensure_ascii=False))
        for name, entry in entries.items():
            home = folder if entry["file"] else outside
            if home is None:
                raise ValueError(
                    f"outside=None, but the weights of {name} are in no file of {folder}: say where they are"
                )
            file.write(home / f"{name}.pt", f"{name}.pt")
        return file.namelist()


def merge(path: Path, book: Path = ledger.LEDGER, folder: Path = weights.FOLDER, outside: Path | None = None) -> str:
    """Add what ``pack`` wrote to the ledger ``book`` and to ``folder``; weights that do not fit there go to ``outside``.

    Returns what was added, in words.

    Raises:
        ValueError: a run that the ledger has, a damaged file, or weights whose run neither has. Nothing is written then.
    """
    with zipfile.ZipFile(path) as file:
        lines = file.read("runs.jsonl").decode("utf-8").splitlines()
        entries = json.loads(file.read("weights.json"))
        contents = {name: file.read(f"{name}.pt") for name in entries}
    records, here = [json.loads(line) for line in lines], ledger.load(book, dropped=True)
    known = [key(record) for record in here]
    for record in records:
        if key(record) in known:
            raise ValueError(f"{path}: the ledger has the run {key(record)} already; nothing was added")
        known.append(key(record))
    for name, entry in entries.items():
        if hashlib.sha256(contents[name]).hexdigest() != entry["sha256"]:
            raise ValueError(f"{path}: {name}.pt is damaged, its SHA-256 is not the listed one; nothing was added")
        if key(entry["row"]) not in known:
            raise ValueError(f"{path}: the weights {name} belong to no recorded run; nothing was added")
    for record in records:
        ledger.append(record, book)
    for name, entry in entries.items():
        weights.store(name, contents[name], entry, folder, outside)
    return f"{len(records)} runs and {len(entries)} networks' weights"


def recorded_at(commit: str) -> list[dict]:
    """The ledger as it was at a commit of this repository."""
    shown = f"{commit}:book/results/runs.jsonl"
    answer = subprocess.run(["git", "show", shown], cwd=ledger.ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--pack", action="store_true", help="write the file instead of reading it")
    parser.add_argument("--since", default="HEAD", metavar="COMMIT", help="with --pack: leave out what it recorded")
    parser.add_argument(
        "--outside",
        type=Path,
        default=ledger.ROOT / ".runs" / "weights",
        help="of weights too large for the repository",
    )
    options = parser.parse_args()
    if options.pack:
        before = {key(record) for record in recorded_at(options.since)}
        fresh = [record for record in ledger.load(dropped=True) if key(record) not in before]
        print(f"wrote {options.file}: {', '.join(pack(options.file, fresh, outside=options.outside))}")
    else:
        try:
            print(f"added {merge(options.file, outside=options.outside)}")
        except ValueError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
