"""Where a zarr array lies: a local folder, a zip, or any URL that fsspec or obstore knows."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flowload.errors import MissingExtra, NoDataError
from flowload.files.foreign import foreign
from flowload.files.objects.store import at_once
from flowload.formats.zarr.chunks.files import ChunkFiles, Folder, ZipMembers

if TYPE_CHECKING:
    import zarr.abc.store

__all__ = ["Place", "find_place", "is_url", "join_location"]

BEST = frozenset({"s3", "gs", "az"})  #: whose credentials obstore takes from the environment, as fsspec does
EXTRA = 'pip install "flowload[remote]"'


class Place(NamedTuple):
    """An array's store, as zarr takes it, and its chunks where positional reads reach them."""

    store: zarr.abc.store.Store
    path: str  #: of the array in the store
    files: ChunkFiles | None = None  #: None: only the store can find them
    positional: bool = False  #: the files can be opened
    root: Path | None = None  #: of the array, where that is a folder
    url: str = ""  #: of the array, where that is in a store that we can ask ourselves

    @property
    def local(self) -> bool:
        """It is a folder."""
        return self.root is not None

    def key(self, name: str) -> str:
        """What the store calls a document or chunk of the array."""
        return f"{self.path}/{name}" if self.path else name

    def close(self) -> None:
        """Let go of the store's file, where it has one."""
        self.store.close()


def is_url(location: str) -> bool:
    """Whether a location names a scheme, such as `s3://bucket/x.zarr`."""
    return "://" in location


def join_location(location: str, name: str) -> str:
    """An array inside a folder, a zip or a URL."""
    return f"{location.rstrip('/')}/{name}"


def find_place(location: str, options: Mapping[str, Any]) -> Place:
    """The store of a location. Raises NoDataError, DataError and MissingExtra.

    Args:
        location: a path, one that leads into a zip (`x.zip`, `x.zip/timeseries.zarr`), or a URL.
        options: for the file system of a URL.
    """
    from zarr.storage import LocalStore  # noqa: PLC0415 - zarr takes 160 ms, and starts a thread

    if location.startswith("file://"):
        location = location[len("file://") :]
    if is_url(location):
        # Options are the library's own: what they mean to a store, such as credentials, only it knows.
        return Place(
            remote_store(location, options), "", url=location if at_once(location) and not options else ""
        )
    with foreign("unreadable folder", location):
        archive, inner = split_zip(Path(location))
    if archive is not None:
        return zip_place(archive, inner)
    if not is_folder(Path(location)):
        raise NoDataError("no zarr array", where=location, found="no such folder", wanted="a folder or a zip")
    root = Path(location)
    return Place(LocalStore(location, read_only=True), "", Folder(root), positional=True, root=root)


def is_folder(path: Path) -> bool:
    """Whether there is one. Raises DataError where that cannot be found out."""
    with foreign("unreadable folder", str(path)):
        return path.is_dir()


def split_zip(path: Path) -> tuple[Path | None, str]:
    """The zip that a path leads into, and the rest of the path."""
    for part in (path, *path.parents):
        if part.is_file():
            return part, "/".join(path.parts[len(part.parts) :])
        if part.is_dir():
            break
    return None, ""


def zip_place(archive: Path, inner: str) -> Place:
    """An array in a zip; its chunks are read in place unless the zip has compressed them once more."""
    from zarr.core.sync import sync  # noqa: PLC0415 - see find_place
    from zarr.storage import ZipStore  # noqa: PLC0415

    with foreign("bad zip", str(archive)):
        members = ZipMembers(archive, inner)
        store = sync(ZipStore.open(archive, mode="r", read_only=True))
    return Place(store, inner, members, positional=members.stored)


def remote_store(url: str, options: Mapping[str, Any]) -> zarr.abc.store.Store:
    """The store of a URL: fsspec's file system if it is installed, else obstore's.

    Without options obstore's first, where it knows the scheme: it lists faster, and shares connections.
    """
    missing: list[str] = []
    with foreign("cannot be reached", url):
        if not options and url.partition("://")[0] in BEST and find_spec("obstore") is not None:
            return obstore_store(url, options)
        if find_spec("fsspec") is not None:
            try:
                return fsspec_store(url, options)
            except ImportError as error:  # of the package for this scheme, such as s3fs
                missing.append(str(error))
            except ValueError as error:  # an unknown scheme
                missing.append(str(error))
        if find_spec("obstore") is not None:
            try:
                return obstore_store(url, options)
            except import_module("obstore.exceptions").BaseError as error:  # an unknown scheme
                missing.append(str(error).partition("\n")[0])
    why = "; ".join(missing) or "neither fsspec nor obstore is installed"
    raise MissingExtra(f"{url}: cannot be read: {why}; try {EXTRA}")


def fsspec_store(url: str, options: Mapping[str, Any]) -> zarr.abc.store.Store:
    """Through fsspec."""
    from zarr.storage import FsspecStore  # noqa: PLC0415 - see find_place

    return FsspecStore.from_url(url, storage_options=dict(options) or None, read_only=True)


def obstore_store(url: str, options: Mapping[str, Any]) -> zarr.abc.store.Store:
    """Through obstore."""
    from zarr.storage import ObjectStore  # noqa: PLC0415 - see find_place

    return ObjectStore(import_module("obstore.store").from_url(url, **options), read_only=True)
