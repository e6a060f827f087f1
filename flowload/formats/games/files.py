"""Files of Yolah games, and what is wrong with one: file, byte, game and ply."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Bytes
from flowload.errors import DataError, NoDataError
from flowload.files.regular import opened
from flowload.files.visible import visible
from flowload.formats.containers.tar_header import kind_of_file
from flowload.kernels.games.replay import (
    COUNTS,
    FAULT,
    FINE,
    ILLEGAL_MOVE,
    ILLEGAL_PASS,
    TOO_MANY_RANDOM,
    WRONG_SCORE,
    replay,
    survey,
)

__all__ = ["Part", "Replayed", "find_games", "replay_part", "survey_file"]

PREFIX = "games"  #: what names of game files begin with
OURS = (".npy", ".json", ".partial", ".journal", ".lock")  #: what packing writes, which is no game file
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")  #: whose bytes may even read as games
PART = 1 << 18  #: bytes of games that are replayed at a time: a few megabytes of packed positions

SIDES = ("black", "white")


@dataclass(frozen=True, slots=True)
class Part:
    """Whole games of one file, one behind the other."""

    path: str
    offset: int
    size: int
    game: int  #: number of the first in its file
    games: int
    skipped: int  #: games whose moves are all random
    samples: int
    empty: int  #: of those that are skipped: games without a move, as which four zeros can be read, too


@dataclass(frozen=True, slots=True)
class Replayed:
    """Packed positions of a part, and where its games begin among them."""

    rows: NDArray[np.uint64]  #: (samples, 4): see `flowload.kernels.games.replay`
    games: NDArray[np.uint64]  #: (games with samples, 2): first row, hash of the moves


def find_games(data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Game files by path, folder (its files `games*`) or pattern, each once, in the order of their names.

    Of folders and patterns neither hidden files nor backups and those of unfinished copies (`games1~`,
    `games2.part`).

    Raises NoDataError where a folder or pattern has none.
    """
    given = [data] if isinstance(data, str | os.PathLike) else data
    found = [str(path) for word in given for path in matches(os.fspath(word))]
    unique = {os.path.realpath(path): path for path in reversed(found)}
    return tuple(sorted(unique.values(), key=lambda path: (Path(path).name, path)))


def matches(word: str) -> Iterator[Path]:
    """The files that one path, folder or pattern means. Raises NoDataError where there is none."""
    path = Path(word)
    if path.is_file():
        yield path
        return
    anchor, pattern = (path, f"{PREFIX}*") if path.is_dir() else split_anchor(path)
    found = (each for each in anchor.glob(pattern) if visible(each.name) and each.suffix not in OURS)
    files = [each for each in found if each.is_file()]
    if not files:
        raise NoDataError("no games", where=word, wanted=f"a file, or a folder with files {PREFIX}*")
    yield from files


def split_anchor(path: Path) -> tuple[Path, str]:
    """A folder, and a pattern inside it: the whole path, as far as it has no root."""
    return Path(path.anchor), str(path.relative_to(path.anchor))


def survey_file(path: str) -> list[Part]:
    """The parts of a file. Raises DataError for a game that is cut off, and OSError."""
    parts: list[Part] = []
    offset, game = 0, 0
    with opened(path, "a file of games") as fd:
        if Path(path).suffix.lower() in COMPRESSED and (kind := kind_of_file(os.pread(fd, 8, 0))):
            raise DataError("compressed games", where=path, found=kind, wanted="games that were unpacked")
        end = os.fstat(fd).st_size
        while offset < end:
            part = survey_part(fd, path, offset, game)
            parts.append(part)
            offset += part.size
            game += part.games
    return parts


def survey_part(fd: int, path: str, offset: int, game: int) -> Part:
    """The whole games that begin at a byte of a file, up to `PART` bytes of them. Raises DataError."""
    data = read(fd, PART, offset)
    counts, fault = np.zeros(COUNTS, np.int64), np.zeros(FAULT, np.int64)
    size = survey(data, counts, fault)
    games, skipped, samples, empty = counts.tolist()
    if fault[0] != FINE:
        raise blamed(path, data, offset, game, fault)
    if not len(data):
        raise DataError("file changed while it was packed", where=f"{path}, byte {offset}")
    if size == 0:
        wanted = f"{4 + 2 * int(data[0])} bytes"
        where = f"{path}, byte {offset}, game {game}"
        raise DataError("truncated game", where=where, found=f"{len(data)} bytes", wanted=wanted)
    return Part(path, offset, size, game, games, skipped, samples, empty)


def replay_part(part: Part, first: int) -> Replayed:
    """Replay the games of a part, whose samples begin at row `first` of all. Raises DataError and OSError."""
    with opened(part.path, "a file of games") as fd:
        data = read(fd, part.size, part.offset)
    counts, fault = np.zeros(COUNTS, np.int64), np.zeros(FAULT, np.int64)
    # The kernel trusts these numbers: a file that changed since must not lead it astray.
    if survey(data, counts, fault) != part.size or counts.tolist() != [
        part.games,
        part.skipped,
        part.samples,
        part.empty,
    ]:
        raise DataError("file changed while it was packed", where=f"{part.path}, byte {part.offset}")
    rows = np.empty((part.samples, 4), np.uint64)
    games = np.empty((part.games - part.skipped, 2), np.uint64)
    replay(data, rows, games, first, fault)
    if fault[0] != FINE:
        raise blamed(part.path, data, part.offset, part.game, fault)
    return Replayed(rows, games)


def read(fd: int, size: int, offset: int) -> Bytes:
    """So many bytes of a file, or those that are left of it."""
    parts = []
    while size and (part := os.pread(fd, size, offset)):
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return np.frombuffer(b"".join(parts), np.uint8)


def blamed(path: str, data: Bytes, offset: int, game: int, fault: NDArray[np.int64]) -> DataError:
    """What a kernel found, in words.

    Args:
        data: bytes of the file from `offset` on, the first of them of game number `game`.
    """
    what, at, number, ply, found, wanted = fault.tolist()
    where = f"{path}, byte {{}}, game {game + number}"
    move = where.format(offset + at + 2 + 2 * ply) + f", ply {ply}"
    side = SIDES[ply & 1]
    if what == ILLEGAL_MOVE:
        said = f"{side} from {square(found)} to {square(wanted)}"
        rule = f"one of {side}'s pieces along a row, column or diagonal over free squares"
        return DataError("illegal move", where=move, found=said, wanted=rule)
    if what == ILLEGAL_PASS:
        return DataError("illegal pass", where=move, found=f"{side} passes", wanted=f"a move: {side} has one")
    if what == WRONG_SCORE:
        moves = int(data[at])
        end = where.format(offset + at + 2 + 2 * moves + ply) + f", after ply {moves - 1}"
        said, rule = f"{found} for {side}", f"{wanted}: as many as {side} made moves"
        return DataError("wrong score", where=end, found=said, wanted=rule)
    assert what == TOO_MANY_RANDOM, what  # noqa: S101 - the kernels know no other
    said = f"{found} random moves of {wanted}"
    return DataError(
        "more random moves than moves",
        where=where.format(offset + at),
        found=said,
        wanted=f"at most {wanted}",
    )


def square(number: int) -> str:
    """A square by its name; a number that is none, as it is."""
    return f"{'abcdefgh'[number % 8]}{number // 8 + 1}" if number < 64 else f"square {number}"
