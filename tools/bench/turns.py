"""Loaders measured in turn: what disturbs the machine for a while disturbs all."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Protocol

from .games.loaders import Loader, Reading
from .settings import Window

__all__ = ["chosen", "play"]


class Asked(Protocol):
    """What settings say of turns."""

    @property
    def only(self) -> tuple[str, ...]: ...

    @property
    def rounds(self) -> int: ...

    @property
    def window(self) -> Window: ...


def chosen(loaders: Sequence[Loader], settings: Asked) -> list[Loader]:
    """Those that were asked for."""
    return [
        loader
        for loader in loaders
        if not settings.only or any(word in loader.name for word in settings.only)
    ]


def play(
    loaders: Sequence[Loader], settings: Asked, tell: Callable[[str], None], unit: str
) -> dict[str, list[Reading]]:
    """Measure everybody, A B C A B C; `unit` is what a row is called."""
    readings: dict[str, list[Reading]] = {loader.name: [] for loader in loaders}
    for number in range(settings.rounds):
        for loader in loaders:
            gc.collect()  # what the one before left is not this one's work
            reading = loader.measure(settings.window)
            readings[loader.name].append(reading)
            tell(f"round {number + 1}/{settings.rounds}  {reading.rows:>11,.0f} {unit}/s  {loader.name}")
    return readings
