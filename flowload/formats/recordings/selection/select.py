"""`select=` of windows: what each key has, as a value that is checked when the graph is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, TypeAlias

import numpy as np

from flowload.errors import GraphError

from .along import Span, Wanted
from .halves import float_of

__all__ = ["TAKEN", "Select", "Selection", "conversion_of", "selection_of"]

TAKEN = ("start", "recording")  #: what windows carry beside their arrays
KNOWN = ("array", "columns", "neurons", "dtype", "conversion")

Selection: TypeAlias = tuple[tuple[str, "Select"], ...]  #: by key; empty: all arrays as they are


@dataclass(frozen=True)
class Select:
    """What one key of a window has."""

    array: str | None = None
    columns: Wanted = None
    neurons: Wanted = None
    dtype: str | None = None
    conversion: bool | None = None


def selection_of(select: Any) -> Selection:
    """The selection that a user wrote. Raises GraphError that names key and word.

    Args:
        select: by key of the window: the name of an array, or a dict with `array`, `columns`, `neurons`,
            `dtype` and `conversion`, each optional. None: all arrays as they are.
    """
    if select is None:
        return ()
    if not isinstance(select, Mapping) or not select or not all(isinstance(key, str) for key in select):
        raise GraphError(f"windows: select is {select!r}; wanted a dict: what each key of a window has")
    if taken := [key for key in select if key in TAKEN]:
        raise GraphError(f"windows: no key can be called {taken[0]!r}, as a window's own number is")
    return tuple((key, select_of(key, own)) for key, own in select.items())


def select_of(key: str, own: Any) -> Select:
    """What one key has."""
    what = f"windows: select[{key!r}]"
    given = {"array": own} if isinstance(own, str) else own
    if not isinstance(given, Mapping):
        raise GraphError(f"{what} is {own!r}; wanted the name of an array, or a dict with {', '.join(KNOWN)}")
    for word in given:
        if word not in KNOWN:
            raise GraphError(f"{what} has {word!r}; it may have {', '.join(map(repr, KNOWN))}")
    array = given.get("array")
    if array is not None and not (isinstance(array, str) and array):
        raise GraphError(f"{what}: array is {array!r}; wanted its name")
    dtype = given.get("dtype")
    return Select(
        array=array,
        columns=wanted_of(given.get("columns"), f"{what}: columns"),
        neurons=wanted_of(given.get("neurons"), f"{what}: neurons"),
        dtype=None if dtype is None else float_of(dtype).name,
        conversion=conversion_of(given.get("conversion"), f"{what}: conversion"),
    )


def conversion_of(value: Any, what: str) -> bool | None:
    """Whether stored numbers are made quantities. Raises GraphError."""
    if value is not None and not isinstance(value, bool):
        raise GraphError(
            f"{what} is {value!r}; wanted True, False, or None: as they are stored, with a warning"
        )
    return value


def wanted_of(value: Any, what: str) -> Wanted:
    """Places along an axis as a value. Raises GraphError."""
    hint = "wanted a number, a list of numbers, a slice, or None for all"
    if value is None:
        return None
    if isinstance(value, slice | range):
        step = 1 if value.step is None else value.step
        if not isinstance(step, int) or step < 1:
            raise GraphError(f"{what} is {value!r}; wanted a step from 1")
        return Span(*(None if part is None else index(part) for part in (value.start, value.stop, step)))
    if isinstance(value, bool | np.bool_ | str):
        raise GraphError(f"{what} is {value!r}; {hint}")
    try:
        return index(value)
    except TypeError:
        pass
    numbers = np.asarray(list(value) if isinstance(value, Sequence | set) else value)
    if numbers.dtype == bool:
        raise GraphError(f"{what} is a mask; wanted numbers: np.flatnonzero(mask)")
    if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu":
        raise GraphError(f"{what} is {value!r}; {hint}")
    return tuple(numbers.tolist())
