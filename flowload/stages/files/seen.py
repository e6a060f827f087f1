"""What files were when they were first indexed, for the passes that follow and for the end of a run."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from flowload.blocks import SourceFile
from flowload.files.identity import Identity, changed, stat_of
from flowload.files.objects.place import is_place
from flowload.files.regular import translated

__all__ = ["Seen"]

WIDTH = len(Identity(0, 0, 0, 0).pack())
MOST = 10_000  #: files that are looked at again at the end of a run: over a network each takes a round trip


class Seen:
    """Identities by block: 40 bytes a file, because there may be millions. Safe for several threads.

    A pass tells the same files in the same blocks as the one before, so a block is known by its first path.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, tuple[tuple[str, ...], bytes]] = {}
        self.files = 0
        self.lock = threading.Lock()

    def before(self, paths: Sequence[str]) -> Mapping[str, Identity]:
        """What the files of a block were when they were first seen, as far as they were."""
        with self.lock:
            known = self.blocks.get(paths[0]) if paths else None
        if known is None:
            return {}
        stamps = (known[1][at : at + WIDTH] for at in range(0, len(known[1]), WIDTH))
        return dict(zip(known[0], map(Identity.unpack, stamps), strict=True))

    def enter(self, paths: Sequence[str], sources: Sequence[SourceFile]) -> None:
        """Remember what the files of a block are, unless it is known."""
        if not paths:
            return
        kept = tuple(source.path for source in sources), b"".join(source.stamp for source in sources)
        with self.lock:
            if paths[0] not in self.blocks:
                self.blocks[paths[0]] = kept
                self.files += len(sources)

    def check(self) -> None:
        """Raise DataError for a file that is not what it was; of very many, the first ones alone."""
        left = MOST
        for paths, stamps in list(self.blocks.values()):
            for place, path in enumerate(paths[:left]):
                if is_place(path):  # its version is in its path; it may have made room for others
                    continue
                wanted = Identity.unpack(stamps[WIDTH * place : WIDTH * (place + 1)])
                with translated(path):
                    found = stat_of(path)
                if found != wanted:
                    raise changed(path, found, wanted)
            left -= len(paths[:left])
