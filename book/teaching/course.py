"""The course's plan, `course.yml`: its weeks, what their questions take, and what trains each objective."""

from __future__ import annotations

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
    hub: dict[str, str]

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
        return Course(plan["title"], str(plan["seed"]), found, plan.get("hub", {}))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a course's plan: {error}; compare it with {PLAN.relative_to(ROOT)}") from error


def objectives(week: str) -> list[str]:
    """The lines of "After this chapter you can", of the chapter or, for a week without one, of its notebook."""
    chapter = ROOT / "chapters" / f"{week}.ipynb"
    path = chapter if chapter.is_file() else weeks.FOLDER / week / "assignment.ipynb"
    text = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    bullets = re.search(r"After this (?:chapter|week) you can\n\n((?:- .+\n|  .+\n)+)", text + "\n")
    if not bullets:
        raise ValueError(f"{path}: its first cell has no list 'After this chapter you can'")
    return [" ".join(bullet.split()) for bullet in re.split(r"^- ", bullets[1], flags=re.M)[1:]]
