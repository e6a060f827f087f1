"""Small reads of a large file: positional, through one buffer that fits the reader's steps."""

from __future__ import annotations

import os
from typing import Protocol

__all__ = ["Range", "Window"]

NEAR = 1 << 13  #: a step that makes one large read cheaper than several small ones, in bytes
SMALL = 2056  #: bytes of one read: the end of a tar member, its padding, and up to three header blocks
LARGE = 1 << 16  #: bytes of one read where it pays


class Range(Protocol):
    """What lies where in a file."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes at `offset`, fewer at the end of the file."""


class Window:
    """What lies where in an open file; the file's own position is not used."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self.start = 0
        self.data = b""

    def read(self, offset: int, count: int) -> bytes:
        """`count` bytes at `offset`, fewer at the end of the file."""
        at = offset - self.start
        if at < 0 or at + count > len(self.data):
            near = 0 <= at - len(self.data) < NEAR or 0 <= at <= len(self.data)
            self.data = os.pread(self.fd, max(count, LARGE if near else SMALL), offset)
            self.start, at = offset, 0
        return self.data[at : at + count]
