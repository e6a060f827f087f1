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
    """A group of an HDF5 file, and the path by which it was found."""

    name: str  #: its path, by the links that led there, from the root on; "/" for that one
    node: Any  #: of h5py
    path: Path  #: of the file that it lies in


class Walk:
    """Goes through the groups of a file in the order of their names, the root first.

    Soft links and links to other files are followed where that is safe: in regular files. What is reached
    twice is given once.

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

    def groups(self) -> Iterator[tuple[Group, list[str]]]:
        """Each group once, with the names of its datasets. Raises DataError for what cannot be read."""
        waiting = [Group("/", next(iter(self.files.values())), self.path)]
        while waiting:
            group = waiting.pop()
            if not self.is_new(group.node):
                self.again += 1
                continue
            inner: list[Group] = []
            datasets: list[str] = []
            for name, where in self.names(group):
                if self.is_own_dataset(group, name, where):
                    datasets.append(name)
                elif (found := self.follow(group, name, where)) is None:
                    self.lost.append(where)
                elif isinstance(found[0], self.h5py.Group):
                    inner.append(Group(where, *found))
                else:
                    datasets.append(name)
            yield group, datasets
            waiting += reversed(inner)

    def is_own_dataset(self, group: Group, name: str, where: str) -> bool:
        """Whether a hard link leads to a dataset; it is not opened, which would take most of the time."""
        h5l, h5o, key = self.h5py.h5l, self.h5py.h5o, name.encode("utf-8", "surrogateescape")
        with foreign("bad HDF5", f"{group.path}, {where}"):
            if group.node.id.links.get_info(key).type != h5l.TYPE_HARD:
                return False
            return bool(h5o.get_info(group.node.id, key).type == h5o.TYPE_DATASET)

    def datasets(self, group: Group) -> dict[str, Any]:
        """Those of a group by name. Raises DataError for what cannot be read.

        Opened anew, and closed when they are let go: each that is open may have a cache of a megabyte.
        """
        found = {name: self.follow(group, name, where) for name, where in self.names(group)}
        return {
            name: each[0]
            for name, each in found.items()
            if each is not None and isinstance(each[0], self.h5py.Dataset)
        }

    def is_new(self, node: Any) -> bool:
        """Whether this object was not met before, under whatever name."""
        with foreign("bad HDF5", str(self.path)):
            told = self.h5py.h5o.get_info(node.id)
        key = (int(told.fileno), int(told.addr))
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def names(self, group: Group) -> list[tuple[str, str]]:
        """What a group links to, in order: names there, and from the root on."""
        with foreign("bad HDF5", f"{group.path}, {group.name}"):
            names = sorted(group.node)
        return [(name, f"{group.name}/{name}".removeprefix("//")) for name in names]

    def follow(self, group: Group, name: str, where: str) -> tuple[Any, Path] | None:
        """What a link leads to, and its file; None where it leads nowhere."""
        with foreign("bad HDF5", f"{group.path}, {where}"):
            key = name.encode("utf-8", "surrogateescape")
            if group.node.id.links.get_info(key).type == self.h5py.h5l.TYPE_HARD:
                return group.node[name], group.path  # the object itself: if it cannot be read, it is damaged
            link = group.node.get(name, getlink=True)
            outside = isinstance(link, self.h5py.ExternalLink)
        try:
            with foreign("lost link", where):
                return self.abroad(link, group.path) if outside else (group.node[name], group.path)
        except DataError:
            return None

    def abroad(self, link: Any, path: Path) -> tuple[Any, Path]:
        """What lies in another file, and that file's path."""
        other = (path.parent / str(link.filename)).resolve()
        if other not in self.files:
            if len(self.files) > FILES:
                raise DataError("too many files", where=str(other))
            with opened(other):  # the library would wait for a pipe's writer
                self.files[other] = self.stack.enter_context(self.h5py.File(other, "r"))
        return self.files[other][str(link.path)], other
