"""Records on their way to another process: pieces go as one, and name their own files alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar, cast

import numpy as np

from flowload.blocks import Batch, Frames, Rows, SourceFile

__all__ = ["travelling"]

Part = TypeVar("Part", bound=Frames | Batch | Rows)


def travelling(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same samples: neighbouring records of one format as one part, with the files they are of alone.

    Every block of a run names all files that its reservoir has; of a thousand, that is more than the records.
    """
    return tuple(pieces(parts))


def pieces(parts: Iterable[Part]) -> Iterator[Part]:
    """Each of them."""
    for kind, group in groupby(parts, key=kind_of):
        if kind is None:
            yield from group
        else:
            yield cast("Part", as_one(cast("Sequence[Frames]", list(group))))


def kind_of(part: object) -> tuple[int, int] | None:
    """What parts have in common that can go as one."""
    return (id(part.format), part.data.shape[1]) if isinstance(part, Frames) else None


def as_one(parts: Sequence[Frames]) -> Frames:
    """Records as one part."""
    known: dict[SourceFile, int] = {}
    origins = []
    for part in parts:
        origin = part.origin.copy()
        used, places = np.unique(origin["source"], return_inverse=True)
        rows = [known.setdefault(part.sources[source], len(known)) for source in used.tolist()]
        origin["source"] = np.array(rows, np.int32)[places]
        origins.append(origin)
    data = parts[0].data if len(parts) == 1 else np.concatenate([part.data for part in parts])
    return Frames(parts[0].format, tuple(known), data, np.concatenate(origins))
