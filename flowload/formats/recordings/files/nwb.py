"""Recordings in NWB, in HDF5 or in zarr: the `data` of its time series, by where they stand.

Arrays are named by the path of their time series, such as `acquisition/ElectricalSeries`, or by the last word
of it where no other has that. Numbers are those that are stored: `conversion` and `offset`, which stand
beside them, make volts of them. HDF5 takes h5py.

Source: NeurodataWithoutBorders/nwb-schema, `TimeSeries`; hdmf-dev/hdmf-zarr, "Storage".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from flowload.errors import DataError
from flowload.files.foreign import foreign
from flowload.formats.hdf5.file import Hdf5File
from flowload.formats.recordings.zarr_kind import open_zarr
from flowload.formats.recordings.zarr_series import ZarrSeries
from flowload.formats.zarr.array import ZarrArray
from flowload.formats.zarr.stores import join_location

from .hdf5 import Hdf5Kind, datasets_in
from .local import local_folder, no_array, which_array

__all__ = ["NwbKind", "NwbZarrKind"]

DATA = "data"
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

    def arrays(self, location: str, options: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002 - local
        """See `Kind`."""
        return list(folders_in(Path(location)))

    def open(
        self, location: str, array: str | None, options: Mapping[str, Any], *, estimate: bool
    ) -> ZarrSeries:
        """See `Kind`."""
        known = folders_in(Path(location))
        name = which_array(location, list(known)) if array is None else array.strip("/")
        path = known.get(name, name if name in known.values() else None)
        if path is None:
            raise no_array(location, name, list(known))
        where = ZarrArray(location, options=options)
        inner = replace(where, location=join_location(location, f"{path}/{DATA}"))
        return open_zarr(inner, None, estimate=estimate)


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


def folders_in(root: Path) -> dict[str, str]:
    """Paths of time series by name: folders with an array `data` beside one of times. Raises DataError."""
    found = []
    try:
        for document in (".zarray", "zarr.json"):
            for path in sorted(root.rglob(f"{DATA}/{document}")):
                above = path.parent.parent
                if above != root and has_times(above):
                    found.append(above.relative_to(root).as_posix())
    except OSError as error:
        raise DataError("unreadable folder", where=str(root), found=str(error)[:200]) from error
    return by_short_names(list(dict.fromkeys(found)))
