"""A store of objects, of whatever kind: what is below a URL, and the bytes of an object."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from flowload.errors import MissingExtra

from .place import Version, digest_of

__all__ = ["Body", "Found", "Store", "is_url", "store_of"]

EXTRA = 'pip install "flowload[remote]"'
#: What obstore knows; any other scheme is fsspec's.
KNOWN = frozenset({"s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https"})
#: Names of environment variables that the libraries look at begin with these.
ENVIRONMENT = ("AWS_", "GOOGLE_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
PIECE = 1 << 20  #: bytes of an answer that are waited for at least


class Found(NamedTuple):
    """An object that a store has."""

    key: str  #: its path below the store's URL
    tag: str  #: its ETag; where a store has none, its version, or when it was written
    size: int  #: bytes

    @property
    def version(self) -> Version:
        """What tells it from what it was."""
        return Version(digest_of(self.tag), self.size)


class Body(NamedTuple):
    """The answer to a request for an object."""

    found: Found
    pieces: Iterator[bytes]


class Store(Protocol):
    """What is below one URL. Everything raises what its library raises; see `trouble`."""

    def list(self, *, deep: bool) -> Iterator[list[Found]]:
        """What is below it, page by page; not `deep`: not what is in folders of it."""

    def head(self, key: str) -> Found:
        """One object. Raises FileNotFoundError."""

    def get(self, key: str, begin: int, end: int | None) -> Body:
        """The bytes of an object from `begin` to `end`, or to its last. Raises FileNotFoundError."""


def is_url(text: str) -> bool:
    """Whether a text names a store, such as `s3://bucket/x.tar`."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.isalnum() and scheme != "file"


def store_of(url: str) -> Store:
    """The store below a URL, with credentials from the environment. Raises MissingExtra."""
    mine = tuple(sorted(item for item in os.environ.items() if item[0].upper().startswith(ENVIRONMENT)))
    return opened(url, mine)


@lru_cache(maxsize=64)
def opened(url: str, environment: tuple[tuple[str, str], ...]) -> Store:  # noqa: ARG001 - what it is opened in
    """One store is one pool of connections: opened once, while the environment stays what it is."""
    scheme = url.partition("://")[0]
    name, kind = ("obstore", Obstore) if scheme in KNOWN else ("fsspec", Fsspec)
    try:
        library = import_module(name)
        return kind(library, url)
    except ImportError as error:
        raise MissingExtra(f"{url}: cannot be read: {error}; try {EXTRA}") from error


class Obstore:
    """Through obstore, whose own retries are off: ours go on where an answer broke off."""

    def __init__(self, library: Any, url: str) -> None:
        self.library = library
        plain = {"client_options": {"allow_http": True}} if url.startswith("http://") else {}
        self.store = import_module("obstore.store").from_url(url, retry_config={"max_retries": 0}, **plain)

    def list(self, *, deep: bool) -> Iterator[list[Found]]:
        """See `Store`."""
        if not deep:
            yield [met(meta) for meta in self.library.list_with_delimiter(self.store)["objects"]]
            return
        for page in self.library.list(self.store, chunk_size=1000):
            yield [met(meta) for meta in page]

    def head(self, key: str) -> Found:
        """See `Store`."""
        return met(self.library.head(self.store, key))

    def get(self, key: str, begin: int, end: int | None) -> Body:
        """See `Store`."""
        options: dict[str, Any] = {}
        if end is not None:
            options["range"] = (begin, end)
        elif begin:
            options["range"] = {"offset": begin}
        answer = self.library.get(self.store, key, options=options)
        return Body(met(answer.meta), map(bytes, answer.stream(min_chunk_size=PIECE)))


def met(meta: Any) -> Found:
    """What obstore says of an object."""
    tag = meta["e_tag"] or meta.get("version") or meta["last_modified"].isoformat()
    return Found(str(meta["path"]), str(tag), int(meta["size"]))


class Fsspec:
    """Through fsspec: every other scheme, by the package that knows it, such as `sshfs`."""

    def __init__(self, library: Any, url: str) -> None:
        self.library = library
        self.files, path = library.core.url_to_fs(url)
        self.root = path.rstrip("/")

    def list(self, *, deep: bool) -> Iterator[list[Found]]:
        """See `Store`."""
        self.files.invalidate_cache()
        entries = self.files.find(self.root, detail=True, maxdepth=None if deep else 1)
        yield [self.met(info) for info in entries.values()]

    def head(self, key: str) -> Found:
        """See `Store`."""
        self.files.invalidate_cache()
        info = self.files.info(f"{self.root}/{key}")
        if info["type"] != "file":
            raise FileNotFoundError(key)
        return self.met(info)

    def get(self, key: str, begin: int, end: int | None) -> Body:
        """See `Store`."""
        return Body(self.head(key), self.pieces(key, begin, end))

    def pieces(self, key: str, begin: int, end: int | None) -> Iterator[bytes]:
        """The bytes of an object."""
        with self.files.open(f"{self.root}/{key}", "rb") as file:
            file.seek(begin)
            while data := file.read(PIECE if end is None else min(PIECE, end - begin)):
                begin += len(data)
                yield data

    def met(self, info: Any) -> Found:
        """What fsspec says of an object: every package in its own words."""
        words = (info.get(word) for word in ("ETag", "etag", "mtime", "LastModified", "modified", "created"))
        tag = next((tag_of(word) for word in words if word), "")
        name = self.files._strip_protocol(info["name"])  # noqa: SLF001 - how fsspec's own code compares names
        return Found(name.removeprefix(self.root).lstrip("/"), tag, int(info["size"]))


def tag_of(word: object) -> str:
    """What tells a version, as text; a time may be a number in one answer and a date in another."""
    if isinstance(word, datetime):
        word = word.timestamp()
    return f"{word:.6f}" if isinstance(word, float) else str(word)
