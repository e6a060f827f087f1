"""Arrays in a state: as JSON values and back, each column in as few bytes as its numbers need."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.errors import GraphError

__all__ = ["ARRAY", "from_values", "to_values", "with_arrays", "without_arrays"]

ARRAY = "$array"  #: the key under which an array stands in JSON
NARROW = {kind: [np.dtype(f"<{kind}{size}") for size in (1, 2, 4)] for kind in "iu"}

Store: TypeAlias = Callable[[memoryview], Any]  #: keeps bytes; what it returns finds them again
Fetch: TypeAlias = Callable[[Any], bytes | memoryview]  #: finds them


def to_values(state: Any) -> Any:
    """A state whose arrays became JSON values: 4/3 of the bytes that their numbers need.

    Examples:
        >>> to_values({"rows": np.array([1, 2, 300])})
        {'rows': {'$array': ['<i8', [3], ['<u2', 'AQACACwB']]}}
        >>> from_values(to_values({"rows": np.array([1, 2, 300])}))
        {'rows': array([  1,   2, 300])}
    """
    return without_arrays(state, lambda data: base64.b64encode(data).decode())


def from_values(state: Any) -> Any:
    """The state that `to_values` was given; arrays that stand in it already stay."""
    return with_arrays(state, base64.b64decode)


def without_arrays(state: Any, store: Store) -> Any:
    """A state with each array in `{ARRAY: [dtype, shape, column ...]}`, its bytes stored elsewhere."""
    if isinstance(state, np.ndarray):
        return {ARRAY: written(state, store)}
    if isinstance(state, np.generic):
        return state.item()
    if isinstance(state, Mapping):
        return {str(key): without_arrays(value, store) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [without_arrays(value, store) for value in state]
    return state


def with_arrays(state: Any, fetch: Fetch) -> Any:
    """A state whose arrays are arrays again. Raises GraphError for what is none."""
    if isinstance(state, Mapping):
        if state.keys() == {ARRAY}:
            return read(state[ARRAY], fetch)
        return {key: with_arrays(value, fetch) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [with_arrays(value, fetch) for value in state]
    return state


def written(array: NDArray[Any], store: Store) -> list[Any]:
    """An array's dtype, shape, and columns: one, or one for each field."""
    if array.dtype.hasobject:
        raise GraphError(f"a state holds an array of Python objects ({array.dtype}); wanted numbers")
    if array.dtype.names is None:
        return [array.dtype.str, list(array.shape), column(array, store)]
    fields = [[name, array.dtype[name].str] for name in array.dtype.names]
    return [fields, list(array.shape), *(column(array[name], store) for name in array.dtype.names)]


def column(array: NDArray[Any], store: Store) -> list[Any]:
    """The dtype in which numbers are kept, and where: whole numbers in as few bytes as hold them all."""
    kept = narrowed(array)
    kept = np.ascontiguousarray(kept.astype(kept.dtype.newbyteorder("<"), copy=False))
    return [kept.dtype.str, store(kept.reshape(-1).view(np.uint8).data)]


def narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in fewer bytes, where they are whole and fit."""
    if array.dtype.kind not in NARROW or array.dtype.itemsize == 1 or not array.size:
        return array
    low, high = int(array.min()), int(array.max())
    for dtype in NARROW["u" if low >= 0 else "i"]:
        if (
            dtype.itemsize < array.dtype.itemsize
            and np.iinfo(dtype).min <= low
            and high <= np.iinfo(dtype).max
        ):
            return array.astype(dtype)
    return array


def read(form: Sequence[Any], fetch: Fetch) -> NDArray[Any]:
    """The array of what `written` returned. Raises GraphError for anything else."""
    try:
        dtype, shape, *columns = form
        if isinstance(dtype, str):
            return numbers(columns[0], shape, fetch).astype(dtype)
        array = np.empty(shape, [(name, kind) for name, kind in dtype])
        for (name, _), kept in zip(dtype, columns, strict=True):
            array[name] = numbers(kept, shape, fetch)
        return array
    except (ValueError, TypeError, IndexError) as error:
        raise GraphError(f"a state holds a broken array: {error}") from error


def numbers(kept: Sequence[Any], shape: Sequence[int], fetch: Fetch) -> NDArray[Any]:
    """One column, as it was kept. Raises ValueError where its bytes are not those of its shape."""
    dtype, data = np.dtype(kept[0]), fetch(kept[1])
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for {list(shape)} of {dtype}")
    return np.frombuffer(data, dtype).reshape(shape)
