"""Where an object lies in a cache: a path that says whose version it is, so that it can be brought again."""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple
from urllib.parse import quote, unquote

from flowload.errors import DataError

__all__ = ["FOLDER", "Place", "Version", "digest_of", "is_place"]

FOLDER = "objects=1"  #: of all objects below a cache's folder; no component of an object's own has a "="
MARK = f"{os.sep}{FOLDER}{os.sep}"
DIGITS = 16  #: of a version's digest


class Version(NamedTuple):
    """What tells a version of an object from others."""

    digest: str  #: of its ETag, or of what the store has instead
    size: int  #: bytes


class Place(NamedTuple):
    """An object and its version, and the cache that holds it: the parts of its path there."""

    root: str  #: the cache's folder
    url: str
    version: Version

    @property
    def path(self) -> str:
        """The file of the object. Raises DataError for a name that no file can have."""
        scheme, _, rest = self.url.partition("://")
        *folders, name = rest.split("/")
        if name in ("", ".", "..") or "\0" in name:
            raise DataError("bad name", where=self.url, found=repr(name), wanted="the name of an object")
        inner = [component(folder) for folder in (scheme, *folders)]
        version = f"{self.version.digest}={self.version.size}"
        return os.sep.join([self.root, FOLDER, *inner, version, name])  # noqa: PTH118 - as text

    @classmethod
    def of(cls, path: str) -> Place:
        """What a path in a cache says; see `is_place`."""
        folder, _, name = path.rpartition(os.sep)
        root, _, inner = folder.rpartition(MARK)
        scheme, *folders, version = inner.split(os.sep)  # noqa: PTH206 - as text
        digest, _, size = version.partition("=")
        rest = "/".join([*map(folder_of, folders), name])
        return cls(root, f"{scheme}://{rest}", Version(digest, int(size)))


def is_place(path: str) -> bool:
    """Whether a path is that of an object in a cache."""
    return MARK in path


def component(text: str) -> str:
    """A folder's name for one component of a URL: never empty, hidden, or a way up."""
    safe = quote(text, safe=" @+,:", errors="surrogateescape")
    return safe.replace(".", "%2E", 1) if safe.startswith(".") else safe or "%"


def folder_of(text: str) -> str:
    """The component that gave this name."""
    return "" if text == "%" else unquote(text, errors="surrogateescape")


def digest_of(tag: str) -> str:
    """A digest of an ETag; stores quote them in one answer and not in another."""
    bare = tag.removeprefix("W/").strip('"')
    return hashlib.blake2b(bare.encode(errors="surrogateescape"), digest_size=DIGITS // 2).hexdigest()
