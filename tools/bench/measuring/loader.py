"""Somebody who makes batches, and what one measurement of it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from .cpu import cpu_seconds
from .settings import Window
from .window import watch

__all__ = ["Batches", "Loader", "Reading", "watched"]

Batches = Iterator[Mapping[str, Any]]


@dataclass(frozen=True)
class Reading:
    """What one measurement found."""

    rows: float  #: a second
    cores: float | None = None  #: CPU seconds of this process and its children, a second

    @property
    def thrift(self) -> float | None:
        """Rows a CPU second: what others do on the machine disturbs it less."""
        return None if self.cores is None else self.rows / self.cores


@dataclass(frozen=True)
class Loader:
    """Somebody who makes batches."""

    name: str
    group: str
    measure: Callable[[Window], Reading]


def watched(name: str, group: str, start: Callable[[], AbstractContextManager[Batches]]) -> Loader:
    """One that gives batches to a plain `for`; started anew for every measurement."""

    def measure(window: Window) -> Reading:
        with start() as batches:
            seen = watch(batches, window, lambda: {"cpu": cpu_seconds()})
        return Reading(seen.frames / seen.seconds, seen.gain("cpu") / seen.seconds)

    return Loader(name, group, measure)
