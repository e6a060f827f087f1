"""How row numbers are written as the keys of an LMDB database."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from flowload.errors import GraphError

__all__ = ["Key", "key_writer"]

Key: TypeAlias = Callable[[int], bytes]

KEYS: dict[str, Key] = {
    "decimal": lambda row: b"%d" % row,
    "big32": struct.Struct(">I").pack,
    "big64": struct.Struct(">Q").pack,
}


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
