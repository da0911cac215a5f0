"""What a copy of the book changes before it goes live."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    """A module of ``book/_ext``, which is a folder of scripts."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The publishing script over a committed copy of the files that it reads, with an address of its own."""
    publish = load("publish")
    for pattern in publish.REPEATED_IN:
        for file in ROOT.glob(pattern):
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    assert publish.set_repository("https://github.com/you/yours") == 0
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    origin = ["remote", "add", "origin", publish.settings()["repository"]["url"]]
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "copy"], origin):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    monkeypatch.setattr(publish, "answers", lambda url, ref="HEAD": True)
    return publish, tmp_path


def test_one_command_moves_the_book_to_another_address(copy, capsys):
    publish, folder = copy
    assert publish.check() == 0
    assert publish.set_repository("https://github.com/Some-One/conv-nets.git") == 0
    for file in folder.rglob("*"):
        if file.is_file() and ".git" not in file.parts:
            text = file.read_text(encoding="utf-8")
            assert "github.com/you/" not in text, f"{file.name} keeps the old address"
            assert "you.github.io" not in text, f"{file.name} keeps the old site"
    assert publish.settings()["html"]["baseurl"] == "https://some-one.github.io/conv-nets/"
    new = ["remote", "set-url", "origin", "git@github.com:Some-One/conv-nets.git"]
    subprocess.run(["git", *new], cwd=folder, check=True)
    assert publish.check() == 1  # nothing but the changes that are not committed yet
    problems = [line for line in capsys.readouterr().out.splitlines() if "✗" in line]
    assert problems == ["  ✗ there are uncommitted changes"]


def test_no_file_repeats_the_address_unchanged():
    publish = load("publish")
    path = publish.settings()["repository"]["url"].split("/", 3)[3]
    command = ["git", "grep", "-l", "--untracked", "--fixed-strings", path]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    changed = {file.relative_to(ROOT).as_posix() for pattern in publish.REPEATED_IN for file in ROOT.glob(pattern)}
    assert set(found) <= changed


def test_an_address_that_is_nobodys_is_found(copy, monkeypatch, capsys):
    publish, folder = copy
    monkeypatch.setattr(publish, "answers", lambda url, ref="HEAD": False)
    assert publish.check() == 1 and "does not answer as a public repository" in capsys.readouterr().out
    subprocess.run(["git", "remote", "set-url", "origin", "https://github.com/some/other"], cwd=folder, check=True)
    assert publish.check() == 1 and "set-repository URL=https://github.com/some/other" in capsys.readouterr().out
    subprocess.run(["git", "remote", "remove", "origin"], cwd=folder, check=True)
    assert publish.check() == 1 and "no remote called origin" in capsys.readouterr().out


def test_whether_a_repository_answers(tmp_path):
    publish = load("publish")
    subprocess.run(["git", "init", "-q", tmp_path / "there"], check=True)
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *author, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path / "there", check=True)
    assert publish.answers(f"file://{tmp_path / 'there'}")
    assert not publish.answers(f"file://{tmp_path / 'gone'}")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/you/yours",
        "https://gitlab.com/you/yours",
        "https://github.com/you",
        "https://github.com/../..",
        "https://github.com/you/..",
        "https://github.com/your_name/yours",
    ],
)
def test_an_address_that_is_none_changes_nothing(copy, url, capsys):
    publish, folder = copy
    assert publish.set_repository(url) == 1
    assert "nothing was changed" in capsys.readouterr().out
    assert not subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, check=True).stdout


def test_any_host_will_do_where_the_sites_address_is_given(copy):
    publish, folder = copy
    assert publish.set_repository("https://git.example.org/group/course/nets", "https://nets.example.org") == 0
    text = (folder / "chapters" / "nin.ipynb").read_text(encoding="utf-8")
    assert f"git+https://git.example.org/group/course/nets@{publish.tag()}" in text
    assert publish.settings()["html"]["baseurl"] == "https://nets.example.org/"
    for site in ("https://nets.example.org/../other", "javascript:alert(1)", "http://nets.example.org"):
        assert publish.set_repository("https://git.example.org/you/yours", site) == 1


def test_an_address_that_is_not_set_and_a_tag_that_is_missing_are_found(copy, monkeypatch, capsys):
    publish, folder = copy
    monkeypatch.setattr(publish, "answers", lambda url, ref="HEAD": ref == "HEAD")
    assert publish.check() == 1 and f"has no tag {publish.tag()}" in capsys.readouterr().out
    config = folder / "_config.yml"
    config.write_text(config.read_text().replace("github.com/you/", "github.com/your_name/"))
    assert publish.check() == 1 and "the address is not set" in capsys.readouterr().out


def test_a_chapter_that_installs_from_elsewhere_is_found(copy, capsys):
    publish, folder = copy
    chapter = folder / "chapters" / "nin.ipynb"
    chapter.write_text(chapter.read_text(encoding="utf-8").replace("you/yours@v", "you/yours@w"))
    assert publish.check() == 1
    assert "nin.ipynb installs from another address" in capsys.readouterr().out


def test_an_address_is_never_run(tmp_path):
    for name in ("make", "shell"):
        url = {
            "make": f"$(shell touch {tmp_path}/make)",
            "shell": f"`touch {tmp_path}/shell`$(touch {tmp_path}/shell)",
        }[name]
        command = ["make", "--silent", "--old-file=.venv/.installed", "set-repository", f"URL={url}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode != 0 and "nothing was changed" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_make_sets_and_checks_the_address_in_a_folder_with_spaces(tmp_path):
    folder = tmp_path / "my book, the first"
    for name in (
        "Makefile",
        "_config.yml",
        "_toc.yml",
        "requirements.txt",
        "book/teaching/class.mk",
        "book/teaching/requirements.txt",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "book" / "_ext", folder / "book" / "_ext")
    shutil.copytree(ROOT / "d2ltorch", folder / "d2ltorch")
    (folder / ".venv").symlink_to(sys.prefix)
    make = ["make", "--silent", "--old-file=.venv/.installed"]
    for arguments, words in (
        (["publish-check"], "repository.url  https://"),
        (["set-repository", "URL=https://github.com/you/yours"], "served at https://you.github.io/yours/"),
    ):
        done = subprocess.run([*make, *arguments], cwd=folder, capture_output=True, text=True)
        assert words in done.stdout, done.stdout + done.stderr
    dry = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "book", "class", "test"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert dry.returncode == 0 and str(folder) not in dry.stdout.replace(f'"{folder}"', "")
