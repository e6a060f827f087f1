"""Stores that fsspec knows, by the package for their scheme, such as `sshfs`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flowload.errors import FlowloadError

from .request import PIECE, Ask, Found, Take, Wait
from .traffic import TRAFFIC

__all__ = ["Fsspec"]


class Fsspec:
    """Through fsspec: every other scheme, by the package that knows it, such as `sshfs`."""

    def __init__(self, library: Any, url: str) -> None:
        self.library = library
        self.files, path = library.core.url_to_fs(url)
        self.root = path.rstrip("/")

    def listing(self, wait: Wait, *, deep: bool) -> list[Found]:
        """See `Store`."""
        wait(0)
        self.files.invalidate_cache()
        with TRAFFIC.request():
            entries = self.files.find(self.root, detail=True, maxdepth=None if deep else 1)
        return [self.met(info) for info in entries.values()]

    def head(self, key: str, wait: Wait) -> Found:
        """See `Store`."""
        wait(0)
        self.files.invalidate_cache()
        with TRAFFIC.request():
            info = self.files.info(f"{self.root}/{key}")
        if info["type"] != "file":
            raise FileNotFoundError(key)
        return self.met(info)

    def get(self, key: str, begin: int, end: int | None, take: Take, wait: Wait) -> None:
        """See `Store`."""
        found = self.head(key, wait)
        take.begin(found)
        with TRAFFIC.request(), self.files.open(f"{self.root}/{key}", "rb") as file:
            begin = file.seek(max(0, found.size + begin) if begin < 0 else begin)
            while data := file.read(PIECE if end is None else min(PIECE, end - begin)):
                begin += len(data)
                TRAFFIC.came(len(data))
                take.piece(data)
                wait(0)

    def get_all(self, asks: Sequence[Ask], wait: Wait) -> None:
        """See `Store`: one after the other."""
        for ask in asks:
            ask.found, ask.failed = None, None
            try:
                if ask.stop == 0:
                    ask.begin(self.head(ask.key, wait))
                else:
                    self.get(ask.key, ask.start, ask.stop, ask, wait)
            except FlowloadError:
                raise
            except Exception as error:  # noqa: BLE001 - whoever asked looks at it
                ask.failed = error

    def put(self, key: str, data: bytes, wait: Wait) -> None:
        """See `Store`."""
        wait(0)
        with TRAFFIC.request():
            self.files.pipe_file(f"{self.root}/{key}", data)

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
