"""make publish-check and make set-repository: what a copy of the book must set before going live.

The address stands in _config.yml (repository.url, html.baseurl). The first cell of each notebook, the pages,
CITATION.cff and the README repeat it; ``set`` changes them all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
REPEATED_IN = [
    "_config.yml",
    "CITATION.cff",
    "*.md",
    "pyproject.toml",
    "book/*.md",
    "book/*.ipynb",
    "book/teaching/**/*.yml",
    "book/teaching/**/*.md",
    "book/teaching/**/*.ipynb",
    "chapters/**/*.ipynb",
    "book/zh/**/*.md",
    "book/zh/*.ipynb",
    "d2ltorch/*.py",
    ".github/**/*.yml",
]
# No host gives anybody a name with an underscore, so nobody can put code where an address that is not set yet leads.
UNSET = "https://github.com/your_name/"
ADDRESS = re.compile(r"https://(?P<host>[a-z0-9-]+(\.[a-z0-9-]+)+)/(?P<path>[A-Za-z0-9]+(-[A-Za-z0-9]+)*(/\w[\w.-]*)+)")


def settings() -> dict:
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def base_url(url: str) -> str:
    """Where GitHub Pages serves a repository; empty for another host, whose address only its owner knows."""
    if not url.startswith("https://github.com/"):
        return ""
    owner, name = url.removeprefix("https://github.com/").split("/")
    site = f"https://{owner.lower()}.github.io/"
    return site if f"{name}/".lower() == site.removeprefix("https://") else f"{site}{name}/"


def set_repository(url: str, site: str = "") -> int:
    """Write the repository's address, and that of the site, wherever they are repeated; 0 where that was done."""
    url, site = url.strip().rstrip("/").removesuffix(".git"), site.strip()
    found = ADDRESS.fullmatch(url)
    if not found or (found["host"] == "github.com" and found["path"].count("/") != 1):
        print(f"URL={url!r} is not of the form https://github.com/owner/name, or host/owner/name; nothing was changed")
        return 1
    new_base = site.rstrip("/") + "/" if site else base_url(url)
    if not re.fullmatch(r"https://\w[\w.-]*/(~?\w[\w.-]*/)*", new_base):
        print(f"SITE={site!r}: give the address at which {found['host']} serves the site; nothing was changed")
        return 1
    old = settings()
    old_url, old_base = old["repository"]["url"].rstrip("/"), old["html"]["baseurl"]
    changes = [(re.escape(old_base), new_base), (rf"{re.escape(old_url)}(?![\w-])", url)]
    if found["host"] == "github.com":  # Colab's and raw.githubusercontent's addresses hold the path alone
        changes.append((rf"{re.escape(old_url.split('/', 3)[3])}(?![\w-])", found["path"]))
    for file in sorted({file for pattern in REPEATED_IN for file in ROOT.glob(pattern)}):
        text = new = file.read_text(encoding="utf-8")
        for before, after in changes:
            new = re.sub(before, lambda _, after=after: after, new)
        if new != text:
            file.write_text(new, encoding="utf-8")
            print(f"changed {file.relative_to(ROOT)}")
    print(f"the book is at {url} and will be served at {new_base}")
    return 0


def answers(url: str, ref: str = "HEAD") -> bool:
    """Whether a reader can clone the repository without an account, at ``ref``."""
    command = ["git", "-c", "credential.helper=", "ls-remote", "--exit-code", url, ref]
    try:
        asked = subprocess.run(command, capture_output=True, timeout=30, env=os.environ | {"GIT_TERMINAL_PROMPT": "0"})
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def tag() -> str:
    """The tag that the notebooks' first cells install: that of the package's version."""
    source = (ROOT / "d2ltorch" / "__init__.py").read_text(encoding="utf-8")
    return "v" + re.search(r'^__version__ = "([^"]+)"', source, re.MULTILINE)[1]


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def wrong_with_the_address(url: str) -> str:
    """What keeps readers from the repository, in words; empty if nothing does."""
    remote = re.sub(r"^git@([\w.-]+):", r"https://\1/", git("remote", "get-url", "origin")).removesuffix(".git")
    if url.startswith(UNSET):
        return "the address is not set: make set-repository URL=https://github.com/you/yours"
    if not remote:
        return f"this clone has no remote called origin: git remote add origin {url}, or another, and push there"
    if remote.startswith("https://") and remote != url:
        return f"this clone comes from {remote}: run make set-repository URL={remote}"
    if not answers(url):
        return f"{url} does not answer as a public repository: every first cell would install from there"
    if not answers(url, f"refs/tags/{tag()}"):
        return f"{url} has no tag {tag()}, which every first cell installs: git tag {tag()}, then push it"
    return ""


def check() -> int:
    """Print what must be done before the site goes live; 0 where nothing must."""
    config = settings()
    url, base, branch = config["repository"]["url"], config["html"]["baseurl"], config["repository"]["branch"]
    print(f"repository.url  {url}\nhtml.baseurl    {base}")
    if base_url(url) not in ("", base):
        print(f"  (GitHub Pages would serve it at {base_url(url)}; right if you have a domain)")
    problems = [wrong_with_the_address(url)]
    if git("branch", "--show-current") not in {"", branch}:
        problems.append(f"publish from the branch {branch}")
    if git("status", "--porcelain"):
        problems.append("there are uncommitted changes")
    for notebook in sorted([*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("book/*.ipynb")]):
        if f"git+{url}@{tag()}" not in notebook.read_text(encoding="utf-8"):
            problems.append(f"{notebook.name} installs from another address or another tag")
    print("before going live:")
    problems = [problem for problem in problems if problem]
    for problem in problems:
        print(f"  ✗ {problem}")
    print("  ✓ nothing else in the files" if problems else "  ✓ the files agree")
    print("  · on GitHub: Settings → Pages → Source: GitHub Actions")
    print("  · make test and make book pass, then push; the workflow publishes")
    return 1 if problems else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        sys.exit(check())
    if sys.argv[1:] == ["set"]:
        sys.exit(set_repository(os.environ.get("REPOSITORY_URL", ""), os.environ.get("SITE_URL", "")))
    sys.exit(__doc__)
