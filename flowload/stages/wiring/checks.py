"""What wiring checks before it is run: weights, and what streams that become one carry."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flowload.errors import GraphError

__all__ = ["agreed", "check_weights"]


def check_weights(word: str, weights: Sequence[object]) -> None:
    """Raise GraphError unless there are weights and all are positive, finite numbers."""
    if not weights:
        raise GraphError(f"{word}: no weights; wanted at least one")
    for weight in weights:
        if not is_weight(weight):
            raise GraphError(f"{word}: a weight is {weight!r}; wanted a positive number")


def is_weight(value: object) -> bool:
    """Whether a value is a positive, finite number; numpy's float64 is a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value < math.inf


def agreed(word: str, incoming: Sequence[type]) -> type:
    """The one type that all inputs carry; `object` where one does not say. Raises GraphError."""
    known = list(dict.fromkeys(kind for kind in incoming if kind is not object))
    if len(known) > 1:
        names = ", ".join(kind.__name__ for kind in known)
        raise GraphError(f"{word}: the inputs carry different things: {names}; wanted one for all")
    return object if object in incoming or not known else known[0]
