"""All groups of an HDF5 file, by links of every kind: each once, whatever circles they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.files.regular import opened

__all__ = ["Group", "Walk"]

FILES = 256  #: other files that links may lead to


class Group(NamedTuple):
    """A group that was found."""

    name: str  #: its path, by the links that led there, from the root on; "/" for that one
    node: Any  #: of h5py


class Walk:
    """Goes through the groups of a file in the order of their names, the root first.

    Soft links and links to other files are followed where that is safe: to groups, in regular files. What is
    reached twice is given once.

    Args:
        h5py: the library.
        file: that is open.
        path: of the file.
        stack: closes files that links lead to.
    """

    def __init__(self, h5py: Any, file: Any, path: Path, stack: ExitStack) -> None:
        self.h5py, self.stack, self.path = h5py, stack, path
        self.files: dict[Path, Any] = {path.resolve(): file}
        self.seen: set[tuple[int, int]] = set()
        self.again = 0  #: links to groups that were given already
        self.lost: list[str] = []  #: links that lead nowhere, or where nobody should follow

    def groups(self) -> Iterator[Group]:
        """Each group once. Raises DataError for what cannot be read."""
        root = next(iter(self.files.values()))
        waiting = [(Group("/", root), self.path)]
        while waiting:
            group, path = waiting.pop()
            if not self.is_new(group.node):
                self.again += 1
                continue
            yield group
            inner = [self.follow(group, name, path) for name in self.names(group)]
            waiting += [each for each in reversed(inner) if each is not None]

    def is_new(self, node: Any) -> bool:
        """Whether this object was not met before, under whatever name."""
        with foreign("bad HDF5", str(self.path)):
            told = self.h5py.h5o.get_info(node.id)
        key = (int(told.fileno), int(told.addr))
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def names(self, group: Group) -> list[str]:
        """What a group links to, in order."""
        with foreign("bad HDF5", f"{self.path}, {group.name}"):
            return sorted(group.node)

    def follow(self, group: Group, name: str, path: Path) -> tuple[Group, Path] | None:
        """The group that a link leads to, and its file; None where it leads to something else, or nowhere."""
        where = f"{group.name}/{name}".removeprefix("//")
        with foreign("bad HDF5", f"{path}, {where}"):
            link = group.node.get(name, getlink=True)
        if isinstance(link, self.h5py.ExternalLink):
            return self.abroad(link, where, path)
        try:
            node = group.node.get(name)
        except (OSError, KeyError, RuntimeError, ValueError):
            node = None
        if node is None:
            self.lost.append(where)
            return None
        return (Group(where, node), path) if isinstance(node, self.h5py.Group) else None

    def abroad(self, link: Any, where: str, path: Path) -> tuple[Group, Path] | None:
        """The group in another file that a link leads to."""
        other = (path.parent / str(link.filename)).resolve()
        try:
            if other not in self.files and len(self.files) < FILES:
                # The library would wait for a pipe's writer.
                with opened(other), foreign("bad HDF5", str(other)):
                    self.files[other] = self.stack.enter_context(self.h5py.File(other))
            with foreign("bad HDF5", str(other)):
                node = self.files[other][str(link.path)]
        except (DataError, KeyError, OSError):
            self.lost.append(where)
            return None
        return (Group(where, node), other) if isinstance(node, self.h5py.Group) else None
