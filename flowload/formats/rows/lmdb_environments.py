"""LMDB environments that are open: LMDB allows one a process for each file, whoever reads it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.files.regular import opened, translated

from .columns import import_extra

if TYPE_CHECKING:
    import lmdb

__all__ = ["ENVIRONMENTS", "Environments", "data_file"]

DATA = "data.mdb"  #: in a folder
DATABASES = 64  #: named ones that may be opened


class Environments:
    """Opens each once, and closes it with its last user. Any thread; a fork begins anew."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users: dict[tuple[int, str], list[Any]] = {}  # process and file: environment, how many use it

    def open(self, path: str) -> lmdb.Environment:
        """Open for reading. Raises DataError and MissingExtra."""
        library = import_extra("lmdb", "lmdb")
        key = key_of(path)
        with self.lock:
            if key not in self.users:
                self.users[key] = [open_environment(library, path), 0]
            self.users[key][1] += 1
            environment: lmdb.Environment = self.users[key][0]
            return environment

    def close(self, path: str) -> None:
        """Count one user less; the last one closes the environment."""
        key = key_of(path)
        with self.lock:
            self.users[key][1] -= 1
            if not self.users[key][1]:
                self.users.pop(key)[0].close()


def key_of(path: str) -> tuple[int, str]:
    """What names an environment of this process. Raises DataError for what cannot be a path."""
    with translated(path, "an LMDB folder or file"):
        return os.getpid(), os.path.realpath(path)


def data_file(path: str) -> Path:
    """The file that holds the rows of an environment: of a folder the one in it."""
    return Path(path) / DATA if Path(path).is_dir() else Path(path)


def open_environment(library: Any, path: str) -> Any:
    """Open a folder with `data.mdb`, or a file. Raises DataError."""
    if not Path(path).exists():
        raise NoDataError("no such file", where=path, wanted="an LMDB folder or file")
    file = data_file(path)
    with opened(file, "an LMDB database"):
        pass  # a pipe would be waited for
    try:
        # No lock file: data that are trained on do not change. No read-ahead: rows come in any order.
        environment = library.open(
            path,
            subdir=Path(path).is_dir(),
            readonly=True,
            lock=False,
            readahead=False,
            create=False,
            max_dbs=DATABASES,
        )
        check_size(path, environment)
    except DataError:
        environment.close()
        raise
    except library.Error as error:
        raise DataError("no LMDB database", where=path, found=str(error)) from error
    return environment


def check_size(path: str, environment: Any) -> None:
    """Raise DataError where a file ends before its last page: LMDB would read behind its end, and die."""
    with foreign("no LMDB database", path):
        wanted = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    file = data_file(path)
    with translated(file):
        found = file.stat().st_size
    if found < wanted:
        raise DataError("truncated", where=str(file), found=f"{found:,} bytes", wanted=f"{wanted:,} bytes")


#: The one of this process: the law is LMDB's own, and counts for all runs together.
ENVIRONMENTS = Environments()
