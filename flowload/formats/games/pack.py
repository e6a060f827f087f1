"""Replay files of games once, in all threads, to packed positions that training maps to memory."""

from __future__ import annotations

import fcntl
import filecmp
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from flowload.errors import DataError, NoDataError
from flowload.files.drafts import FULL

from .files import Part, find_games, survey_file
from .layouts import Packing, check_packing_layout, fingerprint
from .writer import Writer

__all__ = ["Packed", "Progress", "Report", "pack_games"]

log = logging.getLogger("flowload")

PREFIX = "positions"  #: what names of packed files begin with, where nobody says

T = TypeVar("T")
R = TypeVar("R")


class Progress(NamedTuple):
    """How many positions and parts were packed so far, and how many there are."""

    rows: int  #: positions that are written
    of_rows: int
    parts: int
    of_parts: int


class Packed(NamedTuple):
    """What packing made: rows, games and parts, those that were skipped or done before included."""

    packing: Packing
    rows: int
    games: int  #: those that were skipped included
    skipped: int  #: games whose moves are all random
    parts: int  #: of them
    kept: int  #: parts that were done already; all, where nothing had changed
    empty: int = 0  #: of those that were skipped: games without a move


Report: TypeAlias = Callable[[Progress], None]


def pack_games(
    data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    layout: str = "bits",
    prefix: str = PREFIX,
    workers: int | None = None,
    sync: bool = True,
    report: Report | None = None,
) -> Packed:
    """Pack games to `out/prefix_bits.npy`, or to `out/prefix_inputs.npy` and `out/prefix_outputs.npy`.

    Beside them go the games that rows are of, for `split(by="game")`, and what was packed. The files appear
    when all is done; until then they have other names. Stopped half-way, packing goes on where it was; after
    a bad game or on a full disk nothing is left. Where the same files were packed already, it does nothing.

    Args:
        data: files of games, folders of them (`games*`), or patterns.
        out: a folder; made where it is not there.
        layout: "bits" (32 bytes a sample), "uint8" (194) or "float32" (780).
        prefix: what the names of the files begin with; what is there under it is replaced.
        workers: threads; None: one for each CPU that this process may use.
        sync: whether the disk must have everything before the files get their names, so that a power failure
            leaves all or nothing; False: the system writes when it likes, and packing is much faster.
        report: told of every part that is done, in this thread.

    Raises DataError for the first bad game: file, byte, game and ply; NoDataError where there are none;
    OSError.
    """
    check_packing_layout(layout)
    sources = find_games(data)
    packing = Packing(Path(out), prefix)
    packing.folder.mkdir(parents=True, exist_ok=True)
    with locked(packing), ThreadPoolExecutor(workers or cpus(), "pack-games") as threads:
        if packing.is_fresh(layout, sources):
            told = packing.read_manifest()
            return summary(packing, told, told["parts"])
        return packed(packing, layout, sources, threads, report, sync=sync)


def packed(
    packing: Packing,
    layout: str,
    sources: Sequence[str],
    threads: ThreadPoolExecutor,
    report: Report | None,
    *,
    sync: bool,
) -> Packed:
    """Survey, replay, write, and give the files their names."""
    of = fingerprint(layout, sources)
    parts = [part for found in in_order(threads, survey_file, sources) for part in found]
    with closing(Writer(packing, layout, checked(parts, sources), of)) as writer:
        left = [number for number in range(len(parts)) if number not in writer.done]
        kept = len(parts) - len(left)
        rows = [parts[number].samples for number in (*writer.done, *left)]

        def tell(count: int) -> None:
            if report is not None:
                report(Progress(sum(rows[: kept + count]), sum(rows), kept + count, len(parts)))

        try:
            in_order(threads, writer.write, left, tell)
            told = writer.commit(sync=sync)
        except DataError:
            writer.discard()  # files that are mended are other files: nothing goes on here
            raise
        except OSError as error:
            if error.errno in FULL:
                writer.discard()  # what lies there would keep the disk full
            raise
    warn_of_empty(sources, parts)
    warn_of_copies(sources)
    return summary(packing, told, kept)


def warn_of_empty(sources: Sequence[str], parts: Sequence[Part]) -> None:
    """Say where games have no move at all: a block of zeros, lost by a disk, reads as such games."""
    for source in sources:
        if empty := sum(part.empty for part in parts if part.path == source):
            log.warning(
                "%s: %d games have no move, as if zeros stood in place of games; skipped", source, empty
            )


def warn_of_copies(sources: Sequence[str]) -> None:
    """Say which files hold the same bytes as another: a copy of a file of games doubles them."""
    firsts: dict[int, list[str]] = {}
    for source in sources:
        others = firsts.setdefault(Path(source).stat().st_size, [])
        same = next((other for other in others if filecmp.cmp(other, source, shallow=False)), None)
        if same is None:
            others.append(source)
        else:
            log.warning("%s: the same bytes as %s; its games are packed twice", source, same)


def checked(parts: list[Part], sources: Sequence[str]) -> list[Part]:
    """These parts. Raises NoDataError where they give no samples."""
    if any(part.samples for part in parts):
        return parts
    games = sum(part.games for part in parts)
    found = f"{games} games in {len(sources)} files, all of whose moves are random"
    raise NoDataError("no samples", where=", ".join(sources[:3]), found=found if games else "no games")


def summary(packing: Packing, told: Mapping[str, Any], kept: int) -> Packed:
    """What a manifest says."""
    return Packed(
        packing, told["rows"], told["games"], told["skipped"], told["parts"], kept, told.get("empty", 0)
    )


def in_order(
    threads: ThreadPoolExecutor,
    function: Callable[[T], R],
    items: Iterable[T],
    tell: Callable[[int], None] | None = None,
) -> list[R]:
    """What a function makes of each item, in all threads; raises what the first item in order raises.

    Whatever is raised, no thread is at work any more then.
    """
    calls = [threads.submit(function, item) for item in items]
    made: list[R] = []
    try:
        for call in calls:
            made.append(call.result())
            if tell is not None:
                tell(len(made))
        return made
    finally:
        for call in calls:
            call.cancel()
        wait(calls)


@contextmanager
def locked(packing: Packing) -> Iterator[None]:
    """Alone in packing this, among all processes; another one's work is waited for."""
    with packing.lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
