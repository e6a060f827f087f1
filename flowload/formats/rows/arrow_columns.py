"""Columns of Arrow as arrays of numbers: what one row of them is, and that none is missing."""

from __future__ import annotations

from typing import Any

from flowload.errors import DataError

__all__ = ["check_nulls", "element"]


def element(kind: Any) -> tuple[Any, tuple[int, ...]]:
    """The type of one number of a column, and the shape of a row."""
    if hasattr(kind, "storage_type") and hasattr(kind, "shape"):  # a tensor of fixed shape
        return kind.value_type, tuple(kind.shape)
    if hasattr(kind, "list_size"):
        return kind.value_type, (kind.list_size,)
    return kind, ()


def check_nulls(array: Any, where: str) -> None:
    """Raise DataError for values that are null."""
    if array.null_count:
        found = f"{array.null_count:,} of {len(array):,} values are null"
        raise DataError("missing values", where=where, found=found, wanted="a value in every row")
