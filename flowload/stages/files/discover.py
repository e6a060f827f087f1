"""`fl.discover`: the files to read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from flowload.abc.operators import Operator, Setting
from flowload.blocks import Files
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.registry import own_formats

from .list_source import ListSource
from .watch_source import WatchSource

__all__ = ["DiscoverStage", "WatchStage", "discover"]

Text: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class DiscoverStage(Stage):
    """The declaration of `discover`."""

    word: ClassVar[str] = "discover"

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

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - nothing comes in
        """One output with paths (`Files`)."""
        return {"out": Files}

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: a Source that lists files once."""
        return (ListSource(self.patterns, wanted_suffixes(setting)),)


@dataclass(frozen=True, kw_only=True)
class WatchStage(DiscoverStage):
    """The declaration of `discover(..., watch=True)`."""

    growing: ClassVar[bool] = True
    retells: ClassVar[bool] = True

    settle: float = 5.0
    rescan: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.settle >= 0:
            raise GraphError(f"discover: settle is {self.settle!r}; wanted seconds from 0")
        if not self.rescan > 0:
            raise GraphError(f"discover: rescan is {self.rescan!r}; wanted seconds above 0")

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: a Source that lists files, then follows events."""
        suffixes = wanted_suffixes(setting)
        return (WatchSource(self.patterns, suffixes, settle=self.settle, rescan=self.rescan),)


def as_texts(patterns: object) -> tuple[str, ...]:
    """One or several patterns as text; GraphError for anything else."""
    several: list[object] = [patterns]
    if isinstance(patterns, Iterable) and not isinstance(patterns, str):
        several = list(patterns)
    texts = tuple(os.fspath(text) for text in several if isinstance(text, str | os.PathLike))
    if any(not isinstance(text, str) for text in texts) or len(texts) != len(several):
        raise GraphError(f"discover: {patterns!r} is not a pattern, a folder or a file, nor a list of them")
    return texts


def wanted_suffixes(setting: Setting) -> tuple[str, ...]:
    """Endings of the files that the nearest stage with a format can read; empty: any."""
    return next((tuple(form.suffixes) for form in own_formats(setting.downstream)), ())


@names_keywords
def discover(
    patterns: Text | Iterable[Text], watch: bool = False, *, settle: float = 5.0, rescan: float = 10.0
) -> Graph:
    """Find files: begin a graph with their paths, in natural order of their names.

    Args:
        patterns: one or several: patterns (`**` stands for any number of folders), folders (every file in
            them that the format can read), files. `~` is expanded. Hidden files and names that mark a
            file as incomplete (`.part`, `.tmp`, ...) are left out.
        watch: follow the folders: after the files that are there come those that arrive, each once, as
            soon as it is closed after writing or renamed to its name. Such a stream does not end.
        settle: seconds without a change after which a watched file is complete where the kernel cannot
            tell (network file systems, files of other users).
        rescan: seconds after which watched folders are searched again, for file systems without events.

    Raises NoDataError, when the run starts, for a pattern, folder or file that gives nothing.

    Examples:
        >>> graph = fl.discover(sample_path("chess")) >> fl.read("lc0")
        >>> with graph.iterate() as run:
        ...     print(sum(len(chunks) for chunks in run), "games")
        24 games
    """
    texts = as_texts(patterns)
    if watch:
        return place(WatchStage(patterns=texts, settle=settle, rescan=rescan))
    return place(DiscoverStage(patterns=texts))
