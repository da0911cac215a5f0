"""``python -m book.zh.start NAME``: the catalogue of a chapter or page, the Chinese to be filled in below the English.

Call it again at any time: what is there stays, new texts are added, and those that the English no longer has go. An
entry may be written as ``<!-- zh KEY -->`` and the Chinese alone. ``--renewed KEY …`` says that the Chinese of these
stale entries says what the English says now.
"""

from __future__ import annotations

import argparse

from book.zh.catalogue import catalogue, entries, save, source


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m book.zh.start")
    parser.add_argument("name", help="lenet, intro …")
    parser.add_argument("--renewed", nargs="+", default=[], metavar="KEY", help="entries that are up to date again")
    options = parser.parse_args()
    path = source(options.name)
    found, gone = entries(path)
    stale = {entry.key: entry for entry in found if entry.state == "stale"}
    for key in options.renewed:
        if key not in stale:
            parser.error(f"--renewed {key}: no stale entry has this key; stale are: {', '.join(stale) or 'none'}")
        stale[key].state = "fresh"
    save(path, found)
    states = [entry.state for entry in found]
    print(f"{catalogue(path)}: {states.count('missing')} to write, {states.count('stale')} stale, {len(gone)} gone")


if __name__ == "__main__":
    main()
