"""Whoever is measured comes in turn, A B C A B C: what disturbs the machine for a while disturbs all."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .loader import Loader
from .settings import Window

__all__ = ["chosen", "play"]

R = TypeVar("R")
Seen = TypeVar("Seen", covariant=True)


class Turns(Protocol):
    """What settings say of turns."""

    @property
    def rounds(self) -> int: ...

    @property
    def window(self) -> Window: ...


class Asked(Turns, Protocol):
    """And of who takes part."""

    @property
    def only(self) -> tuple[str, ...]: ...


class Measured(Protocol[Seen]):
    """Somebody who is measured."""

    @property
    def name(self) -> str: ...

    @property
    def measure(self) -> Callable[[Window], Seen]: ...


def chosen(loaders: Sequence[Loader], settings: Asked) -> list[Loader]:
    """Those that were asked for."""
    return [
        loader
        for loader in loaders
        if not settings.only or any(word in loader.name for word in settings.only)
    ]


def play(
    measured: Sequence[Measured[R]],
    settings: Turns,
    tell: Callable[[str], None],
    unit: str,
    rate: Callable[[R], float],
) -> dict[str, list[R]]:
    """Measure everybody, round by round; `unit` is what `rate` counts a second."""
    readings: dict[str, list[R]] = {each.name: [] for each in measured}
    for number in range(settings.rounds):
        for each in measured:
            gc.collect()  # what the one before left is not this one's work
            reading = each.measure(settings.window)
            readings[each.name].append(reading)
            tell(f"round {number + 1}/{settings.rounds}  {rate(reading):>11,.0f} {unit}/s  {each.name}")
    return readings
