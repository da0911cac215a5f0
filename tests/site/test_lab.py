"""LeNet as a reader runs it in a real JupyterLab, in Chromium: make test-lab.

JupyterLab is that of the environment for graded work, which nbgrader brings.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import nbformat
import pytest
from browsing import ROOT, needs_browser

LAB = ROOT / ".venv-class" / "bin" / "jupyter-lab"
CHAPTER = ROOT / "chapters" / "lenet.ipynb"
TRAINING = "\nhistory = d2lt.train("
# quick mode trains for one epoch, and one point does not show that a plot grows
THREE_EPOCHS = """import os

del os.environ["D2LTORCH_QUICK"]
history = d2lt.train(lenet().apply(d2lt.init_xavier), train_iter, test_iter, 3, 0.9, device=device)"""
SECONDS = 1800  # to run the chapter in quick mode beside other work

pytestmark = [
    pytest.mark.lab,
    needs_browser,
    pytest.mark.skipif(not LAB.exists(), reason="no JupyterLab: make test-lab installs it"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab with settings of its own, in quick mode: its address, and the chapter that it sees."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(CHAPTER.parent / "zh", home / "work" / "zh")
    notebook = nbformat.read(CHAPTER, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.cells.append(nbformat.v4.new_code_cell(THREE_EPOCHS))
    nbformat.write(notebook, home / "work" / CHAPTER.name)
    # all cells in the page at once, whether or not they are near the screen
    settings = home / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"windowingMode": "none"}), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    environment = os.environ | {
        "D2LTORCH_QUICK": "1",
        "PYTHONPATH": str(ROOT),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    environment.pop("MPLBACKEND", None)  # the tests' own; JupyterLab shows figures by its inline backend
    command = [LAB, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={home / 'work'}"], env=environment, stdout=log, stderr=log
        )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}api", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (home / "log").read_text()[-3000:]
                time.sleep(0.5)
        yield address, home / "work" / CHAPTER.name
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def page(browser, lab):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(300_000)
    page.goto(f"{lab[0]}lab/tree/{CHAPTER.name}")
    page.locator(".jp-CodeCell").nth(len(code_cells())).wait_for(state="attached")
    yield page
    page.close()


def code_cells() -> list:
    return [cell for cell in nbformat.read(CHAPTER, as_version=4).cells if cell.cell_type == "code"]


def test_solutions_are_folded_and_open_at_a_click(page):
    solutions = [i for i, cell in enumerate(code_cells()) if "hide-cell" in cell.metadata.get("tags", [])]
    assert len(solutions) > 5
    for i in solutions:
        cell = page.locator(".jp-CodeCell").nth(i)
        assert not cell.locator(".jp-InputArea-editor").is_visible()
    cell = page.locator(".jp-CodeCell").nth(solutions[0])
    cell.locator(".jp-InputPlaceholder").click()
    cell.locator(".jp-InputArea-editor").wait_for()
    assert "@title Solution" in cell.locator(".jp-InputArea-editor").inner_text()


def test_run_all_ends_without_an_error_and_the_plot_grows_in_one_place(page, lab):
    page.evaluate(
        """() => { const cell = [...document.querySelectorAll('.jp-CodeCell')].at(-1);
        window.plots = {most: 0, drawn: new Set()};
        const look = () => { const all = [...cell.querySelectorAll('.jp-OutputArea img')];
          plots.most = Math.max(plots.most, all.length); all.forEach(p => plots.drawn.add(p.src)) };
        new MutationObserver(look).observe(cell, {childList: true, subtree: true, attributes: true}) }"""
    )
    page.locator(".lm-MenuBar-item", has_text="Run").first.click()
    page.locator("[data-command='runmenu:run-all']").click()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        page.wait_for_timeout(3000)
        page.keyboard.press("Control+s")
        cells = [cell for cell in nbformat.read(lab[1], as_version=4).cells if cell.cell_type == "code"]
        outputs = [output for cell in cells for output in cell.outputs]
        errors = [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
        if errors or all(cell.execution_count for cell in cells):
            break
    assert not errors
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any("quick mode" in output.get("text", "").lower() for output in outputs)
    trainings = [cell for cell in cells if TRAINING in f"\n{cell.source}"]
    assert [sum("image/png" in o.get("data", {}) for o in cell.outputs) for cell in trainings] == [1, 1]
    most, drawn = page.evaluate("[plots.most, plots.drawn.size]")
    assert most == 1 and drawn >= 3, f"{most} pictures at once, {drawn} different ones"


# After the chapter has run: a page that was open before it keeps "Run all" waiting.
@pytest.mark.parametrize("name", ["lenet", "zh/lenet"])
def test_a_link_leads_to_the_exercises(browser, lab, name):
    from playwright.sync_api import expect

    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{lab[0]}lab/tree/{name}.ipynb?reset")
    heading = page.locator("h2", has_text=re.compile("^(Exercises|练习)"))
    heading.wait_for(state="attached", timeout=300_000)
    page.locator("a[href='#Exercises']").first.click()
    expect(heading).to_be_in_viewport()
    page.close()
