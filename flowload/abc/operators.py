"""What a stage opens when a run begins: operators, each of one shape, and what flows between them.

`Source`, `Map` and `Fold` do the work; `Route` and `Turn` are wiring. Between them flow `Block`s. What one
call may ask of the run is a `Call`. All are protocols: a class has the shape whose methods it has.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, GraphError

__all__ = [
    "Block",
    "Bundled",
    "Bytes",
    "Call",
    "Deliverable",
    "Device",
    "Divisible",
    "Fold",
    "Map",
    "Mark",
    "NamedArrays",
    "OnError",
    "Operator",
    "Route",
    "Setting",
    "Source",
    "State",
    "Turn",
]

Bytes: TypeAlias = NDArray[np.uint8]
NamedArrays: TypeAlias = Mapping[str, NDArray[Any]]  #: by name, such as those of a batch
State: TypeAlias = Mapping[str, Any]  #: what a snapshot keeps: JSON values, and arrays of numbers
OnError: TypeAlias = Literal["raise", "skip"]


@runtime_checkable
class Block(Protocol):
    """What flows: many samples, or references to many samples."""

    def __len__(self) -> int:
        """Samples (or references) in this block."""

    @property
    def nbytes(self) -> int:
        """Bytes that this block keeps alive."""


@runtime_checkable
class Deliverable(Protocol):
    """A block that is something else to the consumer; other blocks reach the consumer as they are."""

    def deliver(self) -> Any:
        """What the consumer gets; called once, in the consumer's own thread."""


@runtime_checkable
class Bundled(Protocol):
    """A block of several that travel together, and part where the reader takes them."""

    @property
    def bundled(self) -> Sequence[Block]:
        """They, in order."""


@runtime_checkable
class Divisible(Protocol):
    """A block of several batches, made already or not: what counts batches counts all of them."""

    def batch_sizes(self) -> Sequence[int]:
        """Samples of each."""

    def without(self, batches: int) -> Block:
        """The block without the first so many, of which some are left."""


class Mark(enum.Enum):
    """A word about the stream itself; it keeps its place among the blocks."""

    EPOCH = "epoch"  #: one pass over the source is complete
    CAUGHT_UP = "caught up"  #: a growing source has told everything that it knows now


class Device(Protocol):
    """A place that wants its input buffers prepared, such as page-locked for a GPU."""

    def register(self, memory: Bytes) -> bool | None:
        """Prepare memory that batches for this device will be written to; False: it stays as it is."""

    def unregister(self, memory: Bytes) -> bool | None:
        """Undo `register`, unless that gave False, before the memory is freed: in any thread, once.

        False where that cannot be done now: the memory stays, and this is called again before more is
        registered.
        """


class Call(Protocol):
    """What an operator may ask of the run during one call; not valid after it."""

    @property
    def number(self) -> int:
        """Number of the input block in its stream: the same for any number of workers."""

    def rng(self, *key: int) -> np.random.Generator:
        """A Philox generator that depends on (seed, stage, key) alone; without a key, on the block number.

        At most three key words of 64 bits.
        """

    def key(self) -> tuple[int, int]:
        """The two 64-bit words (from seed and stage) that key this stage's Philox, for kernels."""

    @property
    def stop(self) -> Bytes:
        """(1,): zero, and one from the moment on that nobody waits for this call: kernels look at it."""

    def go_on(self) -> None:
        """Raise ClosedRun where nobody waits for this call any more.

        Whatever may take longer than a tenth of a second asks now and then: Ctrl-C waits for no longer.
        """

    def lease(self, nbytes: int, device: Device | None = None) -> Bytes:
        """A writable buffer, 64-byte aligned, contents undefined, recycled when its last view is gone."""

    def keep(self, value: object) -> None:
        """Keep an object alive until the last view of each lease that this call takes from now on is gone."""

    def drop(self, count: int, reason: str) -> None:
        """Count samples that end here on purpose."""

    def reject(self, error: DataError, count: int = 1) -> None:
        """Report bad data: raises `error` under on_error="raise", else counts it as dropped."""

    def missing(self, count: int, what: DataError) -> None:
        """Count samples that are given with a fill value in the place of data that were never stored.

        Args:
            count: samples; one that lacks several things counts once, so 0 tells of a further thing alone.
            what: file and array in `where`, what is there of it and what should be. Told once per `where`,
                as a warning of the logger "flowload"; never raised.
        """

    def opened(self, count: int) -> None:
        """Say how many samples, in the unit of the output, this call's input turned out to hold.

        Stages that change the unit (a chunk becomes frames) call it, for the ledger. Several calls add up.
        """


@runtime_checkable
class Source(Protocol):
    """Makes blocks. `powers.Stateful` adds a cursor."""

    def epoch(self, number: int, call: Call) -> Iterator[Block | Mark] | AsyncIterator[Block | Mark]:
        """One pass over the data. May yield `Mark.CAUGHT_UP`; the runtime adds `Mark.EPOCH`."""


@runtime_checkable
class Map(Protocol):
    """Block to block: pure, so several calls may run at once, in threads. May be a coroutine function."""

    def apply(self, block: Any, call: Call) -> Block | Awaitable[Block | None] | None:
        """The block made from this one; None when nothing is left of it."""


@runtime_checkable
class Fold(Protocol):
    """Takes blocks in order and may keep some back. Called by one thread at a time, never by two.

    What it can do beside that is a power of its own, each optional: see `flowload.abc.powers`.
    """

    def push(self, block: Any, call: Call) -> Iterable[Block]:
        """Take one block; the blocks that come out of it, made lazily where they are many."""

    def flush(self, call: Call) -> Iterable[Block]:
        """The stream is over: everything that is still held.

        In a run with `align=True` every pass is a stream of its own: blocks may be pushed again afterwards,
        to a fold that is then as if it were new.
        """


@runtime_checkable
class Route(Protocol):
    """Wiring with several outputs: which part of a block goes to which output.

    It depends on the block alone; one that remembers something has `state` and `restore`: `powers.Stateful`.
    """

    def route(self, block: Any, call: Call) -> Mapping[str, Block]:
        """Parts by output name; an absent name gets nothing of this block."""


@runtime_checkable
class Turn(Protocol):
    """Wiring with several inputs: whose turn it is. Called with the inputs that have not ended."""

    def choose(self, alive: Sequence[int]) -> int:
        """The input to take the next block from."""

    def took(self, which: int, samples: int) -> None:
        """That block held so many samples."""


Operator: TypeAlias = Source | Map | Fold | Route | Turn


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a stage is told when a run opens it.

    `upstream` and `downstream` are the declarations (`flowload.graph.Stage`) before and behind this one,
    nearest first, so that a stage can fit itself to its neighbours: a batch buffer to the device, say.
    `bundles`: whatever comes behind takes bundles (see `Bundled`), up to the reader.
    `incoming`: what the inputs carry; empty for a source, and where nobody says.
    `first_epoch`: number of the run's first pass. `align`: folds are flushed at the end of each pass, and
    go on. `card`: number of the GPU that was current in the thread that asked for the run; None: unknown.
    `lanes`: shares into which the stream is divided, see `fl.shard`; `lane`: which of them an operator has;
    `here`: all that this process has, empty where there are none. `round`: blocks that end together, one of
    each lane here, where lanes have come together; else 1. `shared`: what the lanes of one stage have in
    common, by any name: the first that is opened puts it there. `elsewhere`: the reader is in another
    process, to which arrays go without a copy; a last stage that is `AtReader` is ended there.
    """

    seed: int
    epochs: int | None
    cpus: int
    upstream: tuple[Any, ...] = ()
    downstream: tuple[Any, ...] = ()
    bundles: bool = False
    incoming: tuple[type, ...] = ()
    first_epoch: int = 0
    align: bool = False
    card: int | None = None
    lanes: int = 1
    lane: int = 0
    here: tuple[int, ...] = ()
    round: int = 1
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    elsewhere: bool = False

    def of_lane(self, whole: int, what: str) -> int:
        """This lane's share of a size that is meant for the whole stream. Raises GraphError below 1.

        Args:
            whole: the size.
            what: what it is, for the message, such as "shuffle_pool: chunks".
        """
        if whole < self.lanes:
            raise GraphError(
                f"{what} is {whole}, which {self.lanes} lanes share: a lane would have none; wanted at least"
                f" {self.lanes}, which keeps the order of each lane, and more to mix it"
            )
        return whole // self.lanes + int(self.lane < whole % self.lanes)
