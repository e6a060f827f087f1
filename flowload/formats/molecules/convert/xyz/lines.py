"""A text file through a window: line by line, or many lines at a time for a kernel, in bounded memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

__all__ = ["Lines"]

WINDOW = 4 << 20  #: bytes that are read at a time
LONGEST = 16 << 20  #: bytes of a line: matrices of a thousand atoms fit

NEWLINE = 10


class Lines:
    """Goes through the lines of a file; `\\n` ends one.

    The file is read, not mapped: one that becomes shorter meanwhile ends early, and kills nobody.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.size = os.fstat(file.fileno()).st_size
        self.window = b""
        self.text: NDArray[np.uint8] = np.empty(0, np.uint8)  #: the window
        self.ends: NDArray[np.int64] = np.empty(0, np.int64)  #: where lines end in it
        self.next = 0  #: of these
        self.at = 0  #: place in the window where the next line begins
        self.base = 0  #: place of the window in the file
        self.line = 0  #: lines that were taken
        self.whole = False  #: nothing follows the window

    @property
    def done(self) -> int:
        """Bytes that were taken."""
        return min(self.base + self.at, self.size)

    @property
    def left(self) -> int:
        """Bytes of the file that were not."""
        return self.size - self.done

    def available(self) -> int:
        """Whole lines in the window, from the next one on; 0 only at the end of the file.

        Raises DataError for a line without an end.
        """
        while self.next >= len(self.ends):
            if self.whole:
                return 0
            self.fill()
        return len(self.ends) - self.next

    def fill(self) -> None:
        """Read on."""
        rest = self.window[self.at :]
        if len(rest) > LONGEST:
            raise DataError(
                "line too long",
                where=f"{self.path}, line {self.line + 1}",
                found=f"more than {LONGEST:,} bytes without an end, {rest[:40]!r}...",
                wanted="text",
            )
        data = self.file.read(WINDOW)
        self.base, self.at = self.base + self.at, 0
        self.window = rest + data
        self.whole = not data
        if self.whole and rest:
            self.window += b"\n"  # of the last line, where it has none
        self.text = np.frombuffer(self.window, np.uint8)
        self.ends, self.next = np.flatnonzero(self.text == NEWLINE), 0

    def take(self) -> bytes | None:
        """The next line; None: there is none."""
        if not self.available():
            return None
        end = int(self.ends[self.next])
        line = self.window[self.at : end]
        self.skip(1)
        return line

    def skip(self, count: int) -> None:
        """So many of those that are available were taken."""
        self.next += count
        self.line += count
        self.at = int(self.ends[self.next - 1]) + 1
