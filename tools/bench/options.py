"""Options that commands of `python tools/bench` share, and what they make of words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tools.bench.measuring.machine import keep_to
from tools.bench.measuring.settings import SHARED, default_data

__all__ = ["cpus", "data", "each", "numbers", "only", "quick", "rivals", "rounds", "sheet"]

Command = TypeVar("Command", bound=Callable[..., Any])

cpus = click.option(
    "--cpus",
    default=2,
    show_default=True,
    callback=lambda _context, _option, given: keep_to(given),  # before anything starts a thread
    help="CPUs to keep to.",
)
data = click.option(
    "--data",
    metavar="PATTERN",
    callback=lambda _context, _option, given: given or default_data(),
    help=f"Games; without it {SHARED} beside the clone, or the sample.",
)
only = click.option("--only", metavar="WORD", multiple=True, help="Only contenders with this in their name.")
quick = click.option("--quick", is_flag=True, help="Whether it works at all: the figures mean nothing.")
rivals = click.option(
    "--rivals/--no-rivals", default=True, show_default=True, help="Other loaders on the same work."
)
sheet = click.option(
    "--json", "sheet", metavar="PATH", type=click.Path(path_type=Path), help="Write it there."
)


def rounds(default: int, of: str = "Measurements of each, in turn.") -> Callable[[Command], Command]:
    """`--rounds`."""
    return click.option("--rounds", default=default, show_default=True, help=of)


def each(seconds: float, warm: float) -> Callable[[Command], Command]:
    """`--seconds` and `--warm`: how long one measurement is."""

    def declare(command: Command) -> Command:
        before = "Seconds before each, from its first batch on."
        command = click.option("--warm", default=warm, show_default=True, help=before)(command)
        return click.option("--seconds", default=seconds, show_default=True, help="One measurement.")(command)

    return declare


def numbers(name: str, default: str, kind: type[int] | type[float], of: str) -> Callable[[Command], Command]:
    """An option of several numbers, with commas between."""

    def split(_context: click.Context, _option: click.Parameter, given: str) -> tuple[float, ...]:
        return tuple(kind(word) for word in given.split(","))

    return click.option(name, default=default, show_default=True, callback=split, help=of)
