"""The files that build, install and publish the book agree with each other."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from book.networks import NETWORKS

if sys.version_info >= (3, 11):
    import tomllib
else:  # the package supports 3.10; these tests run in the book's own environment
    pytest.skip("tomllib is in Python 3.11 and later", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def listed() -> list[str]:
    return [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]


def test_the_contents_list_the_chapters_in_order():
    assert [name for name in listed() if name.startswith("chapters/")] == [f"chapters/{name}" for name in NETWORKS]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_chapter_has_been_executed(name):
    cells = json.loads((ROOT / "chapters" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert any(cell.get("outputs") for cell in cells)
    assert all(cell["execution_count"] for cell in cells if cell["cell_type"] == "code")


def test_every_page_of_the_contents_exists_and_every_page_is_listed():
    files = {
        p.relative_to(ROOT).with_suffix("").as_posix()
        for folder in ("book", "chapters")
        for p in (ROOT / folder).iterdir()
        if p.suffix in {".md", ".ipynb"}
    }
    assert set(listed()) == files


def test_the_build_is_offline_and_executes_nothing():
    assert CONFIG["execute"]["execute_notebooks"] == "off"
    assert CONFIG["only_build_toc_files"] is True
    assert CONFIG["repository"]["branch"] == "main"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"jupyter-book build \. -W -n --keep-going", makefile)


def test_requirements_are_pinned_and_say_who_needs_them():
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    for line in lines:
        assert re.match(r"[\w.-]+==[\w.]+ +# \w", line), line
    pinned = dict(re.match(r"([\w.-]+)==(\S+)", line).groups() for line in lines)
    assert pinned["torch"] == "2.13.0"
    assert pinned["torchvision"] == "0.28.0"
    assert pinned["jupyter-book"].startswith("1.")
    names = [name.lower() for name in pinned]
    assert len(names) == len(set(names))


def test_the_package_asks_for_little():
    project = PROJECT["project"]
    assert project["name"] == "d2ltorch"
    assert project["requires-python"] == ">=3.10"
    names = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    assert names == {"torch", "torchvision", "matplotlib", "torchinfo", "pooch"}
    ceilings = [line for line in project["dependencies"] if re.search(r"[<=]=|~=|<", line)]
    assert ceilings == ["torchinfo>=1.8,<1.9"], "a ceiling or a pin would make Colab change its own versions"


def test_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    package = (ROOT / "d2ltorch" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "([\d.]+)"', package, re.MULTILINE)[1]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert citation["version"] == version
    assert citation["repository-code"] == CONFIG["repository"]["url"]


@pytest.mark.parametrize(
    "target",
    ["book", "test", "serve", "chapters", "results", "bench", "pdf", "clean", "publish-check", "set-repository"],
)
def test_make_has(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_workflows_parse_and_call_the_readmes_commands():
    folder = ROOT / ".github" / "workflows"
    text = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.yml")}
    assert set(text) == {"test", "publish", "links"}
    for name, source in text.items():
        assert yaml.safe_load(source)["jobs"], name
    assert "make test" in text["test"]
    assert "make book" in text["publish"]
    assert "make linkcheck" in text["links"]
    one_liners = re.findall(r'run: python -c "([^"]+)"', text["test"])
    assert one_liners
    for code in one_liners:
        exec(code, {})
