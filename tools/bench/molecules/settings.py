"""What is measured, and how long: values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from tools.bench.settings import Window

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """See the options of `python tools/bench molecules`."""

    rows: int
    many: int  #: molecules of the large set
    seconds: float
    warm: float
    rounds: int
    cpus: int
    batch: int
    only: tuple[str, ...] = ()
    rivals: bool = True
    num_atoms: int = 60

    @property
    def window(self) -> Window:
        """One measurement."""
        return Window(self.warm, self.seconds)

    def as_json(self) -> dict[str, Any]:
        """What makes the same settings again."""
        return asdict(self)

    def quick(self) -> Settings:
        """As little as shows that it works."""
        return replace(self, rows=2_000, many=5_000, seconds=0.05, warm=0.0, rounds=1, batch=64)
