"""The words of `tools/mutants`; see `__main__`."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import click

from .copy import Copy, Outcome, copied
from .sites import Site, sites

__all__ = ["ROOT", "belonging", "choose", "main", "mutants", "try_all"]

ROOT = Path(__file__).resolve().parents[2]

#: Tests with a bug may take so many times as long as without, and so many seconds more.
TIMES, MORE = 3.0, 30.0


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--count", default=20, show_default=True, help="How many bugs are tried.")
@click.option("--seed", default=0, show_default=True, help="Which.")
@click.option("--tests", multiple=True, help="What is run; else what belongs to each file.")
@click.option("--list", "listed", is_flag=True, help="Print the bugs that would be tried, and try none.")
@click.option("--root", type=click.Path(path_type=Path), default=ROOT, help="The tree. [this one]")
def mutants(
    paths: Sequence[str], count: int, seed: int, tests: Sequence[str], listed: bool, root: Path
) -> int:
    """Plant bugs in files or folders (from the root), one at a time; who survives the tests?"""
    chosen = choose(root, paths, count, seed)
    if listed:
        for path, site in chosen:
            click.echo(told(path, site))
        return 0
    with copied(root) as copy:
        return try_all(copy, chosen, tests)


def choose(root: Path, paths: Sequence[str], count: int, seed: int) -> list[tuple[str, Site]]:
    """Some of all the bugs that could be planted, in the order of files and lines."""
    every = [(path, site) for path in files(root, paths) for site in sites((root / path).read_text("utf-8"))]
    if not every:
        raise click.UsageError(f"nothing can be planted in {', '.join(paths)}")
    picked = random.Random(seed).sample(range(len(every)), min(count, len(every)))
    return [every[place] for place in sorted(picked)]


def files(root: Path, paths: Sequence[str]) -> Iterator[str]:
    """The Python files that paths mean, from the root."""
    for path in paths:
        whole = root / path
        if not whole.exists():
            raise click.UsageError(f"no such file or folder: {path}")
        for file in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
            yield file.relative_to(root).as_posix()


def try_all(copy: Copy, chosen: Sequence[tuple[str, Site]], tests: Sequence[str]) -> int:
    """Try each bug; the exit status."""
    limits: dict[tuple[str, ...], float] = {}
    outcomes: list[Outcome] = []
    for path, site in chosen:
        asked = tuple(tests) or belonging(copy.root, path)
        if asked not in limits:
            began = perf_counter()
            if copy.passes(asked, 3600.0) != "SURVIVED":
                click.echo(f"the tests fail without any bug: {' '.join(asked)}", err=True)
                return 2
            limits[asked] = TIMES * (perf_counter() - began) + MORE
        outcomes.append(copy.try_one(path, site, asked, limits[asked]))
        click.echo(f"{outcomes[-1]:<9} {told(path, site)}")
    survived = outcomes.count("SURVIVED")
    click.echo(f"{survived} of {len(outcomes)} survived")
    return int(survived > 0)


def belonging(root: Path, path: str) -> tuple[str, ...]:
    """The tests of a file: its own first, then those of its folder."""
    place = Path(path)
    folder = Path("tests", *place.parent.parts[1:])
    own = folder / f"test_{place.stem}.py"
    found = tuple(each.as_posix() for each in (own, folder) if (root / each).exists())
    if not found:
        raise click.UsageError(f"no tests belong to {path}: name them with --tests")
    return found


def told(path: str, site: Site) -> str:
    """A bug in one line."""
    return f"{path}:{site.line}  {site.what}"


def main() -> int:
    """Run the command; the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it has started ends with it
    return int(mutants.main(standalone_mode=False) or 0)
