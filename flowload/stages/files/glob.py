"""Which files a user means: patterns, folders and names become paths, in natural order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from glob import escape, has_magic
from heapq import merge
from itertools import islice
from pathlib import Path, PurePath
from typing import TypeAlias

from flowload.errors import DataError, NoDataError
from flowload.files.regular import translated
from flowload.files.visible import visible

from .walk import FolderWalk, GoOn, anything, entries, is_file, is_folder, matches

__all__ = ["Pattern", "Search", "natural"]

Natural: TypeAlias = tuple[tuple[str | int, ...], str]

PIECE = 1 << 15  #: names that are sorted in one go: 50 ms


def natural(path: str) -> Natural:
    """The sort key of a path: its name with digits as numbers, then the whole path."""
    words = re.split("([0-9]+)", name_of(path))
    return tuple(int(word) if place % 2 else word for place, word in enumerate(words)), path


def name_of(path: str) -> str:
    """The last component of a path, without the price of a Path for each of many files."""
    return path.rpartition(os.sep)[2]


@dataclass(frozen=True)
class Pattern:
    """One pattern, folder or file as a user wrote it, split into where to look and what fits.

    Args:
        text: as the user wrote it, for messages.
        root: the folder to look in.
        parts: a pattern for each level below it; `**` stands for any number of folders.
        suffixes: endings of names that fit; empty: any.
        named: the user named this one file, whatever its name.
    """

    text: str
    root: str
    parts: tuple[str, ...]
    suffixes: tuple[str, ...] = ()
    named: bool = False

    @classmethod
    def of(cls, text: str, suffixes: tuple[str, ...], *, absolute: bool = False) -> Pattern:
        """What a text means on this disk: a folder if there is one, else a pattern, else a file.

        Raises DataError where nobody can say, such as for a name that is too long.
        """
        wanted = "a pattern, a folder or a file"
        try:
            with translated(text, wanted):
                return cls.split(text, suffixes, absolute=absolute)
        except RuntimeError as error:
            raise DataError("no home folder", where=text, found=str(error), wanted=wanted) from error

    @classmethod
    def split(cls, text: str, suffixes: tuple[str, ...], *, absolute: bool) -> Pattern:
        """Parse, as `of`. Raises OSError, RuntimeError for a user without a home, and ValueError."""
        path = Path(text).expanduser()
        if absolute:
            path = path.absolute()
        if path.is_dir():
            return cls(text, str(path), ("*",), suffixes)
        if not has_magic(str(path)) or path.exists():
            return cls(text, str(path.parent), (escape(path.name),), named=True)
        inside = text.endswith(os.sep)  # the pattern means folders: look into them
        root, parts = split_magic(path / "*" if inside else path)
        return cls(text, root, parts, suffixes if inside else ())

    @property
    def recursive(self) -> bool:
        """Whether folders below the root are looked at."""
        return len(self.parts) > 1

    def find(self, go_on: GoOn = anything) -> list[str]:
        """The files that are here now. Raises DataError for a folder that cannot be read."""
        with translated(self.text):
            found = FolderWalk(go_on).files(self.root, self.parts, frozenset())
            return [path.removeprefix("./") for path in found if self.takes(name_of(path))]

    def wants(self, path: str) -> bool:
        """Whether a file at this path, which need not exist, would be found."""
        below = below_root(path, self.root)
        return below is not None and fits(below, self.parts) and self.takes(below[-1])

    def takes(self, name: str) -> bool:
        """Whether a file name is visible and ends as wanted."""
        if self.named:
            return True
        return visible(name) and (not self.suffixes or name.lower().endswith(self.suffixes))

    def nothing(self) -> NoDataError:
        """Why nothing was found, in words."""
        if self.named and Path(self.text).expanduser().exists():
            return NoDataError("not a file", where=self.text, found="a pipe or a device", wanted="a file")
        if self.named:
            return NoDataError("no such file", where=self.text)
        return NoDataError("no files", where=self.text, found=self.seen(), wanted=self.meaning())

    def seen(self) -> str:
        """What is at the root instead, for the error message."""
        if not Path(self.root).is_dir():
            return f"no folder {self.root!r}"
        here = entries(self.root)
        files = sum(map(is_file, here))
        return f"{files} other files and {sum(map(is_folder, here))} folders in {self.root!r}"

    def meaning(self) -> str:
        """What files would fit."""
        ends = " or ".join(self.suffixes)
        name = f"names ending in {ends}" if ends else f"names like {'/'.join(self.parts)}"
        return f"{name}, neither hidden nor partial"


@dataclass(frozen=True)
class Search:
    """All patterns of one `discover`, searched together."""

    places: tuple[Pattern, ...]

    @classmethod
    def of(cls, texts: Iterable[str], suffixes: tuple[str, ...] = (), *, absolute: bool = False) -> Search:
        """Parse what a user wrote, by what is on this disk now."""
        return cls(tuple(Pattern.of(text, suffixes, absolute=absolute) for text in texts))

    def find(self, go_on: GoOn = anything) -> list[str]:
        """Every file that is here now, once, in natural order; NoDataError for a place without files.

        Args:
            go_on: asked all the time; raises where nobody waits for the files any more.
        """
        found = [(place, place.find(go_on)) for place in self.places]
        for place, paths in found:
            if not paths:
                raise place.nothing()
        return in_order((path for _, paths in found for path in paths), go_on)

    def find_any(self, go_on: GoOn = anything) -> list[str]:
        """Every file that is here now, as `find`; a pattern without files is no error."""
        return in_order((path for place in self.places for path in place.find(go_on)), go_on)

    def names(self, paths: Iterable[str]) -> list[str]:
        """Files by the folder that was searched: the same wherever that lies."""
        roots = sorted({place.root for place in self.places}, key=len, reverse=True)
        inside = [root if root.endswith(os.sep) else root + os.sep for root in roots]
        return [next((path[len(root) :] for root in inside if path.startswith(root)), path) for path in paths]

    def place_of(self, path: str) -> tuple[int, str]:
        """The number of the pattern that finds a file, and its path below that pattern's folder."""
        for number, place in enumerate(self.places):
            root = place.root if place.root.endswith(os.sep) else place.root + os.sep
            if path.startswith(root):
                return number, path[len(root) :]
        return -1, path

    def path_of(self, number: int, name: str) -> str:
        """The path of which `place_of` said this. Raises IndexError where there is no such pattern."""
        return name if number < 0 else os.path.join(self.places[number].root, name)  # noqa: PTH118

    def tag(self, path: str) -> str:  # noqa: ARG002 - see `Places`
        """Empty: a file's version cannot be told without reading it."""
        return ""

    def check(self, go_on: GoOn = anything) -> None:
        """Raise NoDataError unless every place can be watched: its folder, or the file it names, is there."""
        for place in self.places:
            if not Path(place.root).is_dir() or (place.named and not place.find(go_on)):
                raise place.nothing()

    def wants(self, path: str) -> bool:
        """Whether a file at this path would be found."""
        return any(place.wants(path) for place in self.places)

    def unclear(self, path: str) -> bool:
        """Whether only a new search can say what an event here means: at a folder, or not below a root."""
        if not any(PurePath(path).is_relative_to(place.root) for place in self.places):
            return True
        return self.recursive and Path(path).is_dir()

    @property
    def roots(self) -> list[str]:
        """The folders to look in, each once."""
        return list(dict.fromkeys(place.root for place in self.places))

    @property
    def recursive(self) -> bool:
        """Whether folders below the roots are looked at."""
        return any(place.recursive for place in self.places)


def in_order(paths: Iterable[str], go_on: GoOn = anything) -> list[str]:
    """Each file once, in natural order.

    Sorted piece by piece: to sort millions of names takes many seconds, in which nobody else has the
    interpreter's lock.
    """
    once: dict[str, str] = {}
    here = str(Path.cwd())
    for path in paths:
        once.setdefault(path if path.startswith(os.sep) else f"{here}{os.sep}{path}", path)
        go_on()
    pieces: list[list[Natural]] = []
    names = iter(once.values())
    while piece := [natural(path) for path in islice(names, PIECE)]:
        go_on()
        piece.sort()
        pieces.append(piece)
    found = []
    for _, path in pieces[0] if len(pieces) == 1 else merge(*pieces):
        found.append(path)
        go_on()
    return found


def split_magic(path: Path) -> tuple[str, tuple[str, ...]]:
    """The folder before the first component with a wildcard, and the components from there on."""
    first = next(place for place, part in enumerate(path.parts) if has_magic(part))
    parts = path.parts[first:]
    # Two `**` in a row say no more than one; one at the end means the files: so something always follows it.
    once = [part for part, before in zip(parts, ("", *parts), strict=False) if part != "**" or before != "**"]
    return str(Path(*path.parts[:first])), tuple([*once, "*"] if once[-1] == "**" else once)


def below_root(path: str, root: str) -> tuple[str, ...] | None:
    """The components of a path below a folder; None when it is not below it."""
    place = PurePath(path)
    return place.relative_to(root).parts if place.is_relative_to(root) else None


def fits(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether the components of a path fit a pattern, as `walk` would find them."""
    if not parts:
        return not names
    head, rest = parts[0], parts[1:]
    if head == "**":
        hidden = [place for place, name in enumerate(names[:-1]) if name.startswith(".")]
        deepest = hidden[0] if hidden else len(names) - 1
        return any(fits(names[start:], rest) for start in range(deepest + 1))
    return bool(names) and matches(names[0], head) and fits(names[1:], rest)
