"""The scripts that write public numbers, run as a person runs them, on few images."""

from __future__ import annotations

import json
import shutil
import sys

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch

import d2ltorch as d2lt
from book import networks
from book.results import ablate, execute, ledger, page, quote, run, tune


@pytest.fixture
def few_images(monkeypatch):
    """5,040 images under the published set's name, out of quick mode."""
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5_040, 1, 28, 28), generator=generator, dtype=torch.uint8)
    train_iter = d2lt.DataIter(images, torch.arange(5_040) % 10, 256, shuffle=True, source="Fashion-MNIST")
    test_iter = d2lt.DataIter(images[:50], torch.arange(50) % 10, 256, source="Fashion-MNIST")
    monkeypatch.setattr(d2lt, "load_data_fashion_mnist", lambda *_, **__: (train_iter, test_iter))


@pytest.fixture
def books(tmp_path, monkeypatch):
    """The ledgers as empty files of this test."""
    for module, name in ((ledger, "LEDGER"), (tune, "TUNING"), (ablate, "RECORDS"), (run, "RUNS")):
        monkeypatch.setattr(module, name, tmp_path / getattr(module, name).name)
    monkeypatch.setattr(ledger.load, "__defaults__", (ledger.LEDGER,))
    monkeypatch.setattr(ledger.append, "__defaults__", (ledger.LEDGER,))
    return tmp_path


def call(module, *arguments: str, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *arguments])
    module.main()


def test_missing_runs_are_run_recorded_and_repeated(few_images, books, monkeypatch, capsys):
    options = ["--only", "lenet", "--recipe", "classic", "--seeds", "1", "--epochs", "1"]
    call(run, *options, "--dry-run", monkeypatch=monkeypatch)
    said = capsys.readouterr().out
    assert "lenet classic seed 0 epochs 1: no run of it is recorded" in said and ledger.load() == []
    call(run, *options, monkeypatch=monkeypatch)
    (record,) = ledger.load()
    assert (record["network"], record["recipe"], record["seed"], record["epochs"]) == ("lenet", "classic", 0, 1)
    assert record["commit"] == ledger.commit() and list(run.RUNS.iterdir()) == []  # checkpoint and note are gone
    call(run, *options, monkeypatch=monkeypatch)
    assert "0 runs are missing" in capsys.readouterr().out
    call(run, *options, "--again", monkeypatch=monkeypatch)
    same = f"test accuracy {record['test_acc'][0]:.4f}; recorded {record['test_acc'][0]:.4f}"
    assert same in capsys.readouterr().out and len(ledger.load()) == 1


def test_an_interrupted_run_goes_on_under_the_commit_that_it_began_on(few_images, books, monkeypatch, capsys):
    def interrupt(net, train_iter, *args, **kwargs):
        raise KeyboardInterrupt

    real, options = d2lt.train, ["--only", "lenet", "--recipe", "classic", "--seeds", "1", "--epochs", "1"]
    monkeypatch.setattr(d2lt, "train", interrupt)
    call(run, *options, monkeypatch=monkeypatch)
    assert "start again to go on" in capsys.readouterr().out and ledger.load() == []
    checkpoint = run.checkpoint_of("lenet", "classic", 0, 1)
    checkpoint.with_suffix(".commit").write_text("began here")
    monkeypatch.setattr(d2lt, "train", real)
    monkeypatch.setattr(ledger, "commit", lambda: "moved on")
    checkpoint.touch()
    assert ledger.commit_of(checkpoint) == "began here"


def test_no_script_writes_quick_results(monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    for module, arguments in ((run, []), (tune, ["lenet"]), (ablate, []), (execute, ["lenet"])):
        with pytest.raises(SystemExit, match="D2LTORCH_QUICK is set"):
            call(module, *arguments, monkeypatch=monkeypatch)


def test_runs_on_other_images_are_refused(monkeypatch, sample, books):
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    monkeypatch.setattr(d2lt, "load_data_fashion_mnist", lambda *_, **__: sample)
    with pytest.raises(SystemExit, match="keeps runs on Fashion-MNIST only"):
        run.train_once("lenet", "classic", 0, 1)


def test_trials_and_ablations_are_recorded_once(few_images, books, monkeypatch, capsys):
    options = ["lenet", "--lr", "0.01", "--augment", "no", "--epochs", "1"]
    for _ in range(2):
        call(tune, *options, monkeypatch=monkeypatch)
        call(ablate, "--only", "warm-up", "--seeds", "1", "--epochs", "1", "--images", "40", monkeypatch=monkeypatch)
    (trial,) = ledger.load(tune.TUNING)
    assert (trial["network"], trial["lr"], trial["augment"]) == ("lenet", 0.01, False)
    (ablation,) = ledger.load(ablate.RECORDS)
    assert ablation["removed"] == "warm-up" and len(ablation["held_out_acc"]) == 1
    for records in (trial, ablation):
        assert 0 <= records["held_out_acc"][0] <= 1


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_stored_page_and_figures_are_what_the_ledger_gives(real_data, tmp_path, monkeypatch):
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    page._test_labels.cache_clear()
    stored = page.PAGE.read_text(encoding="utf-8")
    figures = {path.name: path.read_bytes() for path in page.FIGURES.glob("*.svg")}
    for name in ("PAGE", "FIGURES", "CARDS"):
        monkeypatch.setattr(page, name, tmp_path / getattr(page, name).name)
    page.main()
    assert page.PAGE.read_text(encoding="utf-8") == stored
    assert {path.name: path.read_bytes() for path in page.FIGURES.glob("*.svg")} == figures
    assert (page.FIGURES / "all-wrong.png").stat().st_size > 1_000
    assert {path.stem for path in page.CARDS.iterdir()} == set(networks.NETWORKS)
    plt.close("all")


def test_quote_says_what_is_out_of_date_and_mends_it(books, tmp_path, monkeypatch, capsys):
    shutil.copy(execute.CHAPTERS / "nin.ipynb", tmp_path / "nin.ipynb")
    front = tmp_path / "front.md"
    front.write_text("before\n<!-- ledger: table -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(quote, "CHAPTERS", tmp_path)
    monkeypatch.setattr(quote, "FRONT_PAGES", {front: ""})
    with pytest.raises(SystemExit):
        call(quote, "--check", monkeypatch=monkeypatch)
    assert "out of date: nin.ipynb, front.md" in capsys.readouterr().out
    call(quote, monkeypatch=monkeypatch)
    assert (
        "| [NiN](chapters/nin.ipynb) | 2013 |" in front.read_text() and "no run on all images yet" in front.read_text()
    )
    call(quote, "--check", monkeypatch=monkeypatch)


# --- the chapters -----------------------------------------------------------------------------------------------------

TINY = [
    "import torch\nfrom torch import nn\nimport d2ltorch as d2lt\n"
    "train_iter, test_iter = d2lt.load_data_fashion_mnist(4096, device='cpu')",
    "torch.manual_seed(0)\nnet = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\nnum_epochs = 1\n"
    "history = d2lt.train(net, train_iter, test_iter, num_epochs, 0.1, animator=False)\nprint(history)",
    "print('depth helps: undecided (3 of 5 seeds)')",
]


def tiny_chapter(folder, *more: str):
    texts = [nbformat.v4.new_markdown_cell("numbers", metadata={"tags": ["ledger"]})]
    notebook = nbformat.v4.new_notebook(cells=texts + [nbformat.v4.new_code_cell(source) for source in (*TINY, *more)])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, folder / "lenet.ipynb")


def test_a_chapter_is_executed_stored_and_its_headline_recorded(real_data, tmp_path, monkeypatch):
    checkpoint = run.checkpoint_of("lenet", "classic", 0, 1)  # of one epoch: never one of the book's
    ledger.forget(checkpoint)
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    monkeypatch.setattr(execute, "CHAPTERS", tmp_path)
    tiny_chapter(tmp_path)
    written = nbformat.read(tmp_path / "lenet.ipynb", as_version=4).cells
    record = execute.execute("lenet")
    stored = nbformat.read(tmp_path / "lenet.ipynb", as_version=4).cells
    assert [cell.source for cell in stored] == [cell.source for cell in written]
    cells = stored[1:]
    assert [cell.execution_count for cell in cells] == [1, 2, 3]
    assert f"test acc {record['test_acc'][0]:.3f} after 1 epoch" in cells[1].outputs[0].text
    assert record["data"]["source"] == "Fashion-MNIST" and len(record["predictions"]) == 10_000
    assert record["parameters"] == 7_850
    assert execute.execute("lenet")["seconds"] == record["seconds"]  # the second time nothing is trained again
    ledger.forget(checkpoint)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import sys; print('careful', file=sys.stderr)", "wrote to stderr: careful"),
        ("print('quick mode')", "ran in quick mode"),
    ],
)
def test_what_is_not_clean_is_not_stored(source, words):
    output = nbformat.v4.new_output("stream", name="stderr" if "stderr" in source else "stdout", text="careful")
    output.text = {"ran in quick mode": "quick mode"}.get(words, "careful")
    cell = nbformat.v4.new_code_cell(source, outputs=[output], execution_count=1)
    with pytest.raises(SystemExit, match=words):
        execute.refuse("x", nbformat.v4.new_notebook(cells=[cell]), {"data": {"source": "Fashion-MNIST"}})
    with pytest.raises(SystemExit, match="ran on 'Fashion-MNIST, first 9 of 60,000'"):
        record = {"data": {"source": "Fashion-MNIST, first 9 of 60,000"}}
        execute.refuse("x", nbformat.v4.new_notebook(), record)


@pytest.mark.parametrize("line", ["depth helps: yes (5 of 5 seeds)", "depth helps: 5 of 5 seeds, yes"])
def test_a_verdict_that_turns_is_not_stored(line):
    def notebook(text):
        output = nbformat.v4.new_output("stream", name="stdout", text=f"before\n{text}\n")
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])

    before = execute.verdicts(notebook(line))
    assert before == {"depth helps": "yes"}
    execute.compare("x", before, execute.verdicts(notebook("depth helps: yes (4 of 5 seeds)")))
    with pytest.raises(SystemExit, match="depth helps: yes, now undecided"):
        execute.compare("x", before, execute.verdicts(notebook("depth helps: undecided (3 of 5 seeds)")))


def test_pictures_are_stored_with_a_palette():
    import base64
    import io

    figure = plt.figure()
    figure.add_subplot().plot([1, 2])
    buffer = io.BytesIO()
    figure.savefig(buffer)
    plt.close(figure)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    assert len(execute.smaller_png(encoded)) < len(encoded)


def test_records_are_json_lines(books):
    ledger.append({"network": "ü"})
    assert json.loads(ledger.LEDGER.read_text(encoding="utf-8")) == {"network": "ü"}
