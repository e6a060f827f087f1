"""How many damaged inputs each parser gets."""

from __future__ import annotations

import pytest


@pytest.fixture
def fuzz_count(request: pytest.FixtureRequest) -> int:
    """Inputs for one parser: few hundred by default, more by `pytest tests/fuzz --fuzz 3000`."""
    asked: int | None = request.config.getoption("--fuzz")
    return 300 if asked is None else asked
