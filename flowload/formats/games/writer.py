"""Packed positions on their way to disk: under other names until all of them are there."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowload.files.drafts import naming, sync_folder, write_all

from .files import Part, replay_part
from .layouts import GAMES, LAYOUTS, Column, Packing

__all__ = ["Writer"]

SLICE = 1 << 13  #: samples that are written at a time: float32 makes 772 bytes of 32
BOOT = Path("/proc/sys/kernel/random/boot_id")  #: Linux: another one after a power failure


class Writer:
    """Writes parts in any order, from several threads; what an earlier one finished is not done again.

    Args:
        packing: where to.
        layout: a name of `LAYOUTS`.
        parts: all that is to be packed, in order.
        of: what it depends on, as JSON values; another one begins anew.
    """

    def __init__(self, packing: Packing, layout: str, parts: Sequence[Part], of: Mapping[str, Any]) -> None:
        self.packing, self.layout, self.parts, self.of = packing, LAYOUTS[layout], parts, of
        self.first_rows = np.cumsum([0, *(part.samples for part in parts)]).tolist()
        self.first_games = np.cumsum([0, *(part.games - part.skipped for part in parts)]).tolist()
        self.columns: dict[str, Column] = {**self.layout.columns, "games": GAMES}
        self.headers = {column: self.header(column) for column in self.columns}
        self.done = self.resumed()
        self.files: dict[str, int] = {}
        try:
            for column in self.columns:
                self.opened(column)
            self.open_journal()
        except OSError:
            self.close()
            if not self.done:
                self.discard()
            raise

    def length(self, column: str) -> int:
        """Rows of an array."""
        return int((self.first_games if column == "games" else self.first_rows)[-1])

    def header(self, column: str) -> bytes:
        """The first bytes of a `.npy` file: a multiple of 64, so no row of 32 lies across cache lines."""
        dtype, shape = self.columns[column]
        text = io.BytesIO()
        described = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False}
        npy.write_array_header_1_0(text, {**described, "shape": (self.length(column), *shape)})
        return text.getvalue()

    def size(self, column: str) -> int:
        """Bytes of a file."""
        return len(self.headers[column]) + self.length(column) * width(self.columns[column])

    def partial(self, column: str) -> Path:
        """The name of a file before it is whole."""
        return self.packing.file(column).with_suffix(".partial")

    def plan(self) -> str:
        """What the journal begins with; one of another boot is not believed: the files may have holes."""
        boot = BOOT.read_text(encoding="ascii").strip() if BOOT.exists() else ""
        return json.dumps([self.of, len(self.parts), boot])

    def resumed(self) -> set[int]:
        """The parts that an earlier writer of the same finished."""
        try:
            first, *lines = self.packing.journal.read_text(encoding="utf-8").split("\n")
            sizes = {column: self.partial(column).stat().st_size for column in self.columns}
        except FileNotFoundError:
            return set()
        if first != self.plan() or any(self.size(column) != size for column, size in sizes.items()):
            return set()
        numbers = {int(line) for line in lines[:-1] if line.isdecimal()}  # the last is empty, or half a line
        return numbers & set(range(len(self.parts)))

    def opened(self, column: str) -> None:
        """Open a file, with its header, as long as it will be; begun anew where nothing of it counts."""
        path, keep = self.partial(column), 0 if self.done else os.O_TRUNC
        self.files[column] = fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | keep, 0o666)
        with naming(path):
            write_all(fd, self.headers[column], 0)
            os.ftruncate(fd, self.size(column))

    def open_journal(self) -> None:
        """Open the journal, begun anew with what is done already: no half line stays."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC
        self.files["journal"] = fd = os.open(self.packing.journal, flags, 0o666)
        lines = [self.plan(), *map(str, sorted(self.done))]
        with naming(self.packing.journal):
            write_all(fd, "".join(f"{line}\n" for line in lines).encode())

    def write(self, number: int) -> None:
        """Replay a part, and write what it gives. Raises DataError and OSError."""
        replayed = replay_part(self.parts[number], self.first_rows[number])
        rows = replayed.rows.view(np.uint8)
        for start in range(0, len(rows), SLICE):
            for column, array in self.layout.make(rows[start : start + SLICE]).items():
                self.put(column, self.first_rows[number] + start, array)
        self.put("games", self.first_games[number], replayed.games)
        with naming(self.packing.journal):
            os.write(self.files["journal"], f"{number}\n".encode())  # one call: threads do not mix lines

    def put(self, column: str, row: int, array: NDArray[Any]) -> None:
        """Write rows to their place."""
        at = len(self.headers[column]) + row * width(self.columns[column])
        with naming(self.partial(column)):  # such as: no space left on device
            write_all(self.files[column], array.data.cast("B") if array.size else b"", at)

    def commit(self, *, sync: bool) -> dict[str, Any]:
        """Give all files their names, those of an older packing gone first; what is told of them."""
        for column in self.columns if sync else ():
            with naming(self.partial(column)):
                os.fsync(self.files[column])
        told = {
            "of": self.of,
            "rows": self.first_rows[-1],
            "games": sum(part.games for part in self.parts),
            "skipped": sum(part.skipped for part in self.parts),
            "empty": sum(part.empty for part in self.parts),
            "parts": len(self.parts),
        }
        old = {column for layout in LAYOUTS.values() for column in layout.columns}
        for path in (self.packing.manifest, *map(self.packing.file, sorted(old)), self.packing.file("games")):
            path.unlink(missing_ok=True)
        # What a reader looks for comes last of the arrays: whoever finds it finds what goes with it, too.
        for column in reversed(self.columns):
            self.partial(column).replace(self.packing.file(column))
        if sync:
            sync_folder(self.packing.folder)
        self.write_manifest(told, sync=sync)
        self.packing.journal.unlink()
        return told

    def write_manifest(self, told: Mapping[str, Any], *, sync: bool) -> None:
        """Say that all is there; nothing is said before it is so on disk."""
        draft = self.packing.manifest.with_suffix(".json.partial")
        try:
            with naming(draft), draft.open("wb", buffering=0) as file:
                write_all(file.fileno(), json.dumps(told, indent=1).encode())
                if sync:
                    os.fsync(file.fileno())
            draft.replace(self.packing.manifest)
        finally:
            draft.unlink(missing_ok=True)
        if sync:
            sync_folder(self.packing.folder)

    def discard(self) -> None:
        """Remove what was written so far."""
        for path in (*map(self.partial, self.columns), self.packing.journal):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files; what was finished stays finished."""
        for fd in self.files.values():
            os.close(fd)
        self.files.clear()


def width(column: Column) -> int:
    """Bytes of a row."""
    dtype, shape = column
    return dtype.itemsize * int(np.prod(shape, dtype=np.int64))
