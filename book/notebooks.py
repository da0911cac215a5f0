"""The chapters' definitions, taken out of the notebooks, so that what is used elsewhere is what is printed."""

import functools
import json
from pathlib import Path
from typing import Any

from torch import nn

CHAPTERS = Path(__file__).parent.parent / "chapters"


@functools.cache
def _source(name: str) -> str:
    cells = json.loads((CHAPTERS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    wanted = [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code" and {"imports", "definition"} & set(cell["metadata"].get("tags", []))
    ]
    return "\n\n".join(wanted)


def definitions(name: str) -> dict[str, Any]:
    """Run the cells of ``chapters/<name>.ipynb`` tagged ``imports`` or ``definition``, in order and nothing else.

    Returns the namespace they leave. Each call starts from an empty one.
    """
    namespace: dict[str, Any] = {"__name__": f"chapters.{name}"}
    exec(compile(_source(name), f"chapters/{name}.ipynb", "exec"), namespace)
    return namespace


def num_params(net: nn.Module) -> int:
    """The parameters of ``net``, each counted once."""
    return sum(parameter.numel() for parameter in net.parameters())
