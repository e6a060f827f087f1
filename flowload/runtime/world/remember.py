"""Values as a state remembers them: JSON that is the same in every process, wherever files lie.

Of functions their code, closures and defaults; of objects their fields; of arrays a digest; of paths nothing.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import os
import sys
import types
from collections.abc import Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.files.fingerprint import of_array, of_bytes
from flowload.graph.inspect.plain import Plain, plain

from .user_code import closed_over, code_digest, globals_of, is_users

__all__ = ["PLACE", "Later", "python", "remember", "settled"]

PLACE = "<path>"  #: stands for where something lies
#: Fields of records that say where they lie; of pairs of a key and a path the path alone.
PLACES = {"file", "files", "folder", "location", "locations", "path", "paths", "patterns", "root", "url"}
DEPTH = 8  #: of values in values
WIDTH = 64  #: items of a container that are remembered one by one; of longer ones a digest
TEXT = 120  #: characters of a value that is kept as it is; of longer ones a digest
MOST = 4000  #: values of one look: 10 ms; beyond, things are known by their names alone
OPAQUE: tuple[type, ...] = (
    types.ModuleType,
    types.GeneratorType,
    types.FrameType,
    types.CodeType,
)  #: known by name


class Later(NamedTuple):
    """An array whose bytes are looked at when a state is written, not when a run begins."""

    array: NDArray[Any]


def python() -> str:
    """Whose code this is: bytes of functions are compared within one version alone."""
    return f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"


def remember(value: object) -> Any:
    """What is remembered of a value; `settled` makes JSON of it."""
    return Memory().of(value)


def settled(value: Any) -> Plain:
    """What was remembered, with digests for arrays and for what is long."""
    if isinstance(value, Later):
        return of_array(value.array)
    if isinstance(value, dict):
        return shortened({name: settled(item) for name, item in value.items()})
    if isinstance(value, list):
        return shortened([settled(item) for item in value])
    return value


class Memory:
    """One look at a value and all that hangs on it; what it hangs on itself is named, not looked at again."""

    def __init__(self) -> None:
        self.within: set[int] = set()
        self.looks = 0

    def of(self, value: Any, *, place: bool = False) -> Any:
        """A value; `place`: texts in it are paths."""
        simple = simple_value(value, place=place)
        if simple is not NotImplemented:
            return simple
        self.looks += 1
        if len(self.within) >= DEPTH or id(value) in self.within or self.looks > MOST:
            return named(value)
        self.within.add(id(value))
        try:
            return self.look(value, place=place)
        finally:
            self.within.discard(id(value))

    def look(self, value: Any, *, place: bool) -> Any:
        """A value that holds others."""
        if isinstance(value, Mapping):
            return {str(key): self.of(item, place=place) for key, item in value.items()}
        if isinstance(value, tuple | list | range):
            return self.sequence(value, place=place)
        if isinstance(value, Set):
            return sorted((self.of(item) for item in value), key=repr)
        if isinstance(value, functools.partial | types.MethodType | types.FunctionType | type):
            return self.code(value)
        return self.object(value)

    def code(self, value: Any) -> Any:
        """Something that can be called, with what it takes along."""
        if isinstance(value, functools.partial):
            given = self.named_values(value.keywords)
            return {"partial": self.of(value.func), "args": self.of(value.args), **given}
        if isinstance(value, types.MethodType):
            return {"method": self.of(value.__func__), "self": self.of(value.__self__)}
        return self.kind(value) if isinstance(value, type) else self.function(value)

    def sequence(self, value: Sequence[Any], *, place: bool) -> Any:
        """A list or tuple; of a pair of key and path the path is a place."""
        if place and len(value) == 2 and isinstance(value[0], str) and not looks_like_path(value[0]):
            return [value[0], self.of(value[1], place=True)]
        if len(value) > WIDTH and all(isinstance(item, int | float | str | bytes) for item in value):
            return f"{type(value).__name__} of {len(value)} {of_bytes(repr(value).encode())}"
        return [self.of(item, place=place) for item in value]

    def named_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by name."""
        return {name: self.of(value, place=name in PLACES) for name, value in values.items()}

    def function(self, function: types.FunctionType) -> Any:
        """A user's function by its code and all that it takes along; one of a library by its name."""
        if not is_users(function.__module__):
            return named(function)
        found: dict[str, Any] = {"function": function.__qualname__, "code": code_digest(function.__code__)}
        parts = {
            "closure": dict(closed_over(function)),
            "defaults": {str(n): one for n, one in enumerate(function.__defaults__ or ())}
            | (function.__kwdefaults__ or {}),
            "globals": dict(globals_of(function)),
        }
        return found | {name: self.named_values(part) for name, part in parts.items() if part}

    def kind(self, kind: type) -> Any:
        """A user's class by the code of its methods; one of a library by its name."""
        if not is_users(kind.__module__):
            return named(kind)
        methods = {
            name: self.of(function)
            for name, value in sorted(vars(kind).items())
            if isinstance(function := unwrapped(value), types.FunctionType)
        }
        bases = [self.of(base) for base in kind.__bases__ if is_users(base.__module__)]
        return {"class": kind.__qualname__, "methods": methods} | ({"bases": bases} if bases else {})

    def object(self, value: Any) -> Any:
        """An object by its class and its fields."""
        wrapped = getattr(value, "py_func", None) or getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):  # such as numba's, or what caches
            return self.of(wrapped)
        kind = type(value)
        found = self.kind(kind)
        if not isinstance(found, dict):
            found = {"class": found}
        fields = fields_of(value)
        return found | {"fields": self.named_values(fields)} if fields else found


def simple_value(value: Any, *, place: bool) -> Any:
    """A value that holds no others; NotImplemented for one that does."""
    if isinstance(value, PurePath | str):
        hidden = place or not isinstance(value, str) or looks_like_path(value)
        return PLACE if hidden else shortened(value)
    if value is None or isinstance(value, bool | int | float | complex | enum.Enum | np.generic | np.dtype):
        return plain(value)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes {of_bytes(bytes(value))}"
    return named(value) if isinstance(value, OPAQUE) else of_tensor(value)


def of_tensor(value: Any) -> Any:
    """An array, of numpy or another library, if it lies in this computer's memory."""
    if isinstance(value, np.ndarray):
        return Later(value)
    if isinstance(value, type) or not hasattr(type(value), "__array__"):
        return NotImplemented
    try:
        detached = value.detach() if hasattr(value, "detach") else value
        return Later(np.asarray(detached))
    except Exception:  # noqa: BLE001 - whatever its library says: it is not here, or no array
        return named(value)


def looks_like_path(value: str) -> bool:
    """Whether a text says where something lies, on this machine or elsewhere."""
    return value.startswith((os.sep, "~")) or "://" in value


def named(value: Any) -> str:
    """What a value is called; of an object its class."""
    what = value if isinstance(value, type) or hasattr(value, "__qualname__") else type(value)
    name = getattr(what, "__qualname__", None) or type(what).__qualname__
    module = getattr(what, "__module__", None)
    return f"{module}.{name}" if module and module != "builtins" else str(name)


def fields_of(value: Any) -> dict[str, Any]:
    """What an object holds: the fields of a dataclass, else its attributes; not what it has cached."""
    if dataclasses.is_dataclass(value):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    kind = type(value)
    slots = [name for base in kind.__mro__ for name in names_in(vars(base).get("__slots__", ()))]
    slots = [name for name in slots if not name.startswith("__") and hasattr(value, name)]
    held = {name: getattr(value, name) for name in slots} | getattr(value, "__dict__", {})
    members = [item for base in kind.__mro__ for item in vars(base).items()]
    cached = {name for name, member in members if isinstance(member, functools.cached_property)}
    return {name: held[name] for name in sorted(held) if name not in cached}


def names_in(slots: str | Sequence[str]) -> Sequence[str]:
    """The slots of a class."""
    return (slots,) if isinstance(slots, str) else tuple(slots)


def unwrapped(value: Any) -> Any:
    """The function in a method of any kind."""
    if isinstance(value, property):
        return value.fget
    return getattr(value, "__func__", getattr(value, "func", value))


def shortened(value: Plain) -> Plain:
    """A value that is short, or its kind and a digest."""
    told = text(value)
    if len(told) <= 8 * TEXT:
        return value
    what = "text" if isinstance(value, str) else f"{len(value)} values"
    return f"{what} {hashlib.blake2b(told.encode(), digest_size=6).hexdigest()}"


def text(value: Plain) -> str:
    """JSON of a value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True)
