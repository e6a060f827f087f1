"""What is measured, and how long: values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tools.bench.measuring.settings import Measuring

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings(Measuring):
    """See the options of `python tools/bench molecules`."""

    rows: int
    many: int  #: molecules of the large set
    batch: int
    num_atoms: int = 60

    def quick(self) -> Settings:
        """As little as shows that it works."""
        return replace(self, rows=2_000, many=5_000, seconds=0.05, warm=0.0, rounds=1, batch=64)
