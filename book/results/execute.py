"""Execute chapters in full and store their outputs: ``make chapters`` or ``python book/results/execute.py lenet vgg``.

A chapter is stored only if every cell ran, on the real images, out of quick mode and without a word on stderr. Where its
headline training used all of them, it is also a run of the classic recipe with seed 0, and joins the ledger. Trainings are kept in
``.runs`` by all that decides their result, so executing a chapter again repeats only what has changed.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import ledger
import nbformat
import quote
from nbclient import NotebookClient
from PIL import Image

CHAPTERS = ledger.ROOT / "chapters"
METADATA = ("accelerator", "colab", "kernelspec", "language_info")
TRAINING = "\nhistory = d2lt.train("

PROBE = """
import json, sys
sys.path.insert(0, {results!r})
import ledger
from pathlib import Path
_record = ledger.make_record({name!r}, "classic", 0, history, net, train_iter, test_iter)
Path({path!r}).write_text(json.dumps(_record))
"""


def execute(name: str) -> dict:
    """Run one chapter, store it, and return its headline run as a ledger record."""
    path = CHAPTERS / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        record_path = Path(folder) / "record.json"
        code_cells = [cell.source if cell.cell_type == "code" else "" for cell in notebook.cells]
        code = PROBE.format(results=str(Path(__file__).parent), name=name, path=str(record_path))
        headline = next(i for i, cell in enumerate(code_cells) if TRAINING in "\n" + cell)
        notebook.cells.insert(headline + 1, nbformat.v4.new_code_cell(code))
        resources = {"metadata": {"path": folder}}
        NotebookClient(
            notebook, timeout=None, kernel_name="python3", coalesce_streams=True, resources=resources
        ).execute()
        del notebook.cells[headline + 1]
        record = json.loads(record_path.read_text())
    clean(notebook)
    refuse(name, notebook, record)
    nbformat.write(notebook, path)
    return record


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
    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    quantised = base64.b64encode(buffer.getvalue()).decode()
    return min(encoded.strip(), quantised, key=len)


def refuse(name: str, notebook: nbformat.NotebookNode, record: dict) -> None:
    """Stop before anything is stored that is not a clean, full run on the real images."""
    if not record["data"]["source"].startswith("Fashion-MNIST"):
        raise SystemExit(f"{name}: ran on {record['data']['source']!r}; set D2LTORCH_DATA. Nothing was stored.")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = "".join(output.get("text", ""))
            if output.get("name") == "stderr":
                raise SystemExit(f"{name}: cell {cell.execution_count} wrote to stderr: {text}\nNothing was stored.")
            if "quick mode" in text.lower():
                raise SystemExit(f"{name}: cell {cell.execution_count} ran in quick mode. Nothing was stored.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", default=list(ledger.NETWORKS), metavar="chapter")
    names = parser.parse_args().chapters
    unknown = [name for name in names if name not in ledger.NETWORKS]
    if unknown:
        raise SystemExit(f"chapter={unknown[0]!r} is unknown: choose among {', '.join(ledger.NETWORKS)}")
    if os.environ.get("D2LTORCH_QUICK"):
        raise SystemExit("D2LTORCH_QUICK is set, and quick results are never stored. Unset it and start again.")
    os.environ.setdefault("D2LTORCH_RUNS", str(ledger.ROOT / ".runs"))
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    for name in names:
        started = time.perf_counter()
        print(f"{name} …", flush=True)
        record = execute(name)
        key = {field: record[field] for field in ("network", "recipe", "seed", "epochs", "device")}
        source = record["data"]["source"]
        if source != "Fashion-MNIST":
            print(f"{name}: trained on a part ({source}), so the ledger does not take it")
        elif not ledger.select(ledger.load(), **key):
            ledger.append(record)
        quote.update(CHAPTERS / f"{name}.ipynb", ledger.load())
        print(f"{name}: {(time.perf_counter() - started) / 60:.1f} min, test acc {record['test_acc'][-1]:.4f}")


if __name__ == "__main__":
    main()
