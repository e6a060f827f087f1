"""Whether somebody still writes a file: asked of the kernel where it knows, judged by stillness elsewhere."""

from __future__ import annotations

import enum
import fcntl
import os
import re
import signal
import stat
import sys
import time
from pathlib import Path, PurePath
from typing import NamedTuple

__all__ = ["FileState", "LookAtFiles", "WriterState", "filesystem", "nobody_writes"]

#: File systems on which this kernel sees every writer. Elsewhere (network, FUSE, overlay) others may.
LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "ramfs", "tmpfs", "xfs", "zfs"})

#: Seconds without a change after which a file is complete at first sight where the kernel does not tell.
LONG_AGO = 60.0

OCTAL = re.compile(r"\\([0-7]{3})")  # how mountinfo writes blanks in names


class WriterState(enum.Enum):
    """Whether a file is complete, is being written, or nobody can tell."""

    COMPLETE = "complete"
    WRITING = "writing"  #: open for writing, or still empty
    UNSURE = "unsure"  #: nobody can tell; a file that stays as it is for a while is complete


class FileState(NamedTuple):
    """State, size and time of a file at one moment."""

    verdict: WriterState
    size: int  #: bytes
    mtime_ns: int


class LookAtFiles:
    """Looks at files; remembers which folders lie where the kernel sees every writer."""

    def __init__(self) -> None:
        self.local: dict[str, bool] = {}

    def __call__(self, path: str) -> FileState | None:
        """What can be said of a file now; None when it is gone or is no regular file."""
        try:
            info = Path(path).stat()
        except OSError:
            return None
        if not stat.S_ISREG(info.st_mode):
            return None
        return FileState(self.judge(path, info), info.st_size, info.st_mtime_ns)

    def judge(self, path: str, info: os.stat_result) -> WriterState:
        """The verdict on a regular file."""
        if info.st_size == 0:
            return WriterState.WRITING
        free = nobody_writes(path) if self.is_local(path.rpartition(os.sep)[0]) else None
        if free is None:
            return WriterState.COMPLETE if time.time() - info.st_mtime > LONG_AGO else WriterState.UNSURE
        return WriterState.COMPLETE if free else WriterState.WRITING

    def is_local(self, folder: str) -> bool:
        """Whether this kernel sees every writer of the files in a folder."""
        if folder not in self.local:
            self.local[folder] = filesystem(folder) in LOCAL
        return self.local[folder]


def nobody_writes(path: str) -> bool | None:
    """Whether no process has a file open for writing; None when the kernel does not tell.

    Linux grants a read lease only on a file without writers; it is given back at once. It takes the
    file's owner or CAP_LEASE.
    """
    if sys.platform != "linux":
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Who opens the file for writing in the microseconds of the lease makes the kernel signal us:
        # SIGIO by default, which kills; SIGURG is ignored unless somebody asks for it.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(fd)
    return True


def filesystem(path: str) -> str:
    """The kind of file system that a path lies on, such as "ext4"; empty where nobody tells."""
    place = PurePath(os.path.realpath(path))
    kind, depth = "", 0
    for line in mounts():
        left, _, right = line.partition(" - ")
        mount = PurePath(OCTAL.sub(lambda code: chr(int(code[1], 8)), left.split()[4]))
        # Of several mounts on one folder the last hides the others.
        if len(mount.parts) >= depth and place.is_relative_to(mount):
            kind, depth = right.split()[0], len(mount.parts)
    return kind


def mounts() -> list[str]:
    """What is mounted where, as proc(5) describes it."""
    try:
        return Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return []
