"""A figure over several measurements."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

__all__ = ["Spread"]


class Spread(NamedTuple):
    """Median, least, most: how far to believe the first."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value a measurement."""
        return cls(median(values), min(values), max(values))
