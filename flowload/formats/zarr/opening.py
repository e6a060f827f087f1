"""Between the metadata of a zarr array and its first row: is there data, who reads it, and rightly?"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import warnings
from collections.abc import AsyncIterator
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.formats.zarr.chunks.coding import coding_of
from flowload.formats.zarr.chunks.files import Folder, ZipMembers
from flowload.formats.zarr.chunks.grid import Grid
from flowload.formats.zarr.chunks.places import (
    Coords,
    Encode,
    OpenChunks,
    PlainChunks,
    ShardChunks,
    ShardLayout,
    layout_of,
)
from flowload.formats.zarr.chunks.reader import SLACK, ChunkReader
from flowload.formats.zarr.chunks.stored import StoredChunks

from .guard import BUDGET, difference, shrunk
from .library_reader import LibraryReader
from .metadata import Document, make_array
from .stores import Place

if TYPE_CHECKING:
    import zarr

__all__ = [
    "OpenArray",
    "agrees",
    "by_library",
    "by_zarrs",
    "check_memory",
    "has_zarrs",
    "nothing_stored",
    "own_reader",
    "tell_repeated",
]

log = logging.getLogger("flowload")

OpenArray: TypeAlias = ChunkReader | LibraryReader

LOOKED = 10_000  #: files that are looked at for one that is a chunk
METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")


def has_zarrs() -> bool:
    """Whether `zarrs` is installed."""
    return find_spec("zarrs") is not None


def own_reader(
    location: str, document: Document, array: zarr.Array[Any], grid: Grid, place: Place
) -> ChunkReader | None:
    """Ours, where it knows how the chunks lie; None: a library has to read them.

    Args:
        location: for messages.
        document: the metadata.
        array: as zarr-python understands them.
        grid: of the files: chunks, or shards.
        place: where they are.
    """
    if not place.url and (place.files is None or not place.positional):
        return None
    layout = layout_of(document)
    coding = coding_of(document, array.dtype, () if layout is None else layout.codecs)
    if coding is None:
        return None
    encode = array.metadata.encode_chunk_key
    chunks: OpenChunks | None
    if place.files is None:
        chunks = stored_chunks(place.url, encode, layout, location)
    elif layout is None:
        chunks = PlainChunks(place.files, encode)
    else:
        chunks = ShardChunks(place.files, encode, layout, location)
    if chunks is None:
        return None
    if layout is not None:
        grid = Grid(grid.shape, layout.chunk, grid.take, grid.itemsize)
    return ChunkReader(location, grid, coding, chunks, array.fill_value)


def stored_chunks(url: str, encode: Encode, layout: ShardLayout | None, location: str) -> StoredChunks | None:
    """The chunks of an array in a store; None: it can only be asked by the library that read its metadata."""
    chunks = StoredChunks(url, encode, layout, location)
    if any(map(chunks.usable, METADATA[:2])):
        return chunks
    log.info("%s: its chunks are read by zarr-python: they cannot be asked for directly", location)
    return None


def by_library(
    location: str, document: Document, grid: Grid, place: Place, layout: ShardLayout | None
) -> LibraryReader:
    """What zarr-python reads, with codecs that stop, from a store that tells what it does not have."""
    from .bounded import bounded  # noqa: PLC0415 - imports zarr, which takes 160 ms and starts a thread
    from .counted_store import CountedStore  # noqa: PLC0415

    index = 0 if layout is None else layout.index_bytes
    store = CountedStore(
        place.store, place.key(""), location, place.files, 2 * grid.chunk_bytes + SLACK + 8 * index, layout
    )
    place = place._replace(store=store)
    limits = partial(bounded, chunk_bytes=grid.chunk_bytes)
    array = make_array(place, document, location, "zarr-python", limits)
    return LibraryReader(location, "zarr-python", grid, array, place, layout)


def by_zarrs(
    location: str, document: Document, grid: Grid, place: Place, layout: ShardLayout | None
) -> LibraryReader | None:
    """What zarrs reads; None where it knows not all of the codecs, and would hand on to zarr-python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where it hands on
        array = make_array(place, document, location, "zarrs")
    if getattr(array.async_array.codec_pipeline, "impl", None) is None:
        return None
    return LibraryReader(location, "zarrs", grid, array, place, layout)


def check_memory(grid: Grid, location: str) -> None:
    """Raise DataError where a chunk, which is decoded as a whole, is larger than this machine's memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if grid.chunk_bytes > memory:
        found, wanted = f"chunks of {grid.chunk_bytes:,} bytes", f"at most the {memory:,} of this machine"
        raise DataError("chunk too large", where=location, found=found, wanted=wanted)


def nothing_stored(place: Place, array: zarr.Array[Any], grid: Grid, location: str) -> NoDataError | None:
    """The error where no chunk of an array exists: not one of its files, by their names; else None.

    Costs one request where the first chunk is there, and the beginning of a list else.
    """
    encode = array.metadata.encode_chunk_key
    first = encode((0,) * len(grid.shape))
    with foreign("unreadable folder", location):
        if exists(place, first):
            return None
        found = some_files(place)
    if found is None:
        return None  # nobody can list what is there
    # Every number of the first chunk's name is a 0.
    form = re.compile(re.escape(first).replace("0", "([0-9]{1,18})"))
    ends = [-(-size // chunk) for size, chunk in zip(grid.shape, grid.chunks, strict=True)]
    for name in found:
        numbers = form.fullmatch(name)
        if numbers and all(int(k) < end for k, end in zip(numbers.groups(), ends, strict=True)):
            return None
    if len(found) >= LOOKED:
        return None
    others = f"other files, such as {found[0]}" if found else "no file"
    return NoDataError("no chunk exists", where=location, found=others, wanted=f"chunks, such as {first}")


def tell_repeated(place: Place, location: str) -> None:
    """Say which members of a zip come twice: the last one is read, as by every reader of zips."""
    if isinstance(place.files, ZipMembers) and (names := place.files.repeated):
        log.warning("%s: the zip has %r more than once; the last is read", location, ", ".join(names[:5]))


def exists(place: Place, name: str) -> bool:
    """Whether there is a file of the array, or a pipe in its place, which the read of a row will name."""
    from zarr.core.sync import sync  # noqa: PLC0415 - see by_library

    if place.files is not None:
        try:
            return place.files.size(name) is not None
        except OSError:
            return True
    return sync(place.store.exists(place.key(name)))


def some_files(place: Place) -> list[str] | None:
    """The first files of the array that are no metadata; None where they cannot be listed."""
    from zarr.core.sync import sync  # noqa: PLC0415 - see by_library

    if place.files is not None:
        near = (name for name in place.files.names() if name.rsplit("/", 1)[-1] not in METADATA)
        return list(islice(near, LOOKED))
    if not place.store.supports_listing:
        return None
    prefix = place.key("")
    names = sync(first_names(place.store.list_prefix(prefix)))
    return None if names is None else [name.removeprefix(prefix) for name in names]


async def first_names(names: AsyncIterator[str]) -> list[str] | None:
    """The first of many names, without those of metadata; None: not even those are listed."""
    found: list[str] = []
    any_there = False
    async for name in names:
        any_there = True
        if name.rsplit("/", 1)[-1] not in METADATA:
            found.append(name)
        if len(found) >= LOOKED:
            break
    return found if any_there else None


def agrees(reader: OpenArray, theirs: LibraryReader, document: Document) -> bool:
    """Whether a reader reads what zarr-python does; else that is told, as a warning.

    Args:
        reader: ours, or one that zarrs is behind.
        theirs: zarr-python's.
        document: the metadata.
    """
    grid = reader.gaps.grid
    if grid.chunk_bytes <= BUDGET and reader.gaps.chunks.near:  # over a network, twice is too much
        wrong = difference(reader.read_chunk, theirs.read_chunk, grid, reader.location)
        reader.gaps.forget()
    else:
        wrong = differs_alike(document, reader.location)
    if wrong is not None:
        log.warning(
            "%s: %s reads chunk %s otherwise than zarr-python, which reads the array now",
            reader.location,
            reader.route,
            reader.gaps.chunks.name(wrong),
        )
    return wrong is None


def differs_alike(document: Document, location: str) -> Coords | None:
    """The first chunk of a small array of the same kind that we read otherwise than zarr-python wrote it."""
    try:
        with (
            foreign("cannot be written", location),
            tempfile.TemporaryDirectory(prefix="flowload-") as name,
        ):
            return differs_in(Path(name), document, location)
    except DataError as error:  # of the folder for temporary files, say: the data are not to blame
        log.info("%s: our reading is not compared with zarr-python's: %s", location, error)
        return None


def differs_in(root: Path, document: Document, location: str) -> Coords | None:
    """The first chunk of a small array, written by zarr-python to an empty folder, that we read otherwise."""
    from zarr.storage import LocalStore  # noqa: PLC0415 - see by_library

    small, shape, files = shrunk(document)
    place = Place(LocalStore(root), "", Folder(root), positional=True, root=root)
    array = make_array(place, small, location, "zarr-python")
    own = own_reader(location, small, array, Grid(shape, files, shape, array.dtype.itemsize), place)
    if own is None:
        return None
    data = some_data(shape, array.dtype)
    array[...] = data
    grid, native = own.grid, data.astype(own.dtype)

    def written(coords: Coords, rows: slice) -> NDArray[Any]:
        return np.ascontiguousarray(native[grid.box(coords)][rows])

    return difference(own.read_chunk, written, grid, location)


def some_data(shape: Coords, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Numbers of any bits."""
    rng = np.random.Generator(np.random.Philox(0))
    data = rng.integers(0, 2 if dtype.kind == "b" else 256, (*shape, dtype.itemsize), dtype=np.uint8)
    return data.view(dtype)[..., 0]
