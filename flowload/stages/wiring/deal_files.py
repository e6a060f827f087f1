"""Whole files for ranks: each brings and reads its own, and nothing of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from flowload.abc.operators import Call, State
from flowload.blocks import Files
from flowload.errors import DataError

__all__ = ["FilesByName", "FilesInTurn", "by_name"]

OTHERS = "other rank"  #: why a file goes no further here


class Turn:
    """The place of each file in its pass: file k goes to share k modulo the number of shares."""

    def __init__(self) -> None:
        self.epoch = -1
        self.count = 0

    def shares(self, block: Files, shares: int) -> list[int]:
        """Whose each file of the next block is."""
        if block.epoch != self.epoch:
            self.check(shares)
            self.epoch, self.count = block.epoch, 0
        first, self.count = self.count, self.count + len(block)
        return [number % shares for number in range(first, self.count)]

    def check(self, shares: int) -> None:
        """At the end of a pass. Raises DataError where a share has nothing: it would wait, or end at once."""
        if 0 < self.count < shares:
            wanted = f"at least one for each of {shares} ranks: leave by='files' out, or make more files"
            raise DataError("too few files", where="shard", found=f"{self.count} files", wanted=wanted)

    def state(self) -> State:
        """How far it is."""
        return {"epoch": self.epoch, "count": self.count}

    def restore(self, state: State) -> None:
        """Go on there."""
        self.epoch, self.count = state["epoch"], state["count"]


class FilesInTurn:
    """A fold; every rank runs the same one on the same files, and lets its own go on.

    Args:
        rank: this rank.
        world: number of ranks.
    """

    held = 0  #: nothing waits

    def __init__(self, rank: int, world: int) -> None:
        self.rank = rank
        self.world = world
        self.turn = Turn()

    def push(self, block: Files, call: Call) -> Iterator[Files]:
        """The files of a block that are this rank's."""
        return selected(block, [share == self.rank for share in self.turn.shares(block, self.world)], call)

    def flush(self, call: Call) -> Iterator[Files]:  # noqa: ARG002 - the shape of a Fold
        """No blocks: this fold holds nothing. Raises DataError for fewer files than ranks."""
        self.turn.check(self.world)
        return iter(())

    def state(self) -> State:
        """How far it is in its pass."""
        return self.turn.state()

    def restore(self, state: State) -> None:
        """Go on there."""
        self.turn.restore(state)


class FilesByName:
    """The same over files that grow, which ranks may see in different order: see `by_name`."""

    held = 0  #: nothing waits

    def __init__(self, rank: int, world: int) -> None:
        self.rank = rank
        self.world = world

    def push(self, block: Files, call: Call) -> Iterator[Files]:
        """The files of a block that are this rank's."""
        return selected(block, [by_name(path, self.world) == self.rank for path in block.paths], call)

    def flush(self, call: Call) -> Iterator[Files]:  # noqa: ARG002 - the shape of a Fold
        """No blocks: this fold holds nothing."""
        return iter(())

    def state(self) -> State:
        """Empty: a name says all."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to restore."""


def by_name(path: str, shares: int) -> int:
    """Whose a file is, by the last part of its path alone; shares are equal on average."""
    name = path.replace("\\", "/").rpartition("/")[2].encode(errors="surrogateescape")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little") % shares


def part(block: Files, own: Sequence[bool]) -> Files:
    """Some files of a block."""
    paths = tuple(path for path, mine in zip(block.paths, own, strict=True) if mine)
    indexes = tuple(path for path, mine in zip(block.indexes, own, strict=False) if mine)
    return Files(paths, block.epoch, indexes)


def selected(block: Files, own: Sequence[bool], call: Call) -> Iterator[Files]:
    """This rank's files of a block; the others are dropped."""
    files = part(block, own)
    call.drop(len(block) - len(files), OTHERS)
    if len(files):
        yield files
