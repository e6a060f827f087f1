"""The source of files that are there: listed once, told again in every pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from flowload.abc.operators import Call, State
from flowload.blocks import Files
from flowload.errors import DataError
from flowload.files.fingerprint import Fingerprint, of_files
from flowload.stages.cursor import Cursor

from .glob import Search, name_of
from .walk import GoOn

__all__ = ["ListSource", "in_blocks"]

LARGEST = 64  #: paths a block at most
BLOCKS = 64  #: blocks a listing at least, as far as it has files: they are indexed in parallel


def in_blocks(paths: Sequence[str], epoch: int = 0, start: int = 0) -> Iterator[Files]:
    """Paths in blocks whose borders depend on their number alone, from the path `start` on."""
    step = min(max(len(paths) // BLOCKS, 1), LARGEST)
    while start < len(paths):
        end = start - start % step + step
        yield Files(tuple(paths[start:end]), epoch)
        start = end


class ListSource:
    """Source operator: lists files at its first pass, and gives the same ones in every pass."""

    def __init__(self, texts: tuple[str, ...], suffixes: tuple[str, ...]) -> None:
        self.texts = texts
        self.suffixes = suffixes
        self.cursor = Cursor()
        self.paths: list[str] | None = None
        self.search = Search(())
        self.expected: str | None = None  #: of the state that was restored
        self.printed: Fingerprint | None = None

    def epoch(self, number: int, call: Call) -> Iterator[Files]:
        """Every file once, in natural order of the names. Raises NoDataError and DataError."""
        for block in in_blocks(self.listed(call.go_on), number, self.cursor.begin(number)):
            self.cursor.given += len(block)
            yield block

    def look(self, call: Call) -> None:
        """List the files, if nobody has."""
        self.listed(call.go_on)

    def fingerprint(self) -> Fingerprint | None:
        """Names below the folders that were searched, sizes, and some bytes of some; looked at once."""
        if self.printed is None and self.paths is not None:
            self.printed = of_files(self.paths, self.search.names(self.paths))
        return self.printed

    def roots(self) -> Sequence[str]:
        """See `Rooted`. Raises DataError."""
        return [place.root for place in Search.of(self.texts, self.suffixes).places]

    def listed(self, go_on: GoOn) -> list[str]:
        """The files, which are listed once."""
        if self.paths is None:
            self.paths = self.list(go_on)
        return self.paths

    def list(self, go_on: GoOn) -> list[str]:
        """The files that are here now; DataError when they are not those of the restored state."""
        self.search = Search.of(self.texts, self.suffixes)
        paths = self.search.find(go_on)
        self.check_names(paths)
        return paths

    def check_names(self, paths: Sequence[str]) -> None:
        """Raise DataError where these are not the files of the restored state."""
        if self.expected is not None and self.expected != digest(paths):
            raise DataError(
                "other files than when the state was saved",
                where=", ".join(self.texts),
                found=f"{len(paths)} files",
                wanted="the same names: restore them, or begin anew without the state",
            )

    def gauges(self) -> dict[str, float]:
        """How far it is."""
        return self.cursor.gauges(len(self.paths or ()))

    def state(self) -> State:
        """The files given in this pass, and which files there are."""
        names = self.expected if self.paths is None else digest(self.paths)
        return {**self.cursor.state(), "names": names}

    def restore(self, state: State) -> None:
        """Go on there; the files are compared when they are listed."""
        self.cursor.restore(state)
        self.expected = state["names"]


def digest(paths: Sequence[str]) -> str:
    """Which files these are, wherever their folder is mounted."""
    names = "/".join(map(name_of, paths)).encode(errors="surrogateescape")
    return hashlib.blake2b(names, digest_size=16).hexdigest()
