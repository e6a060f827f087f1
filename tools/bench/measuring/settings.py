"""What is measured, and how long: values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from flowload.sample import sample_path

__all__ = [
    "ROOT",
    "SHARED",
    "Contender",
    "Measuring",
    "Reading",
    "Settings",
    "Window",
    "Work",
    "default_data",
]

ROOT = Path(__file__).resolve().parents[3]
SHARED = "../shared/data/lc0/training-run1-*.tar"


def default_data() -> str:
    """The shared games beside the clone where there are some, else the sample that is shipped."""
    return str(ROOT / SHARED) if any(ROOT.glob(SHARED)) else str(sample_path("chess") / "*.tar")


class Window(NamedTuple):
    """One measurement."""

    warm: float  #: seconds from the first batch to its begin
    seconds: float


class Work(NamedTuple):
    """What is made of the data."""

    rate: float = 1.0  #: share of a game's frames
    layout: str = "tensors"

    def __str__(self) -> str:
        return f"rate {self.rate:g}, {self.layout}"


class Reading(NamedTuple):
    """What one measurement found; None: it cannot be known there."""

    frames: float  #: delivered a second
    cores: float | None = None  #: CPU seconds of this process and its children, a second
    loop: float | None = None  #: CPU seconds of the event loop's thread, a second
    made: int | None = None  #: buffers allocated in the window
    buffer_bytes: int | None = None  #: of all buffers, at its end


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Somebody who does the work.

    `against` names the contender that does the same with bare threads.
    """

    name: str
    group: str
    work: Work
    measure: Callable[[Window], Reading]
    against: str | None = None


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """How long, by how many, and who takes part: what the settings of all benches say."""

    seconds: float
    warm: float
    rounds: int
    cpus: int
    only: tuple[str, ...] = ()
    rivals: bool = True

    @property
    def window(self) -> Window:
        """One measurement."""
        return Window(self.warm, self.seconds)

    def as_json(self) -> dict[str, Any]:
        """What makes the same settings again."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Settings(Measuring):
    """See the options of `python tools/bench chess`."""

    data: str
    rates: tuple[float, ...]
    batch: int = 1024
    reservoir: int = 20_000
    pool: int = 50_000

    def quick(self) -> Settings:
        """As little as shows that it works."""
        return replace(self, seconds=0.05, warm=0.0, rounds=1, batch=64, reservoir=512, pool=48)
