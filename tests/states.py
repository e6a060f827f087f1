"""States as they come back from a file: through JSON."""

from __future__ import annotations

import json
from typing import Any

from flowload.runtime.state.columns import from_values, to_values

__all__ = ["through_json", "to_values"]


def through_json(state: Any) -> Any:
    """A state that was written as JSON and read again."""
    return from_values(json.loads(json.dumps(to_values(state), allow_nan=False)))
