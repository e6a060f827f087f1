"""How much comes out of a port, as far as arithmetic knows before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Amount", "together"]


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What a port gives in a run, or in one pass of it where passes are kept apart."""

    samples: int | None  #: None: nobody knows, but `blocks` are known
    blocks: int | None = None  #: None: how they are cut shows only when it runs
    unsure: str | None = None  #: why there may be fewer
    rows: Any = None  #: `blocks.Rows` of one pass, in any order; None: nobody knows which they are
    windows: Mapping[int, int] | None = None  #: how many blocks have so many rows; None: nobody knows

    def share(self, samples: int) -> Amount:
        """So many samples of it, nobody knows which."""
        alike = self.windows is not None and len(self.windows) == 1
        windows = dict.fromkeys(self.windows or (), samples) if alike else None
        return Amount(samples=samples, unsure=self.unsure, windows=windows)

    def doubted(self, why: str | None) -> Amount:
        """The same, and perhaps fewer."""
        return self if why is None or self.unsure else replace(self, unsure=why)


def together(parts: Sequence[Amount]) -> Amount:
    """What several streams give that become one."""
    samples = [part.samples for part in parts]
    blocks = [part.blocks for part in parts]
    return Amount(
        samples=None if None in samples else sum(filter(None, samples)),
        blocks=None if None in blocks else sum(filter(None, blocks)),
        unsure=next((part.unsure for part in parts if part.unsure), None),
    )
