"""Numbers as options of a command."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

__all__ = ["limit"]


def limit(*, whole: bool, most: float = math.inf) -> Callable[[Any], float]:
    """Reads a number above 0 and up to `most`; inf: no limit, where there is none."""

    def read(text: Any) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= most or (whole and number < math.inf and not number.is_integer()):
            last = "nor inf" if most == math.inf else f"up to {most:g}"
            raise click.BadParameter(f"{text!r} is not a {'whole ' if whole else ''}number above 0, {last}")
        return number

    return read
