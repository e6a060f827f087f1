"""Recordings in NWB, in HDF5 or in zarr: the `data` of its time series, by where they stand.

Arrays are named by the path of their time series, such as `acquisition/ElectricalSeries`, or by the last word
of it where no other has that. What stands beside the numbers makes a quantity of them: `conversion`,
`offset`, `unit`, and `channel_conversion`. HDF5 takes h5py.

Source: NeurodataWithoutBorders/nwb-schema, `TimeSeries`; hdmf-dev/hdmf-zarr, "Storage".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.formats.hdf5.file import Hdf5File
from flowload.formats.recordings.selection.units import Units
from flowload.formats.recordings.series import Options
from flowload.formats.recordings.zarr_kind import open_zarr
from flowload.formats.recordings.zarr_series import ZarrSeries
from flowload.formats.zarr.array import ZarrArray
from flowload.formats.zarr.stores import join_location
from flowload.printable import printable

from .hdf5 import Hdf5Kind, datasets_in
from .local import local_folder, no_array, which_array

__all__ = ["NwbKind", "NwbZarrKind"]

DATA, CHANNELS = "data", "channel_conversion"
TIMES = ("timestamps", "starting_time")  #: of which each time series has one
VERSION = "nwb_version"  #: an attribute of every file's root
DOCUMENTS = (".zattrs", "zarr.json")
LARGEST = 64 << 20  #: bytes of a document


class NwbKind(Hdf5Kind):
    """See `Kind`: NWB in HDF5."""

    name: ClassVar[str] = "NWB"

    def knows(self, location: str) -> bool:
        """See `Kind`."""
        return super().knows(location) and location.lower().endswith(".nwb")

    def names(self, file: Hdf5File) -> list[str]:
        """The time series that have numbers, by the shortest names that are clear."""
        return list(series_in(file))

    def path_of(self, file: Hdf5File, name: str) -> str:
        """See there."""
        known = series_in(file)
        if name in known:
            return known[name]
        return f"{name}/{DATA}" if f"{name}/{DATA}" in file.file else name

    def units_of(self, file: Hdf5File, path: str) -> Units | None:
        """See there."""
        above, _, last = path.rpartition("/")
        if last != DATA:
            return None
        where = f"{file.path}: {path}"
        with foreign("unreadable", where):
            group = file.file[above]
            channels = group[CHANNELS][()] if CHANNELS in group else ()
            return units_of(where, dict(group[DATA].attrs), channels)


def units_of(where: str, said: Mapping[str, Any], channels: Any) -> Units:
    """What the attributes of a time series' data say. Raises DataError.

    Args:
        where: for messages.
        said: the attributes.
        channels: factors of channels.
    """
    numbers = {}
    for word, usual in (("conversion", 1.0), ("offset", 0.0)):
        try:
            numbers[word] = float(said.get(word, usual))
        except (TypeError, ValueError):
            found = repr(said[word])[:100]
            raise DataError(f"bad {word}", where=where, found=found, wanted="a number") from None
    unit = said.get("unit", "")
    unit = unit.decode(errors="replace") if isinstance(unit, bytes) else str(unit)
    factors = np.asarray(channels, np.float64).reshape(-1)
    return Units(where, printable(unit), **numbers, channels=tuple(factors.tolist()))


def series_in(file: Hdf5File) -> dict[str, str]:
    """Paths of the data of time series, by name."""
    found = []
    for path, _ in datasets_in(file):
        above, _, last = path.rpartition("/")
        if last == DATA and above:
            with foreign("unreadable", f"{file.path}: {above}"):
                if any(time in file.file[above] for time in TIMES):
                    found.append(above)
    return {name: f"{path}/{DATA}" for name, path in by_short_names(found).items()}


def by_short_names(paths: Sequence[str]) -> dict[str, str]:
    """Paths by their last words, where those are clear, and else by themselves."""
    counts = Counter(path.rpartition("/")[2] for path in paths)
    return {last if counts[last := path.rpartition("/")[2]] == 1 else path: path for path in paths}


class NwbZarrKind:
    """See `Kind`: NWB in a folder of zarr, as hdmf-zarr writes it."""

    name: ClassVar[str] = "NWB in zarr"

    def knows(self, location: str) -> bool:
        """See `Kind`."""
        folder = local_folder(location)
        return folder is not None and any(says_nwb(folder / name) for name in DOCUMENTS)

    def arrays(self, location: str, options: Options) -> Sequence[str]:  # noqa: ARG002 - local
        """See `Kind`."""
        return list(series_of(Path(location)))

    def open(self, location: str, array: str | None, options: Options, *, estimate: bool) -> ZarrSeries:
        """See `Kind`."""
        known = series_of(Path(location))
        name = which_array(location, list(known)) if array is None else array.strip("/")
        found = known.get(name) or next((each for each in known.values() if each.group == name), None)
        if found is None:
            raise no_array(location, name, list(known))
        where = ZarrArray(location, options=options)
        inner = replace(where, location=join_location(location, found.array))
        series = open_zarr(inner, None, estimate=estimate)
        series.units = units_in(Path(location), found)
        return series


class InZarr(NamedTuple):
    """A time series: its group, and the array of its numbers, which may be another's."""

    group: str
    array: str


def units_in(root: Path, series: InZarr) -> Units:
    """What is said beside an array. Raises DataError."""
    import zarr  # noqa: PLC0415 - nobody else here needs the library itself

    where = str(root / series.array)
    with foreign("unreadable", where):
        channels: Any = ()
        if (root / series.group / CHANNELS).is_dir():
            channels = zarr.open_array(root / series.group / CHANNELS, mode="r")[...]
        return units_of(where, dict(zarr.open_array(where, mode="r").attrs), channels)


def has_times(folder: Path) -> bool:
    """Whether a group has times: as an array, or as a link, which its attributes name."""
    if any((folder / time).is_dir() for time in TIMES):
        return True
    said = b"".join((folder / name).read_bytes() for name in DOCUMENTS if (folder / name).is_file())
    return b"zarr_link" in said and any(f'"{time}"'.encode() in said for time in TIMES)


def says_nwb(document: Path) -> bool:
    """Whether a document of a group is of the root of an NWB file. Never raises."""
    try:
        if not document.is_file() or document.stat().st_size > LARGEST:
            return False
        said = json.loads(document.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(said, dict):
        return False
    return any(isinstance(part, dict) and VERSION in part for part in (said, said.get("attributes")))


def series_of(root: Path) -> dict[str, InZarr]:
    """Time series by name: groups with an array `data`, or a link to one, beside times. Raises DataError."""
    found: dict[str, InZarr] = {}
    try:
        for document in (".zarray", "zarr.json"):
            for path in root.rglob(f"{DATA}/{document}"):
                above = path.parent.parent
                if above != root and has_times(above):
                    group = above.relative_to(root).as_posix()
                    found[group] = InZarr(group, f"{group}/{DATA}")
        for document in DOCUMENTS:
            for path in root.rglob(document):
                target = linked_data(path)
                if target is not None and path.parent != root and has_times(path.parent):
                    group = path.parent.relative_to(root).as_posix()
                    found.setdefault(group, InZarr(group, target))
    except OSError as error:
        raise DataError("unreadable folder", where=str(root), found=str(error)[:200]) from error
    return {name: found[group] for name, group in by_short_names(sorted(found)).items()}


def linked_data(document: Path) -> str | None:
    """The path of the array that a group's `data` is a link to, in the same file; None: it is none.

    A link into another file is none: who wants those numbers opens that file.
    """
    if document.stat().st_size > LARGEST or b"zarr_link" not in (text := document.read_bytes()):
        return None
    try:
        said = json.loads(text)
        links = said.get("attributes", said).get("zarr_link", ())
        for link in links:
            if link["name"] == DATA and link.get("source", ".") == ".":
                path = str(link["path"]).strip("/")
                return None if ".." in path.split("/") else path
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    return None
