"""The reader's end of an output's line: batches that came, shown where they lie."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from flowload.abc.operators import Device
from flowload.abc.powers import Finish
from flowload.errors import ClosedRun
from flowload.processes.child import unpack
from flowload.runtime.capture import Noted
from flowload.runtime.memory.page_locks import PageLocks
from flowload.runtime.memory.shared_file import SharedFile

from .ahead import TAKEN, Ahead, Came
from .frames import Array, Arrays, Cut, End, Failed, Frames, Mapped, Taken, Value, frame
from .loans import Loans

__all__ = ["Ending", "Finishing", "Inbox"]


class Ending(NamedTuple):
    """No more batches come; None: that is all of them."""

    error: BaseException | None = None


class Finishing(NamedTuple):
    """What an output's last stage leaves to its reader."""

    finish: Finish
    noted: Noted  #: the stage, for errors


class AsItIs(NamedTuple):
    """No arrays by name: what the reader gets is the value itself."""

    value: Any


class Inbox:
    """What came for an output, for any number of readers.

    Args:
        sock: the line.
        file: memory of both processes, which outputs share.
        mapping: a lock for it, and for its page-locks.
        gone: the error to raise, when the other process is gone; waits for what is known of it.
        raised: the error that was told.
    """

    def __init__(
        self,
        sock: socket.socket,
        file: SharedFile,
        mapping: threading.Lock,
        gone: Callable[[], BaseException],
        raised: Callable[[tuple[Any, ...]], BaseException],
    ) -> None:
        self.sock = sock
        self.file, self.mapping = file, mapping
        self.gone, self.raised = gone, raised
        self.finishing: Finishing | None = None
        self.ahead_of: Ahead | None = None
        self.locks: PageLocks | None = None
        self.frames = Frames(sock)
        self.receiving, self.telling = threading.Lock(), threading.Lock()
        self.came: deque[Came] = deque()
        self.ending: Ending | None = None
        self.layout: tuple[Array, ...] = ()  # of the last batch
        self.numbers = 0  # of spans
        self.ahead = 1  # batches that may be here and on their way
        self.waits: list[float] = []  # for batches that the other process was not told to be taken
        self.memory = Loans(file)
        self.closed = False
        self.newest = 0  # number of what several batches have; they come in order

    def finished_by(self, finishing: Finishing, locks: PageLocks) -> None:
        """Have every batch finished here, before any is asked for.

        Args:
            finishing: by what.
            locks: of the file.
        """
        self.finishing, self.locks = finishing, locks
        if finishing.finish.ahead:
            self.ahead_of = Ahead(finishing.finish, self.begin)

    def next(self) -> Came | Ending:
        """The next batch; waits for it. An ending stays for whoever asks again."""
        while True:
            if (came := self.at_hand()) is not None:
                return came
            with self.receiving:
                if not self.came and self.ending is None:
                    self.receive(wait=True)

    def at_hand(self) -> Came | Ending | None:
        """The next batch, if it is here; None: it is not."""
        try:
            return self.came.popleft()
        except IndexError:
            return self.ending

    def receive(self, *, wait: bool) -> bool:
        """Take what has come; by one thread at a time. Whether anything has."""
        try:
            for entry in self.frames.receive(wait=wait):
                self.take(entry)
        except BlockingIOError:
            return False
        except (EOFError, OSError):
            self.ending = Ending(self.gone())
        return True

    def take(self, entry: Any) -> None:
        """One entry of a message."""
        if isinstance(entry, Arrays | Value):
            self.take_batch(entry)
        elif isinstance(entry, int):
            self.ahead = entry
        elif isinstance(entry, Mapped):
            with self.mapping:
                if entry.number == len(self.file.segments):
                    self.file.map(entry.offset, entry.size)
        elif isinstance(entry, Cut):
            with self.mapping:
                if entry.number == len(self.file.pieces):
                    self.file.cut(*entry[1:])
        elif isinstance(entry, End):
            self.ending = Ending()
        elif isinstance(entry, Failed):
            self.ending = Ending(self.raised(entry.error))

    def take_batch(self, entry: Arrays | Value) -> None:
        """A batch."""
        if isinstance(entry, Arrays) and entry.layout is not None:
            self.layout = entry.layout
        came = Came(entry, self.layout, self.numbers)
        self.numbers += len(entry.spans)
        self.came.append(came)
        if self.ahead_of is not None:
            self.ahead_of.pending.append(came)

    def show(self, came: Came, waited: float) -> Any:
        """What its reader gets of a batch, for which it has waited so many seconds.

        Where that fails, such as for want of memory on a card, the batch is not taken, and comes again.
        """
        try:
            made = self.shown(came)
        except Exception:
            self.came.appendleft(came)
            raise
        self.waits.append(waited)
        if 2 * len(self.waits) >= self.ahead:
            self.tell()
        return made

    def shown(self, came: Came) -> Any:
        """The arrays of a batch, as views of where they lie; or what its last stage makes of them."""
        if self.finishing is None:
            return self.opened(came)
        with self.finishing.noted:
            begun = self.begin(came, True, True) if self.ahead_of is None else self.ahead_of.due(came)
            made = begun.value if isinstance(begun, AsItIs) else self.finishing.finish.deliver(begun)
            came.begun = TAKEN
        return made

    def is_to_begin(self, came: Came) -> bool:
        """Whether showing a batch may wait for a device."""
        return self.ahead_of is not None and came.begun is None

    def begin_due(self, came: Came) -> None:
        """Begin it, in a thread that may wait. What that raises, showing the batch raises again."""
        with contextlib.suppress(Exception):
            self.ahead_of.due(came)  # type: ignore[union-attr]  # asked for where there is one

    def begin(self, came: Came, due: bool, waits: bool) -> Any:
        """Begin what is made of a batch; None: there is no room."""
        assert self.finishing is not None  # noqa: S101 - or nobody asks
        finish = self.finishing.finish
        if came.shown is None:
            came.shown = self.opened(came)
        found, entry = came.shown, came.entry
        if not isinstance(found, dict):
            return AsItIs(found)
        if not isinstance(entry, Arrays):
            return finish.begin(found, (), {}, due=due, waits=waits)
        numbers = {}
        if entry.whole:
            keys = zip(came.layout, entry.places, strict=True)
            numbers = {array.key: number for array, (_, _, number) in keys if number}
        return finish.begin(found, entry.whole, numbers, due=due, waits=waits)

    def opened(self, came: Came) -> Any:
        """Its arrays: from now on somebody may look at them."""
        entry = came.entry
        if came.lent is None:
            with self.telling:
                if self.closed:
                    raise ClosedRun("this run was left; graph.iterate() makes another")
                came.lent = [self.memory.lent(span, came.first + k) for k, span in enumerate(entry.spans)]
        if self.finishing is not None and (device := self.finishing.finish.device) is not None:
            self.lock(device, entry)
        buffers = came.lent
        if isinstance(entry, Value):
            found = unpack(entry.meta, [*self.memory.views(entry, buffers)])
        else:
            found = {
                array.key: self.memory.made(array, buffers, *place)
                for array, place in zip(came.layout, entry.places, strict=True)
            }
        came.lent = None
        return found

    def lock(self, device: Device, entry: Arrays | Value) -> None:
        """Page-lock where it lies; what other batches have, too, when it comes first: it is copied once."""
        assert self.locks is not None  # noqa: S101 - it came with the device
        old = set()
        for which, _, number in entry.places if isinstance(entry, Arrays) else ():
            if number and number <= self.newest:
                old.add(which)
            self.newest = max(self.newest, number)
        with self.mapping:
            for which, (segment, start, _) in enumerate(entry.spans):
                if which not in old:
                    self.locks.see(device, segment, start)

    def tell(self) -> None:
        """Tell what was taken, and what nobody looks at any more; whoever is told may have died."""
        with self.telling:
            free = self.memory.returned()
            waits = self.waits
            count = len(waits)
            if not free and not count:
                return
            told = Taken(waits[:count], free)
            del waits[:count]
            with contextlib.suppress(OSError):
                self.sock.sendall(frame(told))

    def close(self) -> None:
        """End the line; a reader that waits is woken."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with self.telling:
            self.closed = True
        with self.receiving:  # nobody reads from it
            self.sock.close()
            self.ending = self.ending or Ending(self.gone())
        if self.ahead_of is not None:
            self.came.clear()
            self.ahead_of.close()
        if self.finishing is not None:
            self.finishing.finish.close()
