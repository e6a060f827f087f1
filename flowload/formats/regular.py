"""Opening what must be a file: a pipe that nobody writes to would be waited for without end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from flowload.errors import DataError, NoDataError

__all__ = ["open_regular"]


def open_regular(path: Path) -> BinaryIO:
    """A regular file, opened for reading; links are followed.

    Raises NoDataError where there is none, DataError for a pipe, a device, a socket or a folder, OSError.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise NoDataError("no such file", where=str(path)) from error
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a device without a driver
            raise DataError("not a file", where=str(path), wanted="a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise DataError("not a file", where=str(path), wanted="a regular file")
    return os.fdopen(fd, "rb")
