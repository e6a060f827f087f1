"""Records whose files may be objects of a store."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import Field, fields
from typing import Any, Protocol, Self, TypeVar

from flowload.files.guard import Guard

from .held import Held
from .store import is_url

__all__ = ["Storable"]


class Guarded(Protocol):
    """A table whose files are watched; closed with the guard."""

    @property
    def guard(self) -> Guard:
        """What watches the table's files."""


Table = TypeVar("Table", bound=Guarded)


class Storable:
    """A dataclass of records, any text in which may be a URL instead of a path.

    When it is opened the objects come to a cache, are held there as long as the table is open, and are read
    as files: an object, a folder (the objects right below a prefix), a pattern of names, or the beginning of
    names.
    """

    def in_cache(self, cache: str | None, cache_bytes: int | None) -> Self:
        """The same with a folder and a bound for objects; see `flowload.files.objects.cache`."""
        twin = copy.copy(self)
        twin.__dict__["stored_in"] = cache, cache_bytes  # no field: where objects lie is no part of a value
        return twin

    @property
    def stored(self) -> bool:
        """Whether it names a store."""
        return any(map(is_url, texts_of(self)))

    def beside(self, name: str) -> str | None:  # noqa: ARG002 - an object is one by itself
        """How the names of objects begin that go with one of this name; None: it is alone."""
        return None

    def opened_here(self, opening: Callable[[Self], Table]) -> Table:
        """Open it where it lies, or in the cache: objects are let go with the table's guard."""
        if not self.stored:
            return opening(self)
        held = self.hold()
        try:
            table = opening(replaced(self, held.path))
        except BaseException:
            held.close()
            raise
        table.guard.closing(held.close)
        return table

    @contextmanager
    def here(self) -> Iterator[Self]:
        """The same with paths of this machine, inside."""
        if not self.stored:
            yield self
            return
        held = self.hold()
        try:
            yield replaced(self, held.path)
        finally:
            held.close()

    def hold(self) -> Held:
        """What keeps its objects."""
        cache, limit = self.__dict__.get("stored_in", (None, None))
        return Held(cache, limit, self.beside)


def fields_of(records: Any) -> tuple[Field[Any], ...]:
    """The fields of records, which are a dataclass."""
    return fields(records)


def texts_of(value: Any) -> Iterator[str]:
    """The texts in records."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Storable):
        for field in fields_of(value):
            yield from texts_of(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from texts_of(item)


def replaced(value: Any, path_of: Callable[[str], str]) -> Any:
    """Records with paths for URLs."""
    if isinstance(value, str):
        return path_of(value) if is_url(value) else value
    if isinstance(value, Storable):
        twin = copy.copy(value)
        for field in fields_of(value):
            twin.__dict__[field.name] = replaced(getattr(value, field.name), path_of)
        return twin
    if isinstance(value, tuple | list):
        return type(value)(replaced(item, path_of) for item in value)
    return value
