"""Whether records are a value, and have the methods of their shape."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TypeVar

from flowload.abc.records import LayoutRecords, LayoutTable

from .bench import fail

__all__ = ["check_methods", "check_value"]

WANTED: Mapping[type, tuple[str, ...]] = {
    LayoutRecords: ("name", "layouts", "fields", "open"),
    LayoutTable: ("layouts", "__len__", "usable", "fields", "write", "describe", "close"),
}

Value = TypeVar("Value")


def check_value(records: Value) -> Value:
    """Records cross into other processes, and are part of what makes graphs equal; their copy there."""
    try:
        again = pickle.loads(pickle.dumps(records))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(f"{records!r} cannot be pickled: {error}") from error
    by_identity = type(records).__eq__ is object.__eq__  # as arrays in memory, which have no cheap equality
    if again != records and not by_identity:
        fail(f"{records!r} is not equal to its copy through pickle: records are a value")
    if isinstance(records, LayoutRecords):
        check_methods(records, LayoutRecords)
        if not records.layouts or len(set(records.layouts)) < len(records.layouts):
            fail(f"layouts are {list(records.layouts)}; wanted one or more names, each once")
    return again  # type: ignore[no-any-return]  # of the same class


def check_methods(value: object, kind: type) -> None:
    """An object has what a protocol wants."""
    if missing := [name for name in WANTED[kind] if not hasattr(value, name)]:
        fail(f"{type(value).__name__} has no {' and no '.join(missing)}; {kind.__name__} have {WANTED[kind]}")
