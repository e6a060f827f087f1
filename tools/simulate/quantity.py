"""Words for quantities on the command line: 100TB, 2TiB, 25Gbit."""

from __future__ import annotations

import re

import click

__all__ = ["BYTES", "BYTES_A_SECOND"]

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15}
BINARY = {"ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40, "pi": 2.0**50}
WORD = re.compile(r"([0-9.]+)\s*([kmgtp]?i?)(b|byte|bytes|bit|bits|)(/s)?", re.IGNORECASE)


class Quantity(click.ParamType):  # type: ignore[type-arg]  # click has made it generic only lately
    """A number of bytes, from a word with a unit; bits are an eighth."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Bytes. Fails, as click does, for anything else."""
        if isinstance(value, float | int):
            return float(value)
        found = WORD.fullmatch(str(value).strip())
        try:
            if found is None:
                raise ValueError
            number, prefix, unit, _ = found.groups()
            size = float(number) * {**UNITS, **BINARY}[prefix.lower()]
        except (ValueError, KeyError):
            self.fail(
                f"{value!r} is no quantity; wanted a number with a unit, such as 100TB or 25Gbit", param, ctx
            )
        return size / 8 if unit.lower().startswith("bit") else size


BYTES = Quantity("BYTES")
BYTES_A_SECOND = Quantity("BYTES/S")
