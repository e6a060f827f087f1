"""What a block holds: copied, and compared bit for bit."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Block
from flowload.blocks import Frames

__all__ = ["copied", "difference", "is_owned"]


def copied(value: Any) -> Any:
    """The same content on memory of its own: arrays and tensors are copied, read-only ones stay read-only."""
    if isinstance(value, np.ndarray):
        fresh = value.copy()
        fresh.flags.writeable = value.flags.writeable
        return fresh
    if hasattr(value, "clone") and hasattr(value, "numpy"):
        return value.clone()
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(copied(item) for item in value)
    if isinstance(value, Block) and hasattr(value, "__dataclass_fields__"):
        twin = copy.copy(value)
        for name in value.__dataclass_fields__:
            object.__setattr__(twin, name, copied(getattr(value, name)))
        return twin
    return value


def is_owned(value: Any) -> bool:
    """Whether its reader may overwrite it: only Frames with writable data, which have one owner at a time."""
    return isinstance(value, Frames) and value.data.flags.writeable


def difference(one: Any, two: Any, path: str = "") -> str:
    """Where two values differ first, in words; empty if they are the same bit for bit (NaN is NaN)."""
    where = path or type(one).__name__
    if hasattr(one, "detach") and hasattr(two, "detach"):
        one, two = one.detach().cpu().numpy(), two.detach().cpu().numpy()
    if type(one) is not type(two):
        return f"{where}: {type(one).__name__} is not {type(two).__name__}"
    if isinstance(one, np.ndarray | np.generic):
        return array_difference(np.asarray(one), np.asarray(two), where)
    inside, other = parts(one), parts(two)
    if inside is None or other is None:
        same = one is two or one == two or (one != one and two != two)
        return "" if same else f"{where}: {one!r} is not {two!r}"
    if list(inside) != list(other):
        return f"{where}: {len(inside)} of {list(inside)} are not {len(other)} of {list(other)}"
    return first(difference(inside[key], other[key], where + key) for key in inside)


def parts(value: Any) -> dict[str, Any] | None:
    """What a value is made of, by how one would write it; None if it has no parts."""
    if isinstance(value, Mapping):
        return {f"[{key!r}]": item for key, item in value.items()}
    if isinstance(value, list | tuple):
        return {f"[{k}]": item for k, item in enumerate(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f".{field.name}": getattr(value, field.name)
            for field in dataclasses.fields(value)
            if field.compare
        }
    return None


def array_difference(one: NDArray[Any], two: NDArray[Any], where: str) -> str:
    """Where two arrays differ first; padding between fields is no content."""
    if one.dtype != two.dtype or one.shape != two.shape:
        return f"{where}: {one.dtype} {one.shape} is not {two.dtype} {two.shape}"
    if one.dtype.names is not None:
        return first(array_difference(one[name], two[name], f"{where}[{name!r}]") for name in one.dtype.names)
    if one.dtype.hasobject:
        return difference(one.tolist(), two.tolist(), where)
    wrong = (bits(one) != bits(two)).any(axis=-1)
    if not wrong.any():
        return ""
    at = tuple(int(k) for k in np.argwhere(wrong)[0])
    count = f"; {int(wrong.sum()):,} of {wrong.size:,} differ" if wrong.size > 1 else ""
    return f"{where}{list(at)}: {one[at]} is not {two[at]}{count}"


def bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of each element, as one more axis."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(*array.shape, array.itemsize)


def first(differences: Iterable[str]) -> str:
    """The first that is not empty."""
    return next(filter(None, differences), "")
