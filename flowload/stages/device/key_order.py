"""Batches keep the order of their keys on the way to a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["in_order"]


def in_order(values: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The same values in the order of these keys: `in_order({"a": 1, "b": 2}, ["b", "a"])`."""
    return {key: values[key] for key in keys}
