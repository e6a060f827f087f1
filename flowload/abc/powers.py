"""What an operator may do beside the methods of its shape: each power is optional, and says what it buys.

A class has a power when it has its methods; nothing is registered or inherited. Without any of them a stage
works, its samples are counted, and a run can be resumed by making its stream again, from the beginning.
Those of sources whose data grow are in `growing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .operators import Block, Call, Device, Mark, Setting, State

__all__ = [
    "AtReader",
    "Checking",
    "Closing",
    "Completing",
    "Fingerprinted",
    "Finish",
    "Gauged",
    "Holding",
    "Idling",
    "Interruptible",
    "Marked",
    "Memoryless",
    "Paced",
    "Recalling",
    "Resumable",
    "Stateful",
    "Stopping",
]


class Finish(Protocol):
    """Makes of batches, in the reader's process, what the reader gets.

    One thread at a time begins what is begun `ahead`; else as many as read.
    """

    device: Device | None  #: page-locks the memory that both processes map; None: nobody does
    ahead: bool  #: whether batches may be begun before the reader asks for them: their copies take a while

    def begin(
        self,
        arrays: Mapping[str, Any],
        whole: Collection[str],
        numbers: Mapping[str, int],
        *,
        due: bool,
        waits: bool,
    ) -> Any:
        """Begin what is made of a batch's arrays; None: there is no room for it, and it is not due.

        Args:
            arrays: the batch. What is read from them later keeps them alive.
            whole: names of those that go with the whole batch: see `Batch.whole`.
            numbers: of those that several batches share; arrays of one number are the same.
            due: the reader wants it now, whatever room there is.
            waits: the caller has time to wait until there is room, where that will come by itself.
        """

    def deliver(self, begun: Any) -> Any:
        """What the reader gets, in its thread."""

    def watch(self, moved: Callable[[], None]) -> None:
        """Call this, from any thread, even in a garbage collection, when there may be more room."""

    def close(self) -> None:
        """Nothing reads the arrays any more when this returns. Called once."""


@runtime_checkable
class AtReader(Protocol):
    """A stage that makes of a batch what only its reader can use, where that is in another process.

    The last of an output, it is ended in the reader's process, and another stands in its place in the run's.
    Buys: nothing is imported there that only the reader needs, and what cannot leave a process, such as a
    tensor on a card, is made where it is used.
    """

    def in_run(self) -> Any:
        """The stage that stands in its place: it gives batches that cross the border as they are."""

    def at_reader(self, setting: Setting) -> Finish | None:
        """What makes of a batch's arrays what the reader gets; None: nothing is left to do.

        Called in the reader's process before the run begins. Raises GraphError for a device that is absent.

        Args:
            setting: as in a run in the reader's process.
        """


@runtime_checkable
class Holding(Protocol):
    """A fold that says how many samples it keeps back.

    Buys: a ledger that is checked while the run goes on. Without it what neither left nor was dropped counts
    as held, and is looked at when the stream is over.
    """

    @property
    def held(self) -> int:
        """Samples inside, in the unit of the output."""


@runtime_checkable
class Stateful(Protocol):
    """A source, a fold or wiring that can be written down and go on later.

    Buys: a resume that does not make the stream again. A run asks for `state()` every few seconds, between
    two calls (of a source: between two blocks of a pass), in the thread of those calls, which wait for it.
    Without this power a run that is resumed makes its stream again from the beginning, and says so once in
    the log; maps, and routes, remember nothing and need none.
    """

    def state(self) -> State:
        """Everything that the next calls depend on: of a source its cursor; references instead of payload.

        JSON values and arrays of numbers. Not asked while an attribute `unsaved` is a text: why it cannot be
        written down as it is placed here; an empty one: not at this moment.
        """

    def restore(self, state: State) -> None:
        """Become the operator that gave this state; called once, before the first call."""


@runtime_checkable
class Interruptible(Protocol):
    """A fold whose `state()` may be asked between two blocks that one call gives, not only between calls.

    Buys: states while a pool is drained, or a file of a million chunks comes in. What it counts as dropped or
    opened, it counts when it has given its last block.
    """

    def resume(self, call: Call) -> Iterable[Block]:
        """After `restore` of such a state: the rest of the blocks of that call."""


@runtime_checkable
class Memoryless(Protocol):
    """A fold whose blocks depend on the one that came in alone, such as a queue of copies.

    Buys: what a resume leaves out does not come to it, if all behind it are maps or such folds.
    """

    memoryless: bool  #: True


@runtime_checkable
class Marked(Protocol):
    """A fold that cares about marks. Buys: blocks of its own at the end of a pass."""

    def mark(self, mark: Mark, call: Call) -> Iterable[Block]:
        """Take a mark; the blocks that come out before the mark goes on."""


@runtime_checkable
class Idling(Protocol):
    """A fold that can make a block without input. Buys: a pool over a growing folder that never starves."""

    def idle(self, call: Call) -> Block | None:
        """Called while no input waits and the reader has room; None: wait for input."""


@runtime_checkable
class Closing(Protocol):
    """An operator that has something open. Buys: it is closed when the run ends, however it ends."""

    def close(self) -> None:
        """Called once, after the last call."""


@runtime_checkable
class Checking(Protocol):
    """An operator that reads files, which must stay as they are while a run reads them."""

    def check_files(self) -> None:
        """Raise DataError for one that changed. Called once, in a thread, when the stream is at its end."""


@runtime_checkable
class Fingerprinted(Protocol):
    """A source that tells what its data are. Buys: going on with other data is refused by name."""

    def look(self, call: Call) -> None:
        """Find or open the data now, if nobody has. In a thread, before a run goes on from a state."""

    def fingerprint(self) -> Mapping[str, Any] | None:
        """What the data are, by a few bytes of them, as JSON values; None: nobody has looked at them yet.

        See `flowload.files.fingerprint`. From any thread, also when the run is over. May raise OSError.
        """


@runtime_checkable
class Completing(Protocol):
    """A map that looks back at what it did, such as one whose function may have forgotten to return."""

    def complete(self) -> None:
        """A pass, or the stream, has ended, and the calls of all of its blocks are over. May raise."""


@runtime_checkable
class Stopping(Protocol):
    """An operator whose calls may wait for something outside the run, such as other ranks."""

    def stop(self, *, failed: bool) -> None:
        """The run is over, perhaps because something failed: a call that waits returns at once.

        Called once, before the threads of the run are waited for, and so perhaps while a call runs.
        """


@runtime_checkable
class Gauged(Protocol):
    """An operator that measures something of its own work, such as how full its batches are."""

    def gauges(self) -> Mapping[str, float]:
        """What it measured so far, by name; see `StageStats.gauges`. Asked from any thread, at any time."""


@runtime_checkable
class Paced(Protocol):
    """A fold or a map that makes things of which few may be in use, such as copies on a card.

    It is given a block when it has room for what becomes of it; or when the reader waits though nothing is on
    its way: then the reader keeps what there is, and will not give it back for waiting longer.
    """

    def room(self, block: Any) -> bool:
        """Whether there is room for what becomes of this block; asked inside the run's lock."""

    def began(self, block: Any) -> None:
        """This block will be given to it, soon; said inside the run's lock, in the order of the stream."""

    def watch(self, moved: Callable[[], None]) -> None:
        """Call this, from any thread, even in a garbage collection, when there may be more room."""

    def relieve(self) -> None:
        """The reader waits: what is in use now is not counted any more."""


@runtime_checkable
class Resumable(Protocol):
    """A fold that names its payload by reference in `state()` and is given it again after `restore()`.

    Buys: a state of a few bytes a record. They are read again by the map before it that is `Recalling`.
    """

    def references(self) -> tuple[str | None, tuple[Any, ...], NDArray[np.void]]:
        """What it holds after `restore`, in order: the format's name, sources, and rows of `ORIGIN`."""

    def refill(self, payload: Block, at: NDArray[np.int64]) -> None:
        """Take records: those at these places of what `references` names. Called until all have come."""


@runtime_checkable
class Recalling(Protocol):
    """A map that made records of references, and makes the same ones again."""

    def recall(
        self, form: str | None, sources: tuple[Any, ...], origin: NDArray[np.void], call: Call
    ) -> Block:
        """The records of these origins, which are sorted, in that order. Several calls at once.

        Raises DataError where a file does not have them any more.
        """
