"""How many damaged inputs each parser gets."""

from __future__ import annotations

import pytest

from tests.suite.selection import share_of


@pytest.fixture
def fuzz_count(request: pytest.FixtureRequest) -> int:
    """Inputs for one parser: 150, with all hammers 300, more by `pytest tests/fuzz --fuzz 3000`."""
    asked: int | None = request.config.getoption("--fuzz")
    few = 300 if share_of(request.config.getoption("--hammers")) == (1, 1) else 150
    return few if asked is None else asked
