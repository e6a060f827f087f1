"""Parameters as JSON can hold them: the same text in every process, so that drawings can be compared."""

from __future__ import annotations

import enum
import functools
import hashlib
import math
import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Plain", "plain"]

Plain: TypeAlias = Any  #: what JSON can hold: None, bool, int, finite float, str, list, dict of str


@functools.singledispatch
def plain(value: object) -> Plain:
    """The value as JSON can hold it.

    What JSON does not know becomes text without addresses: a function or class its name (with file and
    line where it has none of its own), anything else its repr, or its type where the repr is an address.
    """
    name = getattr(value, "__qualname__", None)
    if name is None:
        kind = type(value)
        return kind.__qualname__ if kind.__repr__ is object.__repr__ else repr(value)
    code = getattr(value, "__code__", None)
    if code is None or "<" not in name:
        return str(name)
    return f"{name} ({Path(code.co_filename).name}:{code.co_firstlineno})"


@plain.register(type(None))
@plain.register(bool)
@plain.register(int)
@plain.register(str)
def _(value: Plain) -> Plain:
    return value


@plain.register
def _(value: float) -> Plain:
    return float(value) if math.isfinite(value) else str(float(value))


@plain.register
def _(value: bytes) -> Plain:
    return repr(value)


@plain.register
def _(value: enum.Enum) -> Plain:
    return value.name


@plain.register
def _(value: np.generic) -> Plain:
    return plain(value.item())


@plain.register(np.ndarray)
def _(value: NDArray[Any]) -> Plain:
    digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=4).hexdigest()
    return f"{value.dtype} array {value.shape} {digest}"


@plain.register(os.PathLike)
def _(value: os.PathLike[str]) -> Plain:
    return os.fspath(value)


@plain.register(Mapping)
def _(value: Mapping[object, object]) -> Plain:
    return {str(key): plain(item) for key, item in value.items()}


@plain.register(Sequence)
def _(value: Sequence[object]) -> Plain:
    return [plain(item) for item in value]


@plain.register(Set)
def _(value: Set[object]) -> Plain:
    return sorted((plain(item) for item in value), key=repr)


@plain.register(functools.partial)
def _(value: functools.partial[Any]) -> Plain:
    given = [*map(repr, map(plain, value.args)), *(f"{k}={plain(v)!r}" for k, v in value.keywords.items())]
    return f"partial({', '.join([str(plain(value.func)), *given])})"
