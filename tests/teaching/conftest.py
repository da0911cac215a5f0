"""What the tests of graded work share. They run in the environment of nbgrader: `make test-class`."""

from __future__ import annotations

import pytest

pytest.importorskip("nbgrader", reason="graded work is tested in an environment of its own: make test-class")
