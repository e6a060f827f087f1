"""How a picture is wanted, and where everything stands in it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Columns", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """How a picture is wanted."""

    width: float = 980.0
    height: float = 0.0  #: that the rows may share; 0: the least
    span: float = 120.0  #: seconds of the axis
    cursor: float = -1.0  #: a moment that is looked at; -1: now
    pick: str = ""  #: a row that is looked at
    history: bool = True
    head: bool = False  #: the verdict is part of it
    foot: str = ""


@dataclass(frozen=True)
class Columns:
    """Where everything stands."""

    narrow: bool
    high: float  #: a row
    top: float  #: of the first row
    ys: tuple[float, ...]  #: of the rows' stations
    name: float
    queue: float
    bar: float
    bar_wide: float
    run: float = 0.0
    out: float = 0.0
    lost: float = 0.0
    left: float = 0.0  #: of the history
    wide: float = 0.0
