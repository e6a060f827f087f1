"""What tells a file from another, and from what it was: compared when it is opened, read, and done with."""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime
from typing import NamedTuple

from flowload.errors import DataError

__all__ = ["Identity", "changed", "identify", "identity_of", "stat_of"]

PACKED = struct.Struct("<QQQq")


class Identity(NamedTuple):
    """What tells one version of a file from another: device, inode, size and time of writing."""

    device: int
    inode: int
    size: int  #: bytes
    modified: int  #: when its bytes were written last, in nanoseconds since 1970

    def pack(self) -> bytes:
        """The identity in 32 bytes, for whoever keeps very many."""
        return PACKED.pack(*(value & (1 << 64) - 1 for value in self[:3]), self.modified)

    @classmethod
    def unpack(cls, packed: bytes) -> Identity:
        """The identity that gave these bytes."""
        return cls(*PACKED.unpack(packed))

    def told(self, other: Identity | None) -> str:
        """In words, what tells it from another: bytes, time, or that it is another file."""
        when = datetime.fromtimestamp(self.modified / 1e9, UTC).isoformat(sep=" ", timespec="milliseconds")
        if other is None or self[:2] != other[:2]:
            return f"file {self.device:x}:{self.inode} of {self.size:,} bytes, written {when}"
        if self.size != other.size:
            return f"{self.size:,} bytes"
        return f"{self.size:,} bytes, written {when} ({self.modified} ns)"


def identity_of(info: os.stat_result) -> Identity:
    """The identity in what the system says of a file."""
    return Identity(info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns)


def identify(fd: int) -> Identity:
    """The identity of an open file, whatever its path leads to now. Raises OSError."""
    return identity_of(os.fstat(fd))


def stat_of(path: str) -> Identity | None:
    """The identity of the file that a path leads to now; None where it leads nowhere. Raises OSError."""
    try:
        return identity_of(os.stat(path))  # noqa: PTH116 - a Path for each of many files costs more than the call
    except (FileNotFoundError, NotADirectoryError):
        return None


def changed(path: str, found: Identity | None, wanted: Identity) -> DataError:
    """The error for a file that became another one under a run, or has gone."""
    said = "no file" if found is None else found.told(wanted)
    return DataError(
        "file changed", where=path, found=said, wanted=f"{wanted.told(found)}, as when it was opened"
    )
