"""The scripts that write public numbers, run as a person runs them, on few images."""

from __future__ import annotations

import base64
import io
import shutil
import sys

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch
from chapter import parameters
from PIL import Image

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


@pytest.fixture
def call(monkeypatch):
    """Runs a script's ``main`` with these arguments."""

    def run_main(module, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", [module.__name__, *arguments])
        module.main()

    return run_main


ONE_RUN = ["--only", "lenet", "--recipe", "classic", "--seeds", "1", "--epochs", "1"]


def test_missing_runs_are_run_recorded_and_repeated(few_images, books, call, capsys):
    call(run, *ONE_RUN, "--dry-run")
    said = capsys.readouterr().out
    assert "lenet classic seed 0 epochs 1: no run of it is recorded" in said and ledger.load() == []
    call(run, *ONE_RUN)
    (record,) = ledger.load()
    assert (record["network"], record["recipe"], record["seed"], record["epochs"]) == ("lenet", "classic", 0, 1)
    assert len(record["predictions"]) == 50 and record["mult_adds"] == 423_038
    assert record["commit"] == ledger.commit() and list(run.RUNS.iterdir()) == []  # checkpoint and note are gone
    call(run, *ONE_RUN)
    assert "0 runs are missing" in capsys.readouterr().out
    call(run, *ONE_RUN, "--again")
    same = f"test accuracy {record['test_acc'][0]:.4f}; recorded {record['test_acc'][0]:.4f}"
    assert same in capsys.readouterr().out and len(ledger.load()) == 1


def test_an_interrupted_run_goes_on_under_the_commit_that_it_began_on(few_images, books, call, monkeypatch, capsys):
    def interrupt(net, train_iter, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(d2lt, "train", interrupt)
    call(run, *ONE_RUN)
    assert "start again to go on" in capsys.readouterr().out and ledger.load() == []
    checkpoint = run.checkpoint_of("lenet", "classic", 0, 1)
    checkpoint.with_suffix(".commit").write_text("began here")
    checkpoint.touch()
    monkeypatch.setattr(ledger, "commit", lambda: "moved on")
    assert ledger.commit_of(checkpoint) == "began here"


@pytest.mark.parametrize("module", [run, tune, ablate, execute])
def test_no_script_writes_quick_results(module, call, monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    with pytest.raises(SystemExit, match="D2LTORCH_QUICK is set"):
        call(module, *["lenet"] * (module in (tune, execute)))


def test_runs_on_other_images_are_refused(monkeypatch, sample, books):
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    monkeypatch.setattr(d2lt, "load_data_fashion_mnist", lambda *_, **__: sample)
    with pytest.raises(SystemExit, match="keeps runs on Fashion-MNIST only"):
        run.train_once("lenet", "classic", 0, 1)


def test_trials_and_ablations_are_recorded_once(few_images, books, call):
    for _ in range(2):
        call(tune, "lenet", "--lr", "0.01", "--augment", "no", "--epochs", "1")
        call(ablate, "--only", "warm-up", "--seeds", "1", "--epochs", "1", "--images", "40")
    (trial,), (ablation,) = ledger.load(tune.TUNING), ledger.load(ablate.RECORDS)
    assert (trial["network"], trial["lr"], trial["augment"]) == ("lenet", 0.01, False)
    assert ablation["removed"] == "warm-up"
    for record in (trial, ablation):
        (accuracy,) = record["held_out_acc"]
        assert 0 <= accuracy <= 1


CHANGED = {  # arguments of train
    "AdamW": "lr optimizer", "cosine": "schedule", "warm-up": "schedule", "weight decay": "optimizer",
    "label smoothing": "label_smoothing", "plain images": "augment", "augmentation": "augment", "shifts": "augment",
}  # fmt: skip


@pytest.mark.parametrize("network", ablate.BUILD)
def test_an_ablation_takes_one_part_away(network, call):
    parts = ablate.variants(network)
    whole = parts.pop("nothing")
    assert (whole["augment"] is None) == (network == "batch_norm") == ("plain images" in parts)
    for name, arguments in parts.items():
        assert " ".join(sorted(key for key in whole if arguments[key] != whole[key])) == CHANGED[name]
    assert sum(p.numel() for p in ablate.BUILD[network]().parameters()) == parameters(network)
    with pytest.raises(SystemExit, match=f"--only shift: {network} has nothing, AdamW, cosine"):
        call(ablate, "--network", network, "--only", "shift")


def test_mirroring_alone_moves_nothing():
    X = torch.rand(64, 1, 4, 4)
    pairs = list(zip(X, ablate.mirror(X)))
    flipped = sum(torch.equal(after, before.flip(2)) for before, after in pairs)
    assert flipped + sum(torch.equal(after, before) for before, after in pairs) == 64
    assert 16 < flipped < 48


def test_the_stored_page_and_figures_are_what_the_ledger_gives(real_data, tmp_path, monkeypatch):
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    page._test_labels.cache_clear()
    stored = page.PAGE.read_text(encoding="utf-8")
    figures = {path.name: path.read_bytes() for path in page.FIGURES.glob("*.svg")}
    for name in ("PAGE", "FIGURES", "CARDS"):
        monkeypatch.setattr(page, name, tmp_path / getattr(page, name).name)
    page.main()
    assert page.PAGE.read_text(encoding="utf-8") == stored, "python -m book.results.page"
    assert {path.name: path.read_bytes() for path in page.FIGURES.glob("*.svg")} == figures
    assert (page.FIGURES / "all-wrong.png").stat().st_size > 1_000
    assert {path.stem for path in page.CARDS.iterdir()} == set(networks.NETWORKS)
    plt.close("all")


def test_chapters_and_front_pages_quote_the_ledger(call):
    call(quote, "--check")


def test_quote_says_what_is_out_of_date_and_mends_it(books, tmp_path, call, monkeypatch, capsys):
    shutil.copy(execute.CHAPTERS / "nin.ipynb", tmp_path / "nin.ipynb")
    front = tmp_path / "front.md"
    front.write_text("before\n<!-- ledger: table -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(quote, "CHAPTERS", tmp_path)
    monkeypatch.setattr(quote, "FRONT_PAGES", {front: ""})
    with pytest.raises(SystemExit):
        call(quote, "--check")
    assert "out of date: nin.ipynb, front.md" in capsys.readouterr().out
    call(quote)
    text = front.read_text()
    assert "| [NiN](chapters/nin.ipynb) | 2013 |" in text and "no run on all images yet" in text
    call(quote, "--check")


TINY = [
    "import torch\nfrom torch import nn\nimport matplotlib.pyplot as plt\nimport d2ltorch as d2lt\n"
    "train_iter, test_iter = d2lt.load_data_fashion_mnist(4096, device='cpu')",
    "torch.manual_seed(0)\nnet = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\nnum_epochs = 1\n"
    "history = d2lt.train(net, train_iter, test_iter, num_epochs, 0.1, animator=False)\nprint(history)",
    "plt.plot(range(3))\nplt.show()",
]


def test_a_chapter_is_executed_stored_and_its_headline_recorded(real_data, tmp_path, monkeypatch):
    checkpoint = run.checkpoint_of("lenet", "classic", 0, 1)  # of one epoch: never one of the book's
    ledger.forget(checkpoint)
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    monkeypatch.delenv("MPLBACKEND")  # the kernel chooses its own, which shows pictures
    monkeypatch.setattr(execute, "CHAPTERS", tmp_path)
    chapter = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in TINY])
    chapter.cells.insert(0, nbformat.v4.new_markdown_cell("numbers", metadata={"tags": ["ledger"]}))
    nbformat.write(chapter, tmp_path / "lenet.ipynb")
    record = execute.execute("lenet")
    stored = nbformat.read(tmp_path / "lenet.ipynb", as_version=4).cells
    assert [cell.source for cell in stored] == [cell.source for cell in chapter.cells]
    assert [cell.execution_count for cell in stored[1:]] == [1, 2, 3]
    assert f"test acc {record['test_acc'][0]:.3f} after 1 epoch" in stored[2].outputs[0].text
    picture = Image.open(io.BytesIO(base64.b64decode(stored[3].outputs[0].data["image/png"])))
    assert picture.mode == "P"  # with a palette, which is smaller
    execute.clean(again := nbformat.read(tmp_path / "lenet.ipynb", as_version=4))
    assert again.cells == stored
    assert record["data"]["source"] == "Fashion-MNIST" and len(record["predictions"]) == 10_000
    assert record["parameters"] == 7_850
    assert execute.execute("lenet")["seconds"] == record["seconds"]  # the second time nothing is trained again
    ledger.forget(checkpoint)


def test_a_new_cell_is_executed_alone_and_the_others_keep_their_outputs(tmp_path, call, monkeypatch):
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    monkeypatch.setattr(execute, "CHAPTERS", tmp_path)
    sources = ["import torch\nprint('noise')", "raise ValueError('hours of training')", "print(torch.ones(3).sum())"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["imports"]
    cells[1].outputs = printed("trained").cells[0].outputs
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "lenet.ipynb")
    call(execute, "lenet", "--cells", cells[2].id)
    stored = nbformat.read(tmp_path / "lenet.ipynb", as_version=4).cells
    assert [[output.text for output in cell.outputs] for cell in stored] == [[], ["trained"], ["tensor(3.)\n"]]
    assert [cell.execution_count for cell in stored] == [1, 2, 3]
    with pytest.raises(SystemExit, match="lenet has no code cell gone; it has"):
        call(execute, "lenet", "--cells", "gone")


def printed(text: str, stream: str = "stdout") -> nbformat.NotebookNode:
    """A notebook with one cell that printed the text."""
    output = nbformat.v4.new_output("stream", name=stream, text=text)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output], execution_count=1)])


@pytest.mark.parametrize(
    ("notebook", "source", "words"),
    [
        (printed("careful", "stderr"), "Fashion-MNIST", "wrote to stderr: careful"),
        (printed("Quick mode: 512 images"), "Fashion-MNIST", "ran in quick mode"),
        (printed("the 6,000 of its images that d2ltorch has stand in."), "Fashion-MNIST", "the package's images"),
        (printed("fine"), "Fashion-MNIST, first 9 of 60,000", "ran on 'Fashion-MNIST, first 9 of 60,000'"),
    ],
)
def test_what_is_not_clean_is_not_stored(notebook, source, words):
    with pytest.raises(SystemExit, match=words):
        execute.refuse("x", notebook, source)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("depth helps: yes (5 of 5 seeds)", "depth helps: yes (4 of 5 seeds)", ""),
        ("depth helps: 5 of 5 seeds, yes", "depth helps: undecided (3 of 5 seeds)", "depth helps: yes, now undecided"),
        ("less: 1 of 5 seeds, undecided\nless: 5 of 5 seeds, yes", "less: 0 of 5 seeds, no\nless: 5 of 5 seeds, yes",
         "less: undecided, yes, now no, yes"),
    ],
)  # fmt: skip
def test_a_verdict_that_turns_is_not_stored(before, after, said):
    assert execute.turned(*(execute.verdicts(printed(f"before\n{text}\n")) for text in (before, after))) == said
