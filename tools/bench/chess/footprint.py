"""Memory of a run in a fresh process, beside what the graph says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tools.bench.measuring.child import finish, started, told
from tools.bench.measuring.settings import Settings, Work

from .corpus import Corpus

__all__ = ["Footprint", "footprint"]


class Footprint(NamedTuple):
    """Bytes."""

    name: str
    imported: int  #: of the interpreter and its imports
    loaded: int  #: the same, once every kernel has been called
    first_half: int  #: most while streaming, first half
    second_half: int  #: most while streaming, second half
    estimate: int  #: what `graph.memory()` says
    stages: dict[str, int]  #: the same, stage by stage

    @property
    def taken(self) -> int:
        """By the run, at its peak."""
        return max(self.first_half, self.second_half) - self.loaded

    @property
    def ratio(self) -> float:
        """What was taken, to what was said."""
        return self.taken / self.estimate

    @property
    def growth(self) -> int:
        """By how much the second half took more than the first."""
        return self.second_half - self.first_half


def footprint(corpus: Corpus, settings: Settings, tell: Callable[[str], None]) -> list[Footprint]:
    """One process for each rate, and one for the layout "bits"."""
    works = [*(Work(rate) for rate in settings.rates), Work(settings.rates[0], "bits")]
    with TemporaryDirectory() as folder:
        multiply(corpus, settings.pool, Path(folder))
        found = [measure(replace(settings, data=folder), work) for work in works]
    for each in found:
        tell(f"memory {each.taken / 1e6:,.0f} MB, {each.ratio:.2f} of the estimate  {each.name}")
    return found


def multiply(corpus: Corpus, chunks: int, folder: Path) -> None:
    """Links to the same files, until there are so many chunks: a stream of some length, and a full pool."""
    for number in range(-(-chunks // len(corpus.chunks))):
        for source in corpus.chunks.sources:
            (folder / f"{number:06}-{source.name}").symlink_to(Path(source.path).resolve())


def measure(settings: Settings, work: Work) -> Footprint:
    """Let a child stream for a while, and tell."""
    order = {"settings": settings.as_json(), "rate": work.rate, "layout": work.layout}
    child = started("tools.bench.chess.footprint_child", order)
    found = told(child)
    finish(child)
    return Footprint(name=f"flowload, {work}", **found)
