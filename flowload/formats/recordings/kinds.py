"""The kinds of files that recordings are in, and which of them a place is."""

from __future__ import annotations

from os import PathLike
from typing import TypeAlias

from flowload.formats.zarr.array import ZarrArray

from .files.hdf5 import Hdf5Kind
from .files.npy import NpyKind
from .files.nwb import NwbKind, NwbZarrKind
from .files.spikeglx import SpikeGlxKind
from .files.suite2p import Suite2pKind
from .series import Kind, Series
from .zarr_kind import ZarrKind, open_zarr

__all__ = ["KINDS", "Location", "kind_of", "open_array"]

Location: TypeAlias = str | PathLike[str] | ZarrArray

#: Asked in this order; the last one takes what no other knows.
KINDS: tuple[Kind, ...] = (
    Suite2pKind(),
    SpikeGlxKind(),
    NwbKind(),
    Hdf5Kind(),
    NpyKind(),
    NwbZarrKind(),
    ZarrKind(),
)


def kind_of(location: str) -> Kind:
    """The kind of file that is at a place."""
    return next(kind for kind in KINDS if kind.knows(location))


def open_array(where: ZarrArray, array: str | None, *, estimate: bool) -> Series:
    """An array of a recording, in whatever kind of file. Raises NoDataError, DataError and MissingExtra.

    Args:
        where: the place: a `ZarrArray`, whatever is there; it has limits and a route only for zarr.
        array: its name; None: the recording itself.
        estimate: only shape and dtype are wanted.
    """
    kind = kind_of(where.location)
    if isinstance(kind, ZarrKind):
        return open_zarr(where, array, estimate=estimate)
    return kind.open(where.location, array, where.options, estimate=estimate)
