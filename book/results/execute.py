"""Execute chapters in full and store their outputs: ``make chapters`` or ``python -m book.results.execute lenet vgg``.

A chapter is stored only if every cell ran, on the published images, out of quick mode, without a word on stderr, and
with the verdicts that its text was written for. Its headline training is the classic run of seed 0: it goes on from that
run's checkpoint in ``.runs`` where there is one, leaves it there, so that executing a chapter again repeats no training,
and joins the ledger.

    python -m book.results.execute nin --cells 3f2a91c0    a new exercise: this cell alone, after imports and definitions
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

from book.networks import NETWORKS, find
from book.notebooks import CHAPTERS, ROOT, tags
from book.results import ledger, quote
from book.results.run import RUNS

METADATA = ("accelerator", "colab", "kernelspec", "language_info")
TRAINING = "\nhistory = d2lt.train("


def execute(name: str, *, accept: bool = False) -> dict:
    """Run one chapter, store it, and return its headline run as a ledger record."""
    path = CHAPTERS / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    before = verdicts(notebook)
    is_headline = [c.cell_type == "code" and TRAINING in f"\n{c.source}" for c in notebook.cells]
    with tempfile.TemporaryDirectory() as folder:
        record_path = Path(folder) / "record.json"
        client = _client(notebook, folder)
        with client.setup_kernel():
            _in_kernel(client, f"from book.results import headline as _headline; _headline.watch({name!r})")
            for i, cell in enumerate(notebook.cells):
                client.execute_cell(cell, i)
                if is_headline[i]:
                    _in_kernel(client, f"_headline.record({str(record_path)!r}, history, net, train_iter, test_iter)")
        record = json.loads(record_path.read_text(encoding="utf-8"))
    store(notebook, path, before, record["data"]["source"], accept=accept)
    return record


def execute_cells(name: str, ids: list[str], *, accept: bool = False) -> None:
    """Run a chapter's set-up, imports and definitions and the cells with these ids, and store the outputs of these."""
    path = CHAPTERS / f"{name}.ipynb"
    notebook, stored = (nbformat.read(path, as_version=4) for _ in range(2))
    before = verdicts(notebook)
    code = [cell.id for cell in notebook.cells if cell.cell_type == "code"]
    if unknown := set(ids) - set(code):
        raise SystemExit(f"--cells: {name} has no code cell {', '.join(sorted(unknown))}; it has {', '.join(code)}")
    with tempfile.TemporaryDirectory() as folder:
        client = _client(notebook, folder)
        with client.setup_kernel():
            for i, cell in enumerate(notebook.cells):
                if cell.id in ids or tags(cell) & {"setup", "imports", "definition"}:
                    client.execute_cell(cell, i)
                if cell.id not in ids:
                    notebook.cells[i] = stored.cells[i]
    store(notebook, path, before, accept=accept)


def _client(notebook: nbformat.NotebookNode, folder: str) -> NotebookClient:
    """What runs the cells of a notebook, in a folder that is empty as a reader's."""
    resources = {"metadata": {"path": folder}}
    return NotebookClient(notebook, timeout=None, kernel_name="python3", coalesce_streams=True, resources=resources)


def store(notebook, path: Path, before: dict[str, list[str]], source: str = "Fashion-MNIST", *, accept: bool) -> None:
    """Write an executed chapter, unless it is not clean or a verdict is another one than ``before``."""
    clean(notebook)
    refuse(path.stem, notebook, source)
    if not accept and (others := turned(before, verdicts(notebook))):
        RUNS.mkdir(exist_ok=True)
        nbformat.write(notebook, RUNS / path.name)
        problem = f"{path.stem}: {others}. Nothing was stored; what ran is in {RUNS.name}/{path.name}"
        raise SystemExit(f"{problem}: change the text, then --accept the new verdicts")
    nbformat.write(notebook, path)


def _in_kernel(client: NotebookClient, line: str) -> None:
    """Run a line in the chapter's kernel that is no part of the chapter, for as long as it takes a cell below it."""
    client.nb.cells.append(nbformat.v4.new_code_cell(line))
    client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1, store_history=False)
    client.nb.cells.pop()


def clean(notebook: nbformat.NotebookNode) -> None:
    """Number the cells 1 to n and drop what an execution leaves in the metadata."""
    notebook.metadata = {key: value for key, value in notebook.metadata.items() if key in METADATA}
    notebook.metadata["language_info"] = {"name": "python"}
    count = 0
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = smaller_png(output.data["image/png"])


def smaller_png(encoded: str) -> str:
    """The picture with a palette of 256 colours, which plots do not exceed to the eye, where that is smaller."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    if picture.mode == "P":  # stored already
        return encoded
    buffer = io.BytesIO()
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    quantised = base64.b64encode(buffer.getvalue()).decode()
    return min(encoded.strip(), quantised, key=len)


VERDICT = re.compile(r"^(.+): (?:\d+ of \d+ seeds, )?(yes|no|undecided)(?: \(\d+ of \d+ seeds\))?$", re.MULTILINE)


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, list[str]]:
    """What the experiments of a chapter say of each claim: yes, no or undecided, as often as it is made."""
    found: dict[str, list[str]] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for claim, answer in VERDICT.findall(output.get("text", "")):
                found.setdefault(claim.strip(), []).append(answer)
    return found


def turned(before: dict[str, list[str]], after: dict[str, list[str]]) -> str:
    """The claims of which an experiment now says something else than what the text around it was written for."""
    others = [claim for claim, answers in before.items() if after.get(claim, answers) != answers]
    return "; ".join(f"{claim}: {', '.join(before[claim])}, now {', '.join(after[claim])}" for claim in others)


def refuse(name: str, notebook: nbformat.NotebookNode, source: str) -> None:
    """Stop before anything is stored that is not a clean, full run on the published images."""
    if source != "Fashion-MNIST":
        raise SystemExit(f"{name}: ran on {source!r}; set D2LTORCH_DATA. Nothing was stored.")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = "".join(output.get("text", ""))
            if output.get("name") == "stderr":
                raise SystemExit(f"{name}: cell {cell.execution_count} wrote to stderr: {text}\nNothing was stored.")
            if "quick mode" in text.lower():
                raise SystemExit(f"{name}: cell {cell.execution_count} ran in quick mode. Nothing was stored.")
            if "of its images that d2ltorch has stand in" in text:
                raise SystemExit(f"{name}: ran on the package's images; set D2LTORCH_DATA. Nothing was stored.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", default=list(NETWORKS), metavar="chapter")
    parser.add_argument("--accept", action="store_true", help="store verdicts that differ from the stored ones")
    parser.add_argument("--cells", nargs="+", metavar="id", help="of one chapter: run and store these cells alone")
    options = parser.parse_args()
    names = options.chapters
    if options.cells and len(names) != 1:
        parser.error("--cells needs one chapter: python -m book.results.execute nin --cells ID")
    for name in names:
        find(name)
    if os.environ.get("D2LTORCH_QUICK"):
        raise SystemExit("D2LTORCH_QUICK is set, and quick results are never stored. Unset it and start again.")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    os.environ["D2LTORCH_FULL"] = "1"  # all images, also where there is no GPU
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    if options.cells:
        execute_cells(names[0], options.cells, accept=options.accept)
        return
    for name in names:
        started = time.perf_counter()
        print(f"{name} …", flush=True)
        record = execute(name, accept=options.accept)
        key = {field: record[field] for field in ("network", "recipe", "seed", "epochs")}
        if not ledger.select(ledger.load(), **key):
            ledger.append(record)
        quote.update(CHAPTERS / f"{name}.ipynb", ledger.load())
        print(f"{name}: {(time.perf_counter() - started) / 60:.1f} min, test acc {record['test_acc'][-1]:.4f}")


if __name__ == "__main__":
    main()
