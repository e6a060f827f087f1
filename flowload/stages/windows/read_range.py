"""`fl.read_range`: rows of a recording at once, such as those for validation."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Literal

from numpy.typing import NDArray

from flowload.abc.stage import whole
from flowload.cpus import usable_cpus
from flowload.errors import GraphError
from flowload.graph.keywords import names_keywords

from .window_starts import FORMAT, Limits

__all__ = ["read_range"]

IO_WORKERS = 4  #: pieces that are read at once, at least, where nobody says how many


@names_keywords
def read_range(  # noqa: PLR0913 - what is read, and how
    arrays: Any,
    begin: int,
    end: int,
    *,
    select: Mapping[str, Any] | None = None,
    columns: Limits = None,
    neurons: Limits = None,
    dtype: Any = None,
    conversion: bool | None = None,
    missing: Literal["fill", "raise"] = "fill",
    workers: int | None = None,
) -> dict[str, NDArray[Any]]:
    """Read rows `begin` up to `end` of a recording into memory, by the readers that windows have.

    Takes as much memory as is returned, and that in which a few packed chunks are decoded.

    Args:
        arrays: one recording, as for `windows`.
        begin: first row.
        end: behind the last row.
        select: what is read, by keys of your own; see `windows`.
        columns: see `windows`.
        neurons: see `windows`.
        dtype: see `windows`.
        conversion: see `windows`.
        missing: rows that lack a chunk: "fill" gives the fill value, and warns; "raise" is an error.
        workers: pieces that are read at once; None: 4, or as many as there are CPUs.

    Returns an array [rows, ...] for each key, C-contiguous. Raises NoDataError, DataError and GraphError.

    Examples:
        >>> validation = fl.read_range(sample_path("neural"), 1280, 1536, select={"calcium": {"columns": 2}})
        >>> validation["calcium"].shape
        (256, 32)
    """
    for name, value in (("begin", begin), ("end", end)):
        if not whole(value) or value < 0:
            raise GraphError(f"read_range: {name} is {value!r}; wanted a row from 0")
    if end <= begin:
        raise GraphError(f"read_range: rows {begin:,} to {end:,} are none; wanted end above begin")
    if workers is not None and not (whole(workers) and workers >= 1):
        raise GraphError(f"read_range: workers is {workers!r}; wanted a number from 1, or None")
    if isinstance(arrays, list):
        raise GraphError(f"read_range: {len(arrays)} recordings in a list; wanted one: call it for each")
    if missing not in ("fill", "raise"):
        raise GraphError(f"read_range: missing is {missing!r}; wanted 'fill' or 'raise'")
    records = importlib.import_module(FORMAT).recording(
        arrays,
        1,
        columns=columns,
        neurons=neurons,
        missing=missing,
        select=select,
        dtype=dtype,
        conversion=conversion,
    )
    with records.ranges(workers or max(IO_WORKERS, usable_cpus())) as ranges:
        found: dict[str, NDArray[Any]] = ranges.read(begin, end)
    return found
