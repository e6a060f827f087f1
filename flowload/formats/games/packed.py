"""Games of Yolah as records for `fl.rows`: one row is one position, labelled with the outcome of its game.

Batches: `inputs [B, 193] float32` (black, white and destroyed squares, 64 each, square 63 first; then 1 where
white is to move), `outputs [B] int64` (0 black wins, 1 draw, 2 white wins).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.records import Fields
from flowload.errors import DataError, NoDataError
from flowload.files.arrays import Dump, map_array, read_array
from flowload.files.guard import Guard
from flowload.files.objects.storable import Storable
from flowload.kernels.games.positions import BITS, FEATURES

from .layouts import Packing
from .table import FIELDS, Columns, GamesTable, table_needs

__all__ = ["ENDINGS", "PackedGames", "find_packing", "strip"]

BYTES = Dump(np.dtype(np.uint8), (FEATURES,))  #: what a file without a header holds: a byte a feature
LABELS = Dump(np.dtype(np.uint8))

ENDINGS = ("_bits", "_inputs")  #: of what a packing has at least, without `.npy`


@dataclass(frozen=True)
class PackedGames(Storable):
    """Positions that were packed: by us, or published as `prefix_inputs.npy` and `prefix_outputs.npy`.

    Files are memory-mapped: opening reads next to nothing, and processes on one machine share the pages. The
    published files may be real `.npy` files or headerless dumps of uint8.

    Args:
        path: a folder that holds one packing; or the prefix of one, such as `data/positions`; or its file
            `..._bits.npy` or `..._inputs.npy`.

    Examples:
        >>> from flowload.formats.games import PackedGames
        >>> np.save("data_inputs.npy", np.zeros((6, 193), np.float32))
        >>> np.save("data_outputs.npy", np.array([0, 1, 2, 0, 1, 2]))
        >>> with (fl.rows(PackedGames("data")) >> fl.batch(6)).iterate() as batches:
        ...     print(next(batches)["outputs"])
        [0 1 2 0 1 2]
    """

    path: str | os.PathLike[str]

    name: ClassVar[str] = "games"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = GamesTable.layouts

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """`inputs [B, 193] float32`, `outputs [B] int64`."""
        return FIELDS

    def needs(self, layout: str | None) -> Iterator[Need]:
        """The kernels of what we packed."""
        if layout is None:
            return
        with suppress(DataError):  # raised when it is opened
            # In a store it may be: what is compiled in vain costs a second, once.
            if self.stored or find_packing(self.path).file("bits").exists():
                yield from table_needs()

    def open(self) -> GamesTable:
        """Map the files. Raises DataError where size, shape or dtype do not fit, NoDataError for no rows."""
        return self.opened_here(PackedGames.open_files)

    def beside(self, name: str) -> str | None:
        """An array's object goes with those of the others."""
        return strip(name, (f"{ending}.npy" for ending in ENDINGS))

    def open_files(self) -> GamesTable:
        """The same where all of it lies on this machine."""
        packing = find_packing(self.path)
        columns = open_bits(packing) if packing.file("bits").exists() else open_arrays(packing)
        if not len(columns.inputs):
            raise NoDataError("no positions", where=columns.where, found="0 rows", wanted="at least one")
        return GamesTable(columns)


def find_packing(path: str | os.PathLike[str]) -> Packing:
    """The packing that a folder holds, or that a prefix or a file belongs to.

    Raises NoDataError where there is none, and DataError where a folder has several.
    """
    given = Path(path)
    if not given.is_dir():
        prefix = strip(given.name, (f"{ending}.npy" for ending in ENDINGS))
        packing = Packing(given.parent, prefix)
        if any(packing.file(ending[1:]).exists() for ending in ENDINGS):
            return packing
        raise NoDataError(
            "no packed games", where=str(given), wanted=f"{prefix}_bits.npy or {prefix}_inputs.npy"
        )
    found = sorted({strip(file.stem, ENDINGS) for ending in ENDINGS for file in given.glob(f"*{ending}.npy")})
    if len(found) == 1:
        return Packing(given, found[0])
    if not found:
        raise NoDataError("no packed games", where=str(given), wanted="a file *_bits.npy or *_inputs.npy")
    wanted = f"one, such as {given / found[0]}"
    raise DataError("several packings", where=str(given), found=", ".join(found), wanted=wanted)


def strip(name: str, endings: Iterable[str]) -> str:
    """A name without the first of these endings that it has."""
    return next((name.removesuffix(ending) for ending in endings if name.endswith(ending)), name)


def open_bits(packing: Packing) -> Columns:
    """Our own rows, with the outcome inside. Raises DataError."""
    path = packing.file("bits")
    guard = Guard()
    rows = map_array(path, guard)
    check_array(path, rows, ["uint8"], (None, BITS))
    return Columns(str(path), rows, None, open_games(packing, len(rows), guard), guard)


def open_arrays(packing: Packing) -> Columns:
    """Inputs and outputs, with headers or without. Raises DataError."""
    path, beside = packing.file("inputs"), packing.file("outputs")
    guard = Guard()
    inputs, outputs = map_array(path, guard, dump=BYTES), map_array(beside, guard, dump=LABELS)
    check_array(path, inputs, ["uint8", "float32"], (None, FEATURES))
    check_array(beside, outputs, ["uint8", "int64"], (len(inputs),))
    return Columns(str(path), inputs, outputs, open_games(packing, len(inputs), guard), guard)


def open_games(packing: Packing, rows: int, guard: Guard) -> NDArray[np.uint64] | None:
    """Which game each row is of, where that was kept. Raises DataError unless it can be of so many rows."""
    path = packing.file("games")
    if not path.exists():
        return None
    games = read_array(path, guard)
    check_array(path, games, ["uint64"], (None, 2))
    firsts = np.concatenate([games[:, 0], np.array([rows], np.uint64)])
    falls = np.flatnonzero(firsts[1:] <= firsts[:-1])
    if firsts[0] != 0 or len(falls):
        game = int(falls[0]) if len(falls) and firsts[0] == 0 else 0
        raise DataError(
            "first rows of games do not fit",
            where=f"{path}, game {game}",
            found=", ".join(map(str, firsts[game : game + 2].tolist())),
            wanted=f"rising numbers from 0, below {rows}",
        )
    return games


def check_array(
    path: Path, array: NDArray[Any], dtypes: Sequence[str], shape: tuple[int | None, ...]
) -> None:
    """Raise DataError unless an array has one of these dtypes, and this shape; None: any length."""
    fits = array.ndim == len(shape) and all(
        length in (None, own) for length, own in zip(shape, array.shape, strict=True)
    )
    if fits and str(array.dtype) in dtypes:
        return
    axes = ", ".join("N" if length is None else str(length) for length in shape)
    raise DataError(
        "array of another kind",
        where=str(path),
        found=f"{array.dtype}{list(array.shape)}",
        wanted=f"{' or '.join(dtypes)}[{axes}]",
    )
