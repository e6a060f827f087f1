"""The reader's end of an output's line: batches that came, shown where they lie."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.errors import ClosedRun
from flowload.processes.child import unpack
from flowload.runtime.memory.shared_file import SharedFile

from .frames import Array, Arrays, End, Failed, Frames, Mapped, Span, Taken, Value, frame
from .wire import tensor_of

__all__ = ["Ending", "Finish", "Inbox"]

#: What a last stage makes of a batch in the reader's thread; see `flowload.abc.powers.AtReader`.
Finish: TypeAlias = Callable[[Mapping[str, Any], Sequence[str]], Mapping[str, Any]]


class Ending(NamedTuple):
    """No more batches come; None: that is all of them."""

    error: BaseException | None = None


class Came(NamedTuple):
    """A batch that nobody has taken yet."""

    entry: Arrays | Value
    layout: tuple[Array, ...]
    first: int  #: number of its first span


class Loan(weakref.ref[Any]):
    """Somebody may still look at a span."""

    __slots__ = ("number", "span")

    number: int
    span: Span


class Inbox:
    """What came for an output, for any number of readers.

    Args:
        sock: the line.
        file: memory of both processes, which outputs share.
        mapping: a lock for it.
        finish: what the output's last stage leaves to the reader's thread.
        gone: the error to raise, when the other process is gone; waits for what is known of it.
        raised: the error that was told.
    """

    def __init__(
        self,
        sock: socket.socket,
        file: SharedFile,
        mapping: threading.Lock,
        finish: Finish | None,
        gone: Callable[[], BaseException],
        raised: Callable[[tuple[Any, ...]], BaseException],
    ) -> None:
        self.sock = sock
        self.file, self.mapping = file, mapping
        self.finish, self.gone, self.raised = finish, gone, raised
        self.frames = Frames(sock)
        self.lock, self.telling = threading.Lock(), threading.Lock()
        self.came: deque[Came] = deque()
        self.ending: Ending | None = None
        self.layout: tuple[Array, ...] = ()  # of the last batch
        self.numbers = 0  # of spans
        self.ahead = 1  # batches that may be here and on their way
        self.waits: list[float] = []  # for batches that the other process was not told to be taken
        self.loans: dict[int, Loan] = {}
        self.returned: deque[Loan] = deque()  # filled by callbacks, in any thread: no lock, no Python
        self.closed = False
        self.known: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def next(self) -> Came | Ending:
        """The next batch; waits for it. An ending stays for whoever asks again."""
        while True:
            if (came := self.at_hand()) is not None:
                return came
            with self.lock:
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
            if isinstance(entry, Arrays) and entry.layout is not None:
                self.layout = entry.layout
            self.came.append(Came(entry, self.layout, self.numbers))
            self.numbers += len(entry.spans)
        elif isinstance(entry, int):
            self.ahead = entry
        elif isinstance(entry, Mapped):
            with self.mapping:
                if entry.number == len(self.file.segments):
                    self.file.map(entry.offset, entry.size)
        elif isinstance(entry, End):
            self.ending = Ending()
        elif isinstance(entry, Failed):
            self.ending = Ending(self.raised(entry.error))

    def show(self, came: Came, waited: float) -> Any:
        """A batch, as views of where it lies; its reader has waited for it so many seconds."""
        try:
            return self.shown(came)
        finally:
            self.waits.append(waited)
            if 2 * len(self.waits) >= self.ahead:
                self.tell()

    def shown(self, came: Came) -> Any:
        """Its arrays."""
        entry = came.entry
        with self.telling:
            if self.closed:
                raise ClosedRun("this run was left; graph.iterate() makes another")
            buffers = [self.lent(span, came.first + k) for k, span in enumerate(entry.spans)]
        if isinstance(entry, Value):
            return unpack(entry.meta, [*self.views(entry, buffers)])
        found: Mapping[str, Any] = {
            array.key: self.made(array, buffers, *place)
            for array, place in zip(came.layout, entry.places, strict=True)
        }
        return found if self.finish is None else self.finish(found, entry.whole)

    def lent(self, span: Span, number: int) -> Any:
        """The span's memory, which counts as seen until nobody refers to it."""
        which, start, size = span
        segment = self.file.segments[which]
        buffer = (ctypes.c_char * size).from_buffer(segment.map, segment.base + start)
        loan = Loan(buffer, self.returned.append)
        loan.number, loan.span = number, span
        self.loans[number] = loan
        return buffer

    def made(self, array: Array, buffers: Sequence[Any], which: int, start: int, number: int) -> Any:
        """An array on its span."""
        _, dtype, shape, strides, tensor, writeable = array
        if number and (known := self.known.get(number)) is not None:
            return known  # the same object in each batch that has it, as in one process
        if which < 0:
            made: NDArray[Any] = np.empty(shape, dtype)
        else:
            made = np.ndarray(shape, dtype, buffers[which], start, strides)
        if tensor is not None:
            return tensor_of(made, tensor)
        if not writeable:
            made.flags.writeable = False
        if number:
            self.known[number] = made
        return made

    def views(self, value: Value, buffers: Sequence[Any]) -> Iterator[NDArray[np.uint8]]:
        """The bytes of what was pickled beside its buffers."""
        for (size, writeable), (which, start, _) in zip(value.sizes, value.places, strict=True):
            if which < 0:
                yield np.empty(0, np.uint8)
                continue
            made = np.ndarray((size,), np.uint8, buffers[which], start)
            made.flags.writeable = writeable
            yield made

    def tell(self) -> None:
        """Tell what was taken, and what nobody looks at any more; whoever is told may have died."""
        with self.telling:
            free = []
            while self.returned:
                number = self.returned.popleft().number
                if self.loans.pop(number, None) is not None:
                    free.append(number)
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
        with self.lock:  # nobody reads from it
            self.sock.close()
            self.ending = self.ending or Ending(self.gone())

    def seen(self) -> list[Span]:
        """What somebody may still look at."""
        return [loan.span for loan in tuple(self.loans.values()) if loan() is not None]
