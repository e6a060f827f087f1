"""Which objects of a store a user means: a pattern, a folder or an object of a URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from glob import has_magic
from typing import TypeVar

from flowload.errors import DataError, NoDataError
from flowload.files.objects.request import Found, Wait
from flowload.files.objects.store import store_of
from flowload.files.objects.trouble import Budget, again
from flowload.files.visible import visible
from flowload.stages.files.glob import fits, natural

from .index import ENDING, index_key

__all__ = ["Listed", "find_any", "find_objects", "url_below"]

T = TypeVar("T")

NOTHING = "no objects"  #: reason of errors


@dataclass(frozen=True)
class Listed:
    """An object that was found."""

    url: str
    name: str  #: below the folder that was searched, as that of a local file is
    found: Found
    index: Found | None = None  #: the object beside it that says what is in it


def find_any(texts: Iterable[str], suffixes: tuple[str, ...], wait: Wait) -> list[tuple[int, Listed]]:
    """The same with the number of the text that finds each; one that gives nothing is no error."""
    once: dict[str, tuple[int, Listed]] = {}
    for number, text in enumerate(texts):
        try:
            found = ObjectPattern(text, suffixes, wait).find()
        except NoDataError as error:
            if error.reason != NOTHING:
                raise
            continue
        for one in found:
            once.setdefault(one.url, (number, one))
    return sorted(once.values(), key=lambda found: natural(found[1].url))


def find_objects(texts: Iterable[str], suffixes: tuple[str, ...], wait: Wait) -> list[Listed]:
    """Every object that is there now, once, in natural order of the names.

    Args:
        texts: URLs, as users write them.
        suffixes: endings of names that a folder search takes; empty: any.
        wait: see `flowload.files.objects.store`.

    Raises NoDataError for a URL that gives nothing, DataError for what the store says, and MissingExtra.
    """
    once: dict[str, Listed] = {}
    for text in texts:
        for one in ObjectPattern(text, suffixes, wait).find():
            once.setdefault(one.url, one)
    return sorted(once.values(), key=lambda one: natural(one.url))


def url_below(text: str, name: str) -> str:
    """The URL of an object that a text finds, or would find, under this name."""
    scheme, _, rest = text.partition("://")
    parts = rest.rstrip("/").split("/")
    first = next((place for place, part in enumerate(parts) if place and has_magic(part)), len(parts))
    base = f"{scheme}://{'/'.join(parts[:first])}"
    return text if first == len(parts) and parts[-1] == name else f"{base}/{name}"


@dataclass(frozen=True)
class ObjectPattern:
    """One pattern, folder or object; see `find_objects`."""

    text: str
    suffixes: tuple[str, ...]
    wait: Wait

    def find(self) -> list[Listed]:
        """The objects that are there now. Raises NoDataError, DataError and MissingExtra."""
        scheme, _, rest = self.text.partition("://")
        if scheme in ("http", "https") and ("?" in rest or "#" in rest):
            wanted = "a URL that ends with the path of an object, a folder or a pattern"
            raise DataError("bad name", where=self.text, found="a query", wanted=wanted)
        parts = rest.rstrip("/").split("/")
        first = next((place for place, part in enumerate(parts) if place and has_magic(part)), None)
        if first is not None:
            # `**` at the end means the files; a slash at the end the folders that fit, so what is in them.
            ends = ["*"] if parts[-1] == "**" or rest.endswith("/") else []
            return self.below(f"{scheme}://{'/'.join(parts[:first])}", (*parts[first:], *ends), ())
        one = None if rest.endswith("/") or len(parts) == 1 else self.object(scheme, parts)
        return (
            [one] if one is not None else self.below(f"{scheme}://{'/'.join(parts)}", ("*",), self.suffixes)
        )

    def object(self, scheme: str, parts: list[str]) -> Listed | None:
        """The object of this URL, if there is one."""
        base = f"{scheme}://{'/'.join(parts[:-1])}"
        try:
            found = self.tried(partial(store_of(base).head, parts[-1], self.wait))
        except NoDataError:
            return None
        try:
            index: Found | None = self.tried(partial(store_of(base).head, index_key(parts[-1]), self.wait))
        except NoDataError:
            index = None
        return Listed(f"{base}/{parts[-1]}", parts[-1], found._replace(key=parts[-1]), index)

    def below(self, base: str, parts: tuple[str, ...], suffixes: tuple[str, ...]) -> list[Listed]:
        """The objects below a URL that fit a pattern. Raises NoDataError where none does."""
        listed = self.tried(partial(store_of(base).listing, self.wait, deep=len(parts) > 1))
        indexes = {one.key: one for one in listed if one.key.endswith(ENDING)}
        found = []
        for one in listed:
            names = tuple(one.key.split("/"))
            if fits(names, parts) and visible(names[-1]) and ends_so(names[-1], suffixes):
                found.append(Listed(f"{base}/{one.key}", one.key, one, indexes.get(index_key(one.key))))
        if not found:
            ends = " or ".join(suffixes)
            wanted = f"names ending in {ends}" if ends else f"names like {'/'.join(parts)}"
            raise NoDataError(
                NOTHING,
                where=self.text,
                found=f"{len(listed)} others below {base}",
                wanted=f"{wanted}, neither hidden nor partial",
            )
        return found

    def tried(self, work: Callable[[], T]) -> T:
        """What work gives, tried again as long as that may help."""
        return again(work, self.text, self.wait, Budget())


def ends_so(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a name ends in one of these; in any, where there are none."""
    return not suffixes or name.lower().endswith(suffixes)
