"""A chapter's definitions, taken out of its notebook, so that what is tested and trained is what is printed."""

from __future__ import annotations

import functools
import inspect
import json
from pathlib import Path
from typing import Any

from torch import nn

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = ROOT / "chapters"


def cells(name: str) -> list[dict[str, Any]]:
    """The cells of ``chapters/<name>.ipynb``, with their sources and texts as single strings."""
    path = CHAPTERS / f"{name}.ipynb"
    if not path.is_file():
        found = ", ".join(sorted(file.stem for file in CHAPTERS.glob("*.ipynb")))
        raise ValueError(f"chapter={name!r} is unknown: choose among {found}")
    return read(path)


def read(path: Path) -> list[dict[str, Any]]:
    """The cells of any notebook, with their sources as single strings."""
    found_cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in found_cells]


def prose(path: Path) -> str:
    """What a page says: a file in Markdown, or the Markdown cells of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell["source"] for cell in read(path) if cell["cell_type"] == "markdown")


def tags(cell: dict[str, Any]) -> set[str]:
    """The tags of a cell."""
    return set(cell["metadata"].get("tags", []))


@functools.cache
def _source(name: str) -> str:
    wanted = [c["source"] for c in cells(name) if c["cell_type"] == "code" and tags(c) & {"imports", "definition"}]
    return "\n\n".join(wanted)


def definitions(name: str) -> dict[str, Any]:
    """Run the cells of ``chapters/<name>.ipynb`` tagged ``imports`` or ``definition``, in order and nothing else.

    Returns the namespace they leave. Each call starts from an empty one.
    """
    namespace: dict[str, Any] = {"__name__": f"chapters.{name}"}
    exec(compile(_source(name), f"chapters/{name}.ipynb", "exec"), namespace)
    return namespace


def builders(name: str) -> dict[str, functools.partial[nn.Module]]:
    """The functions of a chapter that build a network for ``in_channels`` and ``num_classes``, by name.

    Whatever else a builder needs is the chapter's own variable of that name, such as ``conv_arch`` for ``vgg``.
    """
    namespace, found = definitions(name), {}
    for key, builder in namespace.items():
        parameters = inspect.signature(builder).parameters if inspect.isfunction(builder) else {}
        needed = [need for need, parameter in parameters.items() if parameter.default is parameter.empty]
        if {"in_channels", "num_classes"} <= set(parameters) and set(needed) <= set(namespace):
            found[key] = functools.partial(builder, **{need: namespace[need] for need in needed})
    return found


def num_params(net: nn.Module) -> int:
    """The parameters of ``net``, each counted once."""
    return sum(parameter.numel() for parameter in net.parameters())
