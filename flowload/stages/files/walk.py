"""Looking through folders for files whose names fit a pattern, without following a link in a circle."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from flowload.errors import DataError

__all__ = ["FolderWalk", "GoOn", "anything", "entries", "is_file", "is_folder", "matches"]

GoOn: TypeAlias = Callable[[], None]


def anything() -> None:
    """Default of `go_on`, which is called between folders and may raise to end a search: does nothing."""


def matches(name: str, part: str) -> bool:
    """Whether one component fits its pattern; a wildcard does not stand for a leading dot."""
    return fnmatchcase(name, part) and (not name.startswith(".") or part.startswith("."))


class FolderWalk:
    """Looks through folders.

    Args:
        go_on: asked with every entry.
    """

    def __init__(self, go_on: GoOn = anything) -> None:
        self.go_on = go_on

    def files(self, folder: str, parts: tuple[str, ...], above: frozenset[str]) -> Iterator[str]:
        """Paths of the files below a folder that fit a pattern. Links are followed, but never in a circle."""
        head, rest = parts[0], parts[1:]
        if head == "**":
            real = os.path.realpath(folder)
            if real in above:
                return
            above |= {real}
            yield from self.files(folder, rest, above)
        for entry in entries(folder, self.go_on):
            self.go_on()
            if head == "**":
                if not entry.name.startswith(".") and is_folder(entry):
                    yield from self.files(entry.path, parts, above)
            elif matches(entry.name, head):
                if not rest and is_file(entry):
                    yield entry.path
                elif rest and is_folder(entry):
                    yield from self.files(entry.path, rest, above)


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is, or links to, a regular file; a link that leads nowhere is none."""
    return Path(entry).is_file() if entry.is_symlink() else entry.is_file()


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is, or links to, a folder."""
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def entries(folder: str, go_on: GoOn = anything) -> list[os.DirEntry[str]]:
    """What a folder holds; nothing when it is gone. Raises DataError when it cannot be read."""
    found = []
    try:
        with os.scandir(folder) as here:
            for entry in here:
                found.append(entry)
                go_on()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError("unreadable folder", where=folder, found=error.strerror or str(error)) from error
    return found
