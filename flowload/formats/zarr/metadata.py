"""What describes a zarr array, read with a limit and looked at before zarr-python sees it.

Metadata are anybody's JSON: too large, nested too deep, with a chunk of no rows, a shape that no disk holds.
"""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.files.regular import kind_of

from .stores import Place

if TYPE_CHECKING:
    import zarr

__all__ = ["MOST_BYTES", "Document", "array_document", "make_array", "read_documents"]

Document: TypeAlias = Mapping[str, Any]

MOST_JSON = 16 << 20  #: bytes of a document: as Python objects they may be forty times as many
MOST_AXES = 32
MOST_BYTES = 1 << 60  #: of an array: no disk holds as many
PIPELINES = {
    "zarrs": "zarrs.ZarrsCodecPipeline",
    "zarr-python": "zarr.core.codec_pipeline.BatchedCodecPipeline",
}
#: Decodes by running what the data say.
UNSAFE = ("pickle", "numcodecs.pickle")


def read_documents(place: Place, names: Sequence[str], location: str) -> list[Document | None]:
    """JSON objects by their names in a place, asked for at once; None: there is none. Raises DataError."""
    from zarr.core.sync import sync  # noqa: PLC0415 - zarr takes 160 ms, and starts a thread when it is used

    for name in names:
        check_regular(place, name, location)
    with foreign("unreadable metadata", location):
        found = sync(fetch(place, names))
    return [parse(data, f"{location}/{name}") for name, data in zip(names, found, strict=True)]


async def fetch(place: Place, names: Sequence[str]) -> list[bytes | None]:
    """The bytes of documents, up to one more than may be."""
    from zarr.abc.store import RangeByteRequest  # noqa: PLC0415 - see read_documents
    from zarr.core.buffer import default_buffer_prototype  # noqa: PLC0415

    keys = [place.key(name) for name in names]
    part = RangeByteRequest(0, MOST_JSON + 1)
    many = asyncio.Semaphore(16)  # requests at a time

    async def get(key: str) -> bytes | None:
        async with many:
            found = await place.store.get(key, default_buffer_prototype(), part)
        return None if found is None else found.to_bytes()

    return list(await asyncio.gather(*map(get, keys)))


def check_regular(place: Place, name: str, location: str) -> None:
    """Raise DataError where a local document is a pipe or a device, which would be waited for."""
    if place.root is None:
        return
    with foreign("unreadable metadata", f"{location}/{name}"):
        try:
            mode = (place.root / name).stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise DataError("not a file", where=f"{location}/{name}", found=kind_of(mode), wanted="a file")


def parse(data: bytes | None, where: str) -> Document | None:
    """A JSON object. Raises DataError."""
    if data is None:
        return None
    if len(data) > MOST_JSON:
        found, wanted = f"more than {MOST_JSON:,} bytes", "metadata of fewer"
        raise DataError("bad zarr metadata", where=where, found=found, wanted=wanted)
    with foreign("bad zarr metadata", where):  # numbers of 5,000 digits, and nesting, among others
        document = json.loads(data)
    if not isinstance(document, dict):
        raise DataError("bad zarr metadata", where=where, found=type(document).__name__, wanted="an object")
    return document


def array_document(place: Place, location: str) -> Document:
    """The metadata of an array, sound so far as memory and time depend on them.

    Raises NoDataError where there are none, and DataError.
    """
    third, second = read_documents(place, ("zarr.json", ".zarray"), location)
    document = second if third is None else third
    if document is None or (third is not None and third.get("node_type") == "group"):
        found = "nothing of either" if document is None else "a group"
        raise NoDataError("no zarr array", where=location, found=found, wanted="zarr.json or .zarray")
    wanted = 2 if third is None else 3
    form = document.get("zarr_format")
    if isinstance(form, bool) or form != wanted:
        raise DataError(
            "bad zarr metadata", where=location, found=f"zarr_format {form!r:.40}", wanted=f"{wanted}"
        )
    check_shape(document, location)
    for name in codec_names(document):
        if name in UNSAFE:
            raise DataError("unsafe codec", where=location, found=repr(name), wanted="one that runs no code")
    return document


def check_shape(document: Document, location: str) -> None:
    """Raise DataError unless shape and chunks are numbers that an array can have."""
    shape = counts(document.get("shape"), 0, "shape", location)
    if document["zarr_format"] == 2:
        grids = [document.get("chunks")]
    else:
        grids = [chunk_shape(document.get("chunk_grid"), "regular", location)]
        grids += [chunk_shape(codec, "sharding_indexed", location) for codec in all_codecs(document)]
    for grid in grids:
        chunks = () if grid is None else counts(grid, 1, "chunks", location)
        if grid is not None and len(chunks) != len(shape):
            found, wanted = f"chunks {list(chunks)}", f"{len(shape)} axes, as of shape {list(shape)}"
            raise DataError("bad zarr metadata", where=location, found=found, wanted=wanted)


def chunk_shape(part: object, name: str, location: str) -> object:
    """The `chunk_shape` in the configuration of a grid or codec of this name; None for another."""
    if not isinstance(part, Mapping) or part.get("name") != name:
        return None
    configuration = part.get("configuration")
    if not isinstance(configuration, Mapping):
        raise DataError("bad zarr metadata", where=location, found=f"{name} without a configuration")
    return configuration.get("chunk_shape", ())


def counts(values: object, least: int, name: str, location: str) -> tuple[int, ...]:
    """Whole numbers from `least`. Raises DataError for anything else."""
    sound = isinstance(values, list) and len(values) <= MOST_AXES
    if isinstance(values, list) and sound:
        sound = all(type(value) is int and least <= value <= MOST_BYTES for value in values)
        if sound:
            return tuple(values)
    wanted = f"at most {MOST_AXES} numbers from {least} to {MOST_BYTES:,}"
    raise DataError("bad zarr metadata", where=location, found=f"{name} {values!r:.100}", wanted=wanted)


def all_codecs(document: Document) -> Iterator[Mapping[str, Any]]:
    """The codecs of version 3, those inside of shards too."""
    waiting = [document.get("codecs")]
    while waiting:
        codecs = waiting.pop()
        for codec in codecs if isinstance(codecs, list) else ():
            if isinstance(codec, Mapping):
                yield codec
                configuration = codec.get("configuration")
                if isinstance(configuration, Mapping):
                    waiting += [configuration.get("codecs"), configuration.get("index_codecs")]


def codec_names(document: Document) -> Iterator[object]:
    """Of either version."""
    filters = document.get("filters")
    old = [document.get("compressor"), *(filters if isinstance(filters, list) else ())]
    for codec in chain(old, all_codecs(document)):
        if isinstance(codec, Mapping):
            yield codec.get("id", codec.get("name"))


def make_array(
    place: Place,
    document: Document,
    location: str,
    pipeline: str,
    change: Callable[[Any], Any] | None = None,
) -> zarr.Array[Any]:
    """The array as zarr-python sees it. Raises DataError.

    Args:
        place: of the array.
        document: its metadata.
        location: for messages.
        pipeline: decodes chunks.
        change: makes others of the metadata as zarr-python understands them.
    """
    import zarr  # noqa: PLC0415 - see read_documents
    from zarr.storage import StorePath  # noqa: PLC0415

    with (
        foreign("bad zarr metadata", location),
        zarr.config.set({"codec_pipeline.path": PIPELINES[pipeline]}),
    ):
        path = StorePath(place.store, place.path)
        array = zarr.Array.from_dict(path, deepcopy(dict(document)))
        if change is not None:
            array = zarr.Array(zarr.AsyncArray(metadata=change(array.metadata), store_path=path))
        return array
