"""In which order a growing source told its files: what it tells again when a run goes on."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from flowload.abc.operators import State
from flowload.errors import GraphError

__all__ = ["Entry", "ToldFile", "ToldLog", "entries_of"]

SEALED = 4096  #: files of a piece: names of a folder are packed to about a tenth


class ToldFile(NamedTuple):
    """One file, wherever its folder lies."""

    size: int  #: bytes
    place: int  #: number of the pattern that found it
    name: str  #: below that pattern's folder
    tag: str = ""  #: of an object's version; empty: a file's


Entry: TypeAlias = list[ToldFile] | None  #: the files of a block; None: all that was known was told


class ToldLog:
    """Blocks of files and marks, in order; the older ones packed, so that a state is cheap however long."""

    def __init__(self) -> None:
        self.entries = 0  #: in all
        self.pieces: list[str] = []
        self.open: list[Entry] = []
        self.files = 0  # in the open piece

    def add(self, entry: Entry) -> None:
        """Note what is told next."""
        self.open.append(entry)
        self.entries += 1
        self.files += 1 if entry is None else len(entry)
        if self.files >= SEALED:
            sealed, self.open, self.files = self.open, [], 0
            self.pieces.append(packed(sealed))

    def state(self, beyond: Sequence[ToldFile] = ()) -> State:
        """All of it, as JSON values, and what is to be told next; from any thread."""
        pieces, last = list(self.pieces), list(self.open)
        if len(pieces) != len(self.pieces):  # it was sealed meanwhile, and is in both
            pieces, last = list(self.pieces), []
        return {"pieces": pieces, "last": packed([*last, list(beyond)] if beyond else last)}


def packed(entries: Sequence[Entry]) -> str:
    """Entries as text: JSON, zlib, base64."""
    rows = [
        None if entry is None else [list(file[: 3 + bool(file.tag)]) for file in entry] for entry in entries
    ]
    text = json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 1)).decode()


def entries_of(state: State) -> Iterator[Entry]:
    """What `ToldLog.state` gave, entry by entry. Raises GraphError for anything else."""
    try:
        for piece in [*state["pieces"], state["last"]]:
            for row in json.loads(zlib.decompress(base64.b64decode(piece))):
                yield (
                    None
                    if row is None
                    else [ToldFile(int(size), int(place), *map(str, names)) for size, place, *names in row]
                )
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise GraphError("the state does not say which files were told") from error
