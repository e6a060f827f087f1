"""`fl.discover`: the files to read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeAlias
from urllib.parse import unquote

from flowload.abc.operators import Operator, Setting
from flowload.abc.stage import whole
from flowload.blocks import Files
from flowload.errors import GraphError
from flowload.files.objects.cache import default_cache
from flowload.files.objects.store import is_url
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.files.objects.source import Brings, ObjectSource, all_of_them
from flowload.stages.files.objects.watch import ObjectWatch
from flowload.stages.registry import own_formats

from .list_source import ListSource
from .watch_source import WatchSource

__all__ = ["DiscoverStage", "ObjectsStage", "WatchObjectsStage", "WatchStage", "discover"]

SETTLE, RESCAN = 5.0, 10.0  #: seconds

Text: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class DiscoverStage(Stage):
    """The declaration of `discover`."""

    word: ClassVar[str] = "discover"
    makes: ClassVar[type] = Files

    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.patterns:
            raise GraphError("discover: the list of patterns is empty")
        for text in self.patterns:
            if not text or "\0" in text:
                raise GraphError(f"discover: {text!r} is not a pattern, a folder or a file")

    def remembered(self) -> Mapping[str, object]:
        """Nothing: which files there are is told by the files."""
        return {}

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: a Source that lists files once."""
        return (ListSource(self.patterns, wanted_suffixes(setting)),)


@dataclass(frozen=True, kw_only=True)
class WatchStage(DiscoverStage):
    """The declaration of `discover(..., watch=True)`."""

    growing: ClassVar[bool] = True
    retells: ClassVar[bool] = True

    settle: float = SETTLE
    rescan: float = RESCAN

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.settle >= 0:
            raise GraphError(f"discover: settle is {self.settle!r}; wanted seconds from 0")
        check_rescan(self.rescan)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: a Source that lists files, then follows events."""
        suffixes = wanted_suffixes(setting)
        return (WatchSource(self.patterns, suffixes, settle=self.settle, rescan=self.rescan),)


@dataclass(frozen=True, kw_only=True)
class ObjectsStage(DiscoverStage):
    """The declaration of `discover` of what is in a store."""

    cache: str | None = None
    cache_bytes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        others = [text for text in self.patterns if not is_url(text)]
        if others:
            raise GraphError(
                f"discover: {others[0]!r} is of this machine, {self.patterns[0]!r} is in a store"
            )
        limit = self.cache_bytes
        if limit is not None and not (whole(limit) and limit > 0):
            raise GraphError(f"discover: cache_bytes is {limit!r}; wanted bytes above 0, or None")

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: a Source that lists objects once, and brings them."""
        suffixes = wanted_suffixes(setting)
        brings = brings_of(setting, growing=False)
        cache, limit = self.folder(), self.cache_bytes
        return (ObjectSource(self.patterns, suffixes, cache=cache, limit=limit, brings=brings),)

    def folder(self) -> str:
        """That of the cache."""
        return default_cache() if self.cache is None else self.cache


@dataclass(frozen=True, kw_only=True)
class WatchObjectsStage(ObjectsStage):
    """The declaration of `discover(..., watch=True)` of what is in a store."""

    growing: ClassVar[bool] = True
    retells: ClassVar[bool] = True

    rescan: float = RESCAN

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rescan(self.rescan)

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: a Source that lists objects again and again, and brings them."""
        suffixes = wanted_suffixes(setting)
        cache, limit, brings = self.folder(), self.cache_bytes, brings_of(setting, growing=True)
        source = ObjectWatch(
            self.patterns, suffixes, cache=cache, limit=limit, rescan=self.rescan, brings=brings
        )
        return (source,)


def brings_of(setting: Setting, *, growing: bool) -> Brings:
    """Which files this process reads, by number and path: the stage directly behind may know, or all."""
    brings = getattr(setting.downstream[0], "brings", None) if setting.downstream else None
    return all_of_them if brings is None else partial(brings, growing=growing)


def check_rescan(rescan: float) -> None:
    """Raise GraphError for what is no time between searches."""
    if not rescan > 0:
        raise GraphError(f"discover: rescan is {rescan!r}; wanted seconds above 0")


def as_texts(patterns: object) -> tuple[str, ...]:
    """One or several patterns as text; GraphError for anything else."""
    several: list[object] = [patterns]
    if isinstance(patterns, Iterable) and not isinstance(patterns, str):
        several = list(patterns)
    texts = tuple(os.fspath(text) for text in several if isinstance(text, str | os.PathLike))
    if any(not isinstance(text, str) for text in texts) or len(texts) != len(several):
        raise GraphError(f"discover: {patterns!r} is not a pattern, a folder or a file, nor a list of them")
    return tuple(map(on_disk, texts))


def on_disk(text: str) -> str:
    """The path in a `file://` URL; anything else as it is."""
    if not text.startswith("file://"):
        return text
    return unquote(text.removeprefix("file://").removeprefix("localhost"))


def wanted_suffixes(setting: Setting) -> tuple[str, ...]:
    """Endings of the files that the nearest stage with a format can read; empty: any."""
    return next((tuple(form.suffixes) for form in own_formats(setting.downstream)), ())


@names_keywords
def discover(
    patterns: Text | Iterable[Text],
    watch: bool = False,
    *,
    settle: float = SETTLE,
    rescan: float = RESCAN,
    cache: Text | None = None,
    cache_bytes: int | None = None,
) -> Graph:
    """Find files: begin a graph with their paths, in natural order of their names.

    Args:
        patterns: one or several: patterns (`**` stands for any number of folders), folders (every file in
            them that the format can read), files. `~` is expanded. Hidden files and names that mark a
            file as incomplete (`.part`, `.tmp`, ...) are left out. Or the same of a store, as URLs such as
            `s3://bucket/run1/*.tar` (`gs://`, `az://`, `https://`, whatever fsspec knows): objects are listed
            once, and brought to a local cache before they are read; credentials are those of the
            environment. `pip install "flowload[remote]"`.
        watch: follow the folders: after the files that are there come those that arrive, each once, as
            soon as it is closed after writing or renamed to its name. Such a stream does not end. A store is
            listed every `rescan` seconds.
        settle: seconds without a change after which a watched file is complete where the kernel cannot
            tell (network file systems, files of other users).
        rescan: seconds after which watched folders are searched again, for file systems without events, and
            a store is listed again.
        cache: of objects: the folder that they are brought to; None: `~/.cache/flowload`.
        cache_bytes: what it has at most, for all who use it; None: what was said before, or 32 GiB.

    Raises NoDataError, when the run starts, for a pattern, folder or file that gives nothing; GraphError for
    a store that is given together with folders.

    Examples:
        >>> graph = fl.discover(sample_path("chess")) >> fl.read("lc0")
        >>> with graph.iterate() as run:
        ...     print(sum(len(chunks) for chunks in run), "games")
        24 games
    """
    texts = as_texts(patterns)
    if any(map(is_url, texts)):
        where = None if cache is None else os.fspath(cache)
        if watch:
            if settle != SETTLE:
                raise GraphError("discover: settle is for folders; an object is whole when it is listed")
            return place(
                WatchObjectsStage(patterns=texts, cache=where, cache_bytes=cache_bytes, rescan=rescan)
            )
        return place(ObjectsStage(patterns=texts, cache=where, cache_bytes=cache_bytes))
    if cache is not None or cache_bytes is not None:
        raise GraphError("discover: cache and cache_bytes are for URLs of a store, such as s3://bucket/*.tar")
    if watch:
        return place(WatchStage(patterns=texts, settle=settle, rescan=rescan))
    return place(DiscoverStage(patterns=texts))
