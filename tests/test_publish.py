"""What a copy of the book changes before it goes live."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def load(name: str):
    """A module of ``book/_ext``, which is a folder of scripts."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The publishing script over a committed copy of the files that it reads."""
    publish = load("publish")
    for pattern in publish.REPEATED_IN:
        for file in ROOT.glob(pattern):
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    origin = ["remote", "add", "origin", publish.settings()["repository"]["url"]]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "copy"], origin):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    monkeypatch.setattr(publish, "answers", lambda url: True)
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    return publish, tmp_path


def test_one_command_moves_the_book_to_another_address(copy, capsys):
    publish, folder = copy
    assert publish.check() == 0
    assert publish.set_repository("https://github.com/Some-One/conv-nets.git") == 0
    for file in folder.rglob("*"):
        if file.is_file() and ".git" not in file.parts:
            text = file.read_text(encoding="utf-8")
            assert "d2ltorch/d2ltorch" not in text, f"{file.name} keeps the old address"
            assert "d2ltorch.github.io" not in text, f"{file.name} keeps the old site"
    assert publish.settings()["html"]["baseurl"] == "https://some-one.github.io/conv-nets/"
    new = ["remote", "set-url", "origin", "git@github.com:Some-One/conv-nets.git"]
    subprocess.run(["git", *new], cwd=folder, check=True)
    assert publish.check() == 1  # nothing but the changes that are not committed yet
    problems = [line for line in capsys.readouterr().out.splitlines() if "✗" in line]
    assert problems == ["  ✗ there are uncommitted changes"]


def test_an_address_that_is_nobodys_is_found(copy, monkeypatch, capsys):
    publish, folder = copy
    monkeypatch.setattr(publish, "answers", lambda url: False)
    assert publish.check() == 1 and "does not answer as a public repository" in capsys.readouterr().out
    subprocess.run(["git", "remote", "set-url", "origin", "https://github.com/you/yours"], cwd=folder, check=True)
    assert publish.check() == 1 and "set-repository URL=https://github.com/you/yours" in capsys.readouterr().out
    subprocess.run(["git", "remote", "remove", "origin"], cwd=folder, check=True)
    assert publish.check() == 1 and "no remote called origin" in capsys.readouterr().out


def test_whether_a_repository_answers(tmp_path):
    publish = load("publish")
    subprocess.run(["git", "init", "-q", tmp_path / "there"], check=True)
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *author, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path / "there", check=True)
    assert publish.answers(f"file://{tmp_path / 'there'}")
    assert not publish.answers(f"file://{tmp_path / 'gone'}")


@pytest.mark.parametrize("url", ["github.com/you/yours", "https://example.org/you/yours", "https://github.com/you"])
def test_an_address_that_is_none_changes_nothing(copy, url, capsys):
    publish, folder = copy
    assert publish.set_repository(url) == 1
    assert url in capsys.readouterr().out
    assert not subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, check=True).stdout


def test_a_chapter_that_installs_from_elsewhere_is_found(copy, capsys):
    publish, folder = copy
    chapter = folder / "chapters" / "nin.ipynb"
    chapter.write_text(
        chapter.read_text(encoding="utf-8").replace("git+https://github.com/d2ltorch", "git+https://github.com/x")
    )
    assert publish.check() == 1
    assert "nin.ipynb installs from another address" in capsys.readouterr().out
