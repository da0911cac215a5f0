"""CONTRIBUTING's table of what is where: every file and every name in it is there."""

import re

import pytest
from chapter import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TABLE = TEXT.partition("| you look for |")[2].partition("\n\n")[0]
ROWS = re.findall(r"`([\w/]+\.py)`(?:: ((?:`\w+`(?:, )?)+))?", TABLE)
assert len(ROWS) >= 12, "the table was not found"


@pytest.mark.parametrize(("file", "names"), ROWS)
def test_what_newcomers_are_sent_to_is_there(file, names):
    source = (ROOT / file).read_text(encoding="utf-8")
    for name in re.findall(r"\w+", names):
        assert re.search(rf"^(def |class )?{name}\b", source, re.MULTILINE), name
