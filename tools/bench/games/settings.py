"""What is measured, and how long: values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tools.bench.measuring.settings import Measuring

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings(Measuring):
    """See the options of `python tools/bench games`."""

    rows: int
    many: int  #: rows of the large set
    batch: int = 16_384

    def quick(self) -> Settings:
        """As little as shows that it works."""
        return replace(self, rows=100_000, many=200_000, seconds=0.05, warm=0.0, rounds=1, batch=1024)
