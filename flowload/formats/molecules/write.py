"""Writing a folder of packed molecules: under another name until all of it is there."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.abc.operators import NamedArrays
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.drafts import naming, new_folder, write_all
from flowload.formats.molecules.convert.units import Units

from .columns.column import CELL, PBC, Column, check_names
from .columns.manifest import MANIFEST, Manifest
from .columns.values import File, as_stored, blame, has_room, sound
from .files import PACKS, open_pack

__all__ = ["PackWriter", "Some", "packing"]

Bools = NDArray[np.bool_]
#: The standard files, by the word of batches.
STANDARD = {
    "Z": ("Z_pack.int32", True, ()),
    "R": ("R_pack.f32", True, (3,)),
    "F": ("F_pack.f32", True, (3,)),
    "E": ("E.f64", False, ()),
    "Qtot": ("Qtot.f64", False, ()),
}
ZEROS = 1 << 20  #: rows that are written at a time for molecules without a cell


class Some(NamedTuple):
    """Some molecules, one behind the other, in the units of their source."""

    sizes: NDArray[Any]  #: (n,) atoms of each, from 1
    numbers: NDArray[Any]  #: (atoms,) atomic numbers
    places: NDArray[Any]  #: (atoms, 3)
    forces: NDArray[Any] | None  #: (atoms, 3); None: there are none
    energies: NDArray[Any] | None  #: (n,); None: there are none
    charges: NDArray[Any] | None = None  #: (n,) in e; None: 0
    groups: NDArray[Any] | None = None  #: (n,) integers from 0: the molecule of a conformation
    columns: NamedArrays = MappingProxyType({})  #: (n, ...) or (atoms, ...) of each declared one, in its unit
    cell: NDArray[Any] | None = None  #: (n, 3, 3) lattice vectors as rows; None: these have none
    pbc: NDArray[Any] | None = None  #: (n, 3) which of them molecules go on along


class PackWriter:
    """Appends molecules to the files of a folder.

    Args:
        folder: where to; it is there.
        units: of what is appended.
        skip_bad: leave molecules out whose numbers are not finite, or that have an atom of no element, and
            count them in `skipped`; else they are errors.
        stack: closes the files.
    """

    def __init__(self, folder: Path, units: Units, *, skip_bad: bool, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.factors = units.factors()
        self.skip_bad = skip_bad
        self.manifest: dict[str, Any] | None = None  #: of where the molecules are from; None: there is none
        self.columns: dict[str, Column] = {}
        self.without: frozenset[str] | None = None  #: None: nothing was added yet
        self.kinds: dict[str, File] = {}  #: of what is appended, by word
        self.files: dict[str, tuple[Path, IO[bytes]]] = {}
        self.sizes: list[NDArray[np.int32]] = []
        self.groups: list[NDArray[np.int64]] = []
        self.molecules = 0
        self.skipped = 0

    def declare(self, columns: Mapping[str, Column]) -> None:
        """The columns that all that is added has, beside cells. Raises GraphError."""
        if self.without is not None:
            raise GraphError("columns are declared before the first molecule is added")
        for name in ("cell", "pbc"):
            if name in columns:
                raise GraphError(f"column {name!r}: cells are given as Some.cell and Some.pbc")
        check_names({**self.columns, **columns})
        self.columns.update(columns)

    def add(self, some: Some, where: str) -> None:
        """Append molecules; `where` says in messages where they came from. Raises DataError."""
        if not len(some.sizes):
            return
        self.begin(some, where)
        arrays = self.converted(some, where)
        good = self.good(arrays, some.sizes, where)
        atoms = np.repeat(good, some.sizes)
        for word, (rows, _) in arrays.items():
            self.append(word, rows[atoms if self.kinds[word].atoms else good])
        groups = np.full(len(good), -1) if some.groups is None else some.groups
        self.sizes.append(some.sizes[good].astype(np.int32))
        self.groups.append(groups[good].astype(np.int64))
        self.molecules += int(good.sum())
        self.skipped += int((~good).sum())

    def begin(self, some: Some, where: str) -> None:
        """Make the files with what comes first; everything else must have the same arrays."""
        optional = ("F", some.forces), ("E", some.energies)
        without = frozenset(word for word, array in optional if array is None)
        if self.without is None:
            self.without = without
            for word, (name, atoms, shape) in STANDARD.items():
                if word not in without:
                    self.open(name, File(word, PACKS[name][0], atoms, shape))
            for word, column in self.columns.items():
                self.open_column(word, column)
        if without != self.without:
            word = min(without ^ self.without)
            what = {"F": "forces", "E": "energies"}[word]
            found, wanted = ("none", what) if word in without else (what, "none")
            reason = f"some molecules have {what}, some have none"
            raise DataError(reason, where=where, found=found, wanted=f"{wanted}, as before")
        if some.forces is not None and np.isnan(self.factors[2]):
            raise GraphError("forces without a unit: Units(force=...)")
        if (some.cell is None) != (some.pbc is None):
            raise GraphError("molecules with a cell have pbc, too, and the other way round")
        if some.cell is not None and "cell" not in self.columns:
            self.begin_cells()

    def begin_cells(self) -> None:
        """Make the files of cells; molecules that were added before have none."""
        for word, column in (("cell", CELL), ("pbc", PBC)):
            self.columns[word] = column
            self.open_column(word, column)
            for begin in range(0, self.molecules, ZEROS):
                count = min(ZEROS, self.molecules - begin)
                self.append(word, np.zeros((count, *column.shape), column.stored))

    def open_column(self, word: str, column: Column) -> None:
        """Make the file of a column."""
        self.open(column.file(word), File(word, column.stored, column.per == "atom", column.shape))

    def open(self, name: str, file: File) -> None:
        """Make a file, without a buffer: what a full disk refuses is known at once, and not at the end."""
        path = self.folder / name
        self.files[file.word] = path, self.stack.enter_context(path.open("wb", buffering=0))
        self.kinds[file.word] = file

    def append(self, word: str, rows: NDArray[Any]) -> None:
        """Write rows behind those that are there."""
        path, file = self.files[word]
        with naming(path):
            write_all(file.fileno(), rows.astype(self.kinds[word].dtype).tobytes())

    def converted(self, some: Some, where: str) -> dict[str, tuple[NDArray[Any], Bools]]:
        """What files hold, in their units, and which rows can be used; elements as they came."""
        energy, length, force = self.factors
        # What float32 cannot hold is infinite, what is no number stays that; both are found to be bad.
        with np.errstate(over="ignore", invalid="ignore"):
            made = {"Z": some.numbers, "R": (some.places * length).astype("<f4")}
            if some.forces is not None:
                made["F"] = (some.forces * force).astype("<f4")
            if some.energies is not None:
                made["E"] = some.energies.astype("<f8") * energy
            made["Qtot"] = (np.zeros(len(some.sizes)) if some.charges is None else some.charges).astype("<f8")
        arrays = {word: (rows, sound(word, rows)) for word, rows in made.items()}
        return arrays | self.in_columns(some, where)

    def in_columns(self, some: Some, where: str) -> dict[str, tuple[NDArray[Any], Bools]]:
        """The same of columns. Raises DataError for one that is missing, or has another shape."""
        given = dict(some.columns)
        if "cell" in self.columns:
            count, length = len(some.sizes), self.factors[1]
            given["cell"] = np.zeros((count, 3, 3)) if some.cell is None else np.asarray(some.cell) * length
            given["pbc"] = np.zeros((count, 3), bool) if some.pbc is None else np.asarray(some.pbc)
        if odd := sorted(given.keys() ^ self.columns.keys()):
            found, wanted = f"columns {', '.join(given) or 'none'}", f"{', '.join(self.columns) or 'none'}"
            raise DataError(f"column {odd[0]!r}", where=where, found=found, wanted=wanted)
        made = {}
        for word, rows in given.items():
            file = self.kinds[word]
            shape = (int(np.sum(some.sizes)) if file.atoms else len(some.sizes), *file.shape)
            if np.shape(rows) != shape:
                found, wanted = f"{list(np.shape(rows))}", f"{list(shape)}"
                raise DataError(f"column {word!r} of another shape", where=where, found=found, wanted=wanted)
            made[word] = as_stored(np.asarray(rows), file)
        if "cell" in made:
            cells, fine = made["cell"]
            made["cell"] = cells, fine & has_room(cells, made["pbc"][0])
        return made

    def good(
        self, arrays: Mapping[str, tuple[NDArray[Any], Bools]], sizes: NDArray[Any], where: str
    ) -> Bools:
        """Which molecules can be used. Raises DataError for one that cannot, unless those are skipped."""
        begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        good = np.ones(len(sizes), bool)
        for word, (_, fine) in arrays.items():
            good &= np.logical_and.reduceat(fine, begins) if self.kinds[word].atoms else fine
        if not self.skip_bad and not good.all():
            bad = int(np.flatnonzero(~good)[0])
            own = slice(int(begins[bad]), int(begins[bad] + sizes[bad]))
            atoms = {word for word in arrays if self.kinds[word].atoms}
            parts = {}
            for word, (rows, fine) in arrays.items():
                part = own if word in atoms else slice(bad, bad + 1)
                parts[word] = rows[part], fine[part]
            raise blame(parts, f"{where}, molecule {self.molecules + bad}", atoms)
        return good

    def finish(self) -> None:
        """Write what is known at the end."""
        sizes, groups = np.concatenate(self.sizes), np.concatenate(self.groups)
        offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.save("n_atoms.npy", sizes)
        self.save("offsets.npy", offsets)
        if (groups >= 0).all():
            self.save("groups.npy", groups)
        said = Manifest(tuple(self.columns.items()), self.without or frozenset()).as_json()
        if self.manifest is not None or said:
            counts = {"molecules": self.molecules, "atoms": int(offsets[-1]), "skipped": self.skipped}
            known = (self.manifest or {}) | said | counts
            self.whole(MANIFEST, (json.dumps(known, indent=1) + "\n").encode())

    def save(self, name: str, array: NDArray[Any]) -> None:
        """Write a `.npy` file."""
        head = io.BytesIO()
        npy.write_array_header_1_0(head, npy.header_data_from_array_1_0(array))
        self.whole(name, head.getvalue() + array.tobytes())

    def whole(self, name: str, data: bytes) -> None:
        """Write a file in one go."""
        path = self.folder / name
        with naming(path), path.open("wb", buffering=0) as file:
            write_all(file.fileno(), data)


@contextmanager
def packing(
    out: str | os.PathLike[str],
    units: Units,
    *,
    skip_bad: bool = False,
    columns: Mapping[str, Column] = MappingProxyType({}),
) -> Iterator[PackWriter]:
    """A writer; the folder gets its name when the block ends well, and is gone when it does not.

    All of it is on disk before the folder has its name.

    Args:
        out: the folder.
        units: of what is added.
        skip_bad: leave bad molecules out, and count them.
        columns: what molecules have beside the standard arrays, and cells.

    Raises DataError where the folder is there already: it is never overwritten; NoDataError if nothing came;
    OSError that names its file; GraphError for columns that cannot be.
    """
    with new_folder(Path(out)) as draft:
        with ExitStack() as stack:
            writer = PackWriter(draft, units, skip_bad=skip_bad, stack=stack)
            writer.declare(columns)
            yield writer
            if not writer.molecules:
                found = f"{writer.skipped:,}, all of them bad" if writer.skipped else "none"
                raise NoDataError("no molecules to pack", where=str(out), found=found)
            writer.finish()
        open_pack(draft).guard.close()  # what was written is what will be read
