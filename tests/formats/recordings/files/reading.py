"""Windows of a recording in a file of any kind, as a run reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import flowload as fl

__all__ = ["SIZE", "check_windows", "windows_of"]

SIZE = 16


def windows_of(path: Path | str, select: Any = None, **how: Any) -> list[dict[str, Any]]:
    """All windows in order, copied."""
    graph = fl.windows(str(path), how.pop("size", SIZE), select=select, order="sequential", **how)
    with graph.iterate() as batches:
        return [{key: np.array(value) for key, value in batch.items()} for batch in batches]


def check_windows(path: Path | str, wanted: Any, array: str | None = None, **select: Any) -> None:
    """Windows are the rows that somebody else reads: all of them, and some neurons."""
    key = "timeseries" if array is None and not select else "x"
    asked = None if key == "timeseries" else {"x": {**({} if array is None else {"array": array}), **select}}
    found = windows_of(path, asked)
    starts = [int(window["start"]) for window in found]
    assert starts[:2] == [0, SIZE]
    for window, start in zip(found, starts, strict=True):
        rows = np.asarray(wanted[start : start + SIZE])
        assert window[key].dtype == rows.dtype.newbyteorder("=")
        np.testing.assert_array_equal(window[key], rows)
