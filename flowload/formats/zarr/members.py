"""The arrays of a zarr group: as its folder has them, and as its consolidated metadata say.

Consolidated metadata are a copy that nobody has to keep up. What they do not list is read all the same, and
told; what they list must be there.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

from flowload.errors import DataError
from flowload.files.foreign import foreign

from .metadata import Document, read_documents
from .stores import Place, find_place, join_location

__all__ = ["array_keys", "group_arrays", "key_of"]

log = logging.getLogger("flowload")

MOST = 100_000  #: names in a group
CONSOLIDATED = ".zmetadata"


class Version(NamedTuple):
    """How a version of the format names its documents."""

    array: str
    group: str


OLD, NEW = Version(".zarray", ".zgroup"), Version("zarr.json", "zarr.json")


def group_arrays(location: str, options: Mapping[str, Any]) -> list[str] | None:
    """The names of a group's arrays, sorted; None where this is no group. Raises DataError."""
    place = find_place(location, options)
    try:
        new, old_array, old = read_documents(place, ("zarr.json", ".zarray", ".zgroup"), location)
        if new is not None:
            return arrays_of(place, location, NEW, new) if new.get("node_type") == "group" else None
        if old is None or old_array is not None:
            return None
        return arrays_of(place, location, OLD, read_documents(place, (CONSOLIDATED,), location)[0])
    finally:
        place.close()


def arrays_of(place: Place, location: str, version: Version, document: Document | None) -> list[str]:
    """The arrays that are there, and those that consolidated metadata list. Raises DataError."""
    copies = consolidated(document, version, location)
    told = copies or {}
    names = sorted({*listed(place, location), *told})
    wanted = [f"{name}/{file}" for file in dict.fromkeys(version) for name in names]
    found = dict(zip(wanted, read_documents(place, wanted, location), strict=True))
    arrays = {name: array for name in names if (array := found[f"{name}/{version.array}"]) is not None}
    arrays = {name: array for name, array in arrays.items() if array.get("node_type", "array") == "array"}
    for name in told:
        if name not in arrays:
            raise DataError(
                "no zarr array",
                where=join_location(location, name),
                found=f"no {version.array} of an array",
                wanted="what the group's consolidated metadata list; consolidate them anew",
            )
    groups = [name for name in names if name not in arrays and found[f"{name}/{version.group}"] is not None]
    tell(
        location,
        arrays,
        told,
        [] if copies is None else [name for name in arrays if name not in told],
        groups,
    )
    return list(arrays)


def tell(
    location: str,
    arrays: Mapping[str, Document],
    told: Mapping[str, Document],
    hidden: Sequence[str],
    groups: Sequence[str],
) -> None:
    """Say in what consolidated metadata are stale, and what is not read."""
    if hidden:
        log.warning(
            "%s: its consolidated metadata are stale: they hide %s; read all the same",
            location,
            words(hidden),
        )
    changed = [name for name, copy in told.items() if copy.get("shape") != arrays[name].get("shape")]
    if changed:
        log.warning(
            "%s: its consolidated metadata are stale: another shape of %s; the array's own is read",
            location,
            words(changed),
        )
    if groups:
        log.warning(
            "%s: only its own arrays are read, not those of its groups %s; name them, such as %r",
            location,
            words(groups),
            f"{groups[0]}/NAME",
        )


def words(names: Sequence[str]) -> str:
    """The first few."""
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def listed(place: Place, location: str) -> list[str]:
    """The names in a place, where a store can list them."""
    from zarr.core.sync import sync  # noqa: PLC0415 - zarr takes 160 ms, and starts a thread when it is used

    if not place.store.supports_listing:
        return []
    with foreign("unreadable folder", location):
        return sync(some_names(place.store.list_dir(place.path), location))


async def some_names(names: AsyncIterator[str], location: str) -> list[str]:
    """All of them. Raises DataError where they are too many for a group."""
    found: list[str] = []
    async for name in names:
        if not name.startswith(".") and name != "zarr.json":
            found.append(name)
        if len(found) > MOST:
            wanted = f"at most {MOST:,} names; say which arrays are wanted"
            raise DataError("large group", where=location, found="more", wanted=wanted)
    return found


def consolidated(document: Document | None, version: Version, location: str) -> dict[str, Document] | None:
    """The arrays of the group by name, as consolidated metadata have them; None: there are none."""
    if document is None:
        return None
    part = document if version is OLD else document.get("consolidated_metadata")
    if part is None:
        return None
    copies = part.get("metadata") if isinstance(part, Mapping) else None
    if not isinstance(copies, Mapping):
        found = f"consolidated metadata {part!r:.60}"
        raise DataError("bad zarr metadata", where=location, found=found, wanted="an object of metadata")
    end = f"/{version.array}" if version is OLD else ""
    named = {name.removesuffix(end): copy for name, copy in copies.items() if name.endswith(end)}
    return {
        name: copy
        for name, copy in named.items()
        if "/" not in name and isinstance(copy, Mapping) and copy.get("node_type", "array") == "array"
    }


def key_of(name: str) -> str:
    """What an array is called in a batch: its name, without what says that it is zarr."""
    return name.removesuffix(".zarr") or name


def array_keys(names: Sequence[str], location: str) -> list[str]:
    """The keys of arrays in a batch: their names without `.zarr`; with it where two would be one."""
    short = [key_of(name) for name in names]
    times = Counter(short)
    keys = [name if times[key] > 1 else key for name, key in zip(names, short, strict=True)]
    twice = [name for name, key in zip(names, short, strict=True) if times[key] > 1]
    if twice:
        log.warning("%s: %s keep their whole names: without .zarr two would be one", location, words(twice))
    return keys if len(set(keys)) == len(keys) else list(names)  # a.zarr.zarr beside a.zarr and a
