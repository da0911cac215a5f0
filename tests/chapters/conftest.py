"""What every test of the chapters begins from."""

from types import SimpleNamespace

import pytest
import torch
from chapter import definitions


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def chapter(request) -> SimpleNamespace:
    """The definitions of the chapter that the test file is named after."""
    return SimpleNamespace(**definitions(request.module.__name__.removeprefix("test_")))
