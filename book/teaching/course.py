"""The course's plan, `course.yml`: its weeks, what their questions take, and what trains each objective."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from book.teaching import weeks

ROOT = Path(__file__).parents[2]
PLAN = Path(__file__).parent / "course.yml"


@dataclass(frozen=True)
class Week:
    """One week of the plan."""

    name: str
    title: str
    points: float
    questions: dict[str, dict[str, Any]]  # name -> level (1 to 3) and minutes
    objectives: dict[str, list[str]]  # words of one objective -> the questions that train it
    shown: tuple[str, ...] = ()  # questions whose answer the chapter itself prints, on purpose

    @property
    def minutes(self) -> int:
        """What the questions take together."""
        return sum(question["minutes"] for question in self.questions.values())


@dataclass(frozen=True)
class Course:
    """A plan that was read."""

    title: str
    seed: str
    weeks: dict[str, Week]
    publish: dict[str, str]  # repository, branch and hub that students get their notebooks from
    sessions: dict[str, list[list[str]]]  # variants of the course: how many sessions -> the weeks of each

    def pick(self, names: str = "") -> list[Week]:
        """The weeks named in ``names``, separated by blanks, or all; raises ValueError for one that the plan lacks."""
        for name in names.split():
            if name not in self.weeks:
                raise ValueError(f"the plan has no week {name!r}; it has {', '.join(self.weeks)}")
        return [self.weeks[name] for name in names.split() or self.weeks]


def read(path: Path = PLAN) -> Course:
    """Read a plan; raises ValueError, with the name of what is missing, if it is incomplete."""
    plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        found = {name: Week(name=name, **week) for name, week in plan["weeks"].items()}
        return Course(plan["title"], str(plan["seed"]), found, plan.get("publish") or {}, plan.get("sessions") or {})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a course's plan: {error}; compare it with {PLAN.relative_to(ROOT)}") from error


def key(plan: Course, week: str, private: Path | None) -> str:
    """What the students' numbers of a week hang on: made from the course's seed, which it does not give away."""
    path = private / "seed.txt" if private else None
    seed = path.read_text(encoding="utf-8").strip() if path and path.is_file() else plan.seed
    return hashlib.sha256(f"{seed} {week}".encode()).hexdigest()[:12]


def whose_tests(private: Path | None) -> str:
    """A sentence that says whose hidden tests and seed are used; raises ValueError for a folder that is not there."""
    if private is None:
        return "Hidden tests and seed: the book's samples, which are public. CLASS_PRIVATE=folder takes yours."
    if not private.is_dir():
        raise ValueError(f"CLASS_PRIVATE: {private} is no folder")
    tests = sum(1 for _ in private.glob("*/*.py"))
    seed = "its seed" if (private / "seed.txt").is_file() else "the plan's seed, for it has no seed.txt"
    return f"Hidden tests and seed: {tests} checks from {private.name}, the samples for the others; {seed}."


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that building, checking and grading share."""
    parser.add_argument("--course", type=Path, default=PLAN, help="the plan; the book's own if none is named")
    parser.add_argument("--private", type=Path, help="folder with a course's seed and its own hidden tests")


def objectives(week: str) -> list[str]:
    """The lines of "After this chapter you can", of the chapter or, for a week without one, of its notebook."""
    chapter = ROOT / "chapters" / f"{week}.ipynb"
    path = chapter if chapter.is_file() else weeks.FOLDER / week / "assignment.ipynb"
    text = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    bullets = re.search(r"After this (?:chapter|week) you can\n\n((?:- .+\n|  .+\n)+)", text + "\n")
    if not bullets:
        raise ValueError(f"{path}: its first cell has no list 'After this chapter you can'")
    return [" ".join(bullet.split()) for bullet in re.split(r"^- ", bullets[1], flags=re.M)[1:]]
