"""CONTRIBUTING's table of what is where: every file and every name in it is there."""

import ast
import re

import pytest
from chapter import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TABLE = TEXT.partition("| you look for |")[2].partition("\n\n")[0]
ROWS = re.findall(r"`([\w/]+\.py)`(?:: ((?:`\w+`(?:, )?)+))?", TABLE)
assert len(ROWS) >= 12, "the table was not found"


@pytest.mark.parametrize(("file", "names"), ROWS)
def test_what_newcomers_are_sent_to_is_there(file, names):
    defined = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
        defined |= {getattr(target, "name", getattr(target, "id", "")) for target in targets}
    assert set(re.findall(r"\w+", names)) <= defined
