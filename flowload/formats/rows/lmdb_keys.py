"""How row numbers are written as the keys of an LMDB database, and read from them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from string import Formatter
from typing import TypeAlias

from flowload.errors import GraphError

__all__ = ["Key", "key_reader", "key_writer"]

Key: TypeAlias = Callable[[int], bytes]

KEYS: dict[str, Key] = {
    "decimal": lambda row: b"%d" % row,
    "big32": struct.Struct(">I").pack,
    "big64": struct.Struct(">Q").pack,
}
BASES = {"": 10, "d": 10, "x": 16, "X": 16, "o": 8, "b": 2}  #: by the last letter of a template's field


def key_writer(name: object) -> Key:
    """The key of a row: a known way, or a template such as "image-{:08d}". Raises GraphError."""
    if isinstance(name, str) and name in KEYS:
        return KEYS[name]
    try:
        if isinstance(name, str) and name.format(7) != name:
            template: str = name
            return lambda row: template.format(row).encode()
    except (ValueError, IndexError, KeyError, AttributeError):
        pass
    known = ", ".join(map(repr, KEYS))
    raise GraphError(f"LmdbRows: key is {name!r}; wanted {known}, or a template such as '{{:08d}}'")


def key_reader(name: str) -> Callable[[bytes], int | None] | None:
    """The row of a key, None for a key that is none; None where that cannot be told for any."""
    write = key_writer(name)
    read = plain_reader(name)
    if read is None:
        return None
    known: Callable[[bytes], int] = read

    def checked(key: bytes) -> int | None:
        with suppress(ValueError, struct.error):  # no number, or one that is written otherwise
            row = known(key)
            return row if row >= 0 and write(row) == key else None
        return None

    return checked


def plain_reader(name: str) -> Callable[[bytes], int] | None:
    """What makes a number of a key that has one."""
    if name in ("big32", "big64"):
        return lambda key: int.from_bytes(key, "big")
    template = "{}" if name == "decimal" else name
    parts = list(Formatter().parse(template))
    fields = [(field, spec) for _, field, spec, _ in parts if field is not None]
    if len(fields) != 1 or fields[0][0] not in ("", "0"):
        return None
    base = BASES.get((fields[0][1] or "")[-1:].rstrip("0123456789"))
    if base is None:
        return None
    at = next(k for k, (_, field, _, _) in enumerate(parts) if field is not None)
    before = "".join(literal for literal, *_ in parts[: at + 1]).encode()
    after = "".join(literal for literal, *_ in parts[at + 1 :]).encode()
    return lambda key: int(key[len(before) : len(key) - len(after)], base)
